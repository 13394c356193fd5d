"""Alerts for archives: few ids and places, so that much is repeated, and a night of many places."""

from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import strategies as st

from correlator.alert import Alert, Detection, ForcedMeasurement, Limit, Quality, Surroundings
from correlator.crossmatch import CatalogAnswer, CatalogTag, SkyClass
from correlator.wire import to_json
from skymaps.healpix import index_29_of
from storage.archive.compaction import compact
from storage.archive.parts import PartWriter, waiting_nights
from tests.builders import an_alert

GATES = {"ztf": "fink", "lsst": "antares-lsst"}

NIGHT_UNIX_S = 1_705_320_000.0
"""2024-01-15 12:00 UTC: of the night 20240115 for both surveys."""

texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=5)
finite = st.floats(-1e30, 1e30)
detections = st.builds(
    Detection,
    texts,
    st.floats(7e8, 4e9),
    st.sampled_from(["g", "r", "", "ζ"]),
    finite,
    st.none() | st.floats(1e-30, 1e30),
)
flags = st.text(max_size=3).filter(lambda text: "\x00" not in text)
limits = st.builds(Limit, st.floats(7e8, 4e9), st.sampled_from("gr"), finite, finite)
forced = st.builds(
    ForcedMeasurement,
    texts,
    st.floats(7e8, 4e9),
    st.sampled_from("gr"),
    finite,
    st.floats(1e-30, 1e30),
)
tags = st.builds(
    CatalogTag,
    catalog=texts,
    version=texts,
    object_id=texts,
    ra_deg=st.floats(0.0, 360.0),
    dec_deg=st.floats(-90.0, 90.0),
    separation_arcsec=finite,
    sky_class=st.none() | st.sampled_from(SkyClass),
    type_name=st.none() | texts,
    values=st.lists(st.tuples(texts, finite), max_size=2).map(tuple),
)
answers = st.builds(CatalogAnswer.of, texts, st.lists(tags, max_size=2), st.none() | texts) | (
    st.builds(CatalogAnswer.unknown, texts, texts)
)


def with_sky(place: int, **other) -> Alert:
    """An alert at one of many places."""
    ra_deg, dec_deg = (3.77 * place) % 360.0, (1.13 * place) % 90.0
    return an_alert(ra_deg=ra_deg, dec_deg=dec_deg, **other)


whole_alerts = st.builds(
    with_sky,
    place=st.integers(0, 40),
    survey=st.sampled_from(["ztf", "lsst"]),
    alert_id=texts,
    object_id=texts,
    detection=detections,
    history=st.lists(detections, max_size=3).map(tuple),
    limits=st.lists(limits, max_size=3).map(tuple),
    forced=st.lists(forced, max_size=2).map(tuple),
    tags=st.lists(answers, max_size=2).map(tuple),
    exposure_s=st.none() | finite,
    survey_first_unix_s=st.none() | st.floats(7e8, 4e9),
    quality=st.builds(
        Quality,
        real_bogus=st.none() | finite,
        n_bad_pixels=st.none() | st.integers(-(2**63), 2**63 - 1),
        flags=st.lists(st.text(max_size=3).filter(lambda t: "\x00" not in t), max_size=3).map(
            tuple
        ),
    ),
    surroundings=st.builds(Surroundings, st.none() | texts, st.none() | finite),
)
"""Any alert that a packet may become."""


def _judged(i, place, hour, mag_ab, is_rejected):
    alert = with_sky(
        place, alert_id=f"10{i}", time_unix_s=NIGHT_UNIX_S + 3600.0 * hour, mag_ab=mag_ab
    )
    return alert, ("low_real_bogus", f"flag {i}") if is_rejected else ()


judged = st.builds(
    _judged,
    st.integers(0, 9),
    st.integers(0, 4),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([19.0, 20.0]),
    st.booleans(),
)
"""Alerts of one night: an id may come again, at another place, and judged in another way."""


def a_night(n: int, seed: int = 1, n_history: int = 1) -> list[tuple[Alert, tuple[str, ...]]]:
    """A night of alerts at places of their own, about one; three of four are rejected.

    They lie in two of the twelve largest cells: each file takes as long as hundreds of rows.
    """
    rng = np.random.default_rng(seed)
    ra = rng.uniform(350.0, 390.0, n) % 360.0
    dec = rng.uniform(10.0, 50.0, n)
    time = NIGHT_UNIX_S + rng.uniform(0.0, 8 * 3600.0, n)
    return [
        (
            Alert(
                survey="ztf",
                schema_version="4.02",
                alert_id=str(2_570_000_000_000_000_000 + i),
                object_id=f"ZTF24{i:07d}",
                ra_deg=float(ra[i]),
                dec_deg=float(dec[i]),
                index_29=int(index),
                exposure_s=30.0,
                detection=Detection(str(i), float(time[i]), "r", 1e5, 5e3),
                history=tuple(
                    Detection(f"{i}-{k}", float(time[i]) - 600.0 * (k + 1), "g", 1e5, 5e3)
                    for k in reversed(range(n_history))
                ),
                quality=Quality(real_bogus=0.9),
            ),
            ("low_real_bogus",) if i % 4 else (),
        )
        for i, index in enumerate(index_29_of(ra, dec).tolist())
    ]


def write(root, some, sync_at=()):
    """Write judged alerts to parts, with a sync after some of them and at the end."""
    writer = PartWriter(root, GATES)
    for n, (alert, reasons) in enumerate(some):
        writer.add(alert, reasons, None if reasons else to_json(alert))
        if n in sync_at:
            writer.sync()
    writer.sync()


def compact_all(root):
    """Make the catalogues of all nights."""
    return [done for night in waiting_nights(root) for done in compact(root, night)]


def contents(root):
    """Names and hashes of the files of all catalogues."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for data_set in ("night", "survivors")
        for path in (root / data_set).rglob("*")
        if path.is_file()
    }
