"""The fields of a published coincidence that a filter may name, each said once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Generic, TypeVar

from correlator.crossmatch import placement
from correlator.notice import Messenger
from correlator.policy import EventClass
from correlator.ranking import Coincidence, EventFacts
from correlator.scorers.classes import ObjectClass

Value = float | str | bool | None
"""What a field is of a coincidence; None is unknown, a time is in seconds since the Unix epoch."""


class Kind(StrEnum):
    """What a field can be compared with."""

    NUMBER = "number"
    TEXT = "text"
    BOOL = "bool"
    TIME = "time"


S = TypeVar("S")
"""What is filtered."""

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Field(Generic[S]):
    """One field.

    Attributes
    ----------
    name
        As filters spell it, the unit in the name.
    kind
        What it can be compared with.
    meaning
        In words, for people.
    take
        Its value of a coincidence, or of whatever else is filtered.
    choices
        The only texts that it can be; empty where it can be any.
    """

    name: str
    kind: Kind
    meaning: str
    take: Callable[[S], Value]
    choices: tuple[str, ...] = ()


Fields = Mapping[str, Field[Any]]
"""Fields by name."""


def unit_vector(ra_deg: float, dec_deg: float) -> tuple[float, float, float]:
    """Place on the unit sphere, for cones.

    What is below 1e-30 is 0: the square of such a number is below the least that databases take.
    """
    ra, dec = math.radians(ra_deg), math.radians(dec_deg)
    at = math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)
    x, y, z = (0.0 if abs(part) < 1e-30 else part for part in at)
    return x, y, z


def place_of(coincidence: Coincidence) -> tuple[float, float, float] | None:
    """The object's place on the unit sphere; None where it has none."""
    obj = coincidence.pair.object
    if not (math.isfinite(obj.ra_deg) and math.isfinite(obj.dec_deg)):
        return None
    return unit_vector(obj.ra_deg, obj.dec_deg)


_Ours = Field[Coincidence]

_PREFIXES = ("joint:", "test:")


def _stream(event_key: str) -> str:
    for prefix in _PREFIXES:
        event_key = event_key.removeprefix(prefix)
    return event_key.partition(":")[0]


def _number(name: str, meaning: str, take: Callable[[Coincidence], float | None]) -> _Ours:
    def finite(coincidence: Coincidence) -> float | None:
        value = take(coincidence)
        return value if value is not None and math.isfinite(value) else None

    return Field(name, Kind.NUMBER, meaning, finite)


def _text(
    name: str,
    meaning: str,
    take: Callable[[Coincidence], str | None],
    choices: tuple[str, ...] = (),
) -> _Ours:
    return Field(name, Kind.TEXT, meaning, take, choices)


def _bool(name: str, meaning: str, take: Callable[[Coincidence], bool | None]) -> _Ours:
    return Field(name, Kind.BOOL, meaning, take)


def _time(name: str, meaning: str, take: Callable[[Coincidence], float | None]) -> _Ours:
    return Field(name, Kind.TIME, meaning, _number(name, meaning, take).take)


def _score(scorer: str) -> _Ours:
    def take(coincidence: Coincidence) -> float | None:
        appearance = coincidence.pair.appearance
        scores = appearance.scores if appearance is not None else ()
        return next((score.value for score in scores if score.name == scorer), None)

    name = f"score_{scorer.replace('-', '_')}"
    return _number(name, f"score {scorer} of the object (docs/science/scorers.md)", take)


def _fact(take: Callable[[EventFacts], V]) -> Callable[[Coincidence], V | None]:
    return lambda c: None if c.event is None else take(c.event)


def _probability(event: EventFacts, classes: Sequence[str]) -> float | None:
    """Sum over classes; None where the event names none of them with a probability."""
    known = [p for name, p in event.classification if name in classes and p is not None]
    return math.fsum(known) if known else None


_ALL = (
    _text("coincidence_id", "id of object and event together", lambda c: c.pair.coincidence_id),
    _text("event_key", "the event: lvk:S240115k", lambda c: c.pair.event_key),
    _text("object_key", "the object: ztf:ZTF25aaaaaaa", lambda c: c.pair.object_key),
    _text(
        "stream",
        "series of notices of the event, or of the first of a joint one: svom, einstein-probe-wxt",
        lambda c: _stream(c.pair.event_key),
    ),
    _bool(
        "is_joint",
        "whether the event is one of several missions",
        lambda c: c.pair.event_key.startswith("joint:"),
    ),
    _bool(
        "is_test",
        "whether the event is a test, a mock or a drill",
        lambda c: c.pair.event_key.removeprefix("joint:").startswith("test:"),
    ),
    _text("survey", "survey of the object", lambda c: c.pair.object_key.partition(":")[0]),
    _text("case", "science case that publishes it: kilonova", lambda c: c.case),
    _text(
        "event_class",
        "what the event is to the join",
        lambda c: str(c.pair.event_class),
        tuple(map(str, EventClass)),
    ),
    _text(
        "messenger",
        "what carried the news of the event",
        _fact(lambda e: str(e.messenger)),
        tuple(map(str, Messenger)),
    ),
    _text("mission", "mission of the event: LVK, SVOM", _fact(lambda e: e.mission)),
    _number("far_hz", "false-alarm rate of the event [Hz]", _fact(lambda e: e.far_hz)),
    _number("significance", "of the event, as its mission has it", _fact(lambda e: e.significance)),
    _text(
        "significance_kind",
        "what that is: snr, image_snr",
        _fact(lambda e: e.significance_kind),
    ),
    _bool(
        "is_significant",
        "whether the mission calls the event significant (LVK)",
        _fact(lambda e: e.is_significant),
    ),
    *(
        _number(
            f"p_{kind.lower()}",
            f"probability that the event is of class {kind}",
            _fact(partial(_probability, classes=(kind,))),
        )
        for kind in ("BNS", "NSBH", "BBH", "Terrestrial")
    ),
    _number(
        "p_neutron_star",
        "probability of BNS and of NSBH together",
        _fact(partial(_probability, classes=("BNS", "NSBH"))),
    ),
    _time("event_time", "T0 of the event", lambda c: c.pair.event_unix_s),
    _number("rank", "place among the published of its event, 1 the first", lambda c: c.rank),
    _number("rival_count", "candidates of the event", lambda c: c.rival_count),
    _number("priority", "sum of the priority's terms", lambda c: c.priority.value),
    _number("log_lr", "log-likelihood ratio, sum of its terms", lambda c: c.pair.log_lr),
    _number("s_sky", "its term of the place", lambda c: c.pair.s_sky),
    _number("s_time", "its term of the time", lambda c: c.pair.s_time),
    _number("s_prior_activity", "its term of prior activity", lambda c: c.pair.s_prior_activity),
    _number("s_joint", "its term of a joint event", lambda c: c.pair.s_joint),
    _number("event_version", "notices of the event so far", lambda c: c.pair.event_version),
    _number("object_version", "alerts of the object so far", lambda c: c.pair.object_version),
    _number("delta_t_s", "first detection since T0, minus T0 [s]", lambda c: c.pair.delta_t_s),
    _number("onset_earliest_s", "earliest onset minus T0 [s]", lambda c: c.pair.onset_earliest_s),
    _number("onset_latest_s", "latest onset minus T0 [s]", lambda c: c.pair.onset_latest_s),
    _bool(
        "onset_is_assumed",
        "whether no limit says when it was not there yet",
        lambda c: c.pair.onset_is_assumed,
    ),
    _number(
        "prior_activity_days",
        "how long before T0 it was seen [d], null where never",
        lambda c: c.pair.prior_activity_days,
    ),
    _number("credible_level", "0 at the peak, 1 at the edge", lambda c: c.pair.credible_level),
    _number(
        "cell_probability",
        "probability of the position's cell of a map",
        lambda c: c.pair.cell_probability,
    ),
    _number(
        "probdensity_per_sr",
        "probability density at the position [1/sr]",
        lambda c: c.pair.probdensity_per_sr,
    ),
    _number(
        "separation_deg",
        "from the centre of a circle [deg], null for a map",
        lambda c: c.pair.separation_deg,
    ),
    _number("ra_deg", "right ascension of the object, ICRS [deg]", lambda c: c.pair.object.ra_deg),
    _number("dec_deg", "declination of the object, ICRS [deg]", lambda c: c.pair.object.dec_deg),
    _number("n_detections", "positive detections since T0", lambda c: c.pair.object.n_detections),
    _number("span_s", "from the first to the last of them [s]", lambda c: c.pair.object.span_s),
    _number("last_mag_ab", "magnitude of the last of them", lambda c: c.pair.object.last_mag_ab),
    _text("last_band", "band of the last of them", lambda c: c.pair.object.last_band),
    _time("last_time", "time of the last of them", lambda c: c.pair.object.last_unix_s),
    _number(
        "rate_mag_per_day",
        "change of magnitude since T0, positive fades [mag/d]",
        lambda c: c.pair.object.rate.mag_per_day if c.pair.object.rate else None,
    ),
    _number(
        "rate_error_mag_per_day",
        "its error [mag/d]",
        lambda c: c.pair.object.rate.error_mag_per_day if c.pair.object.rate else None,
    ),
    _number("real_bogus", "0 bogus, 1 real", lambda c: c.pair.object.real_bogus),
    _number(
        "solar_system_sep_arcsec",
        "distance of the nearest known Solar System object [arcsec]",
        lambda c: c.pair.object.surroundings.solar_system_sep_arcsec,
    ),
    _number(
        "star_score",
        "of the nearest reference source: 0 galaxy, 1 star",
        lambda c: c.pair.object.surroundings.star_score,
    ),
    _number(
        "star_sep_arcsec",
        "distance of that source [arcsec]",
        lambda c: c.pair.object.surroundings.star_sep_arcsec,
    ),
    _number(
        "gaia_sep_arcsec",
        "distance of the nearest Gaia source [arcsec]",
        lambda c: c.pair.object.surroundings.gaia_sep_arcsec,
    ),
    _bool(
        "is_extragalactic",
        "whether catalogues have it outside the Galaxy; null where they do not say",
        lambda c: placement(c.pair.object.tags).is_extragalactic,
    ),
    _text(
        "object_class",
        "what our scorers take the object for; null where they were not asked",
        lambda c: str(c.pair.appearance.object_class) if c.pair.appearance else None,
        tuple(map(str, ObjectClass)),
    ),
    _score("kilonova"),
    _score("afterglow"),
    _score("early-supernova"),
)

FIELDS: dict[str, Field[Coincidence]] = {field.name: field for field in _ALL}
"""Every field by its name."""
