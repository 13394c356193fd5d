"""Notices of other releases: old ones are read by new readers, new ones by old readers."""

from dataclasses import MISSING, dataclass, fields, is_dataclass, make_dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter

from correlator.errors import MalformedPacketError
from streams import coincidence_block, context_block
from streams.coincidence_block import Light
from streams.gcn_notice import SCHEMA_URL, SCHEMA_VERSION
from streams.notice_reader import CoincidenceNotice, read_notice
from streams.notice_schema import FILE_NAME, file_of, published_schema, schema_of_code
from tests.gcn_schemas import without_gcn

FOLDER = Path(__file__).parent / "notices"
SCHEMAS = Path(coincidence_block.__file__).parent / "schemas"

FIRST = orjson.loads((SCHEMAS / "coincidence-1.0.0.schema.json").read_bytes())
FROZEN = [
    orjson.loads(line)
    for path in sorted(FOLDER.glob("coincidence-1.*.jsonl"))
    for line in path.read_bytes().splitlines()
]
"""Notices as releases wrote them: files are only ever added."""


def classes():
    found = {**vars(coincidence_block), **vars(context_block)}
    return {name: kind for name, kind in found.items() if is_dataclass(kind)}


def test_the_published_schema_is_what_the_code_says():
    assert published_schema() == file_of(schema_of_code())
    assert f"coincidence-{SCHEMA_VERSION}.schema.json" == FILE_NAME
    assert schema_of_code()["$id"] == SCHEMA_URL


@pytest.mark.parametrize("document", FROZEN)
def test_a_notice_of_an_earlier_release_is_read(document):
    notice = read_notice(orjson.dumps(document))
    ours = document["coincidence"]
    block = orjson.loads(orjson.dumps(notice.coincidence))
    assert {name: block[name] for name in ours} == ours
    assert notice.record_number == document["record_number"] == ours["revision"]
    assert notice.coincidence.state in ("active", "retracted", "expired")


MAPPINGS = ("classification", "scores", "values", "null_reasons", "classification_scores")
"""Their names are data, and not fields."""


def later(document: dict[str, Any]) -> dict[str, Any]:
    """The document of a later minor version that says the same and more."""

    def kept(value: Any, name: str = "") -> Any:
        if isinstance(value, list):
            return [kept(each) for each in value]
        if not isinstance(value, dict):
            return value
        inner = {key: kept(each, key) for key, each in value.items()}
        return inner if name in MAPPINGS else inner | {"of_a_later_version": {"nested": [None]}}

    return kept(document) | {"$schema": SCHEMA_URL.replace("/v1.", "/v1.9")}


@pytest.mark.parametrize("document", FROZEN)
def test_a_notice_of_a_later_release_is_read_and_is_valid_by_the_schema_of_this_one(document):
    newer = later(document)
    assert newer["coincidence"]["object"]["of_a_later_version"], "it is longer"
    notice = read_notice(orjson.dumps(newer))
    assert notice.coincidence == read_notice(orjson.dumps(document)).coincidence
    for schema in (FIRST, schema_of_code()):
        without_gcn(schema).validate(newer)


@pytest.mark.parametrize("document", FROZEN)
def test_every_schema_that_was_published_still_takes_every_notice_of_its_time(document):
    version = document["$schema"].split("/v")[1].split("/")[0]
    schema = orjson.loads((SCHEMAS / f"coincidence-{version}.schema.json").read_bytes())
    without_gcn(schema).validate(document)


def test_no_field_of_the_first_version_is_gone_and_later_ones_have_defaults():
    defs = FIRST["$defs"]
    ours = classes()
    assert ours.keys() <= defs.keys()
    for name, kind in ours.items():
        first = list(defs[name]["properties"])
        known = [field.name for field in fields(kind)]
        assert known[: len(first)] == first, f"{name}: fields are added at the end only"
        for field in fields(kind)[len(first) :]:
            has_default = (field.default, field.default_factory) != (MISSING, MISSING)
            assert has_default, f"{name}.{field.name} is missing in older notices"
    needed = {f.name for f in fields(CoincidenceNotice) if f.default is MISSING} - {"schema_url"}
    assert needed <= set(FIRST["required"])


def test_a_reader_with_a_new_field_takes_its_default_from_an_older_notice():
    new = make_dataclass("Light", [("colour", float | None, None)], bases=(Light,), frozen=True)

    @dataclass(frozen=True)
    class Later:
        coincidence_id: str
        light: new

    (document, *_) = FROZEN
    block = TypeAdapter(Later).validate_python(document["coincidence"])
    assert block.light.colour is None
    assert block.light.ra_deg == document["ra"]


def changed(**fields_of):
    return orjson.dumps(FROZEN[0] | fields_of)


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "JSON"),
        (b"\xff", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"[1]", r"\$schema"),
        (b"{}", r"\$schema"),
        (changed(**{"$schema": 1}), r"\$schema"),
        (changed(**{"$schema": SCHEMA_URL.replace("/v1.", "/v2.")}), r"\$schema"),
        (changed(**{"$schema": "https://gcn.nasa.gov/x.schema.json"}), r"\$schema"),
        (changed(record_number="one"), "record_number"),
        (changed(coincidence=None), "coincidence"),
        (changed(coincidence={}), "coincidence"),
    ],
)  # fmt: skip
def test_what_is_no_notice_of_ours_is_refused_by_name_and_rule(data, rule):
    with pytest.raises(MalformedPacketError, match=rule) as caught:
        read_notice(data, "coincidence.all/0/17")
    assert caught.value.packet == "coincidence.all/0/17"
