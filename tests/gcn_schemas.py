"""GCN's schemas as the judge of our notices, from the folder of real data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from streams.gcn_notice import BOOM_URL, GCN_URL

CORE = (
    "Alert", "Reporter", "Event", "DateTime", "Localization", "FollowUp", "AdditionalInfo",
    "Statistics", "Photometry", "Distance", "Redshift", "Duration",
)  # fmt: skip
"""Core schemas that say anything of a field that we send, or that may be put beside them."""


def validators(real_data: Path) -> dict[str, Draft202012Validator]:
    """BOOM's schema and GCN's core by name; nothing is fetched."""
    root = real_data / "gcn-schema" / "gcn" / "notices"
    urls = {BOOM_URL: root / "boom" / "alert.schema.json"} | {
        f"{GCN_URL}/{p.relative_to(root)}": p for p in root.glob("core/**/*.schema.json")
    }
    contents: dict[str, Any] = {}
    for url, path in urls.items():
        contents[url] = orjson.loads(path.read_bytes()) | {"$id": url}
    registry: Registry[Any] = Registry().with_resources(
        (url, Resource.from_contents(said, DRAFT202012)) for url, said in contents.items()
    )
    named = {name: f"{GCN_URL}/core/{name}.schema.json" for name in CORE} | {"boom": BOOM_URL}
    return {
        name: Draft202012Validator(contents[url], registry=registry) for name, url in named.items()
    }


def closed(schema: Any) -> Any:
    """A schema that refuses every field that it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        key: {name: closed(each) for name, each in value.items()}
        if key in ("properties", "$defs")
        else closed(value)
        for key, value in schema.items()
    }
    return made | {"unevaluatedProperties": False} if "properties" in schema else made


def without_gcn(schema: dict[str, Any]) -> Draft202012Validator:
    """A schema of ours, where GCN's core allows everything."""
    registry: Registry[Any] = Registry(retrieve=lambda url: DRAFT202012.create_resource(True))
    return Draft202012Validator(schema, registry=registry)
