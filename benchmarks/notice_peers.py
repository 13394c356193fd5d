"""The peers of the notice readers, as their own users call them: voevent-parse, gcn-notice-parser.

voevent-parse gives a tree and functions that ask it; what our notice needs of a packet is asked
for here in one place. gcn-notice-parser makes a pydantic model of all fields of a notice, for the
topics that it knows: a packet from a file gets the topic that its Packet_Type comes on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from correlator.errors import ConfigurationError

_NEEDED = {"voeventparse": "voevent-parse", "gcn_notice_parser": "gcn-notice-parser"}
"""Modules, and the distributions that have them."""

_CLASSIC, _SVOM = "gcn.classic.voevent.", "gcn.notices.svom.voevent."

_TOPICS = {
    110: f"{_CLASSIC}FERMI_GBM_ALERT",
    111: f"{_CLASSIC}FERMI_GBM_FLT_POS",
    112: f"{_CLASSIC}FERMI_GBM_GND_POS",
    115: f"{_CLASSIC}FERMI_GBM_FIN_POS",
    120: f"{_CLASSIC}FERMI_LAT_POS_INI",
    121: f"{_CLASSIC}FERMI_LAT_POS_UPD",
    122: f"{_CLASSIC}FERMI_LAT_POS_DIAG",
    128: f"{_CLASSIC}FERMI_LAT_OFFLINE",
    201: f"{_SVOM}grm",
    202: f"{_SVOM}eclairs",
    203: f"{_SVOM}eclairs",
    204: f"{_SVOM}eclairs",
    205: f"{_SVOM}eclairs",
    209: f"{_SVOM}mxt",
    210: f"{_SVOM}mxt",
    219: f"{_SVOM}eclairs",
}
"""Topic of a packet type, of those that gcn-notice-parser 0.2.0 knows."""

_WXT = "gcn.notices.einstein_probe.wxt.alert"
_WXT_SCHEMA = b"gcn/notices/einstein_probe/wxt/alert.schema.json"
_PACKET_TYPE = re.compile(rb'name="Packet_Type"[^>]*?value="(\d{1,3})"')


def require_peers() -> None:
    """Refuse to measure without the peers.

    Raises
    ------
    ConfigurationError
        One is not installed.
    """
    missing = [name for module, name in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise ConfigurationError(
            f"not installed: {', '.join(missing)} "
            "(pip install --constraint constraints.txt --group bench; Python 3.11)"
        )


@dataclass(frozen=True, slots=True)
class Said:
    """What voevent-parse says of what a notice is made of.

    Attributes
    ----------
    place
        ``Position2D`` of voevent-parse; None where it finds none.
    params, groups
        Params outside groups, and in each group.
    cites
        ``(cite, ivorn)`` of each citation.
    """

    ivorn: str
    role: str
    date: str
    time: datetime | None
    place: Any
    params: Any
    groups: Any
    cites: tuple[tuple[str, str], ...]


def voevent_parse(packet: bytes) -> Said:
    """Everything of a VOEvent that makes a notice, by voevent-parse.

    Raises
    ------
    ValueError
        A packet that it does not read: version 1.1, a root without its namespace.
    """
    vp: Any = import_module("voeventparse")
    tree = vp.loads(packet)
    return Said(
        ivorn=tree.attrib["ivorn"],
        role=tree.attrib["role"],
        date=str(tree.Who.Date).strip(),
        time=vp.get_event_time_as_utc(tree),
        place=_place(vp, tree),
        params=vp.get_toplevel_params(tree),
        groups=vp.get_grouped_params(tree),
        cites=tuple(
            (cited.attrib.get("cite", "followup"), cited.text.strip())
            for cited in tree.findall("Citations/EventIVORN")
            if cited.text and cited.text.strip()
        ),
    )


def _place(vp: Any, tree: Any) -> Any:
    try:
        return vp.get_event_position(tree)
    except AttributeError:  # a WhereWhen without the elements that it asks for
        return None


@dataclass(frozen=True, slots=True)
class _Message:
    """A Kafka message as gcn-notice-parser wants one."""

    name: str
    packet: bytes

    def topic(self) -> str:
        return self.name

    def value(self) -> bytes:
        return self.packet


def topic_of(packet: bytes) -> str | None:
    """Topic that a packet would come on; None for one that gcn-notice-parser does not know."""
    if _WXT_SCHEMA in packet:
        return _WXT
    found = _PACKET_TYPE.search(packet)
    return _TOPICS.get(int(found[1])) if found else None


def gcn_notice_parser(packet: bytes, topic: str) -> Any:
    """Model of a notice by gcn-notice-parser, its own dispatch by topic included.

    Raises
    ------
    gcn_notice_parser.ParseError
        A packet that it does not read.
    """
    return import_module("gcn_notice_parser").parse(_Message(topic, packet))
