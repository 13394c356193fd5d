"""A revision of a coincidence as a VOEvent 2.0 (IVOA Recommendation of 2011-07-11)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree

from correlator.pair import PairEvidence
from correlator.policy import DAY_S
from correlator.ranking import NOT_MEASURED, Coincidence
from ingest_vo.fetched_map import SUFFIX
from storage.coincidences import CoincidenceRevision, CoincidenceState

_VOE = "http://www.ivoa.net/xml/VOEvent/v2.0"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = f"{_VOE} http://www.ivoa.net/xml/VOEvent/VOEvent-v2.0.xsd"

FRAME = "UTC-ICRS-GEO"
"""What our times and places are, of the list that the standard gives."""

POSITION_ERROR_DEG = 1.0 / 3600.0
"""Radius that holds an optical position, of any survey."""

_IVORN = "ivo://"


@dataclass(frozen=True, slots=True)
class Author:
    """Who sends.

    Attributes
    ----------
    ivorn
        ``ivo://AUTHORITY/RESOURCE``; that of a packet is this one with a fragment.
    """

    ivorn: str = "ivo://mm-correlator.example/coincidences"
    title: str = "Multi-messenger correlator"
    email: str | None = None


UNNAMED_AUTHOR = Author()
"""Who sends where nobody said who."""


@dataclass(frozen=True, slots=True)
class _Param:
    name: str
    value: object
    unit: str | None = None
    ucd: str | None = None


def voevent_of(
    revision: CoincidenceRevision,
    author: Author,
    notice_ids: Iterable[str] = (),
    *,
    is_test: bool = False,
) -> bytes:
    """XML of a revision: what was published, or that it was taken back.

    Parameters
    ----------
    notice_ids
        Ids of the event's notices; those that are IVORNs are cited, fetched maps are not.
    is_test
        Whether the event is a test, which nobody may act on.
    """
    root = etree.Element(f"{{{_VOE}}}VOEvent", nsmap={"voe": _VOE, "xsi": _XSI})
    root.set("version", "2.0")
    root.set("role", "test" if is_test else "observation")
    root.set("ivorn", _ivorn_of(revision, author, revision.revision))
    root.set(f"{{{_XSI}}}schemaLocation", _SCHEMA)
    _who(root, revision, author)
    what = etree.SubElement(root, "What")
    _add_params(what, _of_revision(revision))
    if revision.body is not None:
        _add_params(_group(what, "evidence"), _of_pair(revision.body.pair))
        _add_params(_group(what, "ranking"), _of_coincidence(revision.body))
        _where_when(root, revision.body.pair)
    how = etree.SubElement(root, "How")
    etree.SubElement(how, "Description").text = (
        "Log-likelihood ratio that the optical object is the counterpart of the event, "
        "against an unrelated object; every term is given."
    )
    why = etree.SubElement(root, "Why")
    etree.SubElement(why, "Description").text = revision.reason or NOT_MEASURED
    _citations(root, revision, author, notice_ids)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _ivorn_of(revision: CoincidenceRevision, author: Author, number: int) -> str:
    return f"{author.ivorn}#{revision.coincidence_id}_{revision.case}_{number}"


def _who(root: etree._Element, revision: CoincidenceRevision, author: Author) -> None:
    who = etree.SubElement(root, "Who")
    etree.SubElement(who, "AuthorIVORN").text = author.ivorn
    etree.SubElement(who, "Date").text = _date(revision.published_unix_s)
    said = etree.SubElement(who, "Author")
    etree.SubElement(said, "title").text = author.title
    if author.email is not None:
        etree.SubElement(said, "contactEmail").text = author.email


def _date(unix_s: float) -> str:
    # xs:dateTime without a zone, as the standard wants it: UTC.
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _of_revision(revision: CoincidenceRevision) -> Iterator[_Param]:
    yield _Param("coincidence_id", revision.coincidence_id, ucd="meta.id")
    yield _Param("revision", revision.revision, ucd="meta.version")
    yield _Param("state", str(revision.state), ucd="meta.code.status")
    yield _Param("case", revision.case, ucd="meta.code.class")
    yield _Param("event_key", revision.event_key, ucd="meta.id.assoc")
    yield _Param("object_key", revision.object_key, ucd="meta.id")


def _of_pair(pair: PairEvidence) -> Iterator[_Param]:
    yield _Param("event_class", str(pair.event_class), ucd="meta.code.class")
    yield _Param("event_time", _date(pair.event_unix_s), ucd="time.epoch")
    yield _Param("delta_t", pair.delta_t_s, "s", "time.interval")
    yield _Param("credible_level", pair.credible_level, ucd="stat.probability")
    yield _Param("probdensity", pair.probdensity_per_sr, "sr-1", "stat.probability;pos")
    yield _Param("log_lr", pair.log_lr, ucd="stat.likelihood")
    for name in ("s_sky", "s_time", "s_prior_activity", "s_joint"):
        yield _Param(name, getattr(pair, name), ucd="stat.likelihood")
    yield _Param("prior_activity", pair.prior_activity_days, "d", "time.interval")
    obj = pair.object
    yield _Param("n_detections", obj.n_detections, ucd="meta.number;obs")
    yield _Param("span", obj.span_s / DAY_S, "d", "time.duration")
    yield _Param("last_mag", obj.last_mag_ab, "mag", "phot.mag")
    yield _Param("last_band", obj.last_band, ucd="instr.bandpass")
    yield _Param("last_time", _date(obj.last_unix_s), ucd="time.epoch")
    if obj.rate is not None:
        yield _Param("rate", obj.rate.mag_per_day, "mag/d", "phot.mag;arith.rate")
        yield _Param("rate_error", obj.rate.error_mag_per_day, "mag/d", "stat.error;phot.mag")


def _of_coincidence(coincidence: Coincidence) -> Iterator[_Param]:
    yield _Param("rank", coincidence.rank, ucd="meta.number")
    yield _Param("rival_count", coincidence.rival_count, ucd="meta.number")
    yield _Param("priority", coincidence.priority.value, ucd="meta.number")


def _group(what: etree._Element, name: str) -> etree._Element:
    return etree.SubElement(what, "Group", name=name)


def _add_params(parent: etree._Element, params: Iterable[_Param]) -> None:
    """What is known; an unknown value is left out."""
    for param in params:
        if param.value is None:
            continue
        is_number = isinstance(param.value, int | float)
        kind = ("int" if isinstance(param.value, int) else "float") if is_number else "string"
        said = {"name": param.name, "value": str(param.value), "dataType": kind}
        said |= {key: v for key, v in (("unit", param.unit), ("ucd", param.ucd)) if v is not None}
        etree.SubElement(parent, "Param", said)


def _where_when(root: etree._Element, pair: PairEvidence) -> None:
    """Where the object is, and when it was first seen since the event."""
    data = etree.SubElement(etree.SubElement(root, "WhereWhen"), "ObsDataLocation")
    etree.SubElement(etree.SubElement(data, "ObservatoryLocation"), "AstroCoordSystem", id=FRAME)
    location = etree.SubElement(data, "ObservationLocation")
    etree.SubElement(location, "AstroCoordSystem", id=FRAME)
    coords = etree.SubElement(location, "AstroCoords", coord_system_id=FRAME)
    instant = etree.SubElement(etree.SubElement(coords, "Time", unit="s"), "TimeInstant")
    etree.SubElement(instant, "ISOTime").text = _date(pair.event_unix_s + pair.delta_t_s)
    place = etree.SubElement(coords, "Position2D", unit="deg")
    etree.SubElement(place, "Name1").text, etree.SubElement(place, "Name2").text = "RA", "Dec"
    value = etree.SubElement(place, "Value2")
    etree.SubElement(value, "C1").text = repr(pair.object.ra_deg)
    etree.SubElement(value, "C2").text = repr(pair.object.dec_deg)
    etree.SubElement(place, "Error2Radius").text = repr(POSITION_ERROR_DEG)


def _citations(
    root: etree._Element,
    revision: CoincidenceRevision,
    author: Author,
    notice_ids: Iterable[str],
) -> None:
    """The notices that it follows up, and the revision that it takes the place of."""
    cited = [
        (notice_id, "followup")
        for notice_id in notice_ids
        if notice_id.startswith(_IVORN) and not notice_id.endswith(SUFFIX)
    ]
    if revision.revision > 1:
        gone = revision.state in (CoincidenceState.RETRACTED, CoincidenceState.EXPIRED)
        before = _ivorn_of(revision, author, revision.revision - 1)
        cited.append((before, "retraction" if gone else "supersedes"))
    if cited:
        citations = etree.SubElement(root, "Citations")
        for ivorn, manner in cited:
            etree.SubElement(citations, "EventIVORN", cite=manner).text = ivorn
