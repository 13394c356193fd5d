"""Bombs in files of packets: Parquet, archives, JSON."""

from __future__ import annotations

import gzip
import io
import tarfile

import fastavro
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from ingest_optical.packets import MAX_ARCHIVE_BYTES
from tests.fuzz import seeds
from tests.fuzz.bomb_parts import HUNDRED_MB, MB, Bombs, gzip_of_zeros
from tests.ingest_optical import packet_factory as optical


def _long(value: int) -> bytes:
    file = io.BytesIO()
    fastavro.schemaless_writer(file, "long", value)
    return file.getvalue()


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


def _long_text() -> bytes:
    """A row whose name is 300 MB of one letter, in a column that says it has 3 bytes."""
    table = pa.table(
        {
            "objectId": ["Z" * 300 * MB],
            "candid": [1],
            "candidate": pa.array([optical.ZTF_CANDIDATE]),
        }
    )
    file = io.BytesIO()
    parquet.write_table(table, file, compression="zstd", use_dictionary=False)
    made = file.getvalue()
    footer = parquet.ParquetFile(io.BytesIO(made)).metadata.row_group(0)
    return _lying(made, footer.column(0).total_uncompressed_size)


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
    return gzip_of_zeros(min(size, 2**31), head)


def _tar_of_packets(n: int) -> bytes:
    return seeds.tar_gz({f"{k}.avro": b"Obj\x01" + bytes(20) for k in range(n)})


def _negative_member() -> bytes:
    told = tarfile.TarInfo("a.avro")
    head = bytearray(told.tobuf(tarfile.GNU_FORMAT))
    head[124:136] = b"\xff" * 11 + b"\x00"
    head[148:156] = b"%06o\0 " % (sum(head[:148]) + 8 * 32 + sum(head[156:512]))
    return gzip.compress(bytes(head) + bytes(1024), 1)


BOMBS: Bombs = {
    # Files
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
    "a Parquet text of 300 MB that says 3": ("parquet_file", _long_text),
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
        _negative_member,
    ),
    "a tar file of 5,000 packets": ("tar_file", lambda: _tar_of_packets(5_000)),
    "a tar file of no packets": ("tar_file", lambda: seeds.tar_gz({"a" * 150: b"x"})),
    "a tar file of a gzip bomb": ("tar_file", lambda: gzip_of_zeros(2 * 10**9)),
}
