"""Lasair's JSON of an object of Rubin's, as a record of Rubin's: its newest source is the alert.

Lasair gives the sources of an object newest first, with ``decl`` for ``dec``, and NaN for what is
unknown. Ids, units and clocks are Rubin's. It keeps no record of the packets: a source that Lasair
tells of twice is the same alert, whatever was measured since.

The topic of a filter has the columns that its owner has selected and, if asked for, ``alert``: the
object as above, or a lite light curve, whose sources have neither ids nor places. Without a light
curve there is no flux, so that such a record is no alert.
"""

from __future__ import annotations

from collections.abc import Mapping

from ingest_optical.fields import Fields
from ingest_optical.lsst_photometry import band_of, unix_s_of
from ingest_optical.nameless import NamelessLook

VERSION = "lasair"
"""Schema version of such an alert: Lasair does not say Rubin's."""

SOURCES, FORCED = "diaSourcesList", "diaForcedSourcesList"
"""Fields of the earlier sources, the alert's own among them, and of the forced ones."""

_ALERT, _UTC = "alert", "UTC"
"""Fields of a record of a filter's topic: the light curve, and when the record was made."""


def is_lasair(record: Mapping[str, object]) -> bool:
    """Whether a JSON object is an object of Lasair's, or a record of a filter's topic."""
    return SOURCES in record or ("diaObjectId" in record and _UTC in record)


def to_record(record: Mapping[str, object], packet: str) -> dict[str, object]:
    """A record of Rubin's with what Lasair says.

    Raises
    ------
    MalformedAlertError
        There is no light curve, no source, or one without its time.
    """
    said = record if SOURCES in record else _of_topic(record, packet)
    fields = Fields(said, packet)
    sources = [_renamed(row) for row in fields.rows(SOURCES)]
    if not sources:
        raise fields.malformed(f"{SOURCES} must hold a source", said.get(SOURCES))
    times = [Fields(source, packet).known_number("midpointMjdTai") for source in sources]
    newest = sources[times.index(max(times))]
    return {
        "diaSource": newest,
        "prvDiaSources": [source for source in sources if source is not newest],
        "prvDiaForcedSources": [_renamed(row) for row in fields.rows(FORCED)],
        "diaObject": said.get("diaObject"),
    }


def is_lite(record: Mapping[str, object]) -> bool:
    """Whether the source of a record as of :func:`to_record` has no id."""
    source = record["diaSource"]
    return isinstance(source, Mapping) and "diaSourceId" not in source


def to_lite_look(record: Mapping[str, object], packet: str) -> LiteLook:
    """The alert of a lite light curve, as of :func:`to_record`, without its past."""
    fields = Fields(record, packet)
    source = fields.record("diaSource")
    if source is None:
        raise fields.malformed("diaSource must be known")
    return LiteLook(fields, source, VERSION)


class LiteLook(NamelessLook):
    """A lite light curve as far as somebody asks; the place is that of the object."""

    sources, forced, moment = "prvDiaSources", "prvDiaForcedSources", "midpointMjdTai"

    @property
    def alert_id(self) -> str:
        """The object with the name of the source, for Lasair leaves out ``diaSourceId``."""
        return f"{self.object_id}@{self._name(self.source, band_of(self.source))}"

    def unix_s_of_moment(self, row: Fields) -> float:
        """``midpointMjdTai``."""
        return unix_s_of(row, self.moment)


def _of_topic(record: Mapping[str, object], packet: str) -> Mapping[str, object]:
    """The object of a record of a filter's topic."""
    fields = Fields(record, packet)
    light_curve = fields.record(_ALERT)
    if light_curve is None:
        rule = "a filter of Lasair's must send its light curve, lite or full"
        raise fields.malformed(rule, sorted(record))
    said = light_curve.copied()
    rows = said.get(SOURCES)
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise fields.malformed(f"{SOURCES} must be an array of records", rows)
    if all("diaSourceId" in row for row in rows):
        return said
    if None in (record.get("ra"), record.get("decl"), record.get("diaObjectId")):
        rule = "a filter of Lasair's with a lite light curve must select diaObjectId, ra and decl"
        raise fields.malformed(rule, sorted(record))
    place = {name: record[name] for name in ("diaObjectId", "ra", "decl")}
    return {**said, SOURCES: [{**row, **place} for row in rows]}


def _renamed(row: Fields) -> dict[str, object]:
    source = row.copied()
    if "decl" in source:
        source["dec"] = source.pop("decl")
    return source
