"""Rows as flat columns, with units and UCDs: what tables have that JSON has not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Row = dict[str, Any]


class Kind(StrEnum):
    """What a column holds; every one may have nulls."""

    TEXT = "text"
    TIME = "time"
    """Text in ISO 8601, UTC."""
    FLOAT = "float"
    INT = "int"
    BOOL = "bool"


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes
    ----------
    name
        Of the column, and of the value in the row.
    unit
        As the VO spells it; empty for none.
    ucd
        IVOA UCD1+; empty for none.
    take
        The value in a row; None takes that of the name.
    """

    name: str
    kind: Kind
    meaning: str = ""
    unit: str = ""
    ucd: str = ""
    take: Callable[[Row], Any] | None = None

    def values(self, rows: Sequence[Row]) -> list[Any]:
        """The column of some rows; a list in one is its words with blanks between."""
        take = self.take
        name = self.name
        found = [row.get(name) for row in rows] if take is None else [take(row) for row in rows]
        if self.kind is Kind.TEXT:
            return [" ".join(map(str, v)) if isinstance(v, list) else v for v in found]
        return found


Columns = tuple[Column, ...]


def _text(name: str, meaning: str = "", ucd: str = "", take: Any = None) -> Column:
    return Column(name, Kind.TEXT, meaning, "", ucd, take)


def _id(name: str, meaning: str = "", main: bool = False) -> Column:
    return Column(name, Kind.TEXT, meaning, "", "meta.id;meta.main" if main else "meta.id")


def _time(name: str, meaning: str = "", ucd: str = "time.epoch") -> Column:
    return Column(name, Kind.TIME, meaning, "", ucd)


def _float(name: str, meaning: str = "", unit: str = "", ucd: str = "", take: Any = None) -> Column:
    return Column(name, Kind.FLOAT, meaning, unit, ucd, take)


def _int(name: str, meaning: str = "", ucd: str = "meta.number") -> Column:
    return Column(name, Kind.INT, meaning, "", ucd)


def _bool(name: str, meaning: str = "") -> Column:
    return Column(name, Kind.BOOL, meaning, "", "meta.code")


def _place(of: str) -> Columns:
    return (
        _float("ra_deg", f"Right ascension of {of}, ICRS", "deg", "pos.eq.ra;meta.main"),
        _float("dec_deg", f"Declination of {of}, ICRS", "deg", "pos.eq.dec;meta.main"),
    )


def _term(name: str) -> Column:
    def value(row: Row) -> float | None:
        return (row.get("terms") or {}).get(name)

    return _float(name, "Term of log_lr", "", "stat.likelihood", value)


def _score(name: str) -> Column:
    def value(row: Row) -> float | None:
        found = (row.get("scores") or {}).get(name)
        return None if found is None else found["value"]

    return _float(f"score_{name}", "Score of the object's light", "", "stat.value", value)


def _host(name: str, kind: Kind, unit: str = "", ucd: str = "") -> Column:
    def value(row: Row) -> Any:
        found = row.get("hosts")
        return found[0].get(name) if found else None

    return Column(f"host_{name}", kind, "Of the likeliest host galaxy", unit, ucd, value)


def _classes(row: Row) -> str | None:
    said = row.get("classification")
    return " ".join(f"{name}:{p:g}" for name, p in said.items() if p is not None) if said else None


_OF_EVENT: Columns = (
    _id("event_key", "The event, unique over all missions"),
    _text("event_class", "Class by which it was joined", "meta.code.class"),
    _time("event_time", "T0 of the event"),
)

_OF_PAIR: Columns = (
    _int("object_version", "Alerts folded in", "meta.version"),
    _int("event_version", "Notices folded in", "meta.version"),
    _float("delta_t_s", "First detection since T0", "s", "time.interval"),
    _float(
        "onset_earliest_s", "Onset since T0", "s", "time.interval",
        lambda row: (row.get("onset_s") or (None, None))[0],
    ),
    _float(
        "onset_latest_s", "Onset since T0", "s", "time.interval",
        lambda row: (row.get("onset_s") or (None, None))[1],
    ),
    _bool("onset_is_assumed", "No limit before the first detection is known"),
    _float("prior_activity_days", "Active so long before T0", "d", "time.interval"),
    *_place("the object"),
    _float("separation_deg", "From the centre of a circle", "deg", "pos.angDistance"),
    _float("credible_level", "0 at the peak of the localization, 1 at its edge", "", "stat.value"),
    _float("probdensity_per_sr", "Of the localization there", "sr-1", "stat.probability"),
    _id("localization_sha256", "The localization that was asked"),
    _float("log_lr", "ln of the likelihood ratio", "", "stat.likelihood"),
    *map(
        _term,
        ("s_sky", "s_time", "s_prior_activity", "s_distance", "s_light", "s_context", "s_joint"),
    ),
    _int("n_detections", "Since T0"),
    _float("span_d", "First to last detection since T0", "d", "time.interval"),
    _float("last_mag_ab", "Of the latest detection", "mag", "phot.mag"),
    _text("last_band", "Of the latest detection", "instr.bandpass"),
    _time("last_time", "Of the latest detection"),
    _float("rate_mag_per_day", "Positive fades", "mag/d", "phot.mag;arith.rate"),
    _float("rate_error_mag_per_day", "", "mag/d", "stat.error;phot.mag;arith.rate"),
    _text("class", "By our scores", "meta.code.class"),
    *map(_score, ("kilonova", "afterglow", "early_supernova")),
    _bool("is_extragalactic", "By the catalogues"),
    _host("catalog", Kind.TEXT, ucd="meta.id"),
    _host("object_id", Kind.TEXT, ucd="meta.id"),
    _host("separation_arcsec", Kind.FLOAT, "arcsec", "pos.angDistance"),
    _host("p_chance", Kind.FLOAT, "", "stat.probability"),
)  # fmt: skip

_OF_PRIORITY: Columns = (
    _int("rank", "Place, 1 first", "meta.number"),
    _int("rival_count", "Candidates of the event"),
    _float("priority", "Order in which to point", "", "stat.value"),
    _text("mission", "Of the event", "instr.obsty"),
    _text("messenger", "Of the event"),
    _float("far_hz", "False-alarm rate of the event", "Hz", "arith.rate"),
    _float("p_assoc", "Not measured yet: null", "", "stat.probability"),
    _float("far_per_year", "Not measured yet: null", "yr-1", "arith.rate"),
)

PAIRS: Columns = (
    _id("coincidence_id", "Id of the pair, the same for ever", main=True),
    _id("object_key", "The object, unique over all surveys"),
    *_OF_EVENT,
    *_OF_PAIR,
)

COINCIDENCES: Columns = (
    _id("coincidence_id", "Id of the pair, the same for ever", main=True),
    _text("case", "Science case that publishes it", "meta.id"),
    _int("revision", "Counts from 1 inside one id and case", "meta.version"),
    _text("state", "active, superseded, retracted or expired", "meta.code.status"),
    _time("published_time", "When this revision was published", "time.release"),
    _text("reason", "Why it is gone", "meta.note"),
    _id("object_key", "The object, unique over all surveys"),
    *_OF_EVENT,
    *_OF_PRIORITY,
    *_OF_PAIR,
)

TARGETS: Columns = (
    _id("target_id", "case/object", main=True),
    _text("case", "Science case of the list", "meta.id"),
    _text("state", "active or retired", "meta.code.status"),
    _text("retired_reason", "Why it left the list", "meta.note"),
    _id("object_key", "The object, unique over all surveys"),
    _id("coincidence_id", "Of the object with its best event"),
    *_OF_EVENT,
    *_OF_PRIORITY,
    *_OF_PAIR,
)

EVENTS: Columns = (
    _id("event_key", "Unique over all missions", main=True),
    _id("event_id", "The mission's own"),
    _text("mission", "", "instr.obsty"),
    _text("messenger"),
    _text("state", "live, retracted or test", "meta.code.status"),
    _int("version", "Notices folded in", "meta.version"),
    _bool("is_burst"),
    _text("nature", "What its mission says that it is", "meta.code.class"),
    _time("event_time", "T0", "time.epoch;meta.main"),
    _time("event_end_time", "End of T0, where that is an interval", "time.end"),
    _id("localization_sha256", "Ask /localizations for it"),
    _id("localization_notice_id", "The notice that it is of"),
    _float("far_hz", "False-alarm rate", "Hz", "arith.rate"),
    _float("significance", "As the mission gives it", "", "stat.snr"),
    _text("significance_kind", "What it is"),
    _bool("is_significant", "By the mission"),
    _text("classification", "Classes and probabilities", "meta.code.class", _classes),
    _text("notice_ids", "What it is made of", "meta.id"),
)

NOTICES: Columns = (
    _id("notice_id", "As the sender has it", main=True),
    _text("content_sha256", "Of the packet", "meta.checksum"),
    _text("source"),
    _text("mission", "", "instr.obsty"),
    _text("instrument", "", "instr"),
    _text("notice_type", "", "meta.code.class"),
    _id("event_key", "The event that it is of"),
    _bool("is_test"),
    _bool("is_retraction"),
    _bool("is_burst"),
    _text("nature", "", "meta.code.class"),
    _time("event_time", "T0"),
    _time("notice_time", "When it was sent", "time.release;meta.main"),
    _time("received_time", "When it came here", "time.processing"),
    _id("localization_sha256", "Ask /localizations for it"),
    _float("far_hz", "False-alarm rate", "Hz", "arith.rate"),
    _float("significance", "As the mission gives it", "", "stat.snr"),
    _text("significance_kind", "What it is"),
    _text("packet_name", "Where the packet came from"),
)

OBJECTS: Columns = (
    _id("object_key", "Unique over all surveys", main=True),
    _text("survey", "", "instr.obsty"),
    _id("object_id", "The survey's own"),
    _int("version", "Alerts folded in", "meta.version"),
    *_place("the best centroid"),
    _time("first_time", "Of the earliest detection", "time.start"),
    _time("latest_time", "Of the latest alert", "time.end"),
    _int("n_detections", "Of the light curve"),
    _int("n_limits", "Non-detections"),
    _int("n_forced", "Forced measurements"),
    _float("last_mag_ab", "Of the latest positive detection", "mag", "phot.mag"),
    _text("last_band", "Of the latest positive detection", "instr.bandpass"),
    _float("real_bogus", "0 bogus, 1 real", "", "stat.probability"),
    _bool("is_extragalactic", "By the catalogues"),
)

ALERTS: Columns = (
    _id("alert_id", "The survey's own", main=True),
    _text("survey", "", "instr.obsty"),
    _id("object_id", "The survey's own"),
    _time("time", "Middle of the exposure", "time.epoch;meta.main"),
    *_place("the detection"),
    _text("band", "", "instr.bandpass"),
    _float("mag_ab", "", "mag", "phot.mag"),
    _float("mag_err_ab", "", "mag", "stat.error;phot.mag"),
    _float("flux_njy", "Difference flux", "nJy", "phot.flux.density"),
    _float("flux_err_njy", "", "nJy", "stat.error;phot.flux.density"),
    _bool("is_positive", "Brighter than the template"),
    _float("real_bogus", "0 bogus, 1 real", "", "stat.probability"),
    _text("solar_system_name", "The nearest known one", "meta.id"),
    _float("solar_system_sep_arcsec", "", "arcsec", "pos.angDistance"),
    _float("star_score", "0 galaxy, 1 star", "", "stat.probability"),
    _float("star_sep_arcsec", "", "arcsec", "pos.angDistance"),
)

LIGHT_CURVE: Columns = (
    _text("kind", "detection, limit or forced", "meta.code.class"),
    _time("time", "Middle of the exposure", "time.epoch;meta.main"),
    _text("band", "", "instr.bandpass"),
    _float("flux_njy", "Difference flux", "nJy", "phot.flux.density"),
    _float("flux_err_njy", "", "nJy", "stat.error;phot.flux.density"),
    _float("mag_ab", "Of a positive flux, or the limit", "mag", "phot.mag"),
    _float("mag_err_ab", "", "mag", "stat.error;phot.mag"),
    _float("n_sigma", "Of the limit", "", "stat.snr"),
    _id("source_id", "The survey's own", main=True),
)
