"""VOEvent 2.0 packets: a plain description of one, and its XML."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

_VOE = "http://www.ivoa.net/xml/VOEvent/v2.0"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = f"{_VOE} http://www.ivoa.net/xml/VOEvent/VOEvent-v2.0.xsd"


@dataclass(frozen=True, slots=True)
class Param:
    """One value of a packet, as text."""

    name: str
    value: str
    unit: str | None = None
    ucd: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Values under a common name."""

    name: str
    params: tuple[Param, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Time and, where there is one, position of ``WhereWhen``.

    Attributes
    ----------
    frame
        Coordinate system: ``UTC-ICRS-GEO`` (SVOM), ``UTC-FK5-GEO`` (GCN).
    ra, dec, radius
        Texts in degrees; None for a packet without ``Position2D``.
    """

    observatory: str
    frame: str
    iso_time: str
    ra: str | None
    dec: str | None
    radius: str | None


@dataclass(frozen=True, slots=True)
class VOEvent:
    """One packet.

    Attributes
    ----------
    author_ivorn, author_title, date
        Of ``Who``.
    what
        Params and groups, in order.
    how, reference
        Description and link of ``How``.
    importance
        Of ``Why``; None for a packet without it.
    cites
        Manner and IVORN of each citation.
    """

    ivorn: str
    role: str
    author_ivorn: str
    author_title: str
    date: str
    what: tuple[Param | Group, ...]
    place: Place
    how: str
    reference: str
    importance: float | None
    cites: tuple[tuple[str, str], ...]


def xml_of(packet: VOEvent) -> bytes:
    """The packet as XML in UTF-8."""
    root = etree.Element(f"{{{_VOE}}}VOEvent", nsmap={"voe": _VOE, "xsi": _XSI})
    root.set(f"{{{_XSI}}}schemaLocation", _SCHEMA)
    root.set("role", packet.role)
    root.set("version", "2.0")
    root.set("ivorn", packet.ivorn)
    _who(root, packet)
    what = etree.SubElement(root, "What")
    for part in packet.what:
        if isinstance(part, Group):
            group = etree.SubElement(what, "Group", name=part.name)
            for param in part.params:
                _param(group, param)
        else:
            _param(what, part)
    _where(root, packet.place)
    how = etree.SubElement(root, "How")
    _text(how, "Description", packet.how)
    etree.SubElement(how, "Reference", uri=packet.reference)
    if packet.importance is not None:
        why = etree.SubElement(root, "Why", importance=f"{packet.importance:.2f}")
        inference = etree.SubElement(why, "Inference", probability="0.5")
        _text(inference, "Concept", "process.variation.burst;em.gamma")
    if packet.cites:
        citations = etree.SubElement(root, "Citations")
        for manner, ivorn in packet.cites:
            _text(citations, "EventIVORN", ivorn).set("cite", manner)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _who(root: etree._Element, packet: VOEvent) -> None:
    who = etree.SubElement(root, "Who")
    _text(who, "AuthorIVORN", packet.author_ivorn)
    _text(who, "Date", packet.date)
    author = etree.SubElement(who, "Author")
    _text(author, "title", packet.author_title)
    _text(author, "shortName", "simulated")
    _text(who, "Description", "A simulated packet, not sent by any mission.")


def _where(root: etree._Element, place: Place) -> None:
    where = etree.SubElement(root, "WhereWhen")
    data = etree.SubElement(where, "ObsDataLocation")
    etree.SubElement(data, "ObservatoryLocation", id=place.observatory)
    location = etree.SubElement(data, "ObservationLocation")
    etree.SubElement(location, "AstroCoordSystem", id=place.frame)
    coords = etree.SubElement(location, "AstroCoords", coord_system_id=place.frame)
    time = etree.SubElement(coords, "Time", unit="s")
    _text(etree.SubElement(time, "TimeInstant"), "ISOTime", place.iso_time)
    if place.ra is None or place.dec is None:
        return
    position = etree.SubElement(coords, "Position2D", unit="deg")
    _text(position, "Name1", "RA")
    _text(position, "Name2", "Dec")
    value = etree.SubElement(position, "Value2")
    _text(value, "C1", place.ra)
    _text(value, "C2", place.dec)
    if place.radius is not None:
        _text(position, "Error2Radius", place.radius)


def _param(parent: etree._Element, param: Param) -> None:
    attributes = {"name": param.name, "value": param.value}
    attributes |= {} if param.unit is None else {"unit": param.unit}
    attributes |= {} if param.ucd is None else {"ucd": param.ucd}
    etree.SubElement(parent, "Param", attributes)


def _text(parent: etree._Element, tag: str, text: str) -> etree._Element:
    element = etree.SubElement(parent, tag)
    element.text = text
    return element
