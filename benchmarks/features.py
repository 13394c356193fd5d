"""Features and scores of objects: what each stage costs, on one core, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median

from benchmarks.inputs import simulated_ztf
from benchmarks.timing import Effort, Row
from correlator.alert import Alert
from correlator.errors import ConfigurationError, MalformedPacketError
from correlator.features import features_of_many
from correlator.object import object_of
from correlator.scorers import SCORERS, batch_of, class_of, scores_of_many
from ingest_optical.decoder import decode
from ingest_optical.packets import RawPacket, read_packets

LEAST_RATE = 3000.0
"""The issue's bar: gate, features, scores and tags of so many survivors a second on one core."""

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


def feature_rows(alerts: Sequence[Alert], n_objects: int, effort: Effort) -> Iterator[Row]:
    """Microseconds an object of each stage in batches of ``n_objects``, and the rate of all."""
    some = list(islice(cycle(alerts), n_objects))
    objects = [object_of(alert) for alert in some]
    features = features_of_many(objects)
    scores = scores_of_many(objects, features)
    batch = batch_of(objects, features)
    stages: dict[str, Callable[[], object]] = {
        "object": lambda: [object_of(alert) for alert in some],
        "features": lambda: features_of_many(objects),
        "score-columns": lambda: batch_of(objects, features),
        **{f"score-{scorer.name}": partial(scorer.scores, batch) for scorer in SCORERS},
        "class": lambda: [class_of(s, f) for s, f in zip(scores, features, strict=True)],
    }
    for name, stage in stages.items():
        (seconds,) = effort.in_turn(stage)
        yield Row(f"features-{name}", 1e6 * median(seconds) / n_objects, "us")
    rate = effort.rate_of("features-all", n_objects, "objects/s", lambda: _all(some)).value
    yield Row(
        "features-all", rate, "objects/s", "the issue's bar", LEAST_RATE, rate / LEAST_RATE, 1.0
    )


def _all(alerts: Sequence[Alert]) -> object:
    objects = [object_of(alert) for alert in alerts]
    features = features_of_many(objects)
    scores = scores_of_many(objects, features)
    return [class_of(s, f) for s, f in zip(scores, features, strict=True)]
