"""Whether documents keep to the schema of our notices, and to GCN's where its files are at hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.exceptions import NoSuchResource
from referencing.jsonschema import DRAFT202012

from correlator.errors import ConfigurationError, MalformedPacketError
from streams.gcn_notice import GCN_URL, SCHEMA_URL
from streams.notice_schema import published_schemas

_MOST_ERRORS = 10
"""Errors of one document that are told."""


class NoticeChecker:
    """Validates documents; nothing is fetched.

    Parameters
    ----------
    gcn
        Folder of GCN's schemas, with ``core/*.schema.json``. Without it what GCN's core says is
        not checked, as its files come without a licence and so are not part of this package.

    Raises
    ------
    ConfigurationError
        The folder is another one.
    """

    def __init__(self, gcn: Path | None = None) -> None:
        if gcn is not None and not (gcn / "core" / "Alert.schema.json").is_file():
            raise ConfigurationError(f"{gcn} has no core/Alert.schema.json: GCN's gcn/notices has")
        self._gcn = gcn
        registry: Registry[Any] = Registry(retrieve=self._retrieve)  # type: ignore[call-arg]
        self._validators = {
            url: Draft202012Validator(schema, registry=registry)
            for url, schema in published_schemas().items()
        }

    def errors_of(self, document: object) -> list[str]:
        """What is wrong with a document, with place and rule of each; none when it is valid.

        It is held to the published version of the schema that it names, else to this release's.
        """
        named = document.get("$schema") if isinstance(document, dict) else None
        url = named if isinstance(named, str) and named in self._validators else SCHEMA_URL
        found = sorted(self._validators[url].iter_errors(document), key=lambda e: e.json_path)
        return [f"{error.json_path}: {error.message[:200]}" for error in found[:_MOST_ERRORS]]

    def _retrieve(self, url: str) -> Resource[Any]:
        if not url.startswith(f"{GCN_URL}/"):
            raise NoSuchResource(url)
        if self._gcn is None:
            return DRAFT202012.create_resource(True)
        path = self._gcn / url.removeprefix(f"{GCN_URL}/")
        if not path.is_file():
            raise NoSuchResource(url)
        return Resource.from_contents(orjson.loads(path.read_bytes()), DRAFT202012)


def documents_of(path: Path) -> Iterator[tuple[str, object]]:
    """The documents of a file, one or JSON lines, with names to find them by.

    Raises
    ------
    MalformedPacketError
        A line is no JSON, or there is nothing.
    """
    data = path.read_bytes()
    if not data.strip():
        raise MalformedPacketError(path.name, "a file has a document")
    try:
        yield path.name, orjson.loads(data)
        return
    except orjson.JSONDecodeError:
        pass
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        name = f"{path.name}:{number}"
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise MalformedPacketError(name, "a line is JSON", line) from error
        yield name, document
