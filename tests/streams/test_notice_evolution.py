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
    for schema in schemas_until(version_of(document)):
        without_gcn(schema).validate(newer)


def test_there_are_notices_and_a_schema_of_this_version():
    assert SCHEMA_VERSION in map(version_of, FROZEN)
    assert schemas_until(SCHEMA_VERSION)[-1] == schema_of_code()


@pytest.mark.parametrize("document", FROZEN)
def test_a_notice_is_valid_by_every_schema_up_to_its_time(document):
    for schema in schemas_until(version_of(document)):
        without_gcn(schema).validate(document)


def version_of(document: dict[str, Any]) -> str:
    return document["$schema"].split("/v")[1].split("/")[0]


def schemas_until(version: str) -> list[dict[str, Any]]:
    """The published schemas up to a version, which its notices must all satisfy."""

    def number(text: str) -> tuple[int, ...]:
        return tuple(map(int, text.split(".")))

    files = {p.name.split("-")[1].removesuffix(".schema.json"): p for p in SCHEMAS.glob("*.json")}
    known = sorted((v for v in files if number(v) <= number(version)), key=number)
    return [orjson.loads(files[v].read_bytes()) for v in known]


def test_no_field_of_the_first_version_is_gone_and_later_ones_have_defaults():
    defs = FIRST["$defs"]
    ours = classes()
    for name, kind in ours.items():
        if name not in defs:
            continue  # of a later version: no field of the first names it, see below
        first = list(defs[name]["properties"])
        known = [field.name for field in fields(kind)]
        assert known[: len(first)] == first, f"{name}: fields are added at the end only"
        for field in fields(kind)[len(first) :]:
            has_default = (field.default, field.default_factory) != (MISSING, MISSING)
            assert has_default, f"{name}.{field.name} is missing in older notices"
    needed = {f.name for f in fields(CoincidenceNotice) if f.default is MISSING} - {"schema_url"}
    assert needed <= set(FIRST["required"])


def test_every_field_of_the_first_version_is_of_the_same_kind_still():
    now = schema_of_code()["$defs"]
    for name, said in FIRST["$defs"].items():
        for field, kind in said["properties"].items():
            ours = now[name]["properties"][field]
            assert without_words(ours) == without_words(kind), f"{name}.{field}"


def without_words(schema: Any) -> Any:
    """A schema without what it tells people."""
    if isinstance(schema, list):
        return [without_words(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: without_words(each) for key, each in schema.items() if key != "description"}


def test_a_reader_of_the_first_version_reads_what_a_subscriber_is_sent():
    """It knows no subscription, and sees by the core's word that something is taken back."""
    names = list(FIRST["$defs"]["CoincidenceBlock"]["properties"])
    kinds = {field.name: field for field in fields(coincidence_block.CoincidenceBlock)}
    old = make_dataclass("Block", [(name, kinds[name].type) for name in names], frozen=True)
    old.__module__ = coincidence_block.__name__
    said = [d for d in FROZEN if d["coincidence"].get("subscription") is not None]
    assert [d["coincidence"]["subscription"]["passes"] for d in said] == [True, False, False]
    for document in said:
        block = TypeAdapter(old).validate_python(document["coincidence"])
        assert not hasattr(block, "subscription")
        (target,) = document["data"]["targets"]
        assert target["viable"] == document["coincidence"]["subscription"]["passes"]
    assert [d["alert_type"] for d in said] == ["initial", "retraction", "update"]


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
