"""The values of the fields that a pattern found: records and rows of them, made when asked for."""

from __future__ import annotations

import re
import struct
from collections import defaultdict
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
    """The group of each wanted field; it must not change once somebody has asked for one."""

    def __init__(self) -> None:
        super().__init__()
        self.several: dict[tuple[str, ...], tuple[list[int], list[_Convert]]] = {}

    def find(self, names: tuple[str, ...]) -> tuple[list[int], list[_Convert]]:
        """Groups and converters of some names; remembered, so the names must be a constant."""
        places = [self.get(name, _NOWHERE) for name in names]
        found = [place.group for place in places], [place.convert for place in places]
        self.several[names] = found
        return found

    @cached_property
    def flags(self) -> tuple[tuple[int, ...], tuple[tuple[str, ...], ...]]:
        """Groups that hold booleans, and the names of those in each."""
        names: dict[int, list[str]] = defaultdict(list)
        for name, place in self.items():
            if place.kind == "boolean":
                names[place.group].append(name)
        return tuple(names), tuple(map(tuple, names.values()))


def _nothing(found: bytes) -> tuple[None]:
    """The value of a field that was not wanted or is not there."""
    del found
    return (None,)


def place_of_flag(group: int, n: int, null: bytes) -> Place:
    """The place of a boolean in a group of several, side by side and of one Avro type.

    Parameters
    ----------
    n
        How many of them stand before it.
    null
        The byte that stands for one that is null; empty where none can be.
    """

    def flag(found: bytes) -> tuple[bool | None]:
        if not null:
            return (found[n : n + 1] == _TRUE,)
        at = 0
        for _ in range(n):
            at += 1 if found[at : at + 1] == null else 2
        return (None if found[at : at + 1] == null else found[at + 1 : at + 2] == _TRUE,)

    return Place(group, flag, "boolean")


_NOWHERE = Place(0, _nothing, "null")


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

    def values_of(self, names: tuple[str, ...]) -> list[object]:
        """The values of some fields, at less cost than one by one; as :meth:`get`."""
        groups, converters = self._places.several.get(names) or self._places.find(names)
        return [
            None if found is None else convert(found)[0]
            for found, convert in zip(self._match.group(0, 0, *groups)[2:], converters, strict=True)
        ]

    def set_flags(self) -> list[str]:
        """Names of the wanted booleans that are true."""
        groups, names = self._places.flags
        said = self._match.group(0, 0, *groups)[2:]  # of several groups: always a tuple
        found: list[str] = []
        if _TRUE not in b"".join(filter(None, said)):  # as in most packets
            return found
        for run, each in zip(said, names, strict=True):
            # The only byte of a boolean, null or not, that is 1 says that it is true.
            if run is None or _TRUE not in run:
                continue
            if len(run) == 2 * len(each):  # none is null, as in most packets
                found += [name for name, byte in zip(each, run[1::2], strict=True) if byte]
            else:
                found += [name for name in each if self.get(name)]
        return found

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


NO_ROWS = ColumnRows(0, {})
"""What an array without a record is."""


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
