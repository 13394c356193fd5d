"""Sightings to Rubin alert packets, by the exact schema that the observatory publishes.

A packet has the detection, the earlier detections of its object, and forced photometry of the
visits since the object was first seen up to the night before. As in real packets there are no
limits from before the first detection, ``firstDiaSourceMjdTai`` is null, a Solar System object has
no history, and a source that the survey links to none has 0 for ``ssObjectId``. Images are left
out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from correlator.simulation.avro_columns import Column, Rows, encode, varint
from correlator.simulation.cadence import EXPOSURE_S
from correlator.simulation.ephemeris import DAY_S
from correlator.simulation.lightcurves import BANDS, ZERO_POINT_MAG
from correlator.simulation.packets import AlertRows
from correlator.simulation.population import UNKNOWN, Population, Visits
from correlator.simulation.sightings import Sightings
from ingest_optical.lsst_schemas import schema_json

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

VERSION = 11, 1
FRAME = b"\x00" + (100 * VERSION[0] + VERSION[1]).to_bytes(4, "big")
"""Confluent's frame: the number of the schema in the registry."""

LEAST_RELIABILITY = 0.5
"""What Rubin sends out (lsst-dm/prompt_processing, ApPipe.yaml, since 2026-02-24)."""

TAI_MINUS_UTC_S = 37.0
"""Since 2017."""

_UNIX_EPOCH_MJD = 40_587.0
_SOURCES_A_FIELD = 8_000_000
_VISITS_OF_A_SOURCE = 1_000
_NJY = 10.0 ** (0.4 * (31.4 - ZERO_POINT_MAG))
_NULL = b"\x00"


def is_issued(seen: Sightings) -> Flags:
    """Which detections become alerts, shape ``(n, v)``."""
    return seen.is_detected & (seen.deep_real_bogus >= LEAST_RELIABILITY)


def lsst_alerts_of(
    population: Population, seen: Sightings, field: int, visits: Visits, at: int, n_before: int
) -> AlertRows:
    """Packets of the alerts of the visit ``at``.

    Parameters
    ----------
    n_before
        Visits before the night: so many have forced photometry.
    """
    issued = is_issued(seen)
    rows = np.flatnonzero(issued[:, at])
    table = _Table(population, seen, field, visits)
    columns = _columns()
    own = table.sources(rows, np.full(len(rows), at))
    first = np.argmax(issued[rows], axis=1)
    earlier = issued[rows, :at] & ~table.is_linked(rows)[:, None]
    forced = (np.arange(n_before) > first[:, None]) & ~table.is_linked(rows)[:, None]
    parts = (
        list(_pieces(_encoded(columns["diaSource"], own), np.ones(len(rows), dtype=np.int64))),
        list(_arrays(columns["diaSource"], rows, earlier, table.sources)),
        list(_arrays(columns["prvDiaForcedSources"], rows, forced, table.forced)),
        _objects(columns["diaObject"], table, rows, 1 + earlier.sum(axis=1)),
    )
    records = tuple(
        # No reason and no target; no ephemeris, no orbit, and three images that are not there.
        FRAME + varint(number) + 2 * _NULL + b"".join(pieces) + 5 * _NULL
        for number, *pieces in zip(own["diaSourceId"].tolist(), *parts, strict=True)
    )
    return AlertRows(rows, own["diaSourceId"], records)


class _Table:
    """Columns of the packets of one field."""

    def __init__(self, population: Population, seen: Sightings, field: int, visits: Visits) -> None:
        self._population = population
        self._seen = seen
        self._field = field
        self._visits = visits

    def is_linked(self, rows: Indices) -> Flags:
        """Whether the survey links sources to a known Solar System object."""
        return np.asarray(self._population.solar_system_sep_arcsec[rows] != UNKNOWN)

    def object_numbers(self, rows: Indices) -> Indices:
        """``diaObjectId``."""
        return self._field * _SOURCES_A_FIELD + rows + 1

    def sources(self, rows: Indices, at: Indices) -> dict[str, Any]:
        """Values of ``diaSource`` for pairs of a source and a visit, shape ``(n,)``."""
        seen, linked = self._seen, self.is_linked(rows)
        flux, error = seen.flux[rows, at], seen.flux_err[rows, at]
        numbers = self.object_numbers(rows)
        return {
            **self._measured(rows, at),
            "diaSourceId": numbers * _VISITS_OF_A_SOURCE + at,
            "diaObjectId": np.where(linked, 0, numbers),
            "ssObjectId": np.where(linked, numbers, 0),
            "snr": np.abs(flux) / error,
            "reliability": seen.deep_real_bogus[rows, at],
            "isNegative": flux < 0.0,
            "isDipole": np.zeros(len(rows), dtype=np.bool_),
            "pixelFlags_bad": seen.n_bad_pixels[rows, at] > 0,
            "ra": seen.ra_deg[rows, at],
            "dec": seen.dec_deg[rows, at],
        }

    def forced(self, rows: Indices, at: Indices) -> dict[str, Any]:
        """Values of ``diaForcedSource``."""
        numbers = self.object_numbers(rows)
        return {
            **self._measured(rows, at),
            "diaForcedSourceId": numbers * _VISITS_OF_A_SOURCE + at,
            "diaObjectId": numbers,
            "ra": self._population.ra_deg[rows],
            "dec": self._population.dec_deg[rows],
        }

    def _measured(self, rows: Indices, at: Indices) -> dict[str, Any]:
        start = self._visits.start_unix_s[at]
        middle_tai_s = start + 0.5 * EXPOSURE_S + TAI_MINUS_UTC_S
        names = np.array([b"?", *(name.encode() for name in BANDS.values())])
        return {
            "visit": start.astype(np.int64),
            "detector": self._seen.rcid[rows],
            "midpointMjdTai": middle_tai_s / DAY_S + _UNIX_EPOCH_MJD,
            "timeProcessedMjdTai": (middle_tai_s + 150.0) / DAY_S + _UNIX_EPOCH_MJD,
            "band": names[self._visits.fid[at]],
            "psfFlux": self._seen.flux[rows, at] * _NJY,
            "psfFluxErr": self._seen.flux_err[rows, at] * _NJY,
            "exposureTime": np.full(len(rows), EXPOSURE_S),
        }

    def places(self, rows: Indices) -> dict[str, Any]:
        """Values of ``diaObject`` but for the number of its sources."""
        return {
            "diaObjectId": self.object_numbers(rows),
            "ra": self._population.ra_deg[rows],
            "dec": self._population.dec_deg[rows],
        }


def _arrays(
    columns: tuple[Column, ...], rows: Indices, wanted: Flags, values_of: Any
) -> Iterator[bytes]:
    """One nullable array a source: its rows for the visits that are wanted."""
    which, at = np.nonzero(wanted)
    numbers = wanted.sum(axis=1)
    encoded = _encoded(columns, values_of(rows[which], at))
    for number, piece in zip(numbers.tolist(), _pieces(encoded, numbers), strict=True):
        yield b"\x02" + varint(number) + piece + _NULL if number else _NULL


def _objects(
    columns: tuple[Column, ...], table: _Table, rows: Indices, n_sources: Indices
) -> list[bytes]:
    encoded = _encoded(columns, {**table.places(rows), "nDiaSources": n_sources})
    pieces = _pieces(encoded, np.ones(len(rows), dtype=np.int64))
    linked = table.is_linked(rows).tolist()
    return [_NULL if no else b"\x02" + piece for no, piece in zip(linked, pieces, strict=True)]


def _pieces(rows: Rows, numbers: Indices) -> Iterator[bytes]:
    """So many rows together, in their order."""
    ends = np.concatenate([[0], np.cumsum(numbers)])
    for a, b in pairwise(rows.starts[ends].tolist()):
        yield rows.data[a:b]


def _encoded(columns: tuple[Column, ...], values: Mapping[str, Any]) -> Rows:
    """Rows of a record; what is not given is null, or 0 where it must not be."""
    n = len(next(iter(values.values())))
    empty = {"string": np.zeros(n, dtype="S1")}
    whole = {
        c.name: values[c.name]
        if c.name in values
        else np.ma.MaskedArray(empty.get(c.type, np.zeros(n)), np.full(n, c.nullable))
        for c in columns
    }
    return encode(columns, whole)


@lru_cache(maxsize=1)
def _columns() -> dict[str, tuple[Column, ...]]:
    """The columns of each record of the schema by the field that holds it."""
    text = schema_json(*VERSION)
    assert text is not None  # noqa: S101 - the package that we depend on has it
    found = {}
    for field in json.loads(text)["fields"]:
        kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
        for kind in kinds:
            record = kind.get("items", kind) if isinstance(kind, dict) else None
            if isinstance(record, dict) and field["name"] != "mpc_orbits":
                found[field["name"]] = tuple(_column(f) for f in record["fields"])
    return found


def _column(field: Mapping[str, Any]) -> Column:
    kind = field["type"]
    return (
        Column(field["name"], kind[1], nullable=True)
        if isinstance(kind, list)
        else Column(field["name"], kind)
    )
