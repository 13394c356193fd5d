"""A VOEvent whose standard elements have been checked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from correlator.errors import MalformedNoticeError
from ingest_vo import rules
from ingest_vo.voevent_shapes import Shapes
from ingest_vo.voevent_xml import Spelled

ROLES = ("observation", "test", "utility", "prediction")
"""The roles of VOEvent 2.0 (IVOA Recommendation 2011-07-11, section 3.1.2)."""

RADIUS_UNITS_DEG = {"deg": 1.0, "degrees": 1.0, "arcmin": 1.0 / 60.0, "arcsec": 1.0 / 3600.0}

_OTHER_FRAMES = frozenset({"FK4", "GAL", "GALACTIC", "GALACTIC_II", "ECLIPTIC", "AZ_EL", "B1950"})
_OTHER_TIMES = frozenset({"TT", "TDB", "TAI", "GPS", "TCB", "TCG", "LST"})

_SHAPES = Shapes()
"""What packets look like that came before: it makes the next ones quick, and changes nothing."""


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
        return self.params.get(param) or None

    def is_set(self, *flags: str) -> bool:
        """Whether any of these Params is true, in any group."""
        return self.first_set(*flags) is not None

    def first_set(self, *flags: str) -> str | None:
        """The first of these Params that is true, in any group; None where none is."""
        for flag in flags:
            # What is in any group is among the Params, by the first of its name.
            if flag in self.params and self._is_true(flag):
                return flag
        return None

    def _is_true(self, flag: str) -> bool:
        everywhere = (self.params, *self.groups.values())
        return any(group.get(flag, "").lower() in _TRUE for group in everywhere)

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
    return checked(_SHAPES.spelled(packet, name), packet, name)


def checked(said: Spelled, packet: bytes, name: str) -> VOEventPacket:
    """The packet that some texts are, if they can be true.

    Raises
    ------
    MalformedNoticeError
        As :func:`read_voevent`.
    """
    ivorn = rules.id_of(name, "ivorn", said.ivorn)
    if not ivorn.startswith("ivo://"):
        raise MalformedNoticeError(name, "ivorn must begin with ivo://", ivorn)
    if said.role not in ROLES:
        raise MalformedNoticeError(name, f"role must be one of {', '.join(ROLES)}", said.role)
    system = _parts_of(said.system)
    ra_deg, dec_deg, radius_deg = _position(said, system, name)
    return VOEventPacket(
        name=name,
        content_sha256=hashlib.sha256(packet).hexdigest(),
        ivorn=ivorn,
        role=said.role,
        params=said.params,
        groups=said.groups,
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        radius_deg=radius_deg,
        time_unix_s=_time(said, system, name),
        notice_unix_s=None if said.date is None else rules.unix_s_of(name, "Who/Date", said.date),
        citations=tuple(_citations(said, name)),
        concept=said.concept,
    )


def _position(
    said: Spelled, system: frozenset[str], name: str
) -> tuple[float | None, float | None, float | None]:
    if said.ra is None or said.dec is None:
        return None, None, None
    ra_deg = rules.number_of(name, "RA", said.ra)
    dec_deg = rules.number_of(name, "dec", said.dec)
    radius = _radius_deg(said, name)
    # "No position": (0, 0, 0) of GCN, (0, 0, 360) of SNEWS.
    if ra_deg == 0.0 and dec_deg == 0.0 and radius in (None, 0.0, 360.0):
        return None, None, None
    if system & _OTHER_FRAMES:
        raise MalformedNoticeError(
            name, "coordinates must be ICRS or FK5", "-".join(sorted(system))
        )
    ra_deg, dec_deg = rules.position_of(name, ra_deg, dec_deg)
    return ra_deg, dec_deg, None if radius is None else rules.radius_of(name, radius)


def _radius_deg(said: Spelled, name: str) -> float | None:
    if said.radius is None:
        return None
    # "deg-deg" and "deg deg" name the unit of each axis.
    unit = _AXES.split(said.radius_unit, maxsplit=1)[0]
    number = rules.number_of(name, "error radius", said.radius)
    if number == -1.0:  # unknown, in whatever unit
        return number
    if unit not in RADIUS_UNITS_DEG:
        raise MalformedNoticeError(
            name, f"the unit of a radius must be one of {', '.join(RADIUS_UNITS_DEG)}", unit
        )
    return number * RADIUS_UNITS_DEG[unit]


_AXES = re.compile(r"[-\s]")


def _time(said: Spelled, system: frozenset[str], name: str) -> float | None:
    if said.time is None:
        return None
    if system & _OTHER_TIMES:
        raise MalformedNoticeError(name, "times must be UTC", "-".join(sorted(system)))
    return rules.unix_s_of(name, "ISOTime", said.time)


@lru_cache(maxsize=64)
def _parts_of(system: str) -> frozenset[str]:
    """Parts of the name of the coordinate system: ``UTC``, ``FK5``, ``GEO``."""
    return frozenset(part.strip().upper() for part in system.split("-"))


def _citations(said: Spelled, name: str) -> Iterator[tuple[str, str]]:
    for manner, ivorn in said.citations:
        yield manner.strip().lower(), rules.id_of(name, "a cited ivorn", ivorn)
