"""The batch cross-match of the real night against an independent brute force, pair by pair."""

from __future__ import annotations

import base64
import csv
import io
import json
import warnings
from pathlib import Path

import astropy.units as u
import healpy
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from lxml import etree
from pyarrow import parquet
from scipy.optimize import brentq

from correlator.batch import JoinOptions, OnsetRule, Versions
from correlator.service.joined import COLUMNS, joined_rows, write_table

pytestmark = pytest.mark.real_data

PRIOR_CUTS = (
    "(solar_system_sep_arcsec is None or solar_system_sep_arcsec > 5)"
    " and (star_sep_arcsec is None or star_sep_arcsec > 2 or star_score < 0.5)"
    " and (gaia_sep_arcsec is None or gaia_sep_arcsec > 5)"
)
"""Fink_MM's prior filter."""

ONLINE = " and '2024-01-14T17:00:00' <= event_time < '2024-01-15T17:00:00'"
OFFLINE = " and '2024-01-07T17:00:00' <= event_time < '2024-01-15T18:00:00'"
"""Fink_MM's two windows on the trigger time: N - 7 h (and 7 d) to N + 17 h (18 h)."""

TWO_WEEKS_S = 14 * 86_400.0


@pytest.fixture(scope="module")
def night(real_data) -> Path:
    return real_data / "nights" / "2024-01-15"


@pytest.fixture(scope="module")
def fink_rows(night):
    """What Fink stored of each alert, read without our decoder."""
    columns = ["candid", "objectId", "candidate", "prv_candidates", "jd_first_real_det"]
    files = sorted((night / "alerts").glob("*.parquet"))
    return [row for f in files for row in parquet.read_table(f, columns=columns).to_pylist()]


def join(night, where=None, **options):
    chosen = {
        "window_days": (0.0, 14.0),
        "onset": OnsetRule.HISTORY_START,
        "credible": 0.9,
        "radius_scale": 1.5,
        "systematics": False,
        "versions": Versions.ALL,
    } | options
    rows, refusals = joined_rows(
        [night / "alerts"], [night / "notices"], JoinOptions(**chosen), where
    )
    assert refusals == []
    return rows


def unix(jd: float) -> float:
    return (jd - 2440587.5) * 86_400.0


def notices_read_independently(night):
    """Id, time, circle or map of each notice, with lxml and json alone."""
    for path in sorted((night / "notices").iterdir()):
        data = path.read_bytes()
        if path.suffix == ".xml":
            root = etree.fromstring(data)
            time = np.datetime64(root.findtext(".//ISOTime"), "ms").astype(float) / 1e3
            place = root.find(".//Position2D")
            ra, dec, radius = (
                float(place.findtext(f".//{name}")) for name in ("C1", "C2", "Error2Radius")
            )
            yield root.get("ivorn"), time, (ra, dec, radius), None
        else:
            said = json.loads(data)
            time = np.datetime64(said["event"]["time"].rstrip("Z"), "ms").astype(float) / 1e3
            fits = base64.b64decode(said["event"]["skymap"])
            name = "-".join(said[k] for k in ("superevent_id", "alert_type", "time_created"))
            yield name, time, None, fits


def levels(fits: bytes, ra: np.ndarray, dec: np.ndarray):
    """Searched probability and that of the own cell, by ligo.skymap."""
    from ligo.skymap.io import read_sky_map
    from ligo.skymap.postprocess.crossmatch import crossmatch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sky_map = read_sky_map(io.BytesIO(fits), moc=True)
        sky_map.keep_columns(["UNIQ", "PROBDENSITY"])  # volumes take seconds a map
        result = crossmatch(sky_map, SkyCoord(ra * u.deg, dec * u.deg))
    order, pixel = _orders(np.asarray(sky_map["UNIQ"]))
    area = 4 * np.pi / (12 * 4.0**order)
    mass = np.asarray(sky_map["PROBDENSITY"]) * area
    total = mass.sum()
    shift = 2 * (29 - order)
    starts = pixel << shift
    at = np.argsort(starts)
    here = healpy.ang2pix(2**29, ra, dec, nest=True, lonlat=True)
    own = at[np.searchsorted(starts[at], here, side="right") - 1]
    return np.asarray(result.searched_prob) / total, mass[own] / total


def _orders(uniq):
    order = (np.log2(uniq / 4) // 2).astype(np.int64)
    return order, uniq - 4 * 4**order


def swift_times(night):
    """T0 of the Swift burst: its later notices give the time of their own observation."""
    for _, time, circle, _ in notices_read_independently(night):
        if circle is not None and time == pytest.approx(1705081044.97, abs=0.001):
            return time
    raise AssertionError("no BAT notice")


def mixture(name: str, long_short: str | None, human: str | None):
    """Systematic components (weight, r68) of a notice's circle, typed from SCIENCE section 1."""
    if "GBM_Flt" in name:
        return [(0.897, 0.0), (0.103, 55.6)]  # measured: the flight radius holds the core
    if "GBM_Gnd" in name:
        return [(0.804, 3.72), (0.196, 13.7)]
    if "GBM_Fin" in name:
        if human == "true":
            return [(0.900, 3.71), (0.100, 14.3)]
        return {
            "Long": [(0.579, 1.86), (0.421, 4.14)],
            "Short": [(0.390, 2.55), (0.610, 4.43)],
        }.get(long_short, [(0.52, 1.8), (0.48, 4.1)])
    return [(1.0, 0.0)]


def concentration(radius_deg: float, level: float) -> float:
    """Fisher concentration that puts ``level`` inside a radius, by root finding."""
    height = 1 - np.cos(np.radians(radius_deg))
    guess = -np.log(1 - level) / height
    return brentq(lambda k: np.expm1(-k * height) - level * np.expm1(-2 * k), guess / 2, guess * 2)


def enclosed(name: str, radius_deg: float, separation_deg: np.ndarray, notice: Path) -> np.ndarray:
    """Probability closer to the centre than a separation: the credible level of a circle."""
    root = etree.fromstring(notice.read_bytes())
    said = {p.get("name"): p.get("value") for p in root.iter("Param")}
    level = 0.68 if "GBM" in name else 0.9
    statistical = concentration(radius_deg, level)
    total = np.zeros_like(separation_deg)
    for weight, sys_deg in mixture(name, said.get("Long_short"), said.get("Human_generated")):
        # Quadrature of the radii is a sum of variances 1/k; a systematic r68 is 1/(0.66 sqrt k).
        k = 1 / (1 / statistical + np.radians(0.66 * sys_deg) ** 2)
        height = 1 - np.cos(np.radians(separation_deg))
        total += weight * np.expm1(-k * height) / np.expm1(-2 * k)
    return total


def test_the_full_localizations_equal_the_brute_force_by_credible_level(night, fink_rows):
    ours = {(r["notice_id"], r["alert_id"]): r for r in join(night, systematics=True)}
    ra = np.array([r["candidate"]["ra"] for r in fink_rows])
    dec = np.array([r["candidate"]["dec"] for r in fink_rows])
    places = SkyCoord(ra * u.deg, dec * u.deg)
    by_maps = {pair for pair in brute_force(night, fink_rows) if not pair[0].startswith("ivo:")}
    onset = np.array([unix(r["candidate"]["jdstarthist"]) for r in fink_rows])
    by_circles = set()
    for path, (name, said, circle, _) in zip(
        sorted((night / "notices").iterdir()), notices_read_independently(night), strict=True
    ):
        if circle is None or circle[2] <= 0.0:
            continue
        time = swift_times(night) if "UVOT" in name or "XRT" in name else said
        centre = SkyCoord(circle[0] * u.deg, circle[1] * u.deg)
        level = enclosed(name, circle[2], places.separation(centre).deg, path)
        late = (onset - time >= 0.0) & (onset - time < TWO_WEEKS_S)
        for i in np.flatnonzero((level < 0.9) & late):
            pair = (name, str(fink_rows[i]["candid"]))
            by_circles.add(pair)
            assert ours[pair]["credible_level"] == pytest.approx(level[i], abs=1e-6)
    assert by_circles
    assert set(ours) == by_maps | by_circles


def brute_force(night, rows):
    """Every alert against every notice, by astropy and ligo.skymap."""
    ra = np.array([r["candidate"]["ra"] for r in rows])
    dec = np.array([r["candidate"]["dec"] for r in rows])
    onset = np.array([unix(r["candidate"]["jdstarthist"]) for r in rows])
    places = SkyCoord(ra * u.deg, dec * u.deg)
    pairs = set()
    t0_swift = swift_times(night)
    for name, said, circle, fits in notices_read_independently(night):
        time = said
        if "SWIFT#UVOT" in name or "SWIFT#XRT" in name:
            time = t0_swift
        if circle is not None:
            if circle[2] <= 0.0:
                continue
            centre = SkyCoord(circle[0] * u.deg, circle[1] * u.deg)
            inside = places.separation(centre).deg <= 1.5 * circle[2]
        else:
            level, own = levels(fits, ra, dec)
            inside = level - own < 0.9
        late = (onset - time >= 0.0) & (onset - time < TWO_WEEKS_S)
        pairs |= {(name, str(rows[i]["candid"])) for i in np.flatnonzero(inside & late)}
    return pairs


def test_the_join_equals_the_brute_force_pair_by_pair(night, fink_rows):
    ours = {(r["notice_id"], r["alert_id"]) for r in join(night)}
    truth = brute_force(night, fink_rows)
    assert len(truth) > 500
    assert ours == truth


def fink_counts(rows, fink_rows):
    """Rows that Fink's second onset rule leaves: its stored first record, for circles only."""
    first = {str(r["candid"]): unix(r["jd_first_real_det"]) for r in fink_rows}
    start = {str(r["candid"]): unix(r["candidate"]["jdstarthist"]) for r in fink_rows}
    return [
        r
        for r in rows
        if r["mission"] == "LVK" or first[r["alert_id"]] > start[r["alert_id"]] - r["delta_t_s"]
    ]


def touched_pixels(notice, radius_deg):
    """Fink_MM's pixels: NSIDE 4, RING, those that the published circle touches."""
    centre = healpy.ang2vec(*notice, lonlat=True)
    return set(healpy.query_disc(4, centre, np.radians(radius_deg), inclusive=True))


@pytest.mark.parametrize(
    ("where", "versions", "counts"),
    [
        (ONLINE, Versions.ALL, {"Fermi": 184, "INTEGRAL": 16}),
        # 324 by Fink's rules: 16 rows of GBM_Flt_Pos 726774492 lie inside 1.5 radii but outside
        # the pixels that the circle of 1.0 touches; see the next test.
        (OFFLINE, Versions.ALL, {"Fermi": 216, "INTEGRAL": 16, "LVK": 108}),
        # 56 and 110 by Fink's rules, which take INTEGRAL 10472 and 76008 for two events: their
        # trigger numbers differ by 65536, they are the wake-up and the refined notice of one.
        (ONLINE, Versions.BEST, {"Fermi": 40, "INTEGRAL": 8}),
        (OFFLINE, Versions.BEST, {"Fermi": 40, "INTEGRAL": 8, "LVK": 54}),
    ],
)
def test_fink_mm_counts_with_its_cuts_and_onset_rules(night, fink_rows, where, versions, counts):
    rows = fink_counts(join(night, PRIOR_CUTS + where, versions=versions), fink_rows)
    missions = [r["mission"] for r in rows]
    assert {m: missions.count(m) for m in set(missions)} == counts


def test_the_sixteen_rows_that_finks_pixels_lose_are_those_of_one_notice(night, fink_rows):
    rows = fink_counts(join(night, PRIOR_CUTS + OFFLINE), fink_rows)
    circles = {name: circle for name, _, circle, _ in notices_read_independently(night) if circle}
    place = {str(r["candid"]): (r["candidate"]["ra"], r["candidate"]["dec"]) for r in fink_rows}
    lost = []
    for row in rows:
        if row["mission"] == "LVK":
            continue
        ra, dec, radius = circles[row["notice_id"]]
        pixel = healpy.ang2pix(4, *place[row["alert_id"]], lonlat=True)
        if pixel not in touched_pixels((ra, dec), radius):
            lost.append(row["notice_id"])
    assert len(rows) - len(lost) == 324
    assert len(lost) == 16
    assert all("GBM_Flt_Pos_2024-01-12T17:48:07.46_726774492" in name for name in lost)


def test_no_doctored_alert_is_left_when_exposures_must_follow_the_event(night, fink_rows):
    doctored = {
        str(r["candid"]) for r in fink_rows if r["candidate"]["jdstarthist"] > r["candidate"]["jd"]
    }
    assert len(doctored) == 48
    rows = join(night, PRIOR_CUTS + ONLINE, onset=OnsetRule.ALERT)
    assert not doctored & {r["alert_id"] for r in rows}


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".ecsv"])
def test_the_table_of_each_format_holds_the_same_rows(night, tmp_path, suffix):
    rows = join(night, PRIOR_CUTS + ONLINE)
    out = tmp_path / f"pairs{suffix}"
    write_table(rows, out)
    if suffix == ".parquet":
        assert parquet.read_table(out).to_pylist() == rows
    elif suffix == ".csv":
        with out.open() as file:
            read = list(csv.DictReader(file))
        assert list(read[0]) == COLUMNS.names
        assert [r["alert_id"] for r in read] == [r["alert_id"] for r in rows]
    else:
        from astropy.table import Table

        table = Table.read(out)
        assert table.colnames == COLUMNS.names
        assert list(table["alert_id"]) == [r["alert_id"] for r in rows]
        assert str(table["separation_deg"].unit) == "deg"
