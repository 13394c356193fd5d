"""What an accepted notice says, against another parser's reading of the same mutant.

XML is read by expat (ElementTree), ours by libxml2; JSON by the standard library, ours by orjson.
"""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

from correlator.notice import Notice
from skymaps.shapes import Circle

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def difference(packet: bytes, notice: Notice) -> str | None:
    """How a notice differs from what its packet says; None where it does not."""
    said = packet.removeprefix(BYTE_ORDER_MARK).strip()
    if notice.source == "voevent":
        try:
            root = ElementTree.fromstring(said)
        except ElementTree.ParseError as error:
            return f"not well-formed: {error}"
        return _of_tree(root, notice)
    return _of_object(json.loads(said), notice)


def _of_tree(root: ElementTree.Element, notice: Notice) -> str | None:
    for name, mine in (("ivorn", notice.notice_id), ("role", notice.role)):
        other = root.get(name, "observation").strip()
        if other != mine:
            return f"{name} {mine!r}, written {other!r}"
    where = _first(root, "WhereWhen", deep=False)
    place = None if where is None else _first(where, "Position2D")
    found = [None if place is None else _first(place, name) for name in ("C1", "C2")]
    return _of_place(notice, *(None if element is None else element.text for element in found))


def _first(parent: ElementTree.Element, tag: str, *, deep: bool = True) -> Any:
    elements = parent.iter() if deep else iter(parent)
    return next((e for e in elements if e.tag.rpartition("}")[2] == tag), None)


def _of_object(said: dict[str, Any], notice: Notice) -> str | None:
    if notice.source == "igwn":
        name = said["superevent_id"].strip()
        return None if name == notice.event_id else f"id {notice.event_id!r}, written {name!r}"
    if notice.mission == "BOOM":
        said = said["data"]["targets"][0]
    return _of_place(notice, said.get("ra"), said.get("dec"))


def _of_place(notice: Notice, ra: Any, dec: Any) -> str | None:
    circle = notice.localization
    if not isinstance(circle, Circle):
        return None
    mine = circle.ra_deg, circle.dec_deg
    try:
        written = float(ra) % 360.0, float(dec)
    except (TypeError, ValueError):
        return f"at {mine}, written {ra!r}, {dec!r}"
    return None if mine == written else f"at {mine}, written {written}"
