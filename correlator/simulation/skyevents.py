"""The night's events: a merger and a burst with counterparts, and what surrounds them in reality.

Truth first, packets second: each position is drawn, and each notice's position is the truth with
the error that its own radius claims. The merger's position is drawn from its first map; the
updated map is that map times the likelihood of a further measurement of the truth, so that both
are honest posteriors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from correlator.simulation import ephemeris, gwalerts
from correlator.simulation.cadence import LOWEST_ALTITUDE_DEG, FieldGrid, G, Night, R, Request
from correlator.simulation.counterparts import AfterglowModel, EventName
from correlator.simulation.fermi import long_burst_notices, terrestrial_flash_notices
from correlator.simulation.gwalerts import Superevent, superevent_id
from correlator.simulation.gwmap import Arc, GwMap, Reach, Ring, Spot, map_of
from correlator.simulation.notices import Burst, SimulatedNotice
from correlator.simulation.svom import svom_notices
from correlator.simulation.swift import swift_notices

HOUR_S = 3600.0

MERGER_AREA_DEG2 = (100.0, 300.0)
"""90 % area of the merger's first map."""

TOO_PROBABILITY = 0.95
TOO_MAX_FIELDS = 12
"""How much of a map a target-of-opportunity programme covers, and with how many fields at most."""

MERGER_PASSES = ((0.0, G), (0.75, R), (3.0, R), (3.75, G))
BURST_PASSES = ((0.4, R), (1.0, G), (2.2, R), (2.9, G))
"""Visits asked for: hours after the first, or after T0, and band."""

_MERGER, _BURST, _OTHERS, _NOTICES = 21, 22, 23, 24


@dataclass(frozen=True, slots=True)
class Merger:
    """A binary neutron star merger: truth, maps and the visits that it asks for."""

    t0_unix_s: float
    ra_deg: float
    dec_deg: float
    distance_mpc: float
    first_map: GwMap
    updated_map: GwMap
    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class LocatedBurst:
    """A gamma-ray burst with its afterglow and the visits that it asks for."""

    burst: Burst
    afterglow: AfterglowModel
    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class SkyEvent:
    """One event with its packets, for the truth file.

    Attributes
    ----------
    kind
        ``bns-merger``, ``long-grb``, ``terrestrial-flash``, ``bbh-candidate``, ...
    ra_deg, dec_deg
        True position; None where there is none (noise, mock).
    """

    kind: str
    name: EventName
    t0_unix_s: float
    ra_deg: float | None
    dec_deg: float | None
    notices: tuple[SimulatedNotice, ...]


def draw_merger(night: Night, grid: FieldGrid, seed: int, attempt: int) -> Merger:
    """A merger of the afternoon before, in a part of the sky that the night can follow."""
    rng = np.random.default_rng([seed, _MERGER, attempt])
    t0 = night.start_unix_s - rng.uniform(5.0, 9.0) * HOUR_S
    transit = night.start_unix_s + rng.uniform(2.5, 4.5) * HOUR_S
    while True:
        centre = _place(transit, (5.0, 40.0), 25.0, rng)
        ring = _ring(centre, rng)
        reach = Reach(*centre, rng.uniform(60.0, 105.0), rng.uniform(0.18, 0.25), 0.15)
        first_map = map_of(ring, reach)
        if MERGER_AREA_DEG2[0] < first_map.area_deg2(0.9) < MERGER_AREA_DEG2[1]:
            break
    ra, dec, distance = first_map.draw(rng)
    sigma = rng.uniform(5.0, 8.0)
    measured = ephemeris.moved_deg(ra, dec, rng.rayleigh(sigma), rng.uniform(0.0, 360.0))
    spot = Spot(float(measured[0]), float(measured[1]), sigma)
    updated = map_of(lambda lon, lat: ring(lon, lat) * spot(lon, lat), reach)
    begin = max(night.start_unix_s + 300.0, transit - 2.5 * HOUR_S)
    requests = _follow_up(_covering(first_map, grid), MERGER_PASSES, begin, grid)
    return Merger(t0, ra, dec, distance, first_map, updated, requests)


def draw_burst(
    night: Night, grid: FieldGrid, taken: Sequence[Request], seed: int, attempt: int
) -> LocatedBurst:
    """A long burst early in the night, outside the fields that are taken."""
    rng = np.random.default_rng([seed, _BURST, attempt])
    t0 = night.start_unix_s + rng.uniform(0.5, 1.5) * HOUR_S
    busy = {request.field for request in taken}
    while True:
        ra, dec = _place(t0 + rng.uniform(1.5, 3.0) * HOUR_S, (0.0, 45.0), 20.0, rng)
        field = grid.field_at(ra, dec)
        if field is not None and field.number not in busy and field.margin_deg(ra, dec) > 0.3:
            break
    afterglow = AfterglowModel(
        mag_r_1h=float(rng.uniform(17.5, 18.8)),
        decay=float(rng.uniform(1.0, 1.3)),
        spectral_index=float(rng.uniform(0.5, 1.0)),
    )
    burst = Burst(t0, ra, dec, float(rng.uniform(8.0, 60.0)))
    return LocatedBurst(burst, afterglow, _follow_up([field.number], BURST_PASSES, t0, grid))


def merger_event(merger: Merger, seed: int) -> SkyEvent:
    """Packets of the merger: PRELIMINARY and INITIAL with one map, UPDATE with a better one."""
    rng = np.random.default_rng([seed, _NOTICES, 0])
    t0 = merger.t0_unix_s
    event = Superevent(
        superevent_id(t0, int(rng.integers(30, 600))), t0, 10.0 ** rng.uniform(-12.0, -9.0), True,
        (0.97, 0.02, 0.0, 0.01), 1.0,
    )  # fmt: skip
    notices = (
        gwalerts.alert(event, "PRELIMINARY", t0 + 240.0, merger.first_map),
        gwalerts.alert(event, "INITIAL", t0 + 2100.0, merger.first_map),
        gwalerts.alert(event, "UPDATE", t0 + rng.uniform(9.0, 12.0) * HOUR_S, merger.updated_map),
    )
    name = EventName("LVK", event.superevent_id)
    return SkyEvent("bns-merger", name, t0, merger.ra_deg, merger.dec_deg, notices)


def burst_events(located: LocatedBurst, seed: int) -> tuple[SkyEvent, SkyEvent]:
    """Packets of the burst by SVOM and by Fermi, which triggers a little later."""
    rng = np.random.default_rng([seed, _NOTICES, 1])
    burst = located.burst
    svom_id, svom = svom_notices(burst, 1, rng)
    late = Burst(burst.t0_unix_s + rng.uniform(0.2, 1.5), burst.ra_deg, burst.dec_deg, 30.0)
    trigger, fermi = long_burst_notices(late, rng)
    at = burst.ra_deg, burst.dec_deg
    return (
        SkyEvent("long-grb", EventName("SVOM", svom_id), burst.t0_unix_s, *at, svom),
        SkyEvent("long-grb", EventName("Fermi", trigger), late.t0_unix_s, *at, fermi),
    )


def other_events(night: Night, seed: int) -> tuple[SkyEvent, ...]:
    """What comes besides: another burst, a terrestrial flash, noise, a retraction, a mock."""
    rng = np.random.default_rng([seed, _OTHERS])
    return (
        _swift_burst(night, rng),
        _terrestrial_flash(night, rng),
        _superevent(
            "bbh-candidate", "S", 1, night, rng, (1.5e-5, False, (0.0, 0.0, 0.12, 0.88), 0.0)
        ),
        _superevent(
            "retracted-candidate", "S", 700, night, rng, (3e-9, True, (0.6, 0.1, 0.0, 0.3), 1.0)
        ),
        _superevent("mock", "MS", 3, night, rng, (5e-16, True, (1.0, 0.0, 0.0, 0.0), 1.0)),
    )


def _swift_burst(night: Night, rng: np.random.Generator) -> SkyEvent:
    t0 = _time_in(night, rng)
    ra, dec = float(rng.uniform(0.0, 360.0)), float(rng.uniform(-30.0, 70.0))
    burst = Burst(t0, ra, dec, float(rng.uniform(3.0, 80.0)))
    trigger, notices = swift_notices(burst, int(rng.integers(1_400_000, 1_500_000)), rng)
    return SkyEvent("long-grb", EventName("Swift", trigger), t0, ra, dec, notices)


def _terrestrial_flash(night: Night, rng: np.random.Generator) -> SkyEvent:
    t0 = _time_in(night, rng)
    below = Burst(t0, float(rng.uniform(0.0, 360.0)), float(rng.uniform(-25.0, 25.0)), 0.01)
    trigger, notices = terrestrial_flash_notices(below, rng)
    return SkyEvent("terrestrial-flash", EventName("Fermi", trigger), t0, None, None, notices)


def _superevent(
    kind: str,
    prefix: str,
    serial: int,
    night: Night,
    rng: np.random.Generator,
    says: tuple[float, bool, tuple[float, float, float, float], float],
) -> SkyEvent:
    """A candidate without a counterpart: sent twice if it is below threshold, as in reality."""
    far_hz, significant, classes, has_remnant = says
    t0 = _time_in(night, rng)
    is_mock = prefix != "S"
    event = Superevent(
        superevent_id(t0, serial + int(rng.integers(0, 25)), prefix), t0, far_hz, significant,
        classes, has_remnant, "MDC" if is_mock else "AllSky",
    )  # fmt: skip
    centre = float(rng.uniform(0.0, 360.0)), float(rng.uniform(-60.0, 60.0))
    arcs = (Arc(0.0, 25.0, 0.6), Arc(100.0, 30.0, 0.4))
    ring = Ring(*centre, rng.uniform(50.0, 80.0), rng.uniform(0.0, 360.0), 6.0, arcs)
    sky_map = map_of(ring, Reach(*centre, 150.0 if classes[0] else 900.0, 0.3, 0.1))
    sent = t0 + 210.0
    notices = [gwalerts.alert(event, "PRELIMINARY", sent, sky_map)]
    if not significant:
        notices.append(gwalerts.alert(event, "PRELIMINARY", sent + 290.0, sky_map))
    if kind == "retracted-candidate":
        notices.append(gwalerts.retraction(event, sent + 2700.0))
    return SkyEvent(kind, EventName("LVK", event.superevent_id), t0, None, None, tuple(notices))


def _time_in(night: Night, rng: np.random.Generator) -> float:
    return float(rng.uniform(night.start_unix_s, night.end_unix_s - HOUR_S))


def _ring(centre: tuple[float, float], rng: np.random.Generator) -> Ring:
    apart = rng.uniform(7.0, 10.0)
    arcs = (
        Arc(-apart, rng.uniform(4.5, 7.0), 0.6),
        Arc(apart, rng.uniform(4.0, 6.0), 0.4),
    )
    radius, bearing, width = rng.uniform(40, 85), rng.uniform(0, 360), rng.uniform(1.0, 1.5)
    return Ring(*centre, radius, bearing, width, arcs)


def _place(
    transit_unix_s: float,
    dec_deg: tuple[float, float],
    least_latitude_deg: float,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """A place that crosses the meridian about then, away from the Galactic plane."""
    meridian = float(ephemeris.sidereal_deg(transit_unix_s))
    for _ in range(1000):
        ra = (meridian + float(rng.uniform(-20.0, 20.0))) % 360.0
        dec = float(rng.uniform(*dec_deg))
        if abs(float(ephemeris.galactic_deg(ra, dec)[1])) > least_latitude_deg:
            return ra, dec
        meridian = (meridian + 5.0) % 360.0
    raise ValueError(f"no place above {least_latitude_deg} deg of Galactic latitude was found")


def _covering(sky_map: GwMap, grid: FieldGrid) -> list[int]:
    """Fields that hold most of a map, the most probable first."""
    number = grid.numbers_of(*sky_map.centres_deg())
    inside = number >= 0
    weight = np.bincount(
        number[inside], sky_map.cell_probability[inside], minlength=len(grid.fields)
    )
    order = np.argsort(-weight, kind="stable")
    n = 1 + int(np.searchsorted(np.cumsum(weight[order]), TOO_PROBABILITY))
    return [int(f) for f in order[: min(n, TOO_MAX_FIELDS)]]


def _follow_up(
    fields: Sequence[int],
    passes: Sequence[tuple[float, int]],
    begin_unix_s: float,
    grid: FieldGrid,
) -> tuple[Request, ...]:
    """Visits of fields that are up; each pass visits all of them."""
    wanted = [(n, fid, begin_unix_s + hours * HOUR_S) for hours, fid in passes for n in fields]
    return tuple(
        Request(number, fid, when)
        for number, fid, when in wanted
        if ephemeris.altitude_deg(grid.fields[number].ra_deg, grid.fields[number].dec_deg, when)
        > LOWEST_ALTITUDE_DEG
    )
