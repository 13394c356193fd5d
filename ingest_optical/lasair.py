"""Lasair's JSON of an object of Rubin's, as a record of Rubin's: its newest source is the alert.

Lasair gives the sources of an object newest first, with ``decl`` for ``dec``, and NaN for what is
unknown. Ids, units and clocks are Rubin's. It keeps no record of the packets: a source that Lasair
tells of twice is the same alert, whatever was measured since.
"""

from __future__ import annotations

from collections.abc import Mapping

from ingest_optical.fields import Fields

VERSION = "lasair"
"""Schema version of such an alert: Lasair does not say Rubin's."""

SOURCES, FORCED = "diaSourcesList", "diaForcedSourcesList"
"""Fields of the earlier sources, the alert's own among them, and of the forced ones."""


def is_lasair(record: Mapping[str, object]) -> bool:
    """Whether a JSON object is an object of Lasair's."""
    return SOURCES in record


def to_record(record: Mapping[str, object], packet: str) -> dict[str, object]:
    """A record of Rubin's with what Lasair says.

    Raises
    ------
    MalformedAlertError
        There is no source, or one without its time.
    """
    fields = Fields(record, packet)
    sources = [_renamed(row) for row in fields.rows(SOURCES)]
    if not sources:
        raise fields.malformed(f"{SOURCES} must hold a source", record.get(SOURCES))
    times = [Fields(source, packet).known_number("midpointMjdTai") for source in sources]
    newest = sources[times.index(max(times))]
    return {
        "diaSource": newest,
        "prvDiaSources": [source for source in sources if source is not newest],
        "prvDiaForcedSources": [_renamed(row) for row in fields.rows(FORCED)],
        "diaObject": record.get("diaObject"),
    }


def _renamed(row: Fields) -> dict[str, object]:
    source = row.copied()
    if "decl" in source:
        source["dec"] = source.pop("decl")
    return source
