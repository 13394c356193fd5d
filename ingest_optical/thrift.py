"""Thrift's compact protocol, as far as Parquet's headers need it: bytes to plain values.

Nothing is taken on a length's word alone: what a list or a text claims must be there.
"""

from __future__ import annotations

MAX_VALUES = 2_000_000
"""Most values of one document; the footer of a Rubin table has 20,000 for each row group."""

MAX_DEPTH = 16
"""Deepest nesting; Parquet's footer has 7."""

Value = int | bytes | list["Value"] | dict[int, "Value"] | None
"""A struct is a dict by the number of its fields; truth values and doubles are not kept."""

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS = (4, 5, 6)


def read_struct(data: bytes) -> tuple[dict[int, Value], int]:
    """The struct at the beginning of some bytes, and its length.

    Raises
    ------
    ValueError
        The bytes are no struct, or one of too many values or too deep.
    """
    reader = _Reader(data)
    try:
        return reader.struct(0), reader.at
    except IndexError:
        raise ValueError("a Thrift struct must be whole") from None


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0
        self._left = MAX_VALUES

    def struct(self, depth: int) -> dict[int, Value]:
        if depth > MAX_DEPTH:
            raise ValueError(f"Thrift structs must nest at most {MAX_DEPTH} deep")
        fields: dict[int, Value] = {}
        field_id = 0
        while head := self._byte():
            field_id = field_id + (head >> 4) if head >> 4 else _signed(self._varint())
            kind = head & 0x0F
            # The truth value of a field is in its kind; it has no byte.
            fields[field_id] = None if kind in (_TRUE, _FALSE) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Value:
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"a Thrift struct must have at most {MAX_VALUES} values")
        if kind in _INTEGERS:
            return _signed(self._varint())
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind in (_LIST, _SET):
            return self._list(depth + 1)
        if kind not in (_TRUE, _FALSE, _BYTE, _DOUBLE):
            raise ValueError(f"a Thrift value must be of a known type, got {kind}")
        self._bytes(8 if kind == _DOUBLE else 1)
        return None

    def _list(self, depth: int) -> list[Value]:
        if depth > MAX_DEPTH:
            raise ValueError(f"Thrift lists must nest at most {MAX_DEPTH} deep")
        head = self._byte()
        n = head >> 4 if head >> 4 < 15 else self._varint()
        return [self._value(head & 0x0F, depth) for _ in range(n)]

    def _bytes(self, n: int) -> bytes:
        if n > len(self._data) - self.at:
            raise IndexError(n)
        self.at += n
        return self._data[self.at - n : self.at]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a Thrift integer must fit 64 bits")

    def _byte(self) -> int:
        byte = self._data[self.at]
        self.at += 1
        return byte


def _signed(zigzag: int) -> int:
    return (zigzag >> 1) ^ -(zigzag & 1)
