"""Schemas with which a few bytes cannot become a huge record.

An object container brings its own schema, so the schema is as foreign as the data. An array whose
items take no bytes could claim 2^60 of them, a recursive record could nest until the stack ends,
and records of records of nothing grow exponentially.
"""

from __future__ import annotations

MAX_NODES = 20_000
"""Most values that one record without its arrays may have; a Rubin alert has about 900."""

MAX_DEPTH = 64
"""Deepest nesting of types; a Rubin alert has 6."""

_PRIMITIVES = {
    "null": 0,
    "boolean": 1,
    "int": 1,
    "long": 1,
    "float": 4,
    "double": 8,
    "bytes": 1,
    "string": 1,
}
"""Fewest bytes of each primitive type (Avro 1.11 specification)."""

_Size = tuple[int, int]
"""Fewest bytes and most values of a type, the items of arrays and maps counted once."""


def check_shape(definition: object) -> None:
    """Refuse a schema that lets bytes multiply.

    Raises
    ------
    ValueError
        A record or an array of items without bytes, a record inside itself, too many values, or a
        type that is not known.
    """
    n_bytes, _ = _size(definition, "", {}, 0)
    if n_bytes == 0:
        raise ValueError("a record must take bytes")


def _size(node: object, namespace: str, named: dict[str, _Size | None], depth: int) -> _Size:
    if depth > MAX_DEPTH:
        raise ValueError(f"types must nest at most {MAX_DEPTH} deep")
    if isinstance(node, str):
        return _size_of_name(node, namespace, named)
    if isinstance(node, list):
        branches = [_size(branch, namespace, named, depth + 1) for branch in node]
        size = 1, _checked(1 + sum(n for _, n in branches))
    elif isinstance(node, dict):
        size = _size_of_complex(node, namespace, named, depth)
    else:
        raise ValueError(f"a type must be a name, a union or a definition, got {node!r:.60}")
    return size


def _size_of_name(name: str, namespace: str, named: dict[str, _Size | None]) -> _Size:
    if name in _PRIMITIVES:
        return _PRIMITIVES[name], 1
    for full in (name, f"{namespace}.{name}"):
        if full in named:
            size = named[full]
            if size is None:
                raise ValueError(f"a record must not contain itself, got {full:.60}")
            return size
    raise ValueError(f"a type must be defined before its use, got {name:.60}")


def _size_of_complex(
    node: dict[str, object], namespace: str, named: dict[str, _Size | None], depth: int
) -> _Size:
    kind = node.get("type")
    if kind in ("array", "map"):
        items = node.get("items") if kind == "array" else node.get("values")
        n_bytes, n_values = _size(items, namespace, named, depth + 1)
        if kind == "array" and n_bytes == 0:
            raise ValueError("the items of an array must take bytes")
        return 1, _checked(1 + n_values)
    if kind in ("record", "enum", "fixed"):
        return _size_of_named(node, namespace, named, depth)
    return _size(kind, namespace, named, depth + 1)


def _size_of_named(
    node: dict[str, object], namespace: str, named: dict[str, _Size | None], depth: int
) -> _Size:
    name = str(node["name"])
    namespace = name.rpartition(".")[0] or str(node.get("namespace", namespace))
    full = name if "." in name or not namespace else f"{namespace}.{name}"
    if node["type"] == "enum":
        named[full] = 1, 1
    elif node["type"] == "fixed":
        size_bytes = int(str(node["size"]))
        if size_bytes < 0:
            raise ValueError(f"a fixed type must not have a negative size, got {size_bytes}")
        named[full] = size_bytes, 1
    else:
        named[full] = None
        fields = node["fields"]
        if not isinstance(fields, list):
            raise ValueError("the fields of a record must be an array")
        sizes = [_size(field["type"], namespace, named, depth + 1) for field in fields]
        named[full] = sum(n for n, _ in sizes), _checked(1 + sum(n for _, n in sizes))
    size = named[full]
    assert size is not None  # noqa: S101
    return size


def _checked(n_values: int) -> int:
    if n_values > MAX_NODES:
        raise ValueError(f"a record must have at most {MAX_NODES} values")
    return n_values
