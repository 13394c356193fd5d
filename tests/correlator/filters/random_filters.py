"""Filters and coincidences drawn at random, and what a filter means in so many words.

Values to compare with are drawn from those that the coincidences have, their neighbours among
doubles, and numbers that trip databases, so that every comparison has cases that decide it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np

from correlator.crossmatch import CatalogAnswer, CatalogTag, SkyClass
from correlator.filters import FIELDS, Kind
from correlator.filters.tree import (
    AllOf,
    AnyOf,
    Between,
    Compared,
    Comparison,
    Cone,
    Filter,
    IsNull,
    Not,
    OneOf,
    all_of,
    any_of,
)
from correlator.light import Rate
from correlator.notice import Messenger
from correlator.policy import EventClass
from correlator.ranking import Coincidence, EventFacts
from correlator.scorers.appearance import Appearance
from correlator.scorers.classes import ObjectClass
from correlator.scorers.score import Score
from skymaps.healpix import separation_deg
from tests.builders import T0_UNIX_S, a_coincidence, a_summary, an_alert

NUMBERS = (
    0.0, -0.0, 1.0, -1.0, 0.1, 0.1 + 0.2, 2.5, 1 / 3, 5e-324, -2.2250738585072014e-308, 1e-30,
    1e15 + 0.3, 2.0**53, 2.0**53 + 2, 1.7976931348623157e308, -1e308, 360.0, 90.0, 1e22,
    123456789.1,
)  # fmt: skip
TEXTS = ("", "r", "R", "g", "\u00e9", "e\u0301", "\u00df", "Z", "a'b", 'a"b',
         "x; DROP TABLE pairs --", "%", "_", "null",
         "1", "\U0001f52d", "a b", "\\", "\\u0041", "\u017f", "z" * 450)  # fmt: skip
_UNKNOWN = (None, math.nan, math.inf, -math.inf)


class Pool:
    """Values of every field that some coincidences have."""

    def __init__(self, coincidences: Sequence[Coincidence]) -> None:
        self.values: dict[str, list[Any]] = {}
        for name, field in FIELDS.items():
            known = {v for c in coincidences if (v := field.take(c)) is not None}
            self.values[name] = sorted(known) or [self._any_of(field.kind, field.choices)]
        self.places = [(c.pair.object.ra_deg, c.pair.object.dec_deg) for c in coincidences]

    @staticmethod
    def _any_of(kind: Kind, choices: tuple[str, ...]) -> Any:
        usual = {Kind.NUMBER: 0.5, Kind.TEXT: "r", Kind.BOOL: True, Kind.TIME: T0_UNIX_S}
        return choices[0] if choices else usual[kind]


def random_filter(rng: Random, pool: Pool, depth: int = 4) -> Filter:
    """A filter of up to so many levels."""
    what = rng.random()
    if depth == 0 or what < 0.35:
        return _condition(rng, pool)
    if what < 0.55:
        return Not(random_filter(rng, pool, depth - 1))
    parts = [random_filter(rng, pool, depth - 1) for _ in range(rng.randint(1, 4))]
    return (all_of if what < 0.78 else any_of)(*parts)


def _condition(rng: Random, pool: Pool) -> Filter:
    if rng.random() < 0.06:
        return _cone(rng, pool)
    name = rng.choice(list(FIELDS))
    kind = FIELDS[name].kind
    what = rng.random()
    if what < 0.12:
        return IsNull(name)
    if what < 0.3 and kind is not Kind.BOOL:
        values = {_literal(rng, pool, name) for _ in range(rng.randint(1, 5))}
        return OneOf(name, tuple(sorted(values)))
    if kind in (Kind.TEXT, Kind.BOOL):
        comparison = rng.choice((Comparison.EQUAL, Comparison.UNEQUAL))
        return Compared(name, comparison, _literal(rng, pool, name))
    if what < 0.5:
        low, high = sorted((_literal(rng, pool, name), _literal(rng, pool, name)))
        return Between(name, low, high)
    return Compared(name, rng.choice(list(Comparison)), _literal(rng, pool, name))


def _literal(rng: Random, pool: Pool, name: str) -> Any:
    field, value = FIELDS[name], rng.choice(pool.values[name])
    if field.kind is Kind.NUMBER:
        near = (value, math.nextafter(value, math.inf), math.nextafter(value, -math.inf))
        drawn = rng.choice(
            (*near, value, rng.choice(NUMBERS), float(round(max(-1e9, min(value, 1e9)))))
        )
        return drawn + 0.0 if math.isfinite(drawn) else 0.0
    if field.kind is Kind.TIME:
        return (round(value * 1e6) + rng.choice((0, 0, 1, -1, 10**9))) / 1_000_000
    if field.kind is Kind.BOOL:
        return rng.random() < 0.5
    if field.choices:
        return rng.choice(field.choices)
    return value if rng.random() < 0.7 else rng.choice(TEXTS)


def _cone(rng: Random, pool: Pool) -> Cone:
    if not pool.places or rng.random() < 0.2:
        ra, dec = rng.choice((0.0, 360.0, 1e-300, 180.0)), rng.choice((0.0, 90.0, -90.0, 1e-310))
    else:
        ra, dec = rng.choice(pool.places)
    ra, dec = (ra, dec) if math.isfinite(ra) and math.isfinite(dec) else (10.0, 20.0)
    other = rng.choice(pool.places or [(0.0, 0.0)])
    apart = _separation_deg(ra, dec, *other) if all(map(math.isfinite, other)) else 1.0
    radius = rng.choice((apart, 1e-7, 1.0, 30.0, 179.9, 180.0))
    return Cone(ra + 0.0, dec + 0.0, min(max(radius, 1e-12), 180.0))


def random_coincidence(rng: Random, number: int) -> Coincidence:
    """A coincidence with any value in any field, the unknown in all its forms."""

    def number_of(*more: float | None) -> Any:
        return rng.choice((*NUMBERS, rng.uniform(-5, 5), *more))

    def maybe() -> Any:
        return number_of(*_UNKNOWN)

    surroundings = type(an_alert().surroundings)(None, maybe(), maybe(), maybe(), maybe())
    ra_deg, dec_deg = rng.choice(((0.0, 0.0), (360.0, 0.0), (10.0, 90.0), (1e-300, -90.0),
                                  (rng.uniform(0, 360), rng.uniform(-90, 90))))  # fmt: skip
    summary = a_summary(
        ra_deg=ra_deg, dec_deg=dec_deg, n_detections=rng.randint(0, 5), span_s=number_of(),
        last_mag_ab=maybe(), last_band=rng.choice(TEXTS), last_unix_s=T0_UNIX_S + rng.random(),
        rate=rng.choice((None, Rate("r", number_of(), number_of(), 3))), real_bogus=maybe(),
        surroundings=surroundings, tags=_tags(rng, ra_deg, dec_deg),
    )  # fmt: skip
    stream = rng.choice(("svom", "joint:lvk", "test:lvk", "einstein-probe-wxt", "é"))
    return a_coincidence(
        rank=rng.randint(1, 9), case=rng.choice(("kilonova", "grb-afterglow", "a'b")),
        rival_count=rng.randint(0, 2**31 - 1), priority=number_of(), log_lr=number_of(),
        event_key=f"{stream}:{number % 3}", object_key=f"{rng.choice(('ztf', 'lsst'))}:o{number}",
        event_class=rng.choice(list(EventClass)), event_unix_s=T0_UNIX_S + rng.randint(0, 9) / 10,
        delta_t_s=number_of(), onset_earliest_s=number_of(), onset_latest_s=number_of(),
        onset_is_assumed=rng.random() < 0.5, prior_activity_days=maybe(),
        credible_level=rng.choice((0.0, 0.5, 0.9, math.nextafter(0.9, 1.0))),
        cell_probability=number_of(), probdensity_per_sr=number_of(), separation_deg=maybe(),
        s_sky=number_of(), s_time=number_of(), s_prior_activity=number_of(), s_joint=maybe(),
        object=summary, appearance=_appearance(rng, maybe()), event=_facts(rng, maybe()),
    )  # fmt: skip


def _facts(rng: Random, value: float | None) -> EventFacts | None:
    names = rng.sample(("BNS", "NSBH", "BBH", "Terrestrial", "HasNS"), rng.randint(0, 5))
    classification = tuple((name, rng.choice((None, 0.0, 0.1, 0.2, 1 / 3))) for name in names)
    kind = rng.choice((None, "snr", "image_snr"))
    sure = rng.choice((None, True, False))
    facts = EventFacts(
        rng.choice(("LVK", "SVOM", "")), rng.choice(list(Messenger)), value, value, kind, sure,
        classification,
    )  # fmt: skip
    return rng.choice((None, facts, facts))


def _appearance(rng: Random, value: float | None) -> Appearance | None:
    score = Score("kilonova", "1", value, "as the test wants it")
    return rng.choice((None, Appearance(rng.choice(list(ObjectClass)), (score,))))


def _tags(rng: Random, ra_deg: float, dec_deg: float) -> tuple[CatalogAnswer, ...]:
    sky_class = rng.choice((None, None, SkyClass.STAR, SkyClass.GALAXY))
    tag = CatalogTag("gaia", "1", "x", ra_deg, dec_deg, 0.5, sky_class)
    return rng.choice(((), (CatalogAnswer.of("gaia", [tag]),)))


def truth(tree: Filter, coincidence: Coincidence) -> bool | None:
    """What the filter says, by the truth tables of SQL's three values, word by word."""
    match tree:
        case Not(operand=operand):
            said = truth(operand, coincidence)
            return None if said is None else not said
        case AllOf(operands=operands):
            each = [truth(part, coincidence) for part in operands]
            return False if False in each else None if None in each else True
        case AnyOf(operands=operands):
            each = [truth(part, coincidence) for part in operands]
            return True if True in each else None if None in each else False
        case IsNull(field=name):
            return FIELDS[name].take(coincidence) is None
        case Cone():
            obj = coincidence.pair.object
            apart = _separation_deg(obj.ra_deg, obj.dec_deg, tree.ra_deg, tree.dec_deg)
            return apart <= tree.radius_deg
    value: Any = FIELDS[tree.field].take(coincidence)
    if value is None:
        return None
    match tree:
        case OneOf(values=values):
            return any(value == one for one in values)
        case Between(low=low, high=high):
            return value >= low and value <= high
        case Compared(comparison=comparison, value=other):
            return {
                "=": value == other, "!=": value != other,
                "<": not isinstance(other, str) and value < other,
                "<=": not isinstance(other, str) and value <= other,
                ">": not isinstance(other, str) and value > other,
                ">=": not isinstance(other, str) and value >= other,
            }[str(comparison)]  # fmt: skip
    raise AssertionError(tree)


def _separation_deg(ra_deg: float, dec_deg: float, of_ra_deg: float, of_dec_deg: float) -> float:
    return float(separation_deg(np.array([ra_deg]), np.array([dec_deg]), of_ra_deg, of_dec_deg)[0])


def has_cone(tree: Filter) -> bool:
    match tree:
        case Cone():
            return True
        case Not(operand=operand):
            return has_cone(operand)
        case AllOf(operands=operands) | AnyOf(operands=operands):
            return any(map(has_cone, operands))
    return False
