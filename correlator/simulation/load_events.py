"""The events of a load night: every kind of life that an event can have, again and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from correlator.policy import DAY_S
from correlator.simulation import gwalerts
from correlator.simulation.counterparts import EventName
from correlator.simulation.fermi import long_burst_notices, terrestrial_flash_notices
from correlator.simulation.gwalerts import Superevent, superevent_id
from correlator.simulation.gwmap import Arc, GwMap, Reach, Ring, Spot, map_of
from correlator.simulation.icecube import icecube_notices
from correlator.simulation.notices import Burst, SimulatedNotice, file_name, iso
from correlator.simulation.skyevents import SkyEvent
from correlator.simulation.svom import FRAME as SVOM_FRAME
from correlator.simulation.svom import svom_notices
from correlator.simulation.swift import swift_notices
from correlator.simulation.voevent import Param, Place, VOEvent, xml_of

CLOSING_AFTER_S = 17 * DAY_S
"""A burst's window (3 d) and the follow-up after it (14 d): alerts later than that change nothing.
One burst of a round closes so in the middle of the night, and half of the alerts come too late."""

INJECTED = 3
"""Objects that are made for an event that has any."""

LONG_AGO_S = 40 * DAY_S
"""Age of a burst that closed before the night began."""

BNS, NOISE, BBH = (0.97, 0.02, 0.0, 0.01), (0.0, 0.0, 0.12, 0.88), (0.05, 0.05, 0.6, 0.3)
"""Probabilities of BNS, NSBH, BBH and Terrestrial."""


@dataclass(frozen=True, slots=True)
class LoadEvent:
    """One event of the night.

    Attributes
    ----------
    sky
        What it is, and its packets.
    shift_s
        What is added to the times at which the packets were sent: an event of weeks ago is
        delivered tonight.
    spread_deg
        How far from the true position its injected objects lie; None for an event without.
    """

    sky: SkyEvent
    shift_s: float = 0.0
    spread_deg: float | None = None

    @property
    def n_injected(self) -> int:
        """Number of objects that are made for it: one at the true place and rivals about it."""
        return 0 if self.spread_deg is None else INJECTED


@dataclass(frozen=True, slots=True)
class _Maker:
    """What the makers of events draw from.

    Attributes
    ----------
    start_unix_s, length_s
        The night.
    serial
        Counts the events, so that each has an id of its own.
    """

    start_unix_s: float
    length_s: float
    serial: int
    rng: np.random.Generator

    def at(self, lo: float, hi: float) -> float:
        """A moment between two fractions of the night; negative ones lie before it."""
        return self.start_unix_s + float(self.rng.uniform(lo, hi)) * self.length_s

    def place(self) -> tuple[float, float]:
        """A place in the northern sky, far from the edge of the footprint."""
        sine = float(self.rng.uniform(0.0, 0.9))
        return float(self.rng.uniform(0.0, 360.0)), float(np.degrees(np.arcsin(sine)))


def load_events(
    start_unix_s: float, length_s: float, n_notices: int, rng: np.random.Generator
) -> tuple[LoadEvent, ...]:
    """Events with exactly so many notices together; the last of them may lack its last ones."""
    events: list[LoadEvent] = []
    left, serial = n_notices, 1
    while left > 0:
        for make in _ROUND:
            for event in make(_Maker(start_unix_s, length_s, serial, rng)):
                taken = event.sky.notices[:left]
                left -= len(taken)
                if taken:
                    events.append(replace(event, sky=replace(event.sky, notices=taken)))
            serial += 1
    return tuple(events)


def _merger(maker: _Maker) -> list[LoadEvent]:
    """A binary neutron star merger of the evening before, its map updated in the night."""
    t0 = maker.at(-0.9, -0.4)
    centre = maker.place()
    ring, reach = _narrow_ring(centre, maker.rng), Reach(*centre, 80.0, 0.2, 0.15)
    first = map_of(ring, reach)
    ra, dec, _ = first.draw(maker.rng)
    spot = Spot(ra, dec, 6.0)
    updated = map_of(lambda lon, lat: ring(lon, lat) * spot(lon, lat), reach)
    event = _superevent(maker, t0, 1e-11, True, BNS, 1.0)
    notices = (
        gwalerts.alert(event, "PRELIMINARY", t0 + 240.0, first),
        gwalerts.alert(event, "INITIAL", t0 + 2_100.0, first),
        gwalerts.alert(event, "UPDATE", maker.at(0.3, 0.6), updated),
    )
    sky = SkyEvent("bns-merger", _lvk(event), t0, ra, dec, notices)
    return [LoadEvent(sky, spread_deg=2.0)]


def _burst_of_two_missions(maker: _Maker) -> list[LoadEvent]:
    """A burst that SVOM and, a second later, Fermi trigger on."""
    burst = _burst(maker, maker.at(0.05, 0.3))
    svom_id, svom = svom_notices(burst, maker.serial, maker.rng)
    late = replace(burst, t0_unix_s=burst.t0_unix_s + 1.1)
    trigger, fermi = long_burst_notices(late, maker.rng)
    return [
        LoadEvent(_located("long-grb", "SVOM", svom_id, burst, svom), spread_deg=0.02),
        LoadEvent(_located("long-grb", "Fermi", trigger, late, fermi)),
    ]


def _swift_burst(maker: _Maker) -> list[LoadEvent]:
    burst = _burst(maker, maker.at(0.1, 0.5))
    trigger, notices = swift_notices(burst, 1_400_000 + maker.serial, maker.rng)
    return [LoadEvent(_located("long-grb", "Swift", trigger, burst, notices), spread_deg=0.01)]


def _retracted_superevent(maker: _Maker) -> list[LoadEvent]:
    t0 = maker.at(0.1, 0.4)
    event = _superevent(maker, t0, 3e-9, True, BBH, 1.0)
    sky_map = _narrow_map(maker)
    notices = (
        gwalerts.alert(event, "PRELIMINARY", t0 + 210.0, sky_map),
        gwalerts.retraction(event, t0 + 2_700.0),
    )
    return [LoadEvent(SkyEvent("retracted-candidate", _lvk(event), t0, None, None, notices))]


def _neutrino(maker: _Maker) -> list[LoadEvent]:
    t0 = maker.at(-1.5, 0.3)
    place = maker.place()
    name, notices = icecube_notices(t0, *place, 140_000 + maker.serial, maker.rng)
    sky = SkyEvent("neutrino", EventName("IceCube", name), t0, *place, notices)
    return [LoadEvent(sky, spread_deg=0.3)]


def _retracted_burst(maker: _Maker) -> list[LoadEvent]:
    """A wakeup of SVOM that the mission takes back within the hour."""
    burst = _burst(maker, maker.at(0.1, 0.4))
    name, (wakeup, *_) = svom_notices(burst, maker.serial, maker.rng)
    notices = (wakeup, _svom_retraction(name, burst, burst.t0_unix_s + 3_000.0))
    return [LoadEvent(_located("retracted-grb", "SVOM", name, burst, notices))]


def _subthreshold(maker: _Maker) -> list[LoadEvent]:
    """A sub-threshold candidate with a wide map, sent twice as in reality."""
    t0 = maker.at(0.0, 0.2)
    event = _superevent(maker, t0, 1.5e-5, False, NOISE, 0.0)
    centre = maker.place()
    arcs = (Arc(0.0, 9.0, 0.6), Arc(40.0, 8.0, 0.4))
    ring = Ring(*centre, maker.rng.uniform(50.0, 80.0), maker.rng.uniform(0.0, 360.0), 3.0, arcs)
    sky_map = map_of(ring, Reach(*centre, 900.0, 0.3, 0.1))
    notices = tuple(
        gwalerts.alert(event, "PRELIMINARY", t0 + delay_s, sky_map) for delay_s in (210.0, 500.0)
    )
    return [LoadEvent(SkyEvent("sub-threshold", _lvk(event), t0, None, None, notices))]


def _no_burst(maker: _Maker) -> list[LoadEvent]:
    """A mock of LVK and a terrestrial flash: neither may reach the join."""
    t0 = maker.at(0.1, 0.8)
    mock = _superevent(maker, t0, 5e-16, True, BNS, 1.0, prefix="MS")
    alert = gwalerts.alert(mock, "PRELIMINARY", t0 + 210.0, _narrow_map(maker))
    flash = _burst(maker, maker.at(0.1, 0.8))
    trigger, notices = terrestrial_flash_notices(flash, maker.rng)
    return [
        LoadEvent(SkyEvent("mock", _lvk(mock), t0, None, None, (alert,))),
        LoadEvent(_located("terrestrial-flash", "Fermi", trigger, flash, notices)),
    ]


def _closing_burst(maker: _Maker) -> list[LoadEvent]:
    """A burst whose follow-up ends in the middle of the night; its notices come as it begins."""
    burst = _burst(maker, maker.at(0.4, 0.6) - CLOSING_AFTER_S)
    trigger, notices = long_burst_notices(burst, maker.rng)
    shift_s = maker.at(0.0, 0.1) - burst.t0_unix_s
    sky = _located("closing-grb", "Fermi", trigger, burst, notices)
    return [LoadEvent(sky, shift_s=shift_s, spread_deg=1.0)]


def _closed_burst(maker: _Maker) -> list[LoadEvent]:
    """A burst that closed weeks ago; nothing of tonight is of it."""
    burst = _burst(maker, maker.start_unix_s - LONG_AGO_S)
    trigger, notices = swift_notices(burst, 1_300_000 + maker.serial, maker.rng)
    shift_s = maker.at(0.2, 0.4) - burst.t0_unix_s
    return [LoadEvent(_located("closed-grb", "Swift", trigger, burst, notices), shift_s)]


_ROUND: tuple[Callable[[_Maker], list[LoadEvent]], ...] = (
    _merger,
    _burst_of_two_missions,
    _swift_burst,
    _retracted_superevent,
    _neutrino,
    _retracted_burst,
    _closing_burst,
    _subthreshold,
    _no_burst,
    _closed_burst,
)
"""Thirteen events with 29 notices; a longer night begins anew with other draws."""


def _burst(maker: _Maker, t0_unix_s: float) -> Burst:
    return Burst(t0_unix_s, *maker.place(), float(maker.rng.uniform(3.0, 60.0)))


def _located(
    kind: str, mission: str, name: str, burst: Burst, notices: tuple[SimulatedNotice, ...]
) -> SkyEvent:
    at = burst.ra_deg, burst.dec_deg
    return SkyEvent(kind, EventName(mission, name), burst.t0_unix_s, *at, notices)


def _superevent(
    maker: _Maker,
    t0_unix_s: float,
    far_hz: float,
    is_significant: bool,
    classes: tuple[float, float, float, float],
    has_remnant: float,
    prefix: str = "S",
) -> Superevent:
    name = superevent_id(t0_unix_s, 30 + maker.serial, prefix)
    search = "AllSky" if prefix == "S" else "MDC"
    return Superevent(name, t0_unix_s, far_hz, is_significant, classes, has_remnant, search)


def _lvk(event: Superevent) -> EventName:
    return EventName("LVK", event.superevent_id)


def _narrow_map(maker: _Maker) -> GwMap:
    centre = maker.place()
    return map_of(_narrow_ring(centre, maker.rng), Reach(*centre, 150.0, 0.3, 0.1))


def _narrow_ring(centre: tuple[float, float], rng: np.random.Generator) -> Ring:
    """Two arcs that hold 90 % in some 200 deg2, as of two detectors."""
    arcs = (Arc(-8.0, 5.5, 0.6), Arc(8.0, 5.0, 0.4))
    return Ring(*centre, rng.uniform(40.0, 85.0), rng.uniform(0.0, 360.0), 1.3, arcs)


def _svom_retraction(burst_id: str, burst: Burst, sent_unix_s: float) -> SimulatedNotice:
    """SVOM's retraction: type 219, with the position of what it takes back."""
    packet = VOEvent(
        ivorn=f"ivo://org.svom/fsc#{burst_id}_retraction",
        role="observation",
        author_ivorn="ivo://org.svom/fsc",
        author_title="SVOM (simulated)",
        date=iso(sent_unix_s, 0) + "+00:00",
        what=(
            Param("Packet_Type", "219", ucd="meta.id"),
            Param("Pkt_Ser_Num", "1", ucd="meta.id"),
            Param("Instrument", "ECLAIRs", ucd="instr"),
            Param("Burst_Id", burst_id, ucd="meta.id"),
        ),
        place=Place(
            "GEOLEO", SVOM_FRAME, iso(burst.t0_unix_s, 6), f"{burst.ra_deg:.4f}",
            f"{burst.dec_deg:.4f}", "0.1000",
        ),
        how="retraction",
        reference="https://www.svom.eu/",
        importance=None,
        cites=(("retraction", f"ivo://org.svom/fsc#{burst_id}_eclairs-wakeup"),),
    )  # fmt: skip
    name = file_name(sent_unix_s, f"svom_{burst_id}_retraction", "xml")
    return SimulatedNotice(sent_unix_s, name, xml_of(packet))
