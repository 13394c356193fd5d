"""A decoded record, read by name and by type; what is unknown is None."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from correlator.errors import MalformedAlertError
from ingest_optical.avro_values import NO_ROWS, ColumnRows, LazyRecord

MAX_NUMBER = 1e30
"""Largest number in a packet: in nJy, 50 magnitudes brighter than the Sun. Single-precision floats
end at 3e38, and what is made of two such numbers would not be finite."""

MIN_FLUX_ERR_NJY = 1e-6
"""Smallest error of a flux [nJy]; Rubin's deepest stacks reach 1 nJy. A smaller one is none."""

MAX_EXPOSURE_S = 86_400.0
"""Longest exposure; ZTF's and Rubin's last 30 s."""

MAX_ROWS = 20_000
"""Longest history; a Rubin deep field brings up to 1,172 sources."""

MAX_TEXT_LENGTH = 200
"""Longest text [characters]; ids and designations have up to 30."""

_EXACT_IN_FLOAT = 2**53
"""Largest integer up to which a float64 holds every integer."""


class Fields:
    """One record of a packet.

    Parameters
    ----------
    record
        Field names and values as decoded.
    packet
        Name of the packet, for the errors.
    unknown
        The survey's number for "unknown", besides null and NaN; ZTF has -999.
    """

    __slots__ = ("_record", "_unknown", "packet")

    def __init__(
        self, record: Mapping[str, object], packet: str, unknown: float | None = None
    ) -> None:
        self._record = record
        self._unknown = unknown
        self.packet = packet

    def malformed(self, rule: str, value: object = None) -> MalformedAlertError:
        """The error to raise when this record breaks a rule."""
        return MalformedAlertError(self.packet, rule, value)

    def number(self, name: str) -> float | None:
        """A finite number; None for an absent field, null, NaN and the survey's sentinel.

        Raises
        ------
        MalformedAlertError
            The value is not a number, it is infinite, or larger than :data:`MAX_NUMBER`.
        """
        value = self._record.get(name)
        if value is None:
            return None
        if type(value) is float and -MAX_NUMBER <= value <= MAX_NUMBER:  # the usual case, quickly
            return None if value == self._unknown else value
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.malformed(f"{name} must be a number", value)
        try:
            number = float(value)
        except OverflowError:  # an integer of 400 digits in JSON
            number = math.inf
        if math.isnan(number) or number == self._unknown:
            return None
        if math.isinf(number):
            raise self.malformed(f"{name} must be finite", value)
        if abs(number) > MAX_NUMBER:
            raise self.malformed(f"{name} must be at most {MAX_NUMBER:g}", value)
        return number

    def known_number(self, name: str) -> float:
        """A number that the alert cannot do without."""
        number = self.number(name)
        if number is None:
            raise self.malformed(f"{name} must be known", self._record.get(name))
        return number

    def exposure_s(self, name: str) -> float | None:
        """Length of an exposure [s]; None where it is unknown or 0."""
        exposure_s = self.number(name)
        if exposure_s is None or exposure_s <= 0.0:
            return None
        if exposure_s > MAX_EXPOSURE_S:
            raise self.malformed(f"{name} must be at most {MAX_EXPOSURE_S:g} s", exposure_s)
        return exposure_s

    def integer(self, name: str) -> int | None:
        """A 64-bit integer; None where :meth:`number` says None.

        Raises
        ------
        MalformedAlertError
            The value is no integer, does not fit 64 bits, or went through a float that cannot
            hold it.
        """
        value = self._record.get(name)
        if type(value) is int and -_EXACT_IN_FLOAT < value < _EXACT_IN_FLOAT:  # quickly
            return None if value == self._unknown else value
        if isinstance(value, int) and not isinstance(value, bool):
            if not -(2**63) <= value < 2**63:
                raise self.malformed(f"{name} must fit 64 bits", value)
            return None if value == self._unknown else value
        number = self.number(name)
        if number is None:
            return None
        if not number.is_integer() or abs(number) > _EXACT_IN_FLOAT:
            raise self.malformed(f"{name} must be an exact integer", value)
        return int(number)

    def text(self, name: str) -> str | None:
        """A text that is not blank, without surrounding space.

        Raises
        ------
        MalformedAlertError
            The value is not a text, or none that a person would write.
        """
        value = self._record.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.malformed(f"{name} must be a text", value)
        text = value.strip()
        if len(text) > MAX_TEXT_LENGTH or not text.isprintable():
            raise self.malformed(
                f"{name} must be at most {MAX_TEXT_LENGTH} printable characters", text
            )
        return text or None

    def raw(self, name: str) -> object:
        """The value as decoded, for fields with several spellings."""
        return self._record.get(name)

    def values(self, names: tuple[str, ...]) -> list[object]:
        """The values as decoded of some fields; the names must be a constant."""
        if type(self._record) is LazyRecord:
            return self._record.values_of(names)
        return list(map(self._record.get, names))

    def copied(self) -> dict[str, object]:
        """The fields and values as decoded."""
        return dict(self._record)

    def set_flags(self) -> list[str]:
        """Names of the boolean fields that are true."""
        if isinstance(self._record, LazyRecord):
            return self._record.set_flags()
        return [name for name, value in self._record.items() if value is True]

    def record(self, name: str) -> Fields | None:
        """A record inside this one.

        Raises
        ------
        MalformedAlertError
            The value is not a record.
        """
        value = self._record.get(name)
        if value is None:
            return None
        if type(value) is not LazyRecord and not isinstance(value, Mapping):
            raise self.malformed(f"{name} must be a record", value)
        return Fields(value, self.packet, self._unknown)

    def rows(self, name: str) -> list[Fields]:
        """The records of an array, in order; none for null.

        Raises
        ------
        MalformedAlertError
            The value is not an array of records, or one of too many.
        """
        return [self.inner(row) for row in self._array(name)]

    def is_empty(self, name: str) -> bool:
        """Whether an array is null, absent, or known to have no record."""
        value = self._record.get(name)
        return value is None or value is NO_ROWS

    def table(self, name: str, columns: Sequence[str]) -> Iterable[tuple[object, ...]]:
        """The values of some fields of each record of an array; as :meth:`rows`.

        None for a field that a record does not have.
        """
        rows = self._array(name)
        if isinstance(rows, ColumnRows):
            return rows.values(columns)
        return [tuple(map(row.get, columns)) for row in rows]

    def of(self, record: Mapping[str, object]) -> Fields:
        """These fields if it is their record, else those of a record by the same rules."""
        return self if record is self._record else self.inner(record)

    def inner(self, record: Mapping[str, object]) -> Fields:
        """A record of this one's, to be read by the same rules."""
        return Fields(record, self.packet, self._unknown)

    def _array(self, name: str) -> Sequence[Mapping[str, object]]:
        value = self._record.get(name)
        if value is None:
            return []
        if isinstance(value, list | ColumnRows) and len(value) > MAX_ROWS:
            raise self.malformed(f"{name} must have at most {MAX_ROWS} records", len(value))
        if isinstance(value, ColumnRows):
            return value
        if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
            raise self.malformed(f"{name} must be an array of records", value)
        return value
