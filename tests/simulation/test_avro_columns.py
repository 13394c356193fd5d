"""Vectorised Avro against fastavro, value by value."""

import io

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.simulation.avro_columns import Column, encode, record_schema, varint

COLUMNS = (
    Column("i", "int"),
    Column("l", "long", nullable=True),
    Column("f", "float", nullable=True),
    Column("d", "double"),
    Column("s", "string", nullable=True),
    Column("b", "boolean", nullable=True),
)

ROW = st.tuples(
    st.integers(-(2**31), 2**31 - 1),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.floats(width=32, allow_nan=False),
    st.floats(allow_nan=False),
    st.none() | st.text("ZTFabz019", max_size=9),
    st.none() | st.booleans(),
)


def column_of(values, dtype, filler):
    null = [v is None for v in values]
    filled = np.array([filler if v is None else v for v in values], dtype=dtype)
    return np.ma.MaskedArray(filled, null)


@given(st.lists(ROW, min_size=1, max_size=20))
def test_rows_are_the_bytes_that_fastavro_writes(rows):
    i, long, f, d, s, b = zip(*rows, strict=True)
    values = {
        "i": np.array(i),
        "l": column_of(long, np.int64, 0),
        "f": column_of(f, np.float32, 0.0),
        "d": np.array(d),
        "s": column_of([None if t is None else t.encode() for t in s], "S9", b""),
        "b": column_of(b, np.bool_, False),
    }
    encoded = encode(COLUMNS, values)
    schema = fastavro.parse_schema(record_schema("row", COLUMNS))
    for k, row in enumerate(rows):
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, schema, dict(zip("ilfdsb", row, strict=True)))
        assert encoded.data[encoded.starts[k] : encoded.starts[k + 1]] == stream.getvalue()


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_varint_is_an_avro_long(value):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, "long", value)
    assert varint(value) == stream.getvalue()


def test_a_null_where_none_may_be_is_refused():
    values = {"i": np.ma.MaskedArray([1, 2], [False, True])}
    with pytest.raises(ValueError, match="i cannot be null"):
        encode((Column("i", "int"),), values)
