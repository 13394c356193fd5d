"""What a worker does with an alert before it tells anyone: decode, fold, match, compare, encode."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from benchmarks import inputs
from benchmarks.timing import Effort, Row
from correlator.alert import Alert
from correlator.coincidence import correlate, correlate_many
from correlator.errors import CorrelatorError
from correlator.event import Event, EventState
from correlator.notice import Messenger
from correlator.object import OpticalObject, apply_alert
from correlator.pair import PairEvidence
from correlator.policy import DAY_S, Policy
from correlator.wire import alerts_of_json, of_json, pair_record, to_json
from skymaps.fits import read_sky_map
from skymaps.healpix import Positions
from skymaps.localization import LEVEL_SLACK, Localization
from skymaps.shapes import Circle
from streams.book import EventBook
from streams.topics import OPTICAL_ALERTS

BATCH = 1_000
"""Alerts that a worker takes at once."""

_RADII_DEG = (3.0,) * 10 + (1.0 / 6.0,) * 30 + (0.05,) * 49 + (5.0 / 3600.0,) * 10
"""Circles of live events: with one map, 100 of them."""

_POLICY = Policy()


def stream_parts(effort: Effort, n_slim: int) -> Iterator[Row]:
    """Each part of a worker's work with an alert, and then the first three together."""
    archive = inputs.slim_night(n_slim)
    data = [d.value for d in archive.deliveries if d.topic == OPTICAL_ALERTS.name]
    records = [(value, "alert") for value in data]
    alerts = alerts_of_json(records)
    _require(alerts == _one_by_one(records), "the alerts of the two readings")
    events = _events(max(a.time_unix_s for a in alerts), read_sky_map(inputs.gw_map(None)))
    yield from _decode_and_fold(effort, records, alerts)
    yield from _match(effort, list(_folded(alerts).values()), events)
    yield from _compare(effort, list(_folded(alerts).values()), events[0])
    yield effort.rate_of(
        "part-decode-fold-match", len(data), "alerts/s", partial(_all, records, _book(events))
    )


def _decode_and_fold(
    effort: Effort, records: list[tuple[bytes, str]], alerts: list[Alert]
) -> Iterator[Row]:
    n = len(alerts)
    yield effort.rate_of(
        "part-decode",
        n,
        "alerts/s",
        partial(alerts_of_json, records),
        "our own reading, one by one",
        partial(_one_by_one, records),
    )
    yield effort.rate_of("part-fold", n, "alerts/s", partial(_folded, alerts))
    objects = list(_folded(alerts).values())
    yield effort.rate_of(
        "part-encode-object", len(objects), "objects/s", lambda: [to_json(o) for o in objects]
    )


def _match(effort: Effort, objects: list[OpticalObject], events: list[Event]) -> Iterator[Row]:
    book, batches = _book(events), list(_batches(objects))
    for batch in batches:
        found = {(e.event_key, i) for e, i in book.candidates(batch, _POLICY)}
        _require(found == set(_by_brute_force(batch, events)), "the candidates")
    yield effort.rate_of(
        "part-match-100-events",
        len(objects),
        "objects/s",
        lambda: [book.candidates(batch, _POLICY) for batch in batches],
        "every event asked of every object",
        lambda: [_by_brute_force(batch, events) for batch in batches],
    )


def _compare(effort: Effort, objects: list[OpticalObject], event: Event) -> Iterator[Row]:
    alone = partial(_alone, objects, event)
    together = partial(correlate_many, objects, event, _POLICY)
    _require(together() == alone(), "the pairs")
    peer = "our own comparison, one by one"
    n = len(objects)
    yield effort.rate_of("part-compare", n, "objects/s", together, peer, alone)
    pairs = [pair_record(r) for r in together() if isinstance(r, PairEvidence)]
    _require(bool(pairs), "an object with a pair and all of ours")
    yield effort.rate_of(
        "part-encode-pair", len(pairs), "pairs/s", lambda: [to_json(p) for p in pairs]
    )


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise CorrelatorError(f"{what} differ: nothing is timed")


def _events(t0_unix_s: float, sky_map: Localization) -> list[Event]:
    """A burst that may be anywhere, and 100 live events that few objects are of."""
    rng = np.random.default_rng(1)
    shapes: list[Localization] = [Circle(0.0, 90.0, 90.0, 0.5, True), sky_map]
    for radius_deg in _RADII_DEG:
        dec_deg = math.degrees(math.asin(rng.uniform(-1.0, 1.0)))
        shapes.append(Circle(rng.uniform(0.0, 360.0), dec_deg, radius_deg, 0.9, True))
    return [_event(i, t0_unix_s - 2 * DAY_S, shape) for i, shape in enumerate(shapes)]


def _event(number: int, t0_unix_s: float, localization: Localization) -> Event:
    return Event(
        event_key=f"benchmark:{number}",
        event_id=str(number),
        mission="benchmark",
        messenger=Messenger.GAMMA_RAY,
        state=EventState.LIVE,
        version=1,
        is_burst=True,
        event_unix_s=t0_unix_s,
        event_end_unix_s=t0_unix_s,
        localization=localization,
        localization_notice_id=None,
        far_hz=None,
        significance=None,
        significance_kind=None,
        classification=(),
        is_significant=None,
        notices=(),
    )


def _book(events: list[Event]) -> EventBook:
    book = EventBook()
    for event in events[1:]:
        book.put(event)
    return book


def _one_by_one(records: Iterable[tuple[bytes, str]]) -> list[Alert]:
    return [of_json(Alert, value, name) for value, name in records]


def _folded(alerts: Iterable[Alert]) -> dict[str, OpticalObject]:
    objects: dict[str, OpticalObject] = {}
    for alert in alerts:
        objects[alert.object_id] = apply_alert(objects.get(alert.object_id), alert)
    return objects


def _batches(objects: Sequence[OpticalObject]) -> Iterator[Sequence[OpticalObject]]:
    for start in range(0, len(objects), BATCH):
        yield objects[start : start + BATCH]


def _by_brute_force(objects: Sequence[OpticalObject], events: list[Event]) -> list[tuple[str, int]]:
    places = Positions.of([o.ra_deg for o in objects], [o.dec_deg for o in objects])
    last = np.array([o.positive[-1].time_unix_s if o.positive else -np.inf for o in objects])
    level = _POLICY.widest_level + LEVEL_SLACK
    found = []
    for event in events[1:]:
        if event.localization is None or event.event_unix_s is None:
            continue
        recent = last >= event.event_unix_s - _POLICY.prior_tolerance_s
        inside = event.localization.match(places).inside(level)
        found += [(event.event_key, row) for row in np.flatnonzero(recent & inside).tolist()]
    return found


def _alone(objects: Iterable[OpticalObject], event: Event) -> list[object]:
    return [correlate(obj, event, _POLICY) for obj in objects]


def _all(records: Sequence[tuple[bytes, str]], book: EventBook) -> None:
    for start in range(0, len(records), BATCH):
        objects = _folded(alerts_of_json(records[start : start + BATCH]))
        book.candidates(list(objects.values()), _POLICY)
