"""A simulated notice, and the texts that all missions share: times, ids, sky surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from correlator.simulation import ephemeris
from correlator.simulation.ephemeris import angle_deg
from correlator.simulation.voevent import Group, Param

FERMI_EPOCH_UNIX_S = 978_307_200.0
"""2001-01-01, UTC: zero of the mission elapsed time in trigger numbers."""

LEAP_SECONDS_SINCE_2001 = 5.0

TJD_ZERO_JD = 2_440_000.5


@dataclass(frozen=True, slots=True)
class SimulatedNotice:
    """One packet of a mission.

    Attributes
    ----------
    sent_unix_s
        When the mission says it.
    name
        File name, unique in a night.
    data
        Bytes as a subscriber gets them.
    """

    sent_unix_s: float
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Burst:
    """A gamma-ray burst as it happened.

    Attributes
    ----------
    t0_unix_s
        Beginning, at the Earth.
    ra_deg, dec_deg
        True position.
    duration_s
        T90.
    """

    t0_unix_s: float
    ra_deg: float
    dec_deg: float
    duration_s: float


def utc(unix_s: float) -> datetime:
    """Aware time of seconds since the Unix epoch."""
    return datetime.fromtimestamp(unix_s, UTC)


def iso(unix_s: float, digits: int) -> str:
    """``2026-03-15T04:32:10.123`` with so many digits of a second, cut."""
    text = utc(round(unix_s, 6)).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return text[: len(text) - 6 + digits].rstrip(".")


def file_name(sent_unix_s: float, what: str, ending: str) -> str:
    """Name that sorts by time: ``20260315T043210_svom_sb26031501_slewing.xml``."""
    return f"{utc(sent_unix_s):%Y%m%dT%H%M%S}_{what}.{ending}"


def mission_elapsed_s(unix_s: float) -> int:
    """Fermi's mission elapsed time [s], cut: the trigger number."""
    return int(unix_s - FERMI_EPOCH_UNIX_S + LEAP_SECONDS_SINCE_2001)


def truncated_julian(unix_s: float) -> tuple[int, float]:
    """Truncated Julian day and seconds of the day."""
    days, seconds = divmod(unix_s, ephemeris.DAY_S)
    return int(days + ephemeris.UNIX_EPOCH_JD - TJD_ZERO_JD), seconds


def trigger_params(trigger: int, t0_unix_s: float, part: str, number: int) -> tuple[Param, ...]:
    """Id, part (sequence or segment) and time of a GCN trigger."""
    day, second = truncated_julian(t0_unix_s)
    return (
        Param("TrigID", str(trigger), ucd="meta.id"),
        Param(part, str(number), ucd="meta.id.part"),
        Param("Burst_TJD", str(day), "days", "time"),
        Param("Burst_SOD", f"{second:.2f}", "sec", "time"),
    )


def flags(name: str, **values: bool) -> Group:
    """Group of true and false."""
    return Group(name, tuple(Param(flag, str(v).lower()) for flag, v in values.items()))


def sky_group(ra_deg: float, dec_deg: float, unix_s: float) -> Group:
    """Sun, Moon, Galaxy and ecliptic of a GCN packet."""
    sun = ephemeris.sun_position_deg(unix_s)
    moon = ephemeris.moon_position_deg(unix_s)
    galactic = ephemeris.galactic_deg(ra_deg, dec_deg)
    ecliptic = ephemeris.ecliptic_deg(ra_deg, dec_deg)
    values = (
        ("Sun_RA", sun[0], "deg"),
        ("Sun_Dec", sun[1], "deg"),
        ("Sun_Distance", angle_deg(ra_deg, dec_deg, *sun), "deg"),
        ("Moon_RA", moon[0], "deg"),
        ("Moon_Dec", moon[1], "deg"),
        ("MOON_Distance", angle_deg(ra_deg, dec_deg, *moon), "deg"),
        ("Moon_Illum", 100.0 * ephemeris.moon_illumination(unix_s), "%"),
        ("Galactic_Long", galactic[0], "deg"),
        ("Galactic_Lat", galactic[1], "deg"),
        ("Ecliptic_Long", ecliptic[0], "deg"),
        ("Ecliptic_Lat", ecliptic[1], "deg"),
    )
    params = tuple(Param(name, f"{float(value):.2f}", unit) for name, value, unit in values)
    return Group("Obs_Support_Info", params)
