"""Real packets of both surveys as they are on the wire, each with the whole record that it holds.

ZTF's are as received. Of Rubin's only one is: BOOM's, of schema 9.0. The others are rows of Fink's
tables, written again with Rubin's own schema 10.0 and framed as Rubin frames them: their values are
real, their bytes are ours. Where a table has lost the images there are none, which spares the peer.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import fastavro
import orjson
from pyarrow import parquet

from benchmarks import inputs
from correlator.errors import ConfigurationError
from ingest_optical import lsst, ztf
from ingest_optical.avro import (
    CONFLUENT_HEADER_BYTES,
    body_of_container,
    confluent_id,
    read_body,
    writer_schema,
)
from ingest_optical.avro_container import MAGIC
from ingest_optical.lsst_schemas import schema_of_id, version_of_id
from ingest_optical.packets import RawPacket, read_packets

SCHEMA_ID = 1000
"""Schema with which Fink's rows are written again: 10.0, of which they all are."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RealPacket:
    """A packet and what a general reader makes of it.

    Attributes
    ----------
    packet
        As received.
    n_past
        Number of earlier and of forced sources of a Rubin packet; 0 for ZTF's.
    """

    packet: RawPacket
    n_past: int = 0

    @property
    def is_container(self) -> bool:
        """Whether it brings its schema."""
        return self.packet.data[:4] == MAGIC

    def whole_record(self) -> Record:
        """The record by fastavro, whole; a framed one with a schema that is parsed already."""
        data = self.packet.data
        if self.is_container:
            return cast("Record", next(fastavro.reader(io.BytesIO(data))))
        return read_framed(data)

    def parsed_once(self) -> Record:
        """The same by fastavro with a schema that is parsed already, a container's too."""
        if not self.is_container:
            return read_framed(self.packet.data)
        body = body_of_container(self.packet.data, self.packet.name)
        return cast("Record", read_body(body, self.packet.name).record)


def read_framed(data: bytes) -> Record:
    """The record of a framed packet by fastavro."""
    stream = io.BytesIO(data)
    stream.seek(CONFLUENT_HEADER_BYTES)
    schema = parsed_of_id(confluent_id(data, "packet"))
    return cast("Record", fastavro.schemaless_reader(stream, schema, None))


def ztf_packets(real_data: Path) -> list[RealPacket]:
    """All raw packets of ZTF, each in a container of its own."""
    return [RealPacket(p) for p in inputs.real_ztf(real_data) if _is_ztf_s_own(p)]


def lsst_packets(real_data: Path) -> list[RealPacket]:
    """Rubin's raw packet, and each alert of Fink's tables once, written again.

    Raises
    ------
    ConfigurationError
        The folder has none.
    """
    folder = real_data / "optical" / "lsst"
    raw = [p for p in read_packets(folder / "boom") if p.data[:1] == b"\0"]
    found = [RealPacket(p, _n_past(read_framed(p.data))) for p in raw]
    found += _written_again(folder / "fink")
    if not found:
        raise ConfigurationError(f"{folder} must hold real packets, and holds none")
    return found


def alert_of_record(real: RealPacket, record: Mapping[str, Any], max_points: int | None) -> Any:
    """The alert of a whole record, for comparison: no pattern and no cut schema has touched it."""
    name = real.packet.name
    if real.is_container:
        written = body_of_container(real.packet.data, name).schema_json
        version = orjson.loads(written).get("version")
        return ztf.to_alert(record, name, version, max_points)
    major, minor = version_of_id(confluent_id(real.packet.data, name))
    return lsst.to_alert(record, name, f"{major}.{minor}", max_points)


@cache
def parsed_of_id(schema_id: int) -> Any:
    """Rubin's schema of an id as fastavro reads with it."""
    schema = schema_of_id(schema_id)
    if schema is None:
        raise ConfigurationError(f"schema id {schema_id} must be one of Rubin's")
    return fastavro.parse_schema(orjson.loads(schema))


def _is_ztf_s_own(packet: RawPacket) -> bool:
    body = body_of_container(packet.data, packet.name)
    return writer_schema(body.schema_json, packet.name).name == "ztf.alert"


def _written_again(folder: Path) -> Iterator[RealPacket]:
    seen = set[int]()
    schema = schema_of_id(SCHEMA_ID)
    assert schema is not None
    kind, framing = orjson.loads(schema), b"\0" + SCHEMA_ID.to_bytes(4, "big")
    named = _named(kind)
    write = partial(fastavro.schemaless_writer, schema=parsed_of_id(SCHEMA_ID))
    # Tables with the images first: an alert is taken where it is most whole.
    for path in sorted(folder.rglob("*.parquet"), key=lambda p: ("nocutouts" in p.name, p.name)):
        table = parquet.read_table(path)
        wanted = [f["name"] for f in kind["fields"] if f["name"] in table.column_names]
        for n, row in enumerate(table.select(wanted).to_pylist()):
            if row["diaSourceId"] in seen:
                continue
            seen.add(row["diaSourceId"])
            record = _as_written(kind, named, row)
            stream = io.BytesIO()
            write(stream, record=record)
            packet = RawPacket(f"{path}#{n}", "lsst", framing + stream.getvalue())
            yield RealPacket(packet, _n_past(record))


def _n_past(record: Record) -> int:
    return sum(len(record.get(name) or ()) for name in ("prvDiaSources", "prvDiaForcedSources"))


def _named(node: Any) -> dict[str, Any]:
    """The records of a schema by name, for the places that only name them."""
    if isinstance(node, list):
        return {k: v for branch in node for k, v in _named(branch).items()}
    if not isinstance(node, dict):
        return {}
    found = {k: v for key in ("type", "items") for k, v in _named(node.get(key)).items()}
    for field in node.get("fields", ()):
        found |= _named(field["type"])
    if node.get("type") == "record":
        found[node["name"]] = found[f"{node.get('namespace')}.{node['name']}"] = node
    return found


def _as_written(kind: Any, named: Mapping[str, Any], value: Any) -> Any:
    """A value of a table in the type that a schema asks for.

    Some of their ids are floats, and a record that is absent is one of nulls.
    """
    if isinstance(kind, list):
        if value is None or (isinstance(value, dict) and set(value.values()) == {None}):
            return None
        kind = next(branch for branch in kind if branch != "null")
    if isinstance(kind, str):
        if kind in ("int", "long"):
            return int(value)
        if kind in ("float", "double"):
            return float(value)
        return _as_written(named[kind], named, value) if kind in named else value
    if kind["type"] == "record":
        return {
            f["name"]: _as_written(f["type"], named, value.get(f["name"])) for f in kind["fields"]
        }
    if kind["type"] == "array":
        return [_as_written(kind["items"], named, row) for row in value]
    return _as_written(kind["type"], named, value)
