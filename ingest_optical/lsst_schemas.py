"""Rubin's alert schemas, from the package ``lsst-alert-packet`` that the observatory publishes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources

EARLIEST_MAJOR = 7
"""First schema with the names that we read (``midpointMjdTai``, ``psfFlux``)."""


def version_of_id(schema_id: int) -> tuple[int, int]:
    """Major and minor version of a registry id: 1101 is 11.1 (Rubin's registry numbers them so)."""
    return divmod(schema_id, 100)


@lru_cache(maxsize=64)
def schema_of_id(schema_id: int) -> bytes | None:
    """The alert schema of a registry id, as :func:`schema_json`."""
    return schema_json(*version_of_id(schema_id))


@lru_cache(maxsize=64)
def schema_json(major: int, minor: int) -> bytes | None:
    """The alert schema of a version with every named record written out where it first occurs.

    Returns
    -------
    bytes or None
        The schema as JSON; None for a version that is unknown or too old to be understood.
    """
    # Through the parent, which is a namespace package: importing lsst.alert.packet itself would
    # import its HTTP stack.
    folder = resources.files("lsst.alert") / "packet" / "schema" / str(major) / str(minor)
    if major < EARLIEST_MAJOR or not folder.is_dir():
        return None
    records = {}
    for file in folder.iterdir():
        if file.name.endswith(".avsc"):
            record = json.loads(file.read_text(encoding="utf-8"))
            records[f"{record['namespace']}.{record['name']}"] = record
    alert = records[f"lsst.v{major}_{minor}.alert"]
    return json.dumps(_written_out(alert, records, set())).encode()


def _written_out(node: object, records: Mapping[str, object], seen: set[str]) -> object:
    if isinstance(node, str):
        if node in seen or node not in records:
            return node
        seen.add(node)
        return _written_out(records[node], records, seen)
    if isinstance(node, list):
        return [_written_out(item, records, seen) for item in node]
    if isinstance(node, dict):
        typed = {k: _written_out(v, records, seen) for k, v in node.items() if k in _TYPE_KEYS}
        return {**node, **typed}
    return node


_TYPE_KEYS = frozenset({"type", "items", "values", "fields"})
