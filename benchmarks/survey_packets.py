"""Packets of real size for a survey's topic: real ones with ids, positions and verdicts rewritten.

Each packet keeps its schema, its cutouts and the length of its history. Rewritten are the ids (each
packet and each object is another one), the position (near that of its exposure, which is drawn over
the sky that the survey sees), the image, and the fields that decide whether the survey's gate lets
it through, so that exactly the wanted share passes: ZTF ``rb`` and ``nbad``, LSST ``reliability``,
``ssObjectId`` and the flags.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
import numpy as np

from benchmarks import inputs
from correlator.errors import ConfigurationError
from ingest_optical import lsst, ztf
from ingest_optical.avro import (
    CONFLUENT_HEADER_BYTES,
    body_of_container,
    confluent_id,
    writer_schema,
)
from ingest_optical.avro_container import Body, container_of
from ingest_optical.lsst_schemas import schema_of_id
from ingest_optical.packets import RawPacket, read_packets
from ingest_optical.quality import DEFAULT_CUTS

_REAL_SIZE = range(60_000, 95_000)
"""Bytes of a ZTF packet of schema 3.3 and later, with its three images."""

_OF_AN_EXPOSURE = 16
"""Packets of one image, one after the other (optical.md: 10 to 20 a quadrant of ZTF's)."""

_FIELD_DEG = 0.4
"""Half the width of the part of the sky on which they lie [deg]."""

_ALERTS_OF_AN_OBJECT = 2

_FIRST_ID = 3_000_000_000_000_000_000

Record = dict[str, Any]


def ztf_packets(real_data: Path, n: int, share: float) -> Iterator[bytes]:
    """So many distinct containers of ZTF's, of which a share passes the gate."""
    templates = [_template(p) for p in inputs.real_ztf(real_data) if len(p.data) in _REAL_SIZE]
    templates = [t for t in templates if t.name == "ztf.alert" and t.version >= "3.3"]
    if not templates:
        raise ConfigurationError(f"{real_data}/optical/ztf has no packet of 60 to 95 kB")
    places = _places(n)
    for i in range(n):
        template = templates[i % len(templates)]
        _rewrite_ztf(template.record, i, *places[i], _passes(i, share))
        yield container_of(template.schema_json, _encoded(template) + template.rest)


def lsst_packets(real_data: Path, n: int, share: float) -> Iterator[bytes]:
    """So many distinct framed records of LSST's without history, as :func:`ztf_packets`."""
    packets = [p for p in read_packets(real_data / "optical/lsst/boom") if p.data[:1] == b"\0"]
    if not packets:
        raise ConfigurationError(f"{real_data}/optical/lsst/boom has no framed packet")
    packet = packets[0]
    schema = schema_of_id(confluent_id(packet.data, packet.name))
    assert schema is not None
    body = Body(schema, packet.data, CONFLUENT_HEADER_BYTES)
    template = _template_of(body, lsst.PREFIX_FIELDS, packet.name)
    places = _places(n)
    for i in range(n):
        _rewrite_lsst(template.record, i, *places[i], _passes(i, share))
        yield packet.data[:CONFLUENT_HEADER_BYTES] + _encoded(template) + template.rest


PACKETS = {"ztf": ztf_packets, "lsst": lsst_packets}


@dataclass(frozen=True, slots=True)
class _Template:
    """A real record: its beginning to be rewritten, the rest as it is."""

    schema_json: bytes
    name: str
    version: str
    prefix: Any
    record: Record
    rest: bytes


def _template(packet: RawPacket) -> _Template:
    return _template_of(body_of_container(packet.data, packet.name), ztf.PREFIX_FIELDS, packet.name)


def _template_of(body: Body, through: tuple[str, ...], name: str) -> _Template:
    schema = writer_schema(body.schema_json, name, through)
    file = io.BytesIO(body.data)
    file.seek(body.begin)
    record = fastavro.schemaless_reader(file, schema.parsed, None)
    assert isinstance(record, dict)
    rest = body.data[file.tell() : body.until]
    version = schema.version or ""
    return _Template(body.schema_json, schema.name, version, schema.parsed, record, rest)


def _encoded(template: _Template) -> bytes:
    file = io.BytesIO()
    fastavro.schemaless_writer(file, template.prefix, template.record)
    return file.getvalue()


def _passes(i: int, share: float) -> bool:
    """Whether packet ``i`` passes, so that of any first packets the share does."""
    return int((i + 1) * share) > int(i * share)


def _places(n: int) -> list[tuple[float, float]]:
    rng = np.random.default_rng(1)
    exposure = np.arange(n) // _OF_AN_EXPOSURE
    n_exposures = int(exposure[-1]) + 1
    ra_deg = rng.uniform(0.0, 360.0, n_exposures)[exposure]
    dec_deg = np.degrees(np.arcsin(rng.uniform(-0.5, 0.95, n_exposures)))[exposure]
    near = rng.uniform(-_FIELD_DEG, _FIELD_DEG, (2, n))
    ra_deg = (ra_deg + near[0] / np.cos(np.radians(dec_deg))) % 360.0
    return list(zip(ra_deg.tolist(), (dec_deg + near[1]).tolist(), strict=True))


def _rewrite_ztf(record: Record, i: int, ra_deg: float, dec_deg: float, passes: bool) -> None:
    candidate = record["candidate"]
    record["candid"] = candidate["candid"] = _FIRST_ID + i
    record["objectId"] = "ZTF26" + _letters(i // _ALERTS_OF_AN_OBJECT)
    candidate |= {
        "pid": _FIRST_ID // 10**6 + i // _OF_AN_EXPOSURE,
        "ra": ra_deg,
        "dec": dec_deg,
        "rb": 0.9 if passes else 0.1,
        "nbad": 0,
    }
    cuts = DEFAULT_CUTS["ztf"]
    assert cuts.min_real_bogus_forest == 0.55
    assert cuts.max_bad_pixels == 0


def _rewrite_lsst(record: Record, i: int, ra_deg: float, dec_deg: float, passes: bool) -> None:
    source = record["diaSource"]
    ids: Mapping[str, int] = {
        "diaSourceId": _FIRST_ID + i,
        "diaObjectId": _FIRST_ID + i // _ALERTS_OF_AN_OBJECT,
    }
    record["diaSourceId"] = ids["diaSourceId"]
    source |= ids | {
        "ssObjectId": None,
        "visit": 2_026_000_000_000 + i // _OF_AN_EXPOSURE,
        "ra": ra_deg,
        "dec": dec_deg,
        "reliability": 0.9 if passes else 0.1,
    }
    cuts = DEFAULT_CUTS["lsst"]
    source |= {flag: False for flag in cuts.forbidden_flags if flag in source}
    assert cuts.min_real_bogus == 0.6


def _letters(n: int) -> str:
    """Seven letters that count."""
    return "".join(chr(97 + n // 26**k % 26) for k in reversed(range(7)))
