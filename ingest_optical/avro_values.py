"""The values of the fields that a pattern found: records and rows of them, made when asked for."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, overload

_Convert = Callable[[bytes], tuple[Any, ...]]
"""Makes the bytes of a group a value, alone in a tuple, as struct does."""


class Place(NamedTuple):
    """Where a pattern finds a field: the number of its group, from 1; its Avro type."""

    group: int
    convert: _Convert
    kind: str


class Places(dict[str, Place]):
    """The group of each wanted field; it must not change once its flags were asked for."""

    @cached_property
    def flags(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Names and groups of the booleans."""
        found = [(name, place.group) for name, place in self.items() if place.kind == "boolean"]
        return tuple(name for name, _ in found), tuple(group for _, group in found)


def place_of(group: int, kind: str) -> Place:
    """The place of a field of a primitive Avro type."""
    return Place(group, _CONVERTERS[kind], kind)


class LazyRecord(Mapping[str, object]):
    """The wanted fields of a record, each made of its bytes when it is asked for."""

    __slots__ = ("_match", "_places")

    def __init__(self, match: re.Match[bytes], places: Places) -> None:
        self._match = match
        self._places = places

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field; the default for one that was not wanted or is not there."""
        place = self._places.get(name)
        if place is None:
            return default
        group, convert, _ = place
        found = self._match[group]
        return None if found is None else convert(found)[0]

    def set_flags(self) -> list[str]:
        """Names of the wanted booleans that are true."""
        names, groups = self._places.flags
        said = self._match.group(0, 0, *groups)[2:]  # of several groups: always a tuple
        if _TRUE not in said:  # as in most packets
            return []
        return [name for name, each in zip(names, said, strict=True) if each == _TRUE]

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __getitem__(self, name: str) -> object:
        if name not in self._places:
            raise KeyError(name)
        return self.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class JoinedRecord(Mapping[str, object]):
    """The parts of a record, one after the other, as the record that they are.

    Parameters
    ----------
    parts
        Records without a field in common.
    """

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[Mapping[str, object]]) -> None:
        self._parts = parts

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field; the default for one that no part has."""
        for part in self._parts:
            if name in part:
                return part.get(name)
        return default

    def __contains__(self, name: object) -> bool:
        return any(name in part for part in self._parts)

    def __getitem__(self, name: str) -> object:
        for part in self._parts:
            if name in part:
                return part[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for part in self._parts for name in part)

    def __len__(self) -> int:
        return sum(map(len, self._parts))


class ColumnRows(Sequence[Mapping[str, object]]):
    """The wanted fields of the records of an array, column by column.

    Parameters
    ----------
    n
        Number of records.
    columns
        Values of each field, one for each record.
    """

    __slots__ = ("_columns", "_n")

    def __init__(self, n: int, columns: Mapping[str, Sequence[object]]) -> None:
        self._n = n
        self._columns = columns

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, i: int) -> Mapping[str, object]: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[Mapping[str, object]]: ...
    def __getitem__(self, i: int | slice) -> Mapping[str, object] | Sequence[Mapping[str, object]]:
        if isinstance(i, slice):
            return [self[n] for n in range(*i.indices(self._n))]
        if not -self._n <= i < self._n:
            raise IndexError(i)
        return {name: values[i] for name, values in self._columns.items()}

    def values(self, names: Sequence[str]) -> Iterator[tuple[object, ...]]:
        """The values of some fields of each record; None for a field that was not wanted."""
        nothing = (None,) * self._n
        return zip(*(self._columns.get(name, nothing) for name in names), strict=True)


def column_of(kind: str, found: tuple[bytes | None, ...]) -> Sequence[object]:
    """Values of one field of many records; those of a fixed size by one call."""
    if kind not in _FIXED:
        convert = _CONVERTERS[kind]
        return [None if each is None else convert(each)[0] for each in found]
    code, null = _FIXED[kind]
    unpack = struct.Struct(f"<{len(found)}{code}").unpack
    if None not in found:
        return unpack(b"".join(found))  # type: ignore[arg-type]
    values = unpack(b"".join([each or null for each in found]))
    return [None if each is None else value for each, value in zip(found, values, strict=True)]


def long_of(found: bytes) -> tuple[int]:
    """The value of an Avro long of at most 63 bits (zigzag, seven bits a byte)."""
    if len(found) == 1:
        return _SHORT_LONGS[found[0]]
    value = 0
    for byte in reversed(found):
        value = value << 7 | byte & 0x7F
    return ((value >> 1) ^ -(value & 1),)


_SHORT_LONGS = tuple(((byte >> 1) ^ -(byte & 1),) for byte in range(128))
"""Numbers of one byte."""


def _text(found: bytes) -> tuple[str]:
    # The size before it takes two bytes from 64 characters on.
    return (found[1 if found[0] < 0x80 else 2 :].decode("ascii"),)


def _boolean(found: bytes) -> tuple[bool]:
    return (found == _TRUE,)


_TRUE = b"\x01"

_CONVERTERS: Mapping[str, _Convert] = {
    "boolean": _boolean,
    "int": long_of,
    "long": long_of,
    "float": struct.Struct("<f").unpack,
    "double": struct.Struct("<d").unpack,
    "string": _text,
}

_FIXED: Mapping[str, tuple[str, bytes]] = {"float": ("f", bytes(4)), "double": ("d", bytes(8))}
"""Letter in ``struct`` and stand-in for null of the types of a fixed size."""
