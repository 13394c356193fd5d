"""SVOM's notices of one burst: ECLAIRs wakeup and slewing, MXT."""

from __future__ import annotations

import numpy as np

from correlator.simulation import ephemeris
from correlator.simulation.ephemeris import angle_deg
from correlator.simulation.notices import Burst, SimulatedNotice, file_name, iso, utc
from correlator.simulation.scatter import within_r90
from correlator.simulation.voevent import Group, Param, Place, VOEvent, xml_of

FRAME = "UTC-ICRS-GEO"

ECLAIRS_R90_DEG = (0.05, 0.13)
MXT_R90_DEG = (0.010, 0.028)
"""Range of the published 90 % radii: 3 to 8 arcmin, 0.6 to 1.7 arcmin (reference notices 2)."""

WAKEUP_DELAY_S = 47.0
SLEWING_DELAY_S = 290.0
MXT_DELAY_S = 410.0
"""Typical times from T0 to the notices [s]."""

_TRIGGER_LEAD_S = 0.06


def svom_notices(
    burst: Burst, number: int, rng: np.random.Generator
) -> tuple[str, tuple[SimulatedNotice, ...]]:
    """Burst id and packets of a burst that ECLAIRs triggers on and MXT finds."""
    burst_id = f"sb{utc(burst.t0_unix_s):%y%m%d}{number:02d}"
    r90 = float(rng.uniform(*ECLAIRS_R90_DEG))
    at = within_r90(burst.ra_deg, burst.dec_deg, r90, rng)
    snr, timescale = rng.uniform(12.0, 50.0), float(rng.choice([5.12, 10.24, 20.48]))
    detection = _eclairs_detection(burst, snr, timescale)
    attitude = tuple(float(v) for v in (rng.uniform(0, 360), rng.uniform(-60, 60)))
    types = ("eclairs-wakeup", "slewing", "mxt-initial_qf4")
    wakeup, slewing, mxt = (f"ivo://org.svom/fsc#{burst_id}_{t}" for t in types)
    t0 = burst.t0_unix_s
    first = _packet(
        wakeup, 202, "ECLAIRs", "N1e", burst_id, burst, t0 + WAKEUP_DELAY_S, t0 + _TRIGGER_LEAD_S,
        at, r90, detection, (), (), _satellite(attitude, "not-requested"),
    )  # fmt: skip
    second = _packet(
        slewing, 204, "ECLAIRs", "N1e", burst_id, burst, t0 + SLEWING_DELAY_S,
        t0 + _TRIGGER_LEAD_S, at, r90, detection, (), (wakeup,),
        _satellite(attitude, "accepted"),
    )  # fmt: skip
    mxt_r90 = float(rng.uniform(*MXT_R90_DEG))
    mxt_at = within_r90(burst.ra_deg, burst.dec_deg, mxt_r90, rng)
    angle_arcmin = 60.0 * float(angle_deg(*at, *mxt_at))
    target = (
        Param("Within_ECLAIRs_R90", str(angle_arcmin < 60.0 * r90), ucd="instr.param"),
        Param("ECLAIRs_Angle", f"{angle_arcmin:.2f}", "arcmin", "pos.angdistance"),
    )
    third = _packet(
        mxt, 209, "MXT", "N2m", burst_id, burst, t0 + MXT_DELAY_S, t0 + MXT_DELAY_S - 190.0,
        mxt_at, mxt_r90, _mxt_detection(rng), target, (wakeup, slewing),
        _satellite(attitude, None),
    )  # fmt: skip
    return burst_id, (first, second, third)


def _packet(
    ivorn: str,
    packet_type: int,
    instrument: str,
    level: str,
    burst_id: str,
    burst: Burst,
    sent_unix_s: float,
    observed_unix_s: float,
    at: tuple[float, float],
    r90_deg: float,
    detection: Group,
    target: tuple[Param, ...],
    cites: tuple[str, ...],
    satellite: Group,
) -> SimulatedNotice:
    packet = VOEvent(
        ivorn=ivorn,
        role="observation",
        author_ivorn="ivo://org.svom/fsc",
        author_title="SVOM (simulated)",
        date=iso(sent_unix_s, 0) + "+00:00",
        what=(
            Param("Packet_Type", str(packet_type), ucd="meta.id"),
            Param("Pkt_Ser_Num", "1", ucd="meta.id"),
            Param("Instrument", instrument, ucd="instr"),
            _identifiers(level, burst_id, burst),
            detection,
            Group("Target_Info", (*target, *_sky(*at, sent_unix_s))),
            satellite,
        ),
        place=Place(
            "GEOLEO", FRAME, iso(observed_unix_s, 6), f"{at[0]:.4f}", f"{at[1]:.4f}",
            f"{r90_deg:.4f}",
        ),
        how=f"{level} notice, data from {instrument}",
        reference="https://www.svom.eu/",
        importance=None,
        cites=tuple(("followup", cited) for cited in cites),
    )  # fmt: skip
    name = file_name(sent_unix_s, f"svom_{ivorn.partition('#')[2]}", "xml")
    return SimulatedNotice(sent_unix_s, name, xml_of(packet))


def _identifiers(level: str, burst_id: str, burst: Burst) -> Group:
    return Group(
        "Svom_Identifiers",
        (
            Param("Notice_Level", level, ucd="meta.id"),
            Param("Burst_Id", burst_id, ucd="meta.id"),
            Param("Alert_Seq_T0", iso(burst.t0_unix_s, 3) + "Z", ucd="time.start"),
        ),
    )


def _eclairs_detection(burst: Burst, snr: float, timescale_s: float) -> Group:
    start = burst.t0_unix_s + _TRIGGER_LEAD_S
    return Group(
        "Detection_Info",
        (
            Param("SNR", f"{snr:.2f}", "sigma", "stat.snr"),
            Param("Timescale", f"{timescale_s:.1f}", "s", "time.interval"),
            Param("Time_Window_Start", iso(start, 3) + "Z", ucd="time.start"),
            Param("Time_Window_End", iso(start + timescale_s, 3) + "Z", ucd="time.end"),
            Param("Lower_Energy_Bound", "8", "keV", "em.energy"),
            Param("Upper_Energy_Bound", "120", "keV", "em.energy"),
            Param("Trigger_Type", "CRT", ucd="instr.param"),
        ),
    )


def _mxt_detection(rng: np.random.Generator) -> Group:
    flux = rng.uniform(1.0, 6.0)
    return Group(
        "Detection_Info",
        (
            Param("SNR", f"{rng.uniform(40.0, 255.0):.2f}", "sigma", "stat.snr"),
            Param("Mean_Flux", f"{flux:.2f}", "erg.cm^-2.s^-1", "phot.flux"),
            Param("Flux_Error", f"{0.3 * flux:.2f}", "erg.cm^-2.s^-1", "phot.flux"),
        ),
    )


def _sky(ra_deg: float, dec_deg: float, unix_s: float) -> tuple[Param, ...]:
    longitude, latitude = ephemeris.galactic_deg(ra_deg, dec_deg)
    moon = angle_deg(ra_deg, dec_deg, *ephemeris.moon_position_deg(unix_s))
    sun = angle_deg(ra_deg, dec_deg, *ephemeris.sun_position_deg(unix_s))
    return (
        Param("Galactic_Lon", f"{float(longitude):.2f}", "deg", "pos.galactic.lon"),
        Param("Galactic_Lat", f"{float(latitude):.2f}", "deg", "pos.galactic.lat"),
        Param("Moon_Angle", f"{float(moon):.2f}", "deg", "pos.angdistance"),
        Param("Sun_Angle", f"{float(sun):.2f}", "deg", "pos.angdistance"),
    )


def _satellite(attitude: tuple[float, ...], slew: str | None) -> Group:
    status = () if slew is None else (Param("Slew_Status", slew, ucd="meta.code.status"),)
    return Group(
        "Satellite_Info",
        (
            *status,
            Param("Attitude_Ra", f"{attitude[0]:.2f}", "deg", "instr.param"),
            Param("Attitude_Dec", f"{attitude[1]:.2f}", "deg", "instr.param"),
            Param("Attitude_Roll", "0.00", "deg", "instr.param"),
        ),
    )
