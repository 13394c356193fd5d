"""The hardened XML reader of VOEvents: bytes to the texts that matter, nothing converted yet.

It accepts VOEvent 1.1 to 2.1, with namespaces on the root, on the coordinates (1.1) or nowhere
(re-dumps by voevent-parse with an ``<original_prefix>``). It never touches a DTD, an entity, a
file or the network.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lxml import etree

from correlator.errors import MalformedNoticeError

MAX_XML_BYTES = 1_000_000
"""Largest VOEvent that we parse [B]; the largest of 400 real ones has 14 kB."""

MAX_DEPTH = 50
"""Deepest nesting of elements; a VOEvent needs 9 (WhereWhen down to C1)."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_DECLARED_ENCODING = re.compile(rb"""\sencoding\s*=\s*["']([^"']*)["']""")
_ENCODINGS = frozenset({b"utf-8", b"us-ascii", b"ascii", b"iso-8859-1", b"latin-1"})


@dataclass(frozen=True, slots=True)
class Spelled:
    """The texts of one VOEvent, without surrounding space; None where it has none, or a blank one.

    Which text stands where follows from the elements and from what is blank, and never from what
    the texts say: :mod:`ingest_vo.voevent_shapes` relies on it.

    Attributes
    ----------
    params
        Every ``Param``: those outside groups first, then by group; the first of a name wins.
    groups
        Params of each ``Group``, by its name or else its type.
    system
        Name of the coordinate system: ``UTC-FK5-GEO``.
    ra, dec, radius, radius_unit
        Of ``Position2D``.
    time, date
        ``ISOTime`` of ``WhereWhen``, and ``Who/Date``.
    citations
        ``(cite, ivorn)`` of each ``EventIVORN``, blank ones left out.
    """

    ivorn: str
    role: str
    params: Mapping[str, str]
    groups: Mapping[str, Mapping[str, str]]
    system: str
    ra: str | None
    dec: str | None
    radius: str | None
    radius_unit: str
    time: str | None
    date: str | None
    citations: tuple[tuple[str, str], ...]
    concept: str


def spelled_of_xml(packet: bytes, name: str) -> Spelled:
    """The texts of one VOEvent.

    Raises
    ------
    MalformedNoticeError
        Not well-formed, too large or too deep, with a DTD, or no VOEvent.
    """
    root = _checked_root(packet, name)
    sections = _sections(root)
    params, groups = _params(sections.get("What"))
    place = sections.get("WhereWhen")
    # Only Position2D: ANTARES packets hold the observatory's Position3D, with C1 and C2, before it.
    position = None if place is None else _below(place, "Position2D")
    radius = None if position is None else _below(position, "Error2Radius")
    return Spelled(
        ivorn=root.get("ivorn", "").strip(),
        role=root.get("role", "observation").strip(),
        params=params,
        groups=groups,
        system=_system(place),
        ra=_said_below(position, "C1"),
        dec=_said_below(position, "C2"),
        radius=None if radius is None else (radius.text or "").strip() or None,
        radius_unit=_unit(position, radius),
        time=_said_below(place, "ISOTime"),
        date=_text(sections.get("Who"), "Date"),
        citations=tuple(_citations(sections.get("Citations"))),
        concept=_said_below(sections.get("Why"), "Concept") or "",
    )


def _checked_root(packet: bytes, name: str) -> etree._Element:
    if len(packet) > MAX_XML_BYTES:
        raise MalformedNoticeError(name, f"XML must have at most {MAX_XML_BYTES} B", len(packet))
    # Searched in the bytes, before any parser sees them: entities in attributes are expanded
    # whatever the parser is told. A declared encoding that could hide the word is refused.
    if b"!" in packet and (b"<!DOCTYPE" in packet or b"<!ENTITY" in packet):
        raise MalformedNoticeError(name, "XML must not hold a DTD or an entity")
    content = packet.removeprefix(BYTE_ORDER_MARK).strip()
    _check_encoding(content, name)
    try:
        parser = _OF_THREAD.parser
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise MalformedNoticeError(name, "XML must be well-formed", str(error)) from None
    # A prefix that is not declared passes the parser if only a warning follows it.
    if parser.error_log and (errors := parser.error_log.filter_from_errors()):
        raise MalformedNoticeError(name, "XML must be well-formed", errors[0].message)
    if _IS_TOO_DEEP(root):
        raise MalformedNoticeError(name, f"XML must be at most {MAX_DEPTH} elements deep")
    tag = root.tag.rpartition("}")[2]
    if tag != "VOEvent":
        raise MalformedNoticeError(name, "the root of an XML notice must be VOEvent", tag)
    return root


def _check_encoding(content: bytes, name: str) -> None:
    """Refuse what a parser would read otherwise than as ASCII and the bytes above it."""
    rule = "XML must be in UTF-8, ASCII or ISO 8859-1"
    if b"\0" in content:
        raise MalformedNoticeError(name, rule, content[:16])
    if not content.startswith(b"<"):  # of no encoding that we read
        raise MalformedNoticeError(name, "XML must be well-formed", content[:16])
    if not content.startswith(b"<?xml"):
        return
    declaration, closed, _ = content.partition(b"?>")
    encoding = _DECLARED_ENCODING.search(declaration)
    said = encoding[1] if encoding else None
    is_silent = said is None and b"encoding" not in declaration
    if not closed or not (is_silent or (said is not None and said.lower() in _ENCODINGS)):
        raise MalformedNoticeError(name, rule, said)


class _Parser(threading.local):
    """A parser of the thread's own, with the errors of what it parsed last."""

    def __init__(self) -> None:
        self.parser = etree.XMLParser(
            resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False,
            huge_tree=False, remove_comments=True, remove_pis=True, recover=False,
            collect_ids=False, remove_blank_text=True,
        )  # fmt: skip


_OF_THREAD = _Parser()

_IS_TOO_DEEP = etree.XPath(f"boolean({'/*' * (MAX_DEPTH + 1)})")

# In what follows ``{*}`` is any namespace and none: whole packets come in a default one, and
# collectors strip the root's.


def _sections(root: etree._Element) -> dict[str, etree._Element]:
    """The first of each of the root's elements."""
    sections: dict[str, etree._Element] = {}
    for section in root.iterchildren("{*}*"):
        sections.setdefault(section.tag.rpartition("}")[2], section)
    return sections


def _params(
    what: etree._Element | None,
) -> tuple[Mapping[str, str], Mapping[str, Mapping[str, str]]]:
    if what is None:
        return MappingProxyType({}), MappingProxyType({})
    flat = _values(what)
    groups: dict[str, dict[str, str]] = {}
    for group in what.iter("{*}Group"):
        values = _values(group)
        groups.setdefault(group.get("name") or group.get("type") or "", {}).update(values)
        for key, value in values.items():
            flat.setdefault(key, value)
    return MappingProxyType(flat), MappingProxyType(groups)


def _values(parent: etree._Element) -> dict[str, str]:
    values: dict[str, str] = {}
    for param in parent.iterchildren("{*}Param"):
        get = param.get
        # VOEvent 2.0 allows the value as an element for long texts.
        values.setdefault(get("name", ""), _value(get("value")) or _text(param, "Value") or "")
    return values


def _value(said: str | None) -> str | None:
    return said and (said.strip() or None)


def _unit(position: etree._Element | None, radius: etree._Element | None) -> str:
    """Unit of the radius: its own, or that of the position."""
    if position is None or radius is None:
        return ""
    said = radius.get("pos_unit") or radius.get("unit") or position.get("unit") or "deg"
    return said.strip()


def _system(place: etree._Element | None) -> str:
    found = None if place is None else place.find(".//{*}ObservationLocation/{*}AstroCoordSystem")
    return "" if found is None else found.get("id", "")


def _citations(citations: etree._Element | None) -> Iterator[tuple[str, str]]:
    for cited in () if citations is None else citations.iterchildren("{*}EventIVORN"):
        ivorn = (cited.text or "").strip()
        if ivorn:
            yield cited.get("cite") or "followup", ivorn


def _below(parent: etree._Element, tag: str) -> etree._Element | None:
    """The first element of a name, however deep."""
    return next(parent.iter("{*}" + tag), None)


def _said_below(parent: etree._Element | None, tag: str) -> str | None:
    found = None if parent is None else _below(parent, tag)
    return None if found is None else (found.text or "").strip() or None


def _text(parent: etree._Element | None, tag: str) -> str | None:
    """Text of the first child of a name."""
    found = None if parent is None else next(parent.iterchildren("{*}" + tag), None)
    return None if found is None else (found.text or "").strip() or None
