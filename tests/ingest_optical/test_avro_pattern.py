"""Patterns read what fastavro reads, or leave it to fastavro."""

from __future__ import annotations

import io
import json

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.errors import MalformedAlertError
from ingest_optical import lsst, ztf
from ingest_optical.avro import (
    Body,
    _pattern,
    body_of_container,
    read_body,
    writer_schema,
)
from ingest_optical.avro_pattern import Wanted, pattern_of
from ingest_optical.avro_rows import Selection
from ingest_optical.avro_values import ColumnRows, JoinedRecord
from ingest_optical.fields import Fields
from ingest_optical.lsst_schemas import schema_of_id
from ingest_optical.packets import read_packets
from tests.ingest_optical.packet_factory import lsst_confluent_packet, lsst_record

PRIMITIVES = ["boolean", "int", "long", "float", "double", "string"]
VALUES = {
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "string": st.text(max_size=150) | st.text(st.characters(max_codepoint=127), max_size=150),
}

kinds = st.sampled_from(PRIMITIVES) | st.sampled_from(PRIMITIVES).flatmap(
    lambda kind: st.sampled_from([["null", kind], [kind, "null"]])
)


def record_type(name, fields):
    return {"type": "record", "name": name, "fields": fields}


def fields_of(names, some):
    return [{"name": name, "type": kind} for name, kind in zip(names, some, strict=True)]


def value_of(draw, kind):
    if isinstance(kind, list):
        (primitive,) = (k for k in kind if k != "null")
        return draw(st.none() | VALUES[primitive])
    return draw(VALUES[kind])


@st.composite
def schemas_and_records(draw):
    """A schema like a survey's: own fields, a record, rows of it, bytes; and a record of it."""
    inner = draw(st.lists(kinds, min_size=1, max_size=6))
    own = draw(st.lists(kinds, max_size=3))
    names, own_names = [f"i{n}" for n in range(len(inner))], [f"o{n}" for n in range(len(own))]
    row = record_type("r.inner", fields_of(names, inner))
    schema = record_type(
        "r.outer",
        [
            *fields_of(own_names, own),
            {"name": "one", "type": row},
            {"name": "past", "type": ["null", {"type": "array", "items": "r.inner"}]},
            {"name": "image", "type": ["null", "bytes"]},
            {"name": "last", "type": "int"},
        ],
    )

    def a_row():
        return {name: value_of(draw, kind) for name, kind in zip(names, inner, strict=True)}

    record = {name: value_of(draw, kind) for name, kind in zip(own_names, own, strict=True)} | {
        "one": a_row(),
        "past": draw(st.none() | st.just([a_row() for _ in range(draw(st.integers(0, 4)))])),
        "image": draw(st.none() | st.binary(max_size=300)),
        "last": draw(VALUES["int"]),
    }
    chosen = st.frozensets(st.sampled_from(names))
    selection = Selection(draw(chosen), draw(st.booleans()))
    wanted = Wanted(
        Selection(frozenset({*own_names, "last"})),
        {"one": selection, "past": Selection(draw(chosen))},
    )
    return schema, record, wanted, inner


def written(schema, record):
    file = io.BytesIO()
    fastavro.schemaless_writer(file, fastavro.parse_schema(schema), record)
    return file.getvalue()


def as_seen(record, wanted, inner):
    """What of a record is wanted, from the record itself."""
    booleans = {f"i{n}" for n, kind in enumerate(inner) if "boolean" in kind}
    one, past = wanted.inside["one"], wanted.inside["past"]
    names = one.names | (booleans if one.booleans else set())
    rows = record["past"]
    return {
        **{name: record[name] for name in wanted.own.names if name in record},
        "one": {name: record["one"][name] for name in names},
        "past": rows and [{name: row[name] for name in past.names} for row in rows],
    }


@settings(max_examples=150, deadline=None)
@given(schemas_and_records())
def test_what_a_pattern_reads_is_what_was_written(made):
    schema, record, wanted, inner = made
    data = written(schema, record)
    pattern = pattern_of(fastavro.parse_schema(schema), wanted)
    found = pattern.read(b"before" + data, 6)
    if found is None:  # a long text, one that is not ASCII, a number of 64 bits
        texts = [v for row in all_rows(record) for v in row.values() if isinstance(v, str)]
        numbers = [v for row in all_rows(record) for v in row.values() if isinstance(v, int)]
        assert any(len(t) > 127 or not t.isascii() for t in texts) or any(
            abs(v) >= 2**61 for v in numbers
        )
        return
    seen, end = JoinedRecord(found[0]), found[1]
    assert end == 6 + len(data)
    expected = as_seen(record, wanted, inner)
    past = seen["past"]
    as_dicts = {"one": dict(seen["one"]), "past": None if past is None else list(past)}
    assert {**seen, **as_dicts} == expected
    flags = [name for name, value in expected["one"].items() if value is True]
    assert sorted(seen["one"].set_flags()) == sorted(flags)


@given(st.lists(st.tuples(st.integers(), st.booleans()), max_size=5), st.data())
def test_a_table_is_the_same_of_columns_and_of_records(rows, data):
    columns = dict(zip("ab", zip(*rows, strict=True), strict=True)) if rows else {"a": (), "b": ()}
    names = data.draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=4))
    by_columns = Fields({"past": ColumnRows(len(rows), columns)}, "p")
    by_records = Fields({"past": [dict(zip("ab", row, strict=True)) for row in rows]}, "p")
    assert list(by_columns.table("past", names)) == list(by_records.table("past", names))
    seen, expected = by_columns.rows("past"), by_records.rows("past")
    assert [r.raw("a") for r in seen] == [r.raw("a") for r in expected]


def test_columns_are_a_sequence_of_records():
    rows = ColumnRows(3, {"a": (1, 2, 3)})
    assert list(rows) == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert rows[-1] == {"a": 3}
    assert rows[1:] == [{"a": 2}, {"a": 3}]
    with pytest.raises(IndexError):
        rows[3]
    assert list(ColumnRows(2, {})) == [{}, {}]


@settings(max_examples=100, deadline=None)
@given(schemas_and_records(), st.data())
def test_what_is_gone_on_with_is_what_is_read_at_once(made, data):
    """Cut after any field: also in the middle of a part, where nothing can be gone on with."""
    schema, record, wanted, _ = made
    body = Body(json.dumps(schema).encode(), written(schema, record))
    names = [field["name"] for field in schema["fields"]]
    through = (data.draw(st.sampled_from(names)),)
    begun = read_body(body, "p", through, wanted)
    at_once, gone_on_with = (read_body(body, "p", None, wanted, b) for b in (None, begun))
    assert gone_on_with.end == at_once.end
    assert as_plain(gone_on_with.record) == as_plain(at_once.record)


def as_plain(record):
    rows = record["past"]
    past = None if rows is None else [dict(row) for row in rows]
    return {**record, "one": dict(record["one"]), "past": past}


def all_rows(record):
    own = {name: v for name, v in record.items() if name.startswith("o")}
    return [own, record["one"], *(record["past"] or [])]


damage = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=3)


@settings(max_examples=200, deadline=None)
@given(schemas_and_records(), damage)
def test_damaged_bytes_are_read_as_fastavro_reads_them_or_refused(made, places):
    schema, record, wanted, inner = made
    data = bytearray(written(schema, record))
    for at, byte in places:
        data[at % len(data)] = byte
    body = Body(json.dumps(schema).encode(), bytes(data))
    try:
        whole = read_body(body, "p").record
    except MalformedAlertError:
        # Texts that nobody wants may be broken, as those after the last wanted field.
        return
    seen = read_body(body, "p", None, wanted).record
    expected = as_seen(whole, wanted, inner)
    for name, value in expected["one"].items():
        assert repr(seen["one"].get(name)) == repr(value)
    assert len(seen["past"] or []) == len(expected["past"] or [])
    for row, told in zip(seen["past"] or [], expected["past"] or [], strict=True):
        assert repr({name: row[name] for name in told}) == repr(told)


IMAGES = record_type(
    "r",
    [
        {"name": "a", "type": ["null", "bytes"]},
        {"name": "b", "type": ["bytes", "null"]},
        {"name": "c", "type": "bytes"},
        {"name": "x", "type": "int"},
    ],
)
_LENGTHS = st.sampled_from([0, 1, 63, 64, 8191, 8192, 1_048_575, 1_048_576])


@settings(max_examples=40, deadline=None)
@given(st.none() | _LENGTHS, st.none() | _LENGTHS, _LENGTHS)
def test_images_side_by_side_are_skipped_by_their_lengths(a, b, c):
    sizes = {"a": a, "b": b, "c": c}
    record = {name: None if n is None else bytes(n) for name, n in sizes.items()} | {"x": 7}
    data = written(IMAGES, record)
    wanted = Wanted(Selection(frozenset({"x"})), {})
    pattern = pattern_of(fastavro.parse_schema(IMAGES), wanted)
    (parts, end) = pattern.read(data, 0)
    assert (JoinedRecord(parts)["x"], end) == (7, len(data))
    assert pattern.read(data[:-2], 0) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x04",  # a branch that the union has not
        b"\x00\x02",  # cut before a length
        b"\x00\x02\x80",  # and inside one
        b"\x00\x02\x03\x0e",  # a negative length
        b"\x00\x02" + b"\xff" * 9 + b"\x01\x0e",  # one that does not fit 63 bits
        b"\x00\x02" + b"\x80" * 100_000 + b"\x00\x0e",
        b"\x00\x02\x08\x0e",  # longer than what follows
    ],
)
def test_images_with_a_broken_length_are_left_to_fastavro(data):
    pattern = pattern_of(fastavro.parse_schema(IMAGES), Wanted(Selection(frozenset()), {}))
    assert pattern.read(data, 0) is None


@pytest.mark.parametrize("kind", ["boolean", ["null", "boolean"], ["boolean", "null"]])
@pytest.mark.parametrize("said", [(False, None), (True, False, None, True), (None,), (False, True)])
def test_flags_side_by_side_are_told_apart(kind, said):
    said = tuple(x or False for x in said) if kind == "boolean" else said
    names = [f"f{n}" for n in range(len(said))]
    one = record_type("r.one", fields_of(names, [kind] * len(said)))
    schema = record_type("r", [{"name": "one", "type": one}])
    wanted = Wanted(Selection(frozenset()), {"one": Selection(frozenset(), booleans=True)})
    data = written(schema, {"one": dict(zip(names, said, strict=True))})
    (parts, _) = pattern_of(fastavro.parse_schema(schema), wanted).read(data, 0)
    seen = JoinedRecord(parts)["one"]
    assert dict(seen) == dict(zip(names, said, strict=True))
    assert seen.values_of((*names, "other")) == [*said, None]
    assert seen.set_flags() == [name for name, value in zip(names, said, strict=True) if value]


@pytest.mark.parametrize(
    "kind",
    [
        ["int", "string"],
        {"type": "long", "logicalType": "timestamp-micros"},
    ],
)
def test_a_wanted_field_that_is_a_choice_or_a_date_is_left_to_fastavro(kind):
    schema = fastavro.parse_schema(record_type("r", [{"name": "x", "type": kind}]))
    assert pattern_of(schema, Wanted(Selection(frozenset({"x"})), {})) is None
    assert pattern_of(schema, Wanted(Selection(frozenset()), {})) is not None


def test_a_schema_of_very_many_fields_makes_no_pattern():
    """A foreign schema must not cost minutes of compiling."""
    fields = [{"name": f"x{n}", "type": "string"} for n in range(400)]
    schema = fastavro.parse_schema(record_type("r", fields))
    assert pattern_of(schema, Wanted(Selection(frozenset()), {})) is None


def test_an_array_that_claims_more_rows_than_it_has_is_no_match():
    schema = record_type(
        "r",
        [
            {
                "name": "past",
                "type": {
                    "type": "array",
                    "items": record_type("e", [{"name": "x", "type": "int"}]),
                },
            }
        ],
    )
    pattern = pattern_of(fastavro.parse_schema(schema), Wanted(Selection(frozenset()), {}))
    (seen,), end = pattern.read(b"\x04\x02\x02\x00", 0)
    assert (list(seen["past"]), end) == ([{}, {}], 4)
    for data in (b"\xfe\xff\xff\xff\x0f\x02", b"\x04\x02", b"\x03\x02\x02\x00", b""):
        assert pattern.read(data, 0) is None


@pytest.mark.parametrize("schema_id", [900, 1000, 1100, 1101])
@pytest.mark.parametrize("through", [lsst.PREFIX_FIELDS, None])
def test_rubins_schemas_are_patterns(schema_id, through):
    schema = writer_schema(schema_of_id(schema_id), "p", through)
    assert pattern_of(schema.parsed, lsst.WANTED) is not None


def test_a_rubin_record_is_read_to_its_end():
    packet = lsst_confluent_packet(1101, lsst_record(past=[{}, {}], forced=[{}]))
    body = Body(schema_of_id(1101), packet.data, 5)
    found = _pattern(writer_schema(body.schema_json, "p"), lsst.WANTED).read(body.data, 5)
    assert found is not None
    assert found[1] == len(packet.data)
    assert len(JoinedRecord(found[0])["prvDiaSources"]) == 2


@pytest.mark.real_data
def test_real_ztf_packets_are_read_by_patterns(real_data):
    n_read = 0
    for packet in read_packets(real_data / "optical" / "ztf"):
        if packet.data[:4] != b"Obj\x01":
            continue
        body = body_of_container(packet.data, packet.name)
        schema = writer_schema(body.schema_json, packet.name, ztf.WHOLE_FIELDS)
        if schema.name != "ztf.alert":
            continue
        found = _pattern(schema, ztf.WANTED).read(body.data, body.begin)
        whole = read_body(body, packet.name).record
        assert found is not None
        seen = dict(JoinedRecord(found[0])["candidate"])
        assert repr(seen) == repr({name: whole["candidate"][name] for name in seen})
        n_read += 1
    assert n_read > 150
