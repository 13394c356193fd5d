"""Filters over notices: the fields of `correlator filters list`, found in the document."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from correlator.client.notice import Json, Notice
from correlator.filters import FIELDS, Field, Filter, Kind, read_filter
from correlator.filters.fields import Value, unit_vector
from correlator.filters.predicate import predicate_over
from correlator.filters.preset import presets

Take = Callable[[Json], Any]

_BLOCK = ("coincidence_id", "event_key", "case")
_EVIDENCE = (
    "event_class", "event_time", "log_lr", "event_version", "object_version", "delta_t_s",
    "onset_earliest_s", "onset_latest_s", "onset_is_assumed", "prior_activity_days",
    "credible_level", "cell_probability", "probdensity_per_sr", "separation_deg",
)  # fmt: skip
_TERMS = ("s_sky", "s_time", "s_prior_activity", "s_joint")
_PLACE = ("rank", "rival_count", "priority")
_LIGHT = (
    "ra_deg", "dec_deg", "n_detections", "span_s", "last_mag_ab", "last_band", "last_time",
    "rate_mag_per_day", "rate_error_mag_per_day", "real_bogus", "solar_system_sep_arcsec",
    "star_score", "star_sep_arcsec", "gaia_sep_arcsec",
)  # fmt: skip
_EVENT = (
    "messenger", "mission", "far_hz", "significance", "significance_kind", "is_significant",
)  # fmt: skip
_CLASSES = {
    "p_bns": ("BNS",),
    "p_nsbh": ("NSBH",),
    "p_bbh": ("BBH",),
    "p_terrestrial": ("Terrestrial",),
    "p_neutron_star": ("BNS", "NSBH"),
}
_SCORES = ("kilonova", "afterglow", "early-supernova")


def _at(*path: str) -> Take:
    """What stands at a path in our block; None where some part of it is null."""

    def take(document: Json) -> Any:
        value = document["coincidence"]
        for name in path:
            value = None if value is None else value.get(name)
        return value

    return take


def _of_event(take: Callable[[Json], Any]) -> Take:
    """Of the event, or of the first of a joint one, as the notice tells it."""

    def of_document(document: Json) -> Any:
        events = document["coincidence"]["events"]
        return take(events[0]) if events else None

    return of_document


def _probability(event: Json, classes: tuple[str, ...]) -> float | None:
    said = event["classification"]
    known = [p for name in classes if (p := said.get(name)) is not None]
    return math.fsum(known) if known else None


def _event_key(document: Json) -> str:
    return str(document["coincidence"]["event_key"])


def _stream(document: Json) -> str:
    return _event_key(document).removeprefix("joint:").removeprefix("test:").partition(":")[0]


def _score(name: str) -> Take:
    return lambda document: (_at("looks", "scores")(document) or {}).get(name, {}).get("value")


_TAKES: dict[str, Take] = {
    **{name: _at(name) for name in _BLOCK},
    **{name: _at("evidence", name) for name in _EVIDENCE},
    **{name: _at("evidence", "terms", name) for name in _TERMS},
    **{name: _at("place", name) for name in _PLACE},
    **{name: _at("light", name) for name in _LIGHT},
    **{name: _of_event(lambda event, name=name: event[name]) for name in _EVENT},  # type: ignore[misc]
    **{
        name: _of_event(lambda event, classes=classes: _probability(event, classes))  # type: ignore[misc]
        for name, classes in _CLASSES.items()
    },
    **{f"score_{name.replace('-', '_')}": _score(name) for name in _SCORES},
    "object_key": _at("object", "object_key"),
    "survey": _at("object", "survey"),
    "stream": _stream,
    "is_joint": lambda document: _event_key(document).startswith("joint:"),
    "is_test": lambda document: _event_key(document).removeprefix("joint:").startswith("test:"),
    "is_extragalactic": _at("surroundings", "is_extragalactic"),
    "object_class": _at("looks", "object_class"),
}


def _field(field: Field[Any]) -> Field[Json]:
    take = _TAKES[field.name]

    def value(document: Json) -> Value:
        found: Value = take(document)
        if field.kind is Kind.TIME and isinstance(found, str):
            return datetime.fromisoformat(found).timestamp()
        return found

    return replace(field, take=value)


NOTICE_FIELDS: dict[str, Field[Json]] = {name: _field(field) for name, field in FIELDS.items()}
"""Every field of filters, of the document of a notice."""


def _place(document: Json) -> tuple[float, float, float] | None:
    light = document["coincidence"]["light"]
    return None if light is None else unit_vector(light["ra_deg"], light["dec_deg"])


@dataclass(slots=True)
class Choice:
    """What a filter lets pass of notices, one after the other; as a subscription would.

    Attributes
    ----------
    lets_pass
        Whether it lets pass what a notice says, or said before it was gone; None for everything.
    passing
        Keys, with their topics, of which the last notice passed.
    """

    lets_pass: Callable[[Json], bool] | None
    passing: set[str]

    @classmethod
    def of(cls, said: str | None) -> Choice:
        """The choice of a filter, a preset's name or a text or JSON; None chooses everything.

        Raises
        ------
        FilterError
            It is none.
        """
        if said is None:
            return cls(None, set())
        tree = presets()[said].filter if said in presets() else read_filter(said)
        return cls(predicate_of_notices(tree), set())

    def judged(self, notice: Notice) -> Notice | None:
        """The notice, taken back where it passes no longer; None where it is not chosen."""
        if self.lets_pass is None:
            return notice
        key = f"{notice.topic} {notice.key}"
        would = self.lets_pass(notice.document)
        passes = notice.passes and would
        # What is gone says what it was: it passed if that did.
        passed = key in self.passing or (not notice.passes and would)
        if passes:
            self.passing.add(key)
        else:
            self.passing.discard(key)
        return replace(notice, passes=passes) if passes or passed else None


def predicate_of_notices(tree: Filter) -> Callable[[Json], bool]:
    """The filter compiled for documents of notices."""
    return predicate_over(tree, NOTICE_FIELDS, _place)
