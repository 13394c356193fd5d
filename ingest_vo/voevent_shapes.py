"""Shapes of VOEvents: what all packets of one kind share, learned from those that came before.

A mission's packets of one type are the same XML but for what its values say. A shape is a pattern
made of a packet that the XML reader has understood: its bytes, with a wild card in the place of
each value of a Param and of each text. A packet that fits has the same tree with other texts, so
that what the reader would say of it is known without reading it, in a tenth of the time.

A wild card takes printable ASCII without ``<``, ``>``, ``&`` and, in a value, its quote: nothing
that a parser would read as anything but itself. Nothing else may differ: names, order, encoding,
white space. A packet that fits no shape is read the long way; so whatever has been learned, in
whichever order, every packet is read the same.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from operator import itemgetter
from threading import Lock
from types import MappingProxyType
from typing import Any

from correlator.errors import MalformedNoticeError
from ingest_vo.voevent_xml import Spelled, spelled_of_xml

LEARN_EVERY = 20
"""A shape is learned of one in so many packets that fit none: to learn one takes as long as to read
a hundred, so whoever sends only oddities makes each cost some five more."""

MOST_SHAPES, MOST_OF_A_KIND = 128, 8
"""Most that are remembered, and most that one packet is compared with."""

MAX_BYTES, MAX_TOKENS = 32_768, 2_000
"""Largest packet that has a shape; the largest of 400 real ones has 14 kB."""

_IVORN = re.compile(r"ivorn=[\"']([^\"']{1,200}+)")
_NO_DIGITS = str.maketrans("", "", "0123456789.-+")

_TOKEN = re.compile(r"<[^<>]*+>|[^<>]++")
_NAME = r"[A-Za-z_][\w:.-]*+"
_TAG = re.compile(
    rf"</{_NAME}\s*+>|<{_NAME}(?:\s++{_NAME}\s*+=\s*+(?:\"[^\"<]*+\"|'[^'<]*+'))*+\s*+/?>"
    r"|<\?[^<>?]*+\?>",
    re.ASCII,
)
_ATTRIBUTE = re.compile(rf"\s({_NAME})\s*+=\s*+(?:\"([^\"]*+)\"|'[^']*+')", re.ASCII)
_WILD_VALUES = frozenset({"value", "ivorn", "uri", "probability", "importance"})
"""Attributes whose values differ from packet to packet; all others are part of the shape."""

_IN_VALUE, _IN_TEXT = r"[ !#-%'-;=?-~]", r"[ !-%'-;=?-~]"
"""Printable ASCII without quote, ``&``, ``<`` and ``>``; in a text the quote is itself."""

_MARK = "@@{}@@"
_IS_MARK = re.compile(r"@@(\d{1,5})@@", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Wild:
    """A place that may say something else in another packet: where it is, and what it may hold."""

    start: int
    stop: int
    allowed: str


class UnshapedError(Exception):
    """No shape can be made of a packet; it is read the long way."""


class Shape:
    """One shape.

    Parameters
    ----------
    text
        A packet that was understood, each byte a character.
    said
        What the reader said of it.

    Raises
    ------
    UnshapedError
        It has what no shape can have.
    """

    def __init__(self, text: str, said: Spelled) -> None:
        if "@@" in repr(said):
            raise UnshapedError("it says what marks a wild card, in other letters")
        wild = list(_wild_places(text))
        marked = _filled(text, wild, [_MARK.format(n) for n in range(len(wild))])
        try:
            plan = spelled_of_xml(marked.encode("latin-1"), "shape")
        except MalformedNoticeError as error:
            raise UnshapedError(error.rule) from None
        self._captured: list[int] = []
        self._fill = self._filling(plan)
        self._pattern = re.compile(_pattern(text, wild, frozenset(self._captured)))
        if self.spelled(text) != said:
            raise UnshapedError("its values decide what is read")

    def spelled(self, text: str) -> Spelled | None:
        """The texts of a packet that fits; None of one that does not."""
        found = self._pattern.fullmatch(text)
        return None if found is None else self._fill(found.groups())

    def _filling(self, plan: Spelled) -> Callable[[Sequence[str]], Spelled]:
        """How the texts that were captured become what the reader says."""
        constants: list[str | None] = []
        places = {name: self._place(getattr(plan, name), constants) for name in _TEXTS}
        cited = [tuple(self._place(each, constants) for each in pair) for pair in plan.citations]
        flat = self._mapping(plan.params, constants)
        groups = [(name, self._mapping(group, constants)) for name, group in plan.groups.items()]
        # The groups of the pattern come in the order of the packet.
        order = sorted(set(self._captured))
        at = {n: i for i, n in enumerate(order)}
        fixed, n_captured = tuple(constants), len(order)

        def index(place: int) -> int:
            return at[place] if place >= 0 else n_captured - 1 - place

        def getter(values: list[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
            return _getter([index(place) for place in values])

        names, texts = tuple(places), getter(list(places.values()))
        flat_names, flat_values = flat[0], getter(flat[1])
        of_groups = [(name, keys, getter(values)) for name, (keys, values) in groups]
        of_cited = [getter(list(pair)) for pair in cited]

        def fill(captured: Sequence[str]) -> Spelled:
            said = (*captured, *fixed)
            return Spelled(
                **dict(zip(names, texts(said), strict=True)),
                params=MappingProxyType(dict(zip(flat_names, flat_values(said), strict=True))),
                groups=MappingProxyType(
                    {n: dict(zip(keys, get(said), strict=True)) for n, keys, get in of_groups}
                ),
                citations=tuple([get(said) for get in of_cited]),
            )

        return fill

    def _mapping(
        self, said: Mapping[str, str], constants: list[str | None]
    ) -> tuple[tuple[str, ...], list[int]]:
        if any("@@" in name for name in said):
            raise UnshapedError("a name is a value")
        return tuple(said), [self._place(value, constants) for value in said.values()]

    def _place(self, said: str | None, constants: list[str | None]) -> int:
        """Number of the wild card that a text is, or -1, -2, ... for a constant."""
        mark = _IS_MARK.fullmatch(said or "")
        if mark is not None:
            self._captured.append(int(mark[1]))
            return int(mark[1])
        if said is not None and "@@" in said:
            raise UnshapedError("a text is made of several values")
        constants.append(said)
        return -len(constants)


_TEXTS = (
    "ivorn", "role", "system", "ra", "dec", "radius", "radius_unit", "time", "date", "concept",
)  # fmt: skip


class Shapes:
    """The shapes that were learned; the kinds of those learned last are kept.

    Parameters
    ----------
    learn_every
        A shape is learned of one in so many packets that fit none.
    """

    def __init__(self, learn_every: int = LEARN_EVERY) -> None:
        self._learn_every = learn_every
        self._kinds: OrderedDict[str, list[Shape]] = OrderedDict()
        self._n_unshaped = count(1)
        self._lock = Lock()

    def __len__(self) -> int:
        return sum(map(len, self._kinds.values()))

    def spelled(self, packet: bytes, name: str) -> Spelled:
        """The texts of a VOEvent.

        Raises
        ------
        MalformedNoticeError
            As :func:`ingest_vo.voevent_xml.spelled_of_xml`.
        """
        if len(packet) > MAX_BYTES:
            return spelled_of_xml(packet, name)
        text = packet.decode("latin-1")
        kind = _kind_of(text)
        for shape in self._kinds.get(kind, ()):
            if (said := shape.spelled(text)) is not None:
                return said
        said = spelled_of_xml(packet, name)
        if next(self._n_unshaped) % self._learn_every == 0:
            self._learn(kind, text, said)
        return said

    def _learn(self, kind: str, text: str, said: Spelled) -> None:
        try:
            shape = Shape(text, said)
        except UnshapedError:
            return
        with self._lock:
            # A new list: others may be reading the old one.
            self._kinds[kind] = [shape, *self._kinds.get(kind, [])][:MOST_OF_A_KIND]
            self._kinds.move_to_end(kind)
            while len(self) > MOST_SHAPES:
                self._kinds.popitem(last=False)


def _kind_of(text: str) -> str:
    """What packets of one shape have in common at first sight: the IVORN without its numbers."""
    found = _IVORN.search(text, 0, 2_000)
    return found[1].translate(_NO_DIGITS) if found else ""


def _wild_places(text: str) -> Iterator[_Wild]:
    """Where a packet of the same shape may say something else.

    Raises
    ------
    UnshapedError
        It has a comment, a CDATA section or anything else that is more than tags and texts.
    """
    if "@@" in text or "<!" in text:
        raise UnshapedError("it holds what marks a wild card, a comment or a section")
    at = 0
    for n, token in enumerate(_TOKEN.findall(text)):
        if n > MAX_TOKENS:
            raise UnshapedError("it is too long")
        if token[0] == "<":
            if _TAG.fullmatch(token) is None:
                raise UnshapedError("a tag is not plain")
            if token[1] not in "?/":
                for found in _ATTRIBUTE.finditer(token):
                    if found[1] in _WILD_VALUES and found[2]:
                        yield from _core(found[2], at + found.start(2), _IN_VALUE)
        else:
            yield from _core(token, at, _IN_TEXT)
        at += len(token)
    if at != len(text):
        raise UnshapedError("it is not made of tags and texts")


def _core(said: str, at: int, allowed: str) -> Iterator[_Wild]:
    """What a text says between its white space, if it says anything that a wild card takes."""
    core = said.strip()
    if core and re.fullmatch(f"{allowed}+", core):
        start = at + said.index(core)
        yield _Wild(start, start + len(core), allowed)


def _filled(text: str, wild: Sequence[_Wild], values: Sequence[str]) -> str:
    parts, at = [], 0
    for place, value in zip(wild, values, strict=True):
        parts += [text[at : place.start], value]
        at = place.stop
    return "".join([*parts, text[at:]])


def _pattern(text: str, wild: Sequence[_Wild], captured: frozenset[int]) -> str:
    """The pattern of a shape; what is captured neither begins nor ends with a space.

    No quantifier gives back what it took, so that the time is that of one look.
    """
    parts, at = [], 0
    for n, place in enumerate(wild):
        taken = f"(?! ){place.allowed}++(?<! )"
        parts += [re.escape(text[at : place.start]), f"({taken})" if n in captured else taken]
        at = place.stop
    return "".join([*parts, re.escape(text[at:])])


def _getter(indices: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Several items at once, as a tuple however many they are."""
    if len(indices) > 1:
        return itemgetter(*indices)
    return (lambda said: (said[indices[0]],)) if indices else (lambda _: ())
