"""Sightings to ZTF-like alert packets: schema, records of an exposure, container files.

The field names, types and "unknown" values are those of ZTF's alert schema 4.02, of which this
one holds the part that a correlator reads. Without cutouts and forced photometry a packet has
about 2 kB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from correlator.simulation.avro_columns import Column, Rows, encode, record_schema, varint
from correlator.simulation.cadence import EXPOSURE_S, NIGHT_ZERO_JD, Night
from correlator.simulation.ephemeris import jd_of
from correlator.simulation.lightcurves import mag_of
from correlator.simulation.population import Population, Visits
from correlator.simulation.sightings import Sightings

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

SCHEMA_VERSION = "4.02"
PUBLISHER = "simulated night, not ZTF"
SYNC_MARKER = b"simulated night."
"""Sixteen bytes; real files have random ones, ours must be the same for the same seed."""

PROGRAM_PUBLIC = 1

_MEASURED = (
    Column("jd", "double"),
    Column("fid", "int"),
    Column("pid", "long"),
    Column("diffmaglim", "float", nullable=True),
    Column("programid", "int"),
)
_CANDIDATE = (
    *_MEASURED,
    Column("candid", "long"),
    Column("isdiffpos", "string"),
    Column("nid", "int", nullable=True),
    Column("rcid", "int", nullable=True),
    Column("field", "int", nullable=True),
    Column("ra", "double"),
    Column("dec", "double"),
    Column("magpsf", "float"),
    Column("sigmapsf", "float"),
    Column("magap", "float", nullable=True),
    Column("distnr", "float", nullable=True),
    Column("magnr", "float", nullable=True),
    Column("magdiff", "float", nullable=True),
    Column("fwhm", "float", nullable=True),
    Column("elong", "float", nullable=True),
    Column("nbad", "int", nullable=True),
    Column("rb", "float", nullable=True),
    Column("ssdistnr", "float", nullable=True),
    Column("ssmagnr", "float", nullable=True),
    Column("ssnamenr", "string", nullable=True),
    *(
        Column(f"{name}{i}", "float", nullable=True)
        for i in (1, 2, 3)
        for name in ("srmag", "sgscore", "distpsnr")
    ),
    Column("ndethist", "int"),
    Column("ncovhist", "int"),
    Column("jdstarthist", "double", nullable=True),
    Column("jdendhist", "double", nullable=True),
    Column("scorr", "double", nullable=True),
    Column("tooflag", "int", nullable=True),
    Column("neargaia", "float", nullable=True),
    Column("exptime", "float", nullable=True),
    Column("drb", "float", nullable=True),
)
_HISTORY = (
    *_MEASURED,
    Column("candid", "long", nullable=True),
    Column("isdiffpos", "string", nullable=True),
    Column("rcid", "int", nullable=True),
    Column("field", "int", nullable=True),
    Column("ra", "double", nullable=True),
    Column("dec", "double", nullable=True),
    Column("magpsf", "float", nullable=True),
    Column("sigmapsf", "float", nullable=True),
    Column("nbad", "int", nullable=True),
    Column("rb", "float", nullable=True),
)
_ENVELOPE = (
    Column("schemavsn", "string"),
    Column("publisher", "string"),
    Column("objectId", "string"),
    Column("candid", "long"),
)

_LETTERS = 26
_OBJECT_LETTERS = 7
_SOURCES_A_FIELD = 8_000_000
_STRIDE = 1_234_567_891
"""Coprime with 26^7: neighbouring sources get unlike names, and no two the same."""


def schema() -> dict[str, Any]:
    """Avro schema of the packets."""
    history = {"type": "array", "items": record_schema("ztf.alert.prv_candidate", _HISTORY)}
    alert = record_schema("alert", _ENVELOPE)
    alert["fields"] += [
        {"name": "candidate", "type": record_schema("ztf.alert.candidate", _CANDIDATE)},
        {"name": "prv_candidates", "type": ["null", history], "default": None},
    ]
    return {
        "type": "record",
        "name": "alert",
        "namespace": "ztf",
        "version": SCHEMA_VERSION,
        "doc": "Simulated alerts with field names of ZTF.",
        "fields": alert["fields"],
    }


def container(records: Sequence[bytes]) -> bytes:
    """Avro object container of records; ZTF sends one record in each."""
    body = b"".join(records)
    return _HEADER + varint(len(records)) + varint(len(body)) + body + SYNC_MARKER


def _header() -> bytes:
    entries = {b"avro.schema": orjson.dumps(schema()), b"avro.codec": b"null"}
    texts = [varint(len(text)) + text for pair in entries.items() for text in pair]
    return b"Obj\x01" + varint(len(entries)) + b"".join(texts) + varint(0) + SYNC_MARKER


_HEADER = _header()


@dataclass(frozen=True, slots=True)
class AlertRows:
    """The alerts of one exposure: index of the source, ``candid`` and the record of each."""

    source: Indices
    candid: Indices
    records: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.records)


def alerts_of(
    population: Population, seen: Sightings, field: int, visits: Visits, at: int, night: Night
) -> AlertRows:
    """Records of the alerts of the visit ``at``, each with the visits before it as history."""
    rows = np.flatnonzero(seen.is_detected[:, at])
    tables = _Tables(population, seen, field, visits, night)
    values = tables.candidates(rows, at)
    candidates = _cut(encode((*_ENVELOPE, *_CANDIDATE), values), 1)
    if at == 0:
        return AlertRows(rows, values["candid"], tuple(own + b"\x00" for own in candidates))
    history = encode(_HISTORY, tables.history(rows, at))
    # Branch 1 of the union, one block of ``at`` items, and the empty block that ends an array.
    before = b"\x02" + varint(at)
    records = tuple(
        own + before + past + b"\x00"
        for own, past in zip(candidates, _cut(history, at), strict=True)
    )
    return AlertRows(rows, values["candid"], records)


def object_ids(field: int, sources: Indices, year: Indices) -> NDArray[np.bytes_]:
    """``ZTF``, two digits of the year of the first detection, seven letters."""
    serial = (field * _SOURCES_A_FIELD + sources) * _STRIDE % _LETTERS**_OBJECT_LETTERS
    powers = _LETTERS ** np.arange(_OBJECT_LETTERS - 1, -1, -1, dtype=np.int64)
    letters = (serial[:, None] // powers % _LETTERS + ord("a")).astype(np.uint8)
    names = np.empty((len(sources), 12), dtype=np.uint8)
    names[:, :3] = np.frombuffer(b"ZTF", dtype=np.uint8)
    names[:, 3], names[:, 4] = ord("0") + year // 10 % 10, ord("0") + year % 10
    names[:, 5:] = letters
    return np.ascontiguousarray(names).view("S12")[:, 0]


def _cut(rows: Rows, per_record: int) -> Iterator[bytes]:
    starts = rows.starts[::per_record].tolist()
    for a, b in pairwise(starts):
        yield rows.data[a:b]


def _neighbours(near: Population, rows: Indices) -> dict[str, Floats]:
    columns = {
        "srmag": near.star_mag_r,
        "sgscore": near.star_score,
        "distpsnr": near.star_sep_arcsec,
    }
    return {f"{name}{i + 1}": v[rows, i] for name, v in columns.items() for i in range(v.shape[1])}


def _processing_id(start_unix_s: Floats, rcid: Indices) -> Indices:
    """``pid``: night number, five digits of the day, readout channel, 15."""
    days = jd_of(start_unix_s) - NIGHT_ZERO_JD
    number = days.astype(np.int64)
    fraction = ((days - number) * 1e5).astype(np.int64)
    return np.asarray(number * 10**9 + fraction * 10**4 + rcid * 100 + 15)


def _rank_in_quadrant(rcid: Indices) -> Indices:
    """How many earlier sources share the quadrant: the serial number of ``candid``."""
    order = np.argsort(rcid, kind="stable")
    ordered = rcid[order]
    rank = np.empty(len(rcid), dtype=np.int64)
    rank[order] = np.arange(len(rcid)) - np.searchsorted(ordered, ordered)
    return rank


def _two_digit_year(unix_s: Floats) -> Indices:
    years = unix_s.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64)
    return np.asarray((years + 1970) % 100)


class _Tables:
    """Columns of the packets of one field."""

    def __init__(
        self, population: Population, seen: Sightings, field: int, visits: Visits, night: Night
    ) -> None:
        self._sources = population
        self._seen = seen
        self._field = field
        self._visits = visits
        self._night = night
        self._serial = _rank_in_quadrant(seen.rcid)

    def candidates(self, rows: Indices, at: int) -> Mapping[str, Any]:
        """Values of the envelope and of ``candidate`` for the sources that a visit detects."""
        near, n = self._sources, len(rows)
        measured = {
            name: column[:, 0] for name, column in self._measured(rows, np.array([at])).items()
        }
        first, n_raw = self._beginning(rows, at)
        start = self._visits.start_unix_s[at]
        return {
            **measured,
            **_neighbours(near, rows),
            "schemavsn": np.full(n, SCHEMA_VERSION.encode()),
            "publisher": np.full(n, PUBLISHER.encode()),
            "objectId": object_ids(self._field, rows, _two_digit_year(first)),
            "nid": np.full(n, self._night.number),
            "distnr": near.reference_sep_arcsec[rows],
            "magnr": near.reference_mag[rows],
            "ssdistnr": near.solar_system_sep_arcsec[rows],
            "ssmagnr": near.solar_system_mag[rows],
            "ssnamenr": near.solar_system_name[rows],
            "ndethist": near.n_before[rows] + n_raw,
            "ncovhist": np.full(n, 600 + at) + near.n_before[rows],
            "jdstarthist": jd_of(first),
            "jdendhist": np.full(n, jd_of(start)),
            "tooflag": np.full(n, int(self._visits.is_too[at])),
            "neargaia": near.gaia_sep_arcsec[rows],
            "exptime": np.full(n, EXPOSURE_S),
        }

    def history(self, rows: Indices, at: int) -> Mapping[str, Any]:
        """Values of ``prv_candidates``: all visits before ``at``, source by source."""
        visits = np.arange(at)
        is_null = ~self._seen.is_detected[np.ix_(rows, visits)].ravel()
        values = {name: v.ravel() for name, v in self._measured(rows, visits).items()}
        only_detected = {column.name for column in _HISTORY[len(_MEASURED) :]} - {"rcid", "field"}
        return {
            name: np.ma.MaskedArray(v, is_null) if name in only_detected else v
            for name, v in values.items()
        }

    def _measured(self, rows: Indices, visits: Indices) -> dict[str, NDArray[Any]]:
        """What a row of ``candidate`` and of ``prv_candidates`` have in common, shape (n, v)."""
        seen, cells = self._seen, np.ix_(rows, visits)
        shape = (len(rows), len(visits))
        start = self._visits.start_unix_s[visits]
        flux, error = seen.flux[cells], seen.flux_err[cells]
        size = np.maximum(np.abs(flux), 1e-9)
        rcid = np.broadcast_to(seen.rcid[rows, None], shape)
        pid = _processing_id(start, rcid)
        magnitude = mag_of(size)
        difference = seen.mag_difference[cells]
        is_positive = flux > 0.0
        serial = self._serial[rows, None]
        return {
            "jd": np.broadcast_to(jd_of(start), shape),
            "fid": np.broadcast_to(self._visits.fid[visits], shape),
            "pid": pid,
            "diffmaglim": seen.limit_mag[cells],
            "programid": np.full(shape, PROGRAM_PUBLIC),
            "candid": pid * 10**6 + np.where(is_positive, 15_000, 10_000) + serial,
            "isdiffpos": np.where(is_positive, b"t", b"f"),
            "rcid": rcid,
            "field": np.full(shape, self._field),
            "ra": seen.ra_deg[cells],
            "dec": seen.dec_deg[cells],
            "magpsf": magnitude,
            "sigmapsf": 2.5 / np.log(10.0) * error / size,
            "magap": magnitude + difference,
            "magdiff": difference,
            "fwhm": seen.fwhm_px[cells],
            "elong": seen.elongation[cells],
            "nbad": seen.n_bad_pixels[cells],
            "rb": seen.real_bogus[cells],
            "drb": seen.deep_real_bogus[cells],
            "scorr": size / error,
        }

    def _beginning(self, rows: Indices, at: int) -> tuple[Floats, Indices]:
        """Start of each history [s since the Unix epoch] and raw detections since thirty days."""
        is_raw = self._seen.is_raw[rows, : at + 1]
        first = self._visits.start_unix_s[np.argmax(is_raw, axis=1)]
        since = self._sources.since_unix_s[rows]
        return np.where(np.isnan(since), first, since), is_raw.sum(axis=1)
