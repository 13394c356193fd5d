"""What makes coincidences for certain: alerts of true counterparts, and notices of mergers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.slim_sky import SlimRecord
from correlator.alert import Alert, Detection, Limit, Quality, Surroundings
from correlator.event import Event
from correlator.policy import DAY_S
from correlator.simulation import gwalerts
from correlator.simulation.ephemeris import moved_deg
from correlator.simulation.gwalerts import Superevent, superevent_id
from correlator.simulation.gwmap import Arc, GwMap, Reach, Ring, map_of
from correlator.simulation.load_sky import EXPOSURE_S, object_id
from correlator.simulation.notices import SimulatedNotice
from correlator.wire import to_json
from ingest_vo.reader import to_notice
from skymaps.place import index_29_at
from skymaps.shapes import Circle

VISITS_APART_S = 1_800.0
"""Before its alert a counterpart was seen once: the rules want two detections 0.01 d apart."""

_FIRST_OBJECT = 5_000_000_000
"""Counted in letters, far from those of any night."""

_FIRST_ID = 3_900_000_000_000_000
_BNS = (0.97, 0.02, 0.0, 0.01)
_SEEN_WITHIN = 0.4
"""Of the 90 % radius: as far from the middle counterparts lie at most."""


def counterpart(event: Event, number: int, time_unix_s: float, rng: np.random.Generator) -> Alert:
    """The second alert of a new object near the middle of an event's circle.

    Raises
    ------
    ValueError
        The event's localization is no circle.
    """
    circle = event.localization
    if not isinstance(circle, Circle):
        raise ValueError(f"event {event.event_key} must have a circle")
    far = _SEEN_WITHIN * circle.radius_deg * math.sqrt(rng.random())
    ra, dec = moved_deg(circle.ra_deg, circle.dec_deg, far, rng.uniform(0.0, 360.0))
    ra_deg, dec_deg = round(float(ra), 7) % 360.0, round(float(dec), 7)
    ids = str(_FIRST_ID + 2 * number), str(_FIRST_ID + 2 * number + 1)
    before_unix_s = time_unix_s - VISITS_APART_S
    return Alert(
        survey="ztf",
        schema_version="4.02",
        alert_id=ids[1],
        object_id=object_id(_FIRST_OBJECT + number),
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        index_29=index_29_at(ra_deg, dec_deg),
        exposure_s=EXPOSURE_S,
        detection=Detection(ids[1], time_unix_s, "r", 5.1e4, 2.5e3),
        history=(Detection(ids[0], before_unix_s, "g", 6.2e4, 2.5e3),),
        limits=tuple(Limit(before_unix_s - n * DAY_S, "g", 20.6) for n in range(12, 0, -2)),
        survey_first_unix_s=before_unix_s,
        quality=Quality(0.93, 0.9, 20.4, 0, 2.1, 1.1, 0.02),
        surroundings=Surroundings(star_score=0.02, star_sep_arcsec=5.4),
    )


def with_counterparts(
    records: Sequence[SlimRecord], events: Sequence[Event], every: int, first: int
) -> Iterator[tuple[SlimRecord, str | None]]:
    """Records, each n-th one from some place on a counterpart of an event drawn by chance.

    Yields
    ------
    tuple
        The record, and the key of its event if it is a counterpart.
    """
    rng = np.random.default_rng(7)
    round_ones = [e for e in events if isinstance(e.localization, Circle)]
    for n, record in enumerate(records):
        if n < first or (n - first) % every:
            yield record, None
            continue
        event = round_ones[int(rng.integers(len(round_ones)))]
        alert = counterpart(event, n, record.time_unix_s, rng)
        value = to_json(alert)
        yield SlimRecord(record.time_unix_s, alert.object_id.encode(), value), event.event_key


@dataclass(frozen=True, slots=True)
class MergerNotice:
    """A notice of a merger, and the event that it is of."""

    event_key: str
    area_90_deg2: float
    first: SimulatedNotice
    retraction: SimulatedNotice


def merger_notices(n: int, t0_unix_s: float, sent_unix_s: float) -> Iterator[MergerNotice]:
    """Mergers all over the northern sky with 90 % in some 300 deg2, a second apart."""
    rng = np.random.default_rng(3)
    for number in range(n):
        sky_map = wide_map(rng)
        yield merger_notice(number, t0_unix_s + number, sent_unix_s, sky_map)


def merger_notice(
    number: int, t0_unix_s: float, sent_unix_s: float, sky_map: GwMap
) -> MergerNotice:
    """The notices of one merger."""
    name = superevent_id(t0_unix_s, 30 + number)
    event = Superevent(name, t0_unix_s, 1e-11, True, _BNS, 1.0)
    first = gwalerts.alert(event, "PRELIMINARY", sent_unix_s, sky_map)
    retraction = gwalerts.retraction(event, sent_unix_s)
    key = to_notice(first.data, first.name).event_key
    return MergerNotice(key, sky_map.area_deg2(0.9), first, retraction)


def wide_map(rng: np.random.Generator) -> GwMap:
    """Two arcs in the northern sky that hold 90 % in some 300 deg2."""
    centre = rng.uniform(0.0, 360.0), float(np.degrees(np.arcsin(rng.uniform(0.2, 0.9))))
    arcs = (Arc(-10.0, 8.3, 0.6), Arc(10.0, 7.6, 0.4))
    ring = Ring(*centre, rng.uniform(50.0, 80.0), rng.uniform(0.0, 360.0), 1.72, arcs)
    return map_of(ring, Reach(*centre, 150.0, 0.3, 0.1))
