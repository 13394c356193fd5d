"""Bombs in Avro and JSON, for the decoders of alerts and of our own records."""

from __future__ import annotations

import io
import json
import zlib

import fastavro

from ingest_optical.avro import writer_schema
from tests.fuzz import seeds
from tests.fuzz.bomb_parts import FULL, HUNDRED_MB, Bombs, filled
from tests.ingest_optical import packet_factory as optical


def _alert_schema(items: object, name: str = "ztf.alert") -> dict[str, object]:
    schema = optical.ztf_schema(name=name)
    fields = [f for f in schema["fields"] if f["name"] != "prv_candidates"]
    return {**schema, "fields": [*fields, {"name": "more", "type": items}]}


def _raw_container(schema: object, body: bytes, codec: str = "deflate", count: int = 1) -> bytes:
    """A container whose schema no writer would have accepted, around a body as it is."""
    stored = _deflated(body) if codec == "deflate" else body
    head = {"avro.schema": json.dumps(schema).encode(), "avro.codec": codec.encode()}
    file = io.BytesIO()
    file.write(b"Obj\x01" + _long(len(head)))
    for key, value in head.items():
        file.write(_long(len(key)) + key.encode() + _long(len(value)) + value)
    file.write(_long(0) + b"s" * 16 + _long(count) + _long(len(stored)) + stored + b"s" * 16)
    return file.getvalue()


def _long(value: int) -> bytes:
    file = io.BytesIO()
    fastavro.schemaless_writer(file, "long", value)
    return file.getvalue()


def _deflated(body: bytes) -> bytes:
    deflater = zlib.compressobj(9, wbits=-15)
    return deflater.compress(body) + deflater.flush()


def _body_before() -> bytes:
    """The record of a ZTF alert up to the field that a bomb adds."""
    schema = {**optical.ztf_schema()}
    schema["fields"] = [f for f in schema["fields"] if f["name"] != "prv_candidates"]
    file = io.BytesIO()
    fastavro.schemaless_writer(file, fastavro.parse_schema(schema), optical.ztf_record())
    return file.getvalue()


def _avro_rows(items: object, row: bytes, size: int | None = None) -> bytes:
    """A container of one alert with an array of small items, by default as long as is decoded."""
    schema = _alert_schema({"type": "array", "items": items})
    before = _body_before()
    size = size or writer_schema(json.dumps(schema).encode(), "bomb").max_bytes
    n = (size - len(before) - 8) // len(row)
    return _raw_container(schema, before + _long(n) + row * n + _long(0))


def _avro_history(size: int | None = None) -> bytes:
    """A ZTF alert with the real schema's shape and a history of rows of nothing."""
    null_row = b"\0" * (len(optical.ZTF_CANDIDATE))
    before = _body_before()[:-1]  # without the image, which comes last
    size = size or writer_schema(json.dumps(optical.ztf_schema()).encode(), "bomb").max_bytes
    n = (size - len(before) - 10) // len(null_row)
    body = before + _long(1) + _long(n) + null_row * n + _long(0) + _long(0)
    return _raw_container(optical.ztf_schema(), body)


_ROW = {"type": "record", "name": "r", "fields": [{"name": "b", "type": "boolean"}]}
_INTEGERS = {
    "type": "record", "name": "r", "fields": [{"name": f"i{k}", "type": "int"} for k in range(100)],
}  # fmt: skip
_FIXED = {"type": "fixed", "name": "f", "size": -1}
_WIDE = {
    "type": "record", "name": "w",
    "fields": [{"name": "b", "type": "boolean"}]
    + [{"name": f"n{k}", "type": "null"} for k in range(500)],
}  # fmt: skip


def _decimal() -> bytes:
    huge = {"type": "bytes", "logicalType": "decimal", "precision": 10**18, "scale": 10**18}
    return _raw_container(_alert_schema(huge), _body_before() + _long(4) + b"\x7f" * 4)


def _schemas() -> bytes:
    """A schema of 1 MB of documentation."""
    return _raw_container({**optical.ztf_schema(), "doc": "d" * 10**6}, _body_before(), "null")


def _tiny_records(n: int) -> bytes:
    """A container of many records that are nothing beside the schema they each bring."""
    nothing = {"type": "record", "name": "ztf.alert", "fields": [{"name": "b", "type": "boolean"}]}
    return _raw_container({**nothing, "doc": "d" * 20_000}, b"\0" * n, "deflate", n)


def _lsst_rows(row: bytes, size: int = FULL) -> bytes:
    packet = optical.lsst_json_packet().data
    return filled(packet[:-1] + b',"more":[', row + b",", b"0]}", size)


BOMBS: Bombs = {
    # Avro
    "rows of one byte": ("ztf", lambda: _avro_rows(_ROW, b"\0")),
    "16 million rows of one byte": ("ztf", lambda: _avro_rows(_ROW, b"\0", 15 * 2**20)),
    "rows of 500 nulls": ("ztf", lambda: _avro_rows(_WIDE, b"\0", 2**18)),
    "rows of 100 integers": ("ztf", lambda: _avro_rows(_INTEGERS, b"\x80\x7f" * 100)),
    "5 million integers": ("ztf", lambda: _avro_rows("long", b"\x7e")),
    "large integers": ("ztf", lambda: _avro_rows("long", b"\xfe\x7f")),
    "texts of two letters": ("ztf", lambda: _avro_rows("string", b"\x04ab")),
    "texts of wide letters": (
        "ztf",
        lambda: _avro_rows("string", b"\x80\x10" + "\U0001f980".encode() + b"a" * 1020),
    ),
    "arrays of nothing": ("ztf", lambda: _avro_rows({"type": "array", "items": "int"}, b"\0")),
    "maps of nothing": ("ztf", lambda: _avro_rows({"type": "map", "values": "int"}, b"\0")),
    "maps of one": (
        "ztf",
        lambda: _avro_rows({"type": "map", "values": "int"}, b"\x02\x02a\x02\0"),
    ),
    "dates": ("ztf", lambda: _avro_rows({"type": "int", "logicalType": "date"}, b"\x7e")),
    "a history of nothing": ("ztf", _avro_history),
    "16 MB of a history of nothing": ("ztf", lambda: _avro_history(15 * 2**20)),
    "items of no bytes": (
        "ztf",
        lambda: _raw_container(
            _alert_schema({"type": "array", "items": "null"}),
            _body_before() + _long(2**60) + _long(0),
        ),
    ),
    "items of -1 bytes": (
        "ztf",
        lambda: _raw_container(
            _alert_schema({"type": "array", "items": _FIXED}),
            _body_before() + _long(2**60) + _long(0),
        ),
    ),
    "items of 0 bytes in a record": (
        "ztf",
        lambda: _raw_container(
            _alert_schema(
                {
                    "type": "array",
                    "items": {
                        "type": "record",
                        "name": "r",
                        "fields": [
                            {"name": "a", "type": {**_FIXED, "size": -9}},
                            {"name": "b", "type": {**_FIXED, "name": "g", "size": 10}},
                        ],
                    },
                }
            ),
            _body_before() + _long(2**60) + _long(0),
        ),
    ),
    "a record in itself": (
        "ztf",
        lambda: _raw_container(
            _alert_schema({"type": "array", "items": "ztf.alert"}), _body_before() + _long(0)
        ),
    ),
    "a deep schema": (
        "ztf",
        lambda: _raw_container(
            _alert_schema(json.loads('{"type":"array","items":' * 900 + '"int"' + "}" * 900)),
            _body_before() + _long(0),
        ),
    ),
    "a decimal of 1e18 digits": ("ztf", _decimal),
    "a text of 2**62 bytes": (
        "ztf",
        lambda: _raw_container(_alert_schema("bytes"), _body_before() + _long(2**62)),
    ),
    "a deflate bomb": (
        "ztf",
        lambda: _raw_container(_alert_schema("bytes"), _body_before() + bytes(10**9)),
    ),
    "a schema of 1 MB": ("ztf", _schemas),
    "a packet of 100 MB": ("ztf", lambda: optical.ztf_packet().data + bytes(HUNDRED_MB)),
    "a frame of 100 MB": ("confluent", lambda: b"\0\0\0\x03\xe8" + bytes(HUNDRED_MB)),
    "a frame of a million rows": (
        "confluent",
        lambda: seeds.made("confluent")[0] + bytes(15 * 2**20),
    ),
    # Optical JSON
    "deep JSON for a sign": (
        "optical_json",
        lambda: json.dumps(
            optical.ztf_record(isdiffpos=json.loads("[" * 960 + "]" * 960))
        ).encode(),
    ),
    "deep JSON for a number": (
        "optical_json",
        lambda: json.dumps(optical.ztf_record(ra=json.loads("[" * 960 + "]" * 960))).encode(),
    ),
    "a million objects in an alert": ("optical_json", lambda: _lsst_rows(b'{"":0}')),
    "a million lists in an alert": ("optical_json", lambda: _lsst_rows(b"[]", 16 * 2**20)),
    "a history of 20,000 rows": (
        "optical_json",
        lambda: (
            optical.lsst_json_packet(
                past=[{"diaSourceId": n + 2, "visit": n} for n in range(20_000)]
            ).data
        ),
    ),
    "a history of 25,000 rows": (
        "optical_json",
        lambda: (
            optical.lsst_json_packet(
                past=[{"diaSourceId": n + 2, "visit": n} for n in range(25_000)]
            ).data
        ),
    ),
    "a text of quotes without an end, and NaN": (
        "optical_json",
        lambda: b'{"diaSourcesList": [NaN, "' + b'\\"' * (2**22 - 100),
    ),
    "a million texts and NaNs": ("optical_json", lambda: b'"N",NaN,' * 2**20),
    "a Babamul history of 25,000 rows": (
        "ztf",
        lambda: optical.babamul_packet([{"jd": 2460320.0 + n / 1e4} for n in range(25_000)]).data,
    ),
    "100 MB in an alert": (
        "optical_json",
        lambda: json.dumps(optical.ztf_record(ssnamenr="a" * HUNDRED_MB)).encode(),
    ),
    "a file of 100,000 tiny records": ("avro_file", lambda: _tiny_records(100_000)),
    # Our own records
    "a deep record": ("alert_record", lambda: b'{"survey":' + b"[" * 100_000),
    "a record of 100 MB": (
        "alert_record",
        lambda: seeds.made("alert_record")[0].replace(b"ZTF25aaaaaaa", b"Z" * HUNDRED_MB),
    ),
    "an index of 4,000 digits": (
        "alert_record",
        lambda: seeds.made("alert_record")[0].replace(
            b'"index_29":', b'"index_29":' + b"9" * 4_000
        ),
    ),
}
