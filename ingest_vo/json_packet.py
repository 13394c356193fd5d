"""A JSON packet whose fields are checked as they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sized
from dataclasses import dataclass
from types import UnionType

import orjson

from correlator.errors import MalformedNoticeError
from ingest_vo import rules

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class JsonPacket:
    """One JSON object; each reader returns None for an absent or null field.

    Attributes
    ----------
    name
        How a person finds the packet: file, topic and offset.
    fields
        The object as parsed; only this module looks inside.
    """

    name: str
    content_sha256: str
    fields: Mapping[str, object]

    def __contains__(self, key: str) -> bool:
        return key in self.fields

    def text(self, key: str) -> str | None:
        """Text that is not blank, printable and of a length that a person would write."""
        said = self._typed(key, str, "a text")
        return (rules.text_of(self.name, key, said) or None) if isinstance(said, str) else None

    def content(self, key: str) -> str | None:
        """Text that stands for a file, of any length; None where it is blank."""
        said = self._typed(key, str, "a text")
        return (said.strip() or None) if isinstance(said, str) else None

    def texts(self, key: str) -> tuple[str, ...]:
        """Texts of a field that may be one text, one number or a list of them."""
        listed = self._listed(key)
        for each in listed:
            if isinstance(each, bool) or not isinstance(each, str | int):
                raise MalformedNoticeError(self.name, f"{key} must hold texts", each)
        return tuple(rules.id_of(self.name, key, str(each)) for each in listed)

    def number(self, key: str) -> float | None:
        """Finite number."""
        said = self._typed(key, int | float, "a number")
        if said is None:
            return None
        return _number(self.name, key, said)

    def numbers(self, key: str) -> tuple[float, ...]:
        """Numbers of a field that may be one number or a list of them."""
        return tuple(_number(self.name, key, each) for each in self._listed(key))

    def flag(self, key: str) -> bool | None:
        """True or false."""
        said = self._typed(key, bool, "true or false")
        return said if isinstance(said, bool) else None

    def time(self, key: str) -> float | None:
        """Time [s since the Unix epoch, UTC]."""
        said = self.text(key)
        return None if said is None else rules.unix_s_of(self.name, key, said)

    def child(self, key: str) -> JsonPacket | None:
        """Object inside this one."""
        said = self._typed(key, dict, "an object")
        return JsonPacket(self.name, self.content_sha256, said) if isinstance(said, dict) else None

    def children(self, key: str) -> tuple[JsonPacket, ...]:
        """Objects of a list inside this one."""
        said = self._typed(key, list, "a list")
        if not isinstance(said, list):
            return ()
        self._check_count(key, said)
        for each in said:
            if not isinstance(each, dict):
                raise MalformedNoticeError(self.name, f"{key} must hold objects", each)
        return tuple(JsonPacket(self.name, self.content_sha256, each) for each in said)

    def probabilities(self, key: str) -> tuple[tuple[str, float | None], ...]:
        """Class and probability of an object ``{class: probability}``, sorted by class."""
        child = self.child(key)
        if child is None:
            return ()
        self._check_count(key, child.fields)
        named = ((rules.id_of(self.name, f"a class of {key}", name), name) for name in child.fields)
        return tuple(
            sorted(
                (shown, rules.probability_of(self.name, shown, child.number(name)))
                for shown, name in named
            )
        )

    def corners(self, key: str) -> tuple[tuple[float, float], ...]:
        """Positions of a list ``[[ra, dec], ...]`` [deg]."""
        said = self._typed(key, list, "a list")
        if not isinstance(said, list):
            return ()
        self._check_count(key, said)
        corners = []
        for pair in said:
            if not isinstance(pair, list) or len(pair) != 2:
                raise MalformedNoticeError(self.name, f"{key} must hold pairs", pair)
            ra_deg, dec_deg = (_number(self.name, key, each) for each in pair)
            corners.append(rules.position_of(self.name, ra_deg, dec_deg))
        return tuple(corners)

    def required_text(self, key: str) -> str:
        """Text of a field without which the packet is worthless."""
        said = self.text(key)
        if said is None:
            raise MalformedNoticeError(self.name, f"{key} must be present")
        return said

    def _listed(self, key: str) -> list[object]:
        said = self.fields.get(key)
        listed = said if isinstance(said, list) else [] if said is None else [said]
        self._check_count(key, listed)
        return listed

    def _check_count(self, key: str, values: Sized) -> None:
        if len(values) > rules.MAX_ITEMS:
            raise MalformedNoticeError(
                self.name, f"{key} must hold at most {rules.MAX_ITEMS} values", len(values)
            )

    def _typed(self, key: str, kind: type | UnionType, called: str) -> object:
        said = self.fields.get(key)
        if said is None:
            return None
        # A bool is an int to Python, never to us.
        if (kind is not bool and isinstance(said, bool)) or not isinstance(said, kind):
            raise MalformedNoticeError(self.name, f"{key} must be {called}", said)
        return said


def read_json(packet: bytes, name: str) -> JsonPacket:
    """Read one JSON object.

    Raises
    ------
    MalformedNoticeError
        Not JSON, or JSON that is not an object.
    """
    try:
        fields = orjson.loads(packet.removeprefix(BYTE_ORDER_MARK))
    except orjson.JSONDecodeError as error:
        raise MalformedNoticeError(name, "JSON must be well-formed", str(error)) from None
    if not isinstance(fields, dict):
        raise MalformedNoticeError(name, "a JSON notice must be one object", type(fields).__name__)
    return JsonPacket(name, hashlib.sha256(packet).hexdigest(), fields)


def _number(name: str, what: str, said: object) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise MalformedNoticeError(name, f"{what} must be a number", said)
    return rules.finite(name, what, float(said))
