"""The bounds themselves: what a schema or a page claims is what decoding it takes."""

from __future__ import annotations

import io
import tracemalloc

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from correlator.errors import MalformedPacketError
from ingest_optical.avro_growth import RATES, rate_of
from ingest_optical.parquet_pages import Claim, claims_of
from skymaps.errors import SkyMapError
from tests.fuzz import seeds

BASE_BYTES = 100_000
"""Memory that does not grow with the number of items [B]."""

_PRIMITIVES = {
    "boolean": b"\0",
    "int": b"\xfe\x7f",
    "float": bytes(4),
    "double": bytes(8),
    "string": b"\x04ab",
    "bytes": b"\x04ab",
}
"""A small value of each type that is not one of those that Python shares."""


@st.composite
def items(draw):
    """A record type with the bytes of one of its records."""
    kinds = draw(st.lists(st.sampled_from(sorted(_PRIMITIVES)), min_size=1, max_size=12))
    fields, body = [], b""
    for n, kind in enumerate(kinds):
        form = draw(st.sampled_from(["plain", "null", "set", "list"]))
        value = _PRIMITIVES[kind]
        if form == "list":
            fields.append({"name": f"f{n}", "type": {"type": "array", "items": kind}})
            body += b"\x04" + 2 * value + b"\0"
        else:
            fields.append({"name": f"f{n}", "type": kind if form == "plain" else ["null", kind]})
            body += {"plain": value, "null": b"\0", "set": b"\x02" + value}[form]
    return {"type": "record", "name": "r", "fields": fields}, body


@settings(max_examples=40, deadline=None)
@given(items())
def test_no_record_takes_more_memory_than_the_rate_of_its_schema_says(item):
    schema, one = item
    n = 3_000
    parsed = fastavro.parse_schema(
        {
            "type": "record",
            "name": "alert",
            "fields": [{"name": "rows", "type": {"type": "array", "items": schema}}],
        }
    )
    count = io.BytesIO()
    fastavro.schemaless_writer(count, "long", n)
    body = count.getvalue() + one * n + b"\0"
    tracemalloc.start()
    try:
        record = fastavro.schemaless_reader(io.BytesIO(body), parsed, None)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(record["rows"]) == n
    assert taken <= rate_of(parsed) * len(body) + BASE_BYTES


def test_a_schema_whose_bytes_multiply_without_end_has_no_rate():
    nothing = {"type": "record", "name": "r", "fields": [{"name": "n", "type": "null"}]}
    schema = {"type": "array", "items": nothing}
    with pytest.raises(ValueError, match=f"more than {RATES[-1]} times"):
        rate_of(
            fastavro.parse_schema(
                {"type": "record", "name": "a", "fields": [{"name": "x", "type": schema}]}
            )
        )


def test_the_pages_of_a_sound_file_claim_what_its_footer_says():
    for packet in seeds.made("parquet_file"):
        check_claims(packet)


@pytest.mark.real_data
def test_the_pages_of_real_files_claim_what_their_footers_say(real_data):
    packets = seeds.real("parquet_file", str(real_data))
    assert len(packets) > 5
    for packet in packets:
        check_claims(packet)


def check_claims(packet):
    file = parquet.ParquetFile(io.BytesIO(packet))
    names = file.schema_arrow.names
    claims = claims_of(io.BytesIO(packet), set(names))
    assert len(claims) == file.metadata.num_row_groups
    for i, claim in enumerate(claims):
        group = file.metadata.row_group(i)
        chunks = [group.column(k) for k in range(group.num_columns)]
        assert claim.n_values == sum(chunk.num_values for chunk in chunks)
        # The footer counts the headers of the pages too.
        largest = max(chunk.total_uncompressed_size for chunk in chunks)
        assert 0 < claim.largest_bytes <= largest
    assert claims_of(io.BytesIO(packet), {"no such column"}) == [Claim(0, 0)] * len(claims)


@pytest.mark.parametrize("depth", [1, 30, 900, 990, 5_000, 100_000])
def test_a_value_of_any_depth_or_size_can_stand_in_a_message(depth):
    value = 1
    for turn in range(depth):
        value = [value] if turn % 2 else {"a": value}
    assert len(str(MalformedPacketError("p", "a rule", value))) < 200
    assert len(str(SkyMapError("a rule", value))) < 200
    del_slowly(value)


@pytest.mark.parametrize(
    "value",
    [[0] * 10**6, {n: n for n in range(10**5)}, "x" * 10**8, b"x" * 10**8],
    ids=lambda value: type(value).__name__,
)
def test_a_value_of_a_million_items_costs_little_to_name(value):
    tracemalloc.start()
    try:
        assert len(str(MalformedPacketError("p", "a rule", value))) < 300
        assert tracemalloc.get_traced_memory()[1] < 5 * 10**6
    finally:
        tracemalloc.stop()


def del_slowly(value):
    """Take a nest apart from outside: freeing it whole would recurse."""
    while isinstance(value, list | dict):
        value = value.pop() if isinstance(value, list) else value.popitem()[1]
