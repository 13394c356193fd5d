"""Gate, tags, features and scores of alerts: what each stage costs, on one core, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.crossmatch import MAPPING, RADIUS_ARCSEC, places, written
from benchmarks.inputs import simulated_ztf
from benchmarks.timing import Effort, Row
from correlator.alert import Alert
from correlator.errors import ConfigurationError, MalformedPacketError
from correlator.features import features_of_many
from correlator.object import object_of
from correlator.scorers import SCORERS, appearances_of, batch_of, class_of, scores_of_many
from ingest_optical.decoder import decode
from ingest_optical.packets import RawPacket, read_packets
from ingest_optical.quality import DEFAULT_CUTS, rejections
from skymaps.healpix import index_29_of
from storage.catalogs.build import build_catalog
from storage.catalogs.catalog import CatalogStore
from storage.catalogs.tagger import Tagger

LEAST_RATE = 3000.0
"""The issue's bar: gate, features, scores and tags of so many survivors a second on one core."""

N_BATCHES = 10
"""Batches that are tagged in turn: the processor's caches do not hold all their neighbours."""

_STEP_DEG = 7.0

FOLDERS = ("nights/2024-01-15/alerts", "optical/fink/ztf")


def real_alerts(real_data: Path) -> list[Alert]:
    """Real ZTF alerts with their histories.

    Raises
    ------
    ConfigurationError
        The folder has none.
    """
    files = [f for folder in FOLDERS for f in sorted((real_data / folder).glob("*.parquet"))]
    found = _decoded([packet for file in files for packet in read_packets(file)])
    if not found:
        raise ConfigurationError(f"{real_data} must hold real ZTF alerts, and holds none")
    return found


def simulated_alerts(n_alerts: int) -> list[Alert]:
    """Alerts of a simulated night."""
    return _decoded(simulated_ztf(n_alerts))


def _decoded(packets: Sequence[RawPacket]) -> list[Alert]:
    found = []
    for packet in packets:
        try:
            found.append(decode(packet))
        except MalformedPacketError:
            continue
    return found


def survivors(alerts: Sequence[Alert], n_alerts: int) -> list[Alert]:
    """Alerts that pass the gate, as many as asked for: the same again at other places.

    Raises
    ------
    ConfigurationError
        None passes.
    """
    passing = [a for a in alerts if not rejections(a, DEFAULT_CUTS[a.survey])]
    if not passing:
        raise ConfigurationError(f"none of {len(alerts)} alerts passes the gate")
    steps = [n // len(passing) * _STEP_DEG for n in range(n_alerts)]
    some = list(islice(cycle(passing), n_alerts))
    ra_deg = [(alert.ra_deg + step) % 360.0 for alert, step in zip(some, steps, strict=True)]
    index_29 = index_29_of(ra_deg, [alert.dec_deg for alert in some]).tolist()
    return [
        replace(alert, ra_deg=ra, index_29=index)
        for alert, ra, index in zip(some, ra_deg, index_29, strict=True)
    ]


def catalogue(folder: Path, alerts: Sequence[Alert], n_entries: int) -> CatalogStore:
    """A catalogue of entries anywhere, and one within 3 arcsec of every other alert."""
    ra_deg, dec_deg = places(n_entries)
    near = alerts[::2][:n_entries]
    ra_deg[: len(near)] = [alert.ra_deg for alert in near]
    dec_deg[: len(near)] = np.clip([a.dec_deg + 2.0 / 3600.0 for a in near], -90.0, 90.0)
    path = folder / "entries.parquet"
    written(path, ra_deg, dec_deg)
    store = CatalogStore(folder / "catalogs", 2**40)
    how = replace(MAPPING, radius_arcsec=RADIUS_ARCSEC)
    build_catalog(store.root, "synthetic", [path], how)
    path.unlink()
    return store


def feature_rows(
    alerts: Sequence[Alert], catalogs: CatalogStore, n_objects: int, effort: Effort
) -> Iterator[Row]:
    """Microseconds an object of each stage in batches of ``n_objects``, and the rate of all."""
    batches = [list(alerts[at : at + n_objects]) for at in range(0, len(alerts), n_objects)]
    tagger = Tagger(catalogs)
    some = tagger.tagged(batches[0])
    objects = [object_of(alert) for alert in some]
    features = features_of_many(objects)
    scores = scores_of_many(objects, features)
    batch = batch_of(objects, features)
    stages: dict[str, Callable[[], object]] = {
        "gate": lambda: _gated(some),
        "object": lambda: [object_of(alert) for alert in some],
        "features": lambda: features_of_many(objects),
        "score-columns": lambda: batch_of(objects, features),
        **{f"score-{scorer.name}": partial(scorer.scores, batch) for scorer in SCORERS},
        "class": lambda: [class_of(s, f) for s, f in zip(scores, features, strict=True)],
    }
    for name, stage in stages.items():
        (seconds,) = effort.in_turn(stage)
        yield Row(f"features-{name}", 1e6 * median(seconds) / len(some), "us")
    (seconds,) = effort.in_turn(lambda: [tagger.tagged(each) for each in batches])
    yield Row("features-tags", 1e6 * median(seconds) / len(alerts), "us")
    every = effort.rate_of(
        "features-all", len(alerts), "objects/s", lambda: [_all(each, tagger) for each in batches]
    )
    said = "the issue's bar"
    yield replace(every, peer=said, peer_value=LEAST_RATE, ratio=every.value / LEAST_RATE, bar=1.0)


def _gated(alerts: Sequence[Alert]) -> list[Alert]:
    return [a for a in alerts if not rejections(a, DEFAULT_CUTS[a.survey])]


def _all(alerts: Sequence[Alert], tagger: Tagger) -> object:
    return appearances_of([object_of(alert) for alert in tagger.tagged(_gated(alerts))])
