import io
import json
import tracemalloc
import zlib

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.errors import MalformedAlertError
from ingest_optical import avro
from ingest_optical.avro import (
    MAX_PACKET_BYTES,
    body_of_container,
    confluent_id,
    read_body,
    split_container,
    writer_schema,
)
from tests.ingest_optical.packet_factory import container

TWO_FIELDS = {
    "type": "record",
    "name": "two",
    "fields": [
        {"name": "first", "type": "long"},
        {"name": "second", "type": ["null", {"type": "array", "items": "double"}]},
        {"name": "third", "type": "string"},
    ],
}

records = st.fixed_dictionaries(
    {
        "first": st.integers(-(2**63), 2**63 - 1),
        "second": st.none() | st.lists(st.floats(allow_nan=False)),
        "third": st.text(),
    }
)


@given(records, st.sampled_from(["null", "deflate", "snappy"]))
def test_a_container_gives_back_what_was_written(record, codec):
    body = body_of_container(container([record], TWO_FIELDS, codec), "p")
    assert read_body(body, "p").record == record


@given(records, st.sampled_from(["first", "second", "third"]))
def test_a_prefix_is_the_beginning_of_the_record(record, last):
    body = body_of_container(container([record], TWO_FIELDS), "p")
    names = ["first", "second", "third"]
    kept = names[: names.index(last) + 1]
    assert read_body(body, "p", (last,)).record == {name: record[name] for name in kept}


@given(st.lists(records, max_size=8), st.sampled_from(["null", "deflate", "snappy"]))
def test_a_container_splits_into_containers_that_any_reader_reads(some, codec):
    parts = list(split_container(container(some, TWO_FIELDS, codec), "p"))
    assert [list(fastavro.reader(io.BytesIO(part))) for part in parts] == [[r] for r in some]
    assert [read_body(body_of_container(part, "p"), "p").record for part in parts] == some


def test_two_schemas_that_differ_in_one_type_are_not_confused():
    """A cache keyed by length or by the first bytes would read the second with the first."""
    names = "int   ", "double"
    values = []
    for name in names:
        schema = {"type": "record", "name": "r", "fields": [{"name": "x", "type": name.strip()}]}
        padded = json.dumps(schema).replace(
            f'"{name.strip()}"', f'"{name.strip()}"' + " " * name.count(" ")
        )
        file = io.BytesIO()
        fastavro.schemaless_writer(file, schema, {"x": 3})
        values.append(read_body(avro.Body(padded.encode(), file.getvalue()), "p").record["x"])
    assert [type(value) for value in values] == [int, float]


def test_a_schema_is_parsed_once():
    text = json.dumps(TWO_FIELDS).encode()
    assert writer_schema(text, "a") is writer_schema(bytes(bytearray(text)), "b")


def recursive_schema():
    link = {"name": "next", "type": ["null", "r"]}
    return {"type": "record", "name": "r", "fields": [link]}


def doubling_schema(depth):
    inner = {"type": "record", "name": "r0", "fields": [{"name": "x", "type": "boolean"}]}
    for i in range(1, depth):
        fields = [{"name": "a", "type": inner}, {"name": "b", "type": f"r{i - 1}"}]
        inner = {"type": "record", "name": f"r{i}", "fields": fields}
    return inner


def record_of(field_type):
    fields = [{"name": "id", "type": "long"}, {"name": "x", "type": field_type}]
    return {"type": "record", "name": "r", "fields": fields}


def nested_schema(depth):
    node = "long"
    for _ in range(depth):
        node = {"type": "array", "items": node}
    return record_of(node)


@pytest.mark.parametrize(
    ("schema", "rule"),
    [
        (record_of({"type": "array", "items": "null"}), "must take bytes"),
        (
            record_of({"type": "array", "items": {"type": "record", "name": "e", "fields": []}}),
            "must take bytes",
        ),
        ({"type": "record", "name": "r", "fields": []}, "must take bytes"),
        (recursive_schema(), "must not contain itself"),
        (doubling_schema(20), "at most 20000 values"),
        (nested_schema(100), "at most 64 deep"),
        (record_of("unheard"), "must be defined"),
        (record_of(3), "must be a name, a union or a definition"),
        ({"type": "array", "items": "long"}, "must be a record"),
        ([], "must be a record"),
    ],
)
def test_a_schema_that_could_multiply_bytes_is_refused(schema, rule):
    with pytest.raises(MalformedAlertError, match=rule):
        writer_schema(json.dumps(schema).encode(), "p")


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b" " * 2_000_000])
def test_a_text_that_is_no_schema_is_refused(text):
    with pytest.raises(MalformedAlertError, match="schema must be readable"):
        writer_schema(text, "p")


def header(codec=b"null", schema=TWO_FIELDS, sync=b"s" * 16):
    text = json.dumps(schema).encode()
    entries = [(b"avro.codec", codec), (b"avro.schema", text)]
    pairs = b"".join(varint(len(k)) + k + varint(len(v)) + v for k, v in entries)
    return b"Obj\x01" + varint(len(entries)) + pairs + b"\0" + sync


def varint(value):
    file = io.BytesIO()
    fastavro.schemaless_writer(file, "long", value)
    return file.getvalue()


def block(count, stored, sync=b"s" * 16):
    return varint(count) + varint(len(stored)) + stored + sync


RECORD = varint(5) + b"\0" + varint(0)


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"PAR1....", "begin with Obj1"),
        (b"Obj\x01", "Avro long"),
        (b"Obj\x01" + b"\xff" * 12, "Avro long"),
        (b"Obj\x01" + varint(10**6), "must be short"),
        (b"Obj\x01" + varint(1) + varint(2**40), "inside the packet"),
        (b"Obj\x01" + varint(1) + varint(-3), "inside the packet"),
        (header(b"zstandard") + block(1, RECORD), "null, deflate or snappy"),
        (header(b"snappy") + block(1, b""), "must unfold"),
        (header(b"snappy") + block(1, b"\xff" * 30), "must unfold"),
        (header(b"snappy") + block(1, b"\x01\x00x" + bytes(4)), "must have the CRC-32"),
        (header(b"snappy") + block(1, b"\xff\xff\xff\xff\x0fx" + bytes(4)), "at most 16777216"),
        (header() + varint(1) + varint(2**50), "inside the packet"),
        (header() + block(1, RECORD, b"t" * 16), "sync marker"),
        (header() + block(-1, RECORD), "number of records"),
        (header() + block(2, RECORD * 2), "hold one record"),
        (header() + block(1, RECORD) * 2, "hold one record"),
        (header(b"deflate") + block(1, b"\xff\xff\xff"), "must inflate"),
        (header(b"deflate") + block(1, b""), "must be complete"),
        (b"Obj\x01" + b"\0" * MAX_PACKET_BYTES, "at most"),
    ],
)
def test_a_broken_container_says_which_rule_it_breaks(data, rule):
    with pytest.raises(MalformedAlertError, match=rule):
        body_of_container(data, "p")


def test_a_header_with_the_size_form_of_the_map_is_read():
    text = json.dumps(TWO_FIELDS).encode()
    pair = varint(11) + b"avro.schema" + varint(len(text)) + text
    data = b"Obj\x01" + varint(-1) + varint(len(pair)) + pair + b"\0" + b"s" * 16
    body = body_of_container(data + block(1, RECORD), "p")
    assert read_body(body, "p").record == {"first": 5, "second": None, "third": ""}


def test_a_deflated_bomb_is_refused_before_it_unfolds():
    deflater = zlib.compressobj(9, wbits=-15)
    bomb = deflater.compress(bytes(2**26)) + deflater.flush()
    assert len(bomb) < 2**20
    tracemalloc.start()
    try:
        with pytest.raises(MalformedAlertError, match="inflate to at most"):
            body_of_container(header(b"deflate") + block(1, bomb), "p")
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_PACKET_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data",
    [
        b"",  # ends before the first field
        varint(5) + varint(7),  # a branch that the union has not
        varint(5) + varint(1) + varint(2**60),  # an array that claims 2^60 items
        varint(5) + b"\0" + varint(2**60),  # a text that claims 2^60 bytes
        varint(5) + b"\0" + varint(-5) + b"abcde",  # a text of negative length
        varint(5) + b"\0" + varint(1) + b"\xff",  # a text that is not UTF-8
        RECORD + b"!",  # bytes after the end: perhaps another schema's
    ],
)
def test_a_body_that_breaks_its_schema_costs_nothing_and_says_so(data):
    tracemalloc.start()
    try:
        with pytest.raises(MalformedAlertError, match="body"):
            read_body(avro.Body(json.dumps(TWO_FIELDS).encode(), data), "p")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_confluent_frame_names_its_schema():
    assert confluent_id(b"\0\0\0\x04\x4dbody", "p") == 1101


@pytest.mark.parametrize("data", [b"", b"\0\0\0", b"\x01\0\0\0\0", b"{}"])
def test_a_broken_frame_is_refused(data):
    with pytest.raises(MalformedAlertError, match="Confluent"):
        confluent_id(data, "p")
