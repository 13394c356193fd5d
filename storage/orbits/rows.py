"""Orbits in JSON: rows of the Minor Planet Center's own files and of its table ``mpc_orbits``.

- ``mpcorb_extended.json``: one array, epochs as Julian dates, numbers in brackets.
- ``mpc_orbits``: the columns of the public table, which Rubin's alerts carry. One row a line, or
  an array. Its epochs are TDT.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from correlator.orbits.elements import MJD_ZERO_JD, Orbit, perihelion_of_mean_anomaly
from storage.orbits.errors import MalformedOrbitError

Row = Mapping[str, Any]

MAX_NAME = 64
"""Longest designation; those of the Minor Planet Center have at most some 20 letters."""


def orbit_of_row(row: object, record: str) -> Orbit:
    """The orbit in a row of any of the kinds.

    Parameters
    ----------
    row
        As it was decoded.
    record
        File and number of the row, for the errors.

    Raises
    ------
    MalformedOrbitError
        It is of no known kind, a field is missing or no number, or the orbit breaks a rule.
    """
    if not isinstance(row, Mapping):
        raise MalformedOrbitError(record, "a row must be an object", row)
    if "argperi" in row:
        orbit = _of_table(row, record)
    elif "Peri" in row:
        orbit = _of_extended(row, record)
    else:
        rule = "a row must have argperi (mpc_orbits) or Peri (mpcorb_extended.json)"
        raise MalformedOrbitError(record, rule, sorted(map(str, row)))
    if broken := orbit.broken_rule:
        raise MalformedOrbitError(record, *broken)
    return orbit


def _of_table(row: Row, record: str) -> Orbit:
    return Orbit(
        name=_text(row, record, "designation", "unpacked_primary_provisional_designation"),
        epoch_mjd_tdb=_number(row, record, "epoch_mjd"),
        perihelion_au=_number(row, record, "q"),
        eccentricity=_number(row, record, "e"),
        inclination_deg=_number(row, record, "i"),
        node_deg=_number(row, record, "node"),
        argument_deg=_number(row, record, "argperi"),
        perihelion_mjd_tdb=_number(row, record, "peri_time"),
        h_mag=_unknown_or_number(row, record, "h"),
        g_slope=_unknown_or_number(row, record, "g"),
    )


def _of_extended(row: Row, record: str) -> Orbit:
    epoch = _number(row, record, "Epoch") - MJD_ZERO_JD
    axis, eccentricity = _number(row, record, "a"), _number(row, record, "e")
    if not (axis > 0.0 and eccentricity < 1.0):
        rule = "a minor planet goes around: semimajor axis above 0, eccentricity below 1"
        raise MalformedOrbitError(record, rule, (axis, eccentricity))
    return Orbit(
        name=_text(row, record, "Number", "Principal_desig").strip("()"),
        epoch_mjd_tdb=epoch,
        perihelion_au=axis * (1.0 - eccentricity),
        eccentricity=eccentricity,
        inclination_deg=_number(row, record, "i"),
        node_deg=_number(row, record, "Node"),
        argument_deg=_number(row, record, "Peri"),
        perihelion_mjd_tdb=perihelion_of_mean_anomaly(epoch, axis, _number(row, record, "M")),
        h_mag=_unknown_or_number(row, record, "H"),
        g_slope=_unknown_or_number(row, record, "G"),
    )


def _text(row: Row, record: str, *fields: str) -> str:
    """The first of some fields that says something."""
    for field in fields:
        said = row.get(field)
        if isinstance(said, str) and said.strip():
            if len(said) > MAX_NAME:
                raise MalformedOrbitError(record, f"{field} has at most {MAX_NAME} letters", said)
            return said.strip()
    raise MalformedOrbitError(record, f"{' or '.join(fields)} must be known", row.get(fields[0]))


def _number(row: Row, record: str, field: str) -> float:
    said = row.get(field)
    # A bool is an int, an int may be longer than a float, and rows of Parquet have NaN for null.
    if isinstance(said, int | float) and not isinstance(said, bool) and abs(said) < math.inf:
        with suppress(OverflowError):
            return float(said)
    raise MalformedOrbitError(record, f"{field} must be a number", said)


def _unknown_or_number(row: Row, record: str, field: str) -> float | None:
    return None if row.get(field) is None else _number(row, record, field)
