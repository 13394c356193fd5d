"""The hardened VOEvent reader: bytes of XML to a packet whose elements have been checked.

It accepts VOEvent 1.1 to 2.1, with namespaces on the root, on the coordinates (1.1) or nowhere
(re-dumps by voevent-parse with an ``<original_prefix>``). It never touches a DTD, an entity, a
file or the network.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from lxml import etree

from correlator.errors import MalformedNoticeError
from ingest_vo import rules

MAX_XML_BYTES = 1_000_000
"""Largest VOEvent that we parse [B]; the largest of 400 real ones has 14 kB."""

MAX_DEPTH = 50
"""Deepest nesting of elements; a VOEvent needs 9 (WhereWhen down to C1)."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

ROLES = ("observation", "test", "utility", "prediction")
"""The roles of VOEvent 2.0 (IVOA Recommendation 2011-07-11, section 3.1.2)."""

RADIUS_UNITS_DEG = {"deg": 1.0, "degrees": 1.0, "arcmin": 1.0 / 60.0, "arcsec": 1.0 / 3600.0}

_OTHER_FRAMES = frozenset({"FK4", "GAL", "GALACTIC", "GALACTIC_II", "ECLIPTIC", "AZ_EL", "B1950"})
_OTHER_TIMES = frozenset({"TT", "TDB", "TAI", "GPS", "TCB", "TCG", "LST"})

_DECLARED_ENCODING = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([^"']{0,40})["']""")
_ENCODINGS = frozenset({b"utf-8", b"us-ascii", b"ascii", b"iso-8859-1", b"latin-1"})


@dataclass(frozen=True, slots=True)
class VOEventPacket:
    """What the standard elements of one VOEvent say.

    Attributes
    ----------
    name
        How a person finds the packet: file, topic and offset.
    params
        Every ``Param``: those outside groups first, then by group; the first of a name wins.
    groups
        Params of each ``Group``, by its name or else its type.
    ra_deg, dec_deg, radius_deg
        Position [deg]; None where the packet has none, or says so by (0, 0) with the radius 0.
        The radius is None also where it is 0 or -1: unknown.
    time_unix_s
        ``WhereWhen`` time; whether that is T0 is for the feed to know.
    notice_unix_s
        ``Who/Date``.
    citations
        ``(cite, ivorn)`` of each ``EventIVORN``, empty ones left out.
    """

    name: str
    content_sha256: str
    ivorn: str
    role: str
    params: Mapping[str, str]
    groups: Mapping[str, Mapping[str, str]]
    ra_deg: float | None
    dec_deg: float | None
    radius_deg: float | None
    time_unix_s: float | None
    notice_unix_s: float | None
    citations: tuple[tuple[str, str], ...]
    concept: str

    @property
    def authority(self) -> str:
        """IVORN before the ``#``, without the scheme: ``nasa.gsfc.gcn/Fermi``."""
        return self.ivorn.removeprefix("ivo://").split("#", 1)[0]

    @property
    def local_id(self) -> str:
        """IVORN after the ``#``, or all of it where there is none."""
        return self.ivorn.split("#", 1)[1] if "#" in self.ivorn else self.ivorn

    @property
    def packet_type(self) -> int | None:
        """Number of the GCN packet type; None outside GCN and SVOM."""
        return self.whole_number("Packet_Type")

    def text(self, param: str) -> str | None:
        """Value of a Param, None where it is absent or blank."""
        said = self._said(param)
        return None if said is None else rules.text_of(self.name, param, said)

    def number(self, param: str) -> float | None:
        """Value of a Param as a finite number."""
        said = self._said(param)
        return None if said is None else rules.number_of(self.name, param, said)

    def positive(self, param: str) -> float | None:
        """Value of a Param as a number above 0; missions write 0 for "not measured"."""
        number = self.number(param)
        return number if number is not None and number > 0.0 else None

    def whole_number(self, param: str) -> int | None:
        """Value of a Param as a whole number."""
        said = self._said(param)
        return None if said is None else rules.whole_number_of(self.name, param, said)

    def time(self, param: str) -> float | None:
        """Value of a Param as a time [s since the Unix epoch, UTC]."""
        said = self._said(param)
        return None if said is None else rules.unix_s_of(self.name, param, said)

    def _said(self, param: str) -> str | None:
        return self.params.get(param, "").strip() or None

    def is_set(self, *flags: str) -> bool:
        """Whether any of these Params is true, in any group."""
        return self.first_set(*flags) is not None

    def first_set(self, *flags: str) -> str | None:
        """The first of these Params that is true, in any group; None where none is."""
        everywhere = (self.params, *self.groups.values())
        for flag in flags:
            for group in everywhere:
                said = group.get(flag)
                if said and said.strip().lower() in _TRUE:
                    return flag
        return None

    def required_time(self) -> float:
        """``WhereWhen`` time of a notice that is worthless without one."""
        if self.time_unix_s is None:
            raise MalformedNoticeError(self.name, "WhereWhen must hold an ISOTime")
        return self.time_unix_s

    def cites(self, cite: str) -> bool:
        """Whether another VOEvent is cited in this manner."""
        return any(manner == cite for manner, _ in self.citations)


_TRUE = frozenset({"true", "1"})


def read_voevent(packet: bytes, name: str) -> VOEventPacket:
    """Read one VOEvent.

    Raises
    ------
    MalformedNoticeError
        Not well-formed, too large or too deep, with a DTD, or without the elements that make it
        a VOEvent; a position off the sky, a time that does not exist.
    """
    root = _checked_root(packet, name)
    ivorn = rules.id_of(name, "ivorn", root.get("ivorn", ""))
    if not ivorn.startswith("ivo://"):
        raise MalformedNoticeError(name, "ivorn must begin with ivo://", ivorn)
    role = root.get("role", "observation").strip()
    if role not in ROLES:
        raise MalformedNoticeError(name, f"role must be one of {', '.join(ROLES)}", role)
    sections = _sections(root)
    params, groups = _params(sections.get("What"))
    place = sections.get("WhereWhen")
    system = _system(place)
    ra_deg, dec_deg, radius_deg = _position(place, system, name)
    date = _text(sections.get("Who"), "Date")
    return VOEventPacket(
        name=name,
        content_sha256=hashlib.sha256(packet).hexdigest(),
        ivorn=ivorn,
        role=role,
        params=params,
        groups=groups,
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        radius_deg=radius_deg,
        time_unix_s=_time(place, system, name),
        notice_unix_s=None if date is None else rules.unix_s_of(name, "Who/Date", date),
        citations=tuple(_citations(sections.get("Citations"), name)),
        concept=_said_below(sections.get("Why"), "Concept") or "",
    )


def _checked_root(packet: bytes, name: str) -> etree._Element:
    if len(packet) > MAX_XML_BYTES:
        raise MalformedNoticeError(name, f"XML must have at most {MAX_XML_BYTES} B", len(packet))
    # Searched in the bytes, before any parser sees them: entities in attributes are expanded
    # whatever the parser is told. A declared encoding that could hide the word is refused.
    if b"!" in packet and (b"<!DOCTYPE" in packet or b"<!ENTITY" in packet):
        raise MalformedNoticeError(name, "XML must not hold a DTD or an entity")
    encoding = _DECLARED_ENCODING.match(packet)
    if b"\0" in packet or (encoding and encoding[1].lower() not in _ENCODINGS):
        said = encoding[1] if encoding else None
        raise MalformedNoticeError(name, "XML must be in UTF-8, ASCII or ISO 8859-1", said)
    try:
        parser = _OF_THREAD.parser
        root = etree.fromstring(packet.removeprefix(BYTE_ORDER_MARK).strip(), parser)
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
        values.setdefault(get("name", ""), get("value") or _text(param, "Value") or "")
    return values


def _position(
    place: etree._Element | None, system: frozenset[str], name: str
) -> tuple[float | None, float | None, float | None]:
    # Only Position2D: ANTARES packets hold the observatory's Position3D, with C1 and C2, before it.
    position = None if place is None else _below(place, "Position2D")
    ra_text, dec_text = _said_below(position, "C1"), _said_below(position, "C2")
    if position is None or ra_text is None or dec_text is None:
        return None, None, None
    ra_deg = rules.number_of(name, "RA", ra_text)
    dec_deg = rules.number_of(name, "dec", dec_text)
    radius = _radius_deg(position, name)
    # "No position": (0, 0, 0) of GCN, (0, 0, 360) of SNEWS.
    if ra_deg == 0.0 and dec_deg == 0.0 and radius in (None, 0.0, 360.0):
        return None, None, None
    if system & _OTHER_FRAMES:
        raise MalformedNoticeError(
            name, "coordinates must be ICRS or FK5", "-".join(sorted(system))
        )
    ra_deg, dec_deg = rules.position_of(name, ra_deg, dec_deg)
    return ra_deg, dec_deg, None if radius is None else rules.radius_of(name, radius)


def _radius_deg(position: etree._Element, name: str) -> float | None:
    radius = _below(position, "Error2Radius")
    text = None if radius is None else (radius.text or "").strip()
    if radius is None or not text:
        return None
    unit = radius.get("pos_unit") or radius.get("unit") or position.get("unit") or "deg"
    # "deg-deg" and "deg deg" name the unit of each axis.
    unit = _AXES.split(unit.strip(), maxsplit=1)[0]
    number = rules.number_of(name, "error radius", text)
    if number == -1.0:  # unknown, in whatever unit
        return number
    if unit not in RADIUS_UNITS_DEG:
        raise MalformedNoticeError(
            name, f"the unit of a radius must be one of {', '.join(RADIUS_UNITS_DEG)}", unit
        )
    return number * RADIUS_UNITS_DEG[unit]


_AXES = re.compile(r"[-\s]")


def _time(place: etree._Element | None, system: frozenset[str], name: str) -> float | None:
    text = _said_below(place, "ISOTime")
    if text is None:
        return None
    if system & _OTHER_TIMES:
        raise MalformedNoticeError(name, "times must be UTC", "-".join(sorted(system)))
    return rules.unix_s_of(name, "ISOTime", text)


def _system(place: etree._Element | None) -> frozenset[str]:
    """Parts of the name of the coordinate system: ``UTC``, ``FK5``, ``GEO``."""
    found = None if place is None else place.find(".//{*}ObservationLocation/{*}AstroCoordSystem")
    return frozenset() if found is None else _parts_of(found.get("id", ""))


@lru_cache(maxsize=64)
def _parts_of(system: str) -> frozenset[str]:
    return frozenset(part.strip().upper() for part in system.split("-"))


def _citations(citations: etree._Element | None, name: str) -> Iterator[tuple[str, str]]:
    for cited in () if citations is None else citations.iterchildren("{*}EventIVORN"):
        ivorn = (cited.text or "").strip()
        if ivorn:
            manner = (cited.get("cite") or "followup").strip().lower()
            yield manner, rules.id_of(name, "a cited ivorn", ivorn)


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
