"""Packets made to exhaust a reader: small ones that stand for much, and ones of 100 MB."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import tarfile
import zlib
from collections.abc import Callable

import fastavro
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from ingest_optical.avro import writer_schema
from ingest_optical.packets import MAX_ARCHIVE_BYTES
from tests.fuzz import seeds
from tests.ingest_optical import packet_factory as optical
from tests.ingest_vo import notice_factory as notices

MB = 10**6
HUNDRED_MB = 100 * MB
FULL = 8 * 2**20 - 4_096
"""A little less than the largest JSON packet: what a size limit alone lets through."""

_Made = Callable[[], bytes]


def _event(before: str = "", inside: str = "", *, attribute: str = "ivo://x.y/z#1") -> bytes:
    root = f'<VOEvent role="observation" version="2.0" ivorn="{attribute}">'
    return f'<?xml version="1.0"?>\n{before}{root}<What>{inside}</What></VOEvent>'.encode()


def _laughs() -> bytes:
    entities = "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "ha">' for n in range(12)
    )
    return _event(f"<!DOCTYPE VOEvent [{entities}]>", "<Description>&l11;</Description>")


def _quadratic() -> bytes:
    declared = f'<!DOCTYPE VOEvent [<!ENTITY a "{"a" * 100_000}">]>'
    return _event(declared, f"<Description>{'&a;' * 100_000}</Description>")


def _external(what: str) -> bytes:
    inside = '<Param name="TrigID" value="1"/><Description>&x;</Description>'
    return _event(f"<!DOCTYPE VOEvent [{what}]>", inside)


def _attributes() -> bytes:
    many = " ".join(f'a{n}="{n}"' for n in range(70_000))
    return _event(inside=f"<Param {many}/>")


def _namespaces() -> bytes:
    many = " ".join(f'xmlns:n{n}="urn:{n}"' for n in range(30_000))
    return _event(inside=f"<Param {many}/>")


def _params() -> bytes:
    return _event(inside="".join(f'<Param name="p{n}" value="{n}"/>' for n in range(25_000)))


def _groups() -> bytes:
    one = '<Group name="g"><Param name="a" value="1"/></Group>'
    return _event(inside=("<Group>" * 40 + one * 400 + "</Group>" * 40) * 40)


_HEXED = base64.b64encode


def _fits_header(**cards: object) -> bytes:
    shown = "".join(f"{key:8}= {value!s:>20}".ljust(80) for key, value in cards.items())
    text = shown + "END".ljust(80)
    return text.ljust(-(-len(text) // 2880) * 2880).encode()


_PRIMARY = _fits_header(SIMPLE="T", BITPIX=8, NAXIS=0)


def _flat_head(nside: int, code: str = "E", width: int = 4, **other: object) -> bytes:
    cards: dict[str, object] = {
        "XTENSION": "'BINTABLE'", "BITPIX": 8, "NAXIS": 2, "NAXIS1": width,
        "NAXIS2": 12 * nside**2, "PCOUNT": 0, "GCOUNT": 1, "TFIELDS": 1, "TTYPE1": "'PROB'",
        "TFORM1": f"'1{code}'", "ORDERING": "'NESTED'", "NSIDE": nside,
    }  # fmt: skip
    return _PRIMARY + _fits_header(**(cards | other))


_DISTANCE = ("DISTMU", "DISTSIGMA", "DISTNORM")


def _cards(columns: dict[str, str], n: int, **other: object) -> dict[str, object]:
    """The header of a table of columns, by name and format."""
    named = [(f"TTYPE{i}", f"'{name}'") for i, name in enumerate(columns, 1)]
    formed = [(f"TFORM{i}", f"'{form}'") for i, form in enumerate(columns.values(), 1)]
    width = sum(4 if form == "E" else 8 for form in columns.values())
    size = {"BITPIX": 8, "NAXIS": 2, "NAXIS1": width, "NAXIS2": n, "PCOUNT": 0, "GCOUNT": 1}
    fields = {"TFIELDS": len(columns), **dict(named), **dict(formed)}
    return {"XTENSION": "'BINTABLE'", **size, **fields, **other}


def _pattern(nside: int, form: str = "E", layers: int = 1) -> bytes:
    """A gzipped flat map of which no two neighbours are equal, so that nothing merges."""
    n = 12 * nside**2
    columns = dict.fromkeys(("PROB", *_DISTANCE)[:layers], form)
    cards = _cards(columns, n, ORDERING="'NESTED'", NSIDE=nside)
    values = np.arange(1.0, 4097.0) * (1.0 / (2048.0 * n))
    rows = np.repeat(values[:, np.newaxis], layers, axis=1)
    pattern = rows.astype(">f4" if form == "E" else ">f8").tobytes()
    return seeds.repeated_gzip(pattern, n // 4096, _PRIMARY + _fits_header(**cards))


def _multi_order(n: int, layers: int) -> bytes:
    """A multi-order map of ``n`` cells of order 10, with no two neighbours equal."""
    columns = {"UNIQ": "K", **dict.fromkeys(("PROBDENSITY", *_DISTANCE)[:layers], "D")}
    rows = np.empty((n, 1 + layers), dtype=">f8")
    rows[:, 0] = (4**11 + np.arange(n)).astype(">i8").view(">f8")
    rows[:, 1:] = (4**10 / n * (1.0 + np.arange(n) % 4096) / 2048.0)[:, np.newaxis]
    cards = _cards(columns, n, ORDERING="'NUNIQ'")
    return _PRIMARY + _fits_header(**cards) + rows.tobytes()


def _in_igwn(content: bytes) -> bytes:
    return notices.igwn(skymap=base64.b64encode(content).decode())


def _many_axes() -> bytes:
    axes = {f"NAXIS{n}": 999_999_999_999_999_999 for n in range(1, 1000)}
    return _fits_header(SIMPLE="T", BITPIX=8, NAXIS=999, **axes)


def _wire_map(n: int, layers: int = 1) -> bytes:
    """The wire form of a map of cells of order 12, each with values of its own."""
    order = np.full(n, 12, dtype="u1").tobytes()
    density = (1.0 + np.arange(n) % 4096) * (4**12 / n / 2048) + 1e-9
    flags = 2 if layers == 4 else 0
    body = struct.pack("<4sBBHI", b"SKYM", 1, flags, 0, n) + order + layers * density.tobytes()
    return body + struct.pack("<I", zlib.crc32(body))


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


def _parquet(
    rows: list[dict[str, object]], schema: pa.Schema | None = None, **how: object
) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), file, **how)
    return file.getvalue()


def _parquet_history(n: int) -> bytes:
    """A row whose history has ``n`` equal rows: kilobytes, as runs of levels and one value."""
    past = pa.ListArray.from_arrays(
        pa.array([0, n], pa.int32()),
        pa.StructArray.from_arrays([pa.array(np.full(n, 1.0))], names=["jd"]),
    )
    candidate = pa.array([optical.ZTF_CANDIDATE])
    table = pa.table(
        {
            "objectId": ["ZTF24aaaaaaa"],
            "candid": [1],
            "schemavsn": ["4.02"],
            "candidate": candidate,
            "prv_candidates": past,
        }
    )
    file = io.BytesIO()
    parquet.write_table(table, file, compression="zstd")
    return file.getvalue()


def _lying(file: bytes, n: int) -> bytes:
    """A Parquet file whose footer says 3 wherever it said ``n``."""
    at = len(file) - 8 - int.from_bytes(file[-8:-4], "little")
    said = _long(n)
    three = b"\x86" + b"\x80" * (len(said) - 2) + b"\0"
    assert said in file[at:]
    return file[:at] + file[at:].replace(said, three)


def _parquet_strings(n: int) -> bytes:
    """Rows that share one name of 10 MB by a dictionary."""
    names = pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), ["Z" * 10 * MB])
    table = pa.table(
        {
            "objectId": names,
            "candid": [1] * n,
            "candidate": pa.array([optical.ZTF_CANDIDATE] * n),
        }
    )
    file = io.BytesIO()
    parquet.write_table(table, file, compression="zstd", dictionary_pagesize_limit=20 * MB)
    return file.getvalue()


def _odd_columns() -> bytes:
    rows = [{"objectId": b"\xff", "candid": 2**70 // 3**10, "candidate": {"ra": b"\xff\xfe"}}]
    return _parquet(rows)


def _tar(kind: bytes, size: int, name: str = "a.avro", content: bytes = b"") -> bytes:
    """An archive whose member says a size; zeros follow where there is no content."""
    told = tarfile.TarInfo(name)
    told.type, told.size = kind, size
    head = told.tobuf(tarfile.GNU_FORMAT)
    if content:
        return gzip.compress(head + content, 1)
    return seeds.gzip_of_zeros(min(size, 2**31), head)


def _tar_of_packets(n: int) -> bytes:
    return seeds.tar_gz({f"{k}.avro": b"Obj\x01" + bytes(20) for k in range(n)})


def _field(text: bytes) -> bytes:
    """A GCN notice with one field more."""
    return notices.gcn(ra=1, dec=2, ra_dec_error=1)[:-1] + b"," + text + b"}"


def _filled(head: bytes, one: bytes, tail: bytes, size: int = FULL) -> bytes:
    return head + one * ((size - len(head) - len(tail)) // len(one)) + tail


def _lsst_rows(row: bytes, size: int = FULL) -> bytes:
    packet = optical.lsst_json_packet().data
    return _filled(packet[:-1] + b',"more":[', row + b",", b"0]}", size)


BOMBS: dict[str, tuple[str, _Made]] = {
    # XML
    "billion laughs": ("voevent", _laughs),
    "quadratic entities": ("voevent", _quadratic),
    "external entity": ("voevent", lambda: _external('<!ENTITY x SYSTEM "file:///etc/passwd">')),
    "external DTD": (
        "voevent",
        lambda: _event('<!DOCTYPE VOEvent SYSTEM "file:///etc/passwd">'),
    ),
    "parameter entities": (
        "voevent",
        lambda: _external('<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;'),
    ),
    "entity in UTF-16": (
        "voevent",
        lambda: _external('<!ENTITY x SYSTEM "file:///etc/passwd">').decode().encode("utf-16"),
    ),
    "entity in UTF-7": (
        "voevent",
        lambda: b'<?xml version="1.0" encoding="UTF-7"?>' + _laughs().replace(b"<", b"+ADw-"),
    ),
    "XInclude": (
        "voevent",
        lambda: _event(
            inside='<Param name="TrigID" value="1"/><xi:include '
            'xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'
        ),
    ),
    "deep XML": ("voevent", lambda: _event(inside="<Group>" * 60_000 + "</Group>" * 60_000)),
    "70,000 attributes": ("voevent", _attributes),
    "30,000 namespaces": ("voevent", _namespaces),
    "25,000 params": ("voevent", _params),
    "16,000 groups": ("voevent", _groups),
    "long ivorn": ("voevent", lambda: _event(attribute="ivo://a#" + "1" * 900_000)),
    "attribute of 100 MB": ("voevent", lambda: _event(attribute="a" * HUNDRED_MB)),
    "text of 100 MB": ("voevent", lambda: _event(inside="a" * HUNDRED_MB)),
    # JSON
    "deep JSON": ("gcn", lambda: _field(b'"more":' + b"[" * 10_000 + b"]" * 10_000)),
    "deep JSON in a text": ("gcn", lambda: _field(b'"instrument":' + b"[" * 990 + b"]" * 990)),
    "deep JSON in a class": (
        "gcn",
        lambda: _field(b'"classification":{"GRB":' + b'{"a":' * 980 + b"1" + b"}" * 981),
    ),
    "deep JSON in a probability": (
        "igwn",
        lambda: notices.igwn(classification={"BBH": json.loads("[" * 900 + "]" * 900)}),
    ),
    "a million lists": ("gcn", lambda: _filled(_field(b'"more":[')[:-1], b"[],", b"0]}")),
    "a million objects": ("gcn", lambda: _filled(_field(b'"more":[')[:-1], b"{},", b"0]}")),
    "a million small objects": (
        "gcn",
        lambda: _filled(_field(b'"more":[')[:-1], b'{"":{"":0}},', b"0]}"),
    ),
    "a million chains": (
        "gcn",
        lambda: _filled(_field(b'"more":[')[:-1], b'{"":' * 900 + b"0" + b"}" * 900 + b",", b"0]}"),
    ),
    "a million corners": (
        "gcn",
        lambda: _filled(
            notices.gcn(ra=1, dec=2)[:-1] + b',"rectangular_error_corners":[', b"[1,1],", b"[1,1]]}"
        ),
    ),
    "a million errors": (
        "gcn",
        lambda: _filled(notices.gcn(ra=1, dec=2)[:-1] + b',"ra_dec_error":[', b"1,", b"1]}"),
    ),
    "a million ids": (
        "gcn",
        lambda: _filled(notices.gcn(id=None, ra=1, dec=2)[:-1] + b',"id":[', b'"a",', b'"a"]}'),
    ),
    "a million classes": (
        "gcn",
        lambda: _field(
            b'"classification":{' + b",".join(b'"c%d":0.1' % n for n in range(600_000)) + b"}"
        ),
    ),
    "a number of 8 MB": ("gcn", lambda: _field(b'"far":' + b"1" * (FULL - 1_000))),
    "instrument of 8 MB": ("gcn", lambda: _field(b'"instrument":"' + b"a" * (FULL - 1_000) + b'"')),
    "type of 8 MB": ("gcn", lambda: _field(b'"subtype":"' + b"a" * (FULL - 1_000) + b'"')),
    "URL of 8 MB": (
        "gcn",
        lambda: _field(b'"healpix_url":"https://' + b"a" * (FULL - 1_000) + b'.fits"'),
    ),
    "instrument of NUL": ("gcn", lambda: _field(rb'"instrument":"\u0000"')),
    "text of 100 MB in JSON": ("gcn", lambda: _field(b'"instrument":"' + b"a" * HUNDRED_MB + b'"')),
    "name of 100 MB in JSON": ("gcn", lambda: _field(b'"' + b"a" * HUNDRED_MB + b'":1')),
    # FITS, bare and in JSON
    "a header of 1e9 rows": ("fits", lambda: _flat_head(64, NAXIS2=10**9)),
    "a gzipped header of 1e9 rows": (
        "fits",
        lambda: gzip.compress(_flat_head(64, NAXIS2=10**9, NSIDE=2**14)),
    ),
    "negative NAXIS2": ("fits", lambda: _flat_head(64, NAXIS2=-1)),
    "huge NAXIS1": ("fits", lambda: _flat_head(64, NAXIS1=10**17)),
    "999 huge axes": ("fits", _many_axes),
    "NSIDE 2**29": ("fits", lambda: _flat_head(2**29)),
    "a header without an end": (
        "fits",
        lambda: seeds.repeated_gzip(b"COMMENT ".ljust(80), 10**6, b"SIMPLE  =".ljust(80)),
    ),
    "64 empty parts": (
        "fits",
        lambda: _PRIMARY + _fits_header(XTENSION="'IMAGE'", BITPIX=8, NAXIS=0) * 2_000,
    ),
    "a gzip bomb of 1 GB": ("fits", lambda: seeds.gzip_of_zeros(10**9, _flat_head(2**14))),
    "a gzip bomb before the table": (
        "fits",
        lambda: seeds.gzip_of_zeros(
            10**9, _fits_header(SIMPLE="T", BITPIX=8, NAXIS=1, NAXIS1=10**9)
        ),
    ),
    "zeros after the table": (
        "fits",
        lambda: seeds.gzip_of_zeros(10**9, _flat_head(1, NSIDE=1) + b"\x3f\x80\0\0" * 12),
    ),
    "a map of zeros": ("fits", lambda: seeds.gzip_of_zeros(2**26, _flat_head(1024))),
    "a map of 786,432 cells": ("fits", lambda: _pattern(256)),
    "a map of 3 million cells": ("fits", lambda: _pattern(512)),
    "a map of 6 million doubles": ("fits", lambda: _pattern(1024, "D")),
    "a map of 12 million cells": ("fits", lambda: _pattern(1024)),
    "a map of 786,432 distances": ("fits", lambda: _pattern(256, "D", 4)),
    "a multi-order map of 2 million cells": ("fits", lambda: _multi_order(1_990_000, 1)),
    "a multi-order map of 1.6 million distances": ("fits", lambda: _multi_order(1_600_000, 4)),
    "a multi-order map of 4 million cells": ("fits", lambda: _multi_order(4_000_000, 1)),
    "a gzip bomb in an alert": (
        "igwn",
        lambda: _in_igwn(seeds.gzip_of_zeros(10**9, _flat_head(2**13))),
    ),
    "3 million cells in an alert": ("igwn", lambda: _in_igwn(_pattern(512))),
    "empty gzip members": ("fits", lambda: gzip.compress(b"", mtime=0) * 500_000),
    "empty gzip members in an alert": (
        "igwn",
        lambda: _in_igwn(gzip.compress(b"", mtime=0) * 280_000),
    ),
    "a gzip file in a gzip file": ("fits", lambda: gzip.compress(seeds.gzip_of_zeros(10**8))),
    "100 MB of base64": ("igwn", lambda: notices.igwn(skymap="A" * HUNDRED_MB)),
    "100 MB of FITS": ("fits", lambda: _flat_head(64, NAXIS2=25 * MB) + bytes(HUNDRED_MB)),
    # The wire form of localizations
    "a wire map of 2 million cells": ("localization", lambda: _wire_map(2_000_000)),
    "a wire map of 2 million distances": ("localization", lambda: _wire_map(2_000_000, 4)),
    "a wire map of 10 million cells": ("localization", lambda: _wire_map(10_000_000)),
    "a wire map that says 4e9 cells": (
        "localization",
        lambda: struct.pack("<4sBBHI", b"SKYM", 1, 0, 0, 2**32 - 1) + bytes(10**6),
    ),
    "a deep circle": ("localization", lambda: b"[" * 16_000),
    "a circle with a number of 16 kB": (
        "localization",
        lambda: b'{"kind":"circle","version":' + b"9" * 16_000 + b"}",
    ),
    "a circle of 100 MB": ("localization", lambda: b'{"kind":"' + b"a" * HUNDRED_MB + b'"}'),
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
    "a history of 100,000 rows": (
        "optical_json",
        lambda: (
            optical.lsst_json_packet(
                past=[{"diaSourceId": n + 2, "visit": n} for n in range(25_000)]
            ).data
        ),
    ),
    "100 MB in an alert": (
        "optical_json",
        lambda: json.dumps(optical.ztf_record(ssnamenr="a" * HUNDRED_MB)).encode(),
    ),
    # Files
    "a file of a million tiny records": ("avro_file", lambda: _tiny_records(100_000)),
    "a file of 100 MB of JSON lists": (
        "json_file",
        lambda: b"[" + b"[]," * (HUNDRED_MB // 3) + b"0]",
    ),
    "a file of 100 MB of JSON text": ("json_file", lambda: b'["' + b"a" * HUNDRED_MB + b'"]'),
    "a file of deep JSON": ("json_file", lambda: b"[" * 10_000),
    "a file of deep alerts": (
        "json_file",
        lambda: b'[{"diaSource":' + b"[" * 980 + b"]" * 980 + b"}]",
    ),
    "a Parquet history of 50 million rows": ("parquet_file", lambda: _parquet_history(50_000_000)),
    "a Parquet history of 50 million rows that says 3": (
        "parquet_file",
        lambda: _lying(_parquet_history(50_000_000), 50_000_000),
    ),
    "a Parquet history of 900,000 rows": ("parquet_file", lambda: _parquet_history(900_000)),
    "Parquet names of 10 MB": ("parquet_file", lambda: _parquet_strings(2_000)),
    "Parquet columns of odd types": ("parquet_file", _odd_columns),
    "Parquet without a footer": (
        "parquet_file",
        lambda: seeds.made("parquet_file")[0][:-8] + b"\xff\xff\xff\x7fPAR1",
    ),
    "a tar header of 8 GB": (
        "tar_file",
        lambda: _tar(tarfile.XHDTYPE, 8 * 2**30 - 1),
    ),
    "a tar name of 8 GB": ("tar_file", lambda: _tar(tarfile.GNUTYPE_LONGNAME, 8 * 2**30 - 1)),
    "a tar member of 8 GB": ("tar_file", lambda: _tar(tarfile.REGTYPE, 8 * 2**30 - 1)),
    "a tar member beyond all bounds": (
        "tar_file",
        lambda: _tar(tarfile.REGTYPE, MAX_ARCHIVE_BYTES + 1, content=bytes(5_000)),
    ),
    "a tar member of negative size": (
        "tar_file",
        lambda: _negative_member(),
    ),
    "a tar file of 5,000 packets": ("tar_file", lambda: _tar_of_packets(5_000)),
    "a tar file of no packets": ("tar_file", lambda: seeds.tar_gz({"a" * 150: b"x"})),
    "a tar file of a gzip bomb": ("tar_file", lambda: seeds.gzip_of_zeros(2 * 10**9)),
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
"""Name to the kind of reader that it is for, and what makes it."""


def _negative_member() -> bytes:
    told = tarfile.TarInfo("a.avro")
    head = bytearray(told.tobuf(tarfile.GNU_FORMAT))
    head[124:136] = b"\xff" * 11 + b"\x00"
    head[148:156] = b"%06o\0 " % (sum(head[:148]) + 8 * 32 + sum(head[156:512]))
    return gzip.compress(bytes(head) + bytes(1024), 1)
