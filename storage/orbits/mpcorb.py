"""Lines of MPCORB.DAT, the Minor Planet Center's file of all minor planets.

Source: https://www.minorplanetcenter.net/iau/info/MPOrbitFormat.html. Angles are of the ecliptic
of J2000, epochs are 0 h TT.
"""

from __future__ import annotations

from correlator.orbits.elements import Orbit, perihelion_of_mean_anomaly
from storage.orbits.errors import MalformedOrbitError
from storage.orbits.packed import unpacked_mjd, unpacked_name

MIN_COLUMNS = 103
"""The semimajor axis ends there; what follows is not needed."""

MAX_COLUMNS = 1_000
"""A longer line is of another kind of file."""


def orbit_of_line(line: str, record: str) -> Orbit:
    """The orbit in a line.

    Parameters
    ----------
    line
        Without its end.
    record
        File and number of the line, for the errors.

    Raises
    ------
    MalformedOrbitError
        A column cannot be read, or the orbit breaks a rule.
    """
    if not MIN_COLUMNS <= len(line) <= MAX_COLUMNS:
        raise MalformedOrbitError(record, "a line has 103 to 1000 columns", len(line))
    epoch = _packed(line[20:25], record, "the epoch (columns 21-25) must be a packed date")
    axis = _number(line[92:103], record, "semimajor axis", 93)
    eccentricity = _number(line[70:79], record, "eccentricity", 71)
    if not (axis > 0.0 and eccentricity < 1.0):
        rule = "a minor planet goes around: semimajor axis above 0, eccentricity below 1"
        raise MalformedOrbitError(record, rule, (axis, eccentricity))
    anomaly = _number(line[26:35], record, "mean anomaly", 27)
    orbit = Orbit(
        name=_name(line[0:7], record),
        epoch_mjd_tdb=epoch,
        perihelion_au=axis * (1.0 - eccentricity),
        eccentricity=eccentricity,
        inclination_deg=_number(line[59:68], record, "inclination", 60),
        node_deg=_number(line[48:57], record, "node", 49),
        argument_deg=_number(line[37:46], record, "argument of perihelion", 38),
        perihelion_mjd_tdb=perihelion_of_mean_anomaly(epoch, axis, anomaly),
        h_mag=_unknown_or_number(line[8:13], record, "H", 9),
        g_slope=_unknown_or_number(line[14:19], record, "G", 15),
    )
    if broken := orbit.broken_rule:
        raise MalformedOrbitError(record, *broken)
    return orbit


def _name(columns: str, record: str) -> str:
    try:
        return unpacked_name(columns)
    except ValueError as error:
        rule = "the designation (columns 1-7) must be a packed one"
        raise MalformedOrbitError(record, rule, columns) from error


def _packed(columns: str, record: str, rule: str) -> float:
    try:
        return unpacked_mjd(columns)
    except ValueError as error:
        raise MalformedOrbitError(record, rule, columns) from error


def _number(columns: str, record: str, what: str, first: int) -> float:
    try:
        return float(columns)
    except ValueError as error:
        rule = f"{what} (from column {first}) must be a number"
        raise MalformedOrbitError(record, rule, columns) from error


def _unknown_or_number(columns: str, record: str, what: str, first: int) -> float | None:
    return None if columns.isspace() else _number(columns, record, what, first)
