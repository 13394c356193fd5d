"""Who would select an object, as of a night: our scores, Fink's cuts and those of ZTFReST.

A cut is a judge that gives each object a value, and the least value that passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.injection_nights import Known
from benchmarks.injection_peers import (
    fink_extragalactic_new,
    fink_kilonova,
    fink_orphan,
    fink_rate,
    is_near_galaxy,
    ztfrest,
)
from correlator.alert import Alert
from correlator.features import Features
from correlator.scorers import ObjectClass, Score, class_of

Values = Sequence[float | None]
Judge = Callable[[Known], Values]

OPEN = frozenset({ObjectClass.FAST, ObjectClass.TRANSIENT, ObjectClass.UNKNOWN})
"""Classes of what is neither an asteroid, a glint, a star nor an old acquaintance."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Who selects what.

    Attributes
    ----------
    least
        The least value that passes.
    is_ours
        Whether it is the correlator's.
    is_graded
        Whether other thresholds make sense.
    """

    name: str
    meaning: str
    judge: Judge
    least: float = 1.0
    is_ours: bool = True
    is_graded: bool = False


def by_features(score: Callable[[Sequence[Features]], Values]) -> Judge:
    """A judge from a function of features, of objects of an open class: a model, for instance."""

    def judge(known: Known) -> Values:
        return _spread(known, _if_open(known, score(known.batch.features)))

    return judge


def by_score(name: str) -> Judge:
    """A judge from a score of ours, of objects of an open class."""

    def judge(known: Known) -> Values:
        return _spread(known, _if_open(known, [s[name].value for s in known.scores]))

    return judge


def near_galaxy(judge: Judge) -> Judge:
    """A judge of what is near a galaxy, as Fink asks for it with Rubin."""

    def narrowed(known: Known) -> Values:
        rows = zip(judge(known), known.tonight, strict=True)
        return [v if is_near_galaxy(alerts[-1].surroundings) else None for v, alerts in rows]

    return narrowed


def by_class(classes: frozenset[ObjectClass]) -> Judge:
    """1 for objects of these classes."""

    def judge(known: Known) -> Values:
        return _spread(known, [float(kind in classes) for kind in _classes(known)])

    return judge


def by_alerts(rule: Callable[[Alert], bool]) -> Judge:
    """1 where one of the night's packets, by itself, passes a rule."""

    def judge(known: Known) -> Values:
        return [float(any(map(rule, alerts))) for alerts in known.tonight]

    return judge


def _alert(known: Known) -> Values:
    return [1.0] * len(known)


def _gate(known: Known) -> Values:
    return _spread(known, [1.0] * len(known.passed))


def _classes(known: Known) -> list[ObjectClass]:
    rows = zip(known.scores, known.batch.features, strict=True)
    return [class_of(scores, features) for scores, features in rows]


def _if_open(known: Known, values: Values) -> Values:
    kinds = _classes(known)
    return [v if kind in OPEN else None for v, kind in zip(values, kinds, strict=True)]


def _spread(known: Known, values: Values) -> Values:
    """Values of those that passed our gate among all; None of the others."""
    whole: list[float | None] = [None] * len(known)
    for i, value in zip(known.passed, values, strict=True):
        whole[i] = value
    return whole


def _score_only(name: str) -> Judge:
    def judge(known: Known) -> Values:
        return _spread(known, [_value(scores, name) for scores in known.scores])

    return judge


def _value(scores: Mapping[str, Score], name: str) -> float | None:
    return scores[name].value


OURS = (
    Cut("alert", "an alert exists", _alert),
    Cut("gate", "an alert passes our gate", _gate),
    Cut("open-class", "class fast-transient, transient or unknown", by_class(OPEN)),
    Cut("class-fast", "class fast-transient", by_class(frozenset({ObjectClass.FAST}))),
    Cut("kilonova", "score kilonova >= 0, open class", by_score("kilonova"), 0.0, is_graded=True),
    Cut("kilonova-2", "score kilonova >= 2, open class", by_score("kilonova"), 2.0),
    Cut(
        "fast-rate",
        "score fast-rate >= 0.3 mag/d, open class",
        by_score("fast-rate"),
        0.3,
        is_graded=True,
    ),
    Cut("afterglow", "score afterglow >= 0.05, open class", by_score("afterglow"), 0.05),
    Cut("orphan-afterglow", "score orphan-afterglow", _score_only("orphan-afterglow")),
)

OF_SURVEY: Mapping[str, Sequence[Cut]] = {
    "ztf": (
        Cut("fink-kilonova", "Fink kn_candidates", by_alerts(fink_kilonova), is_ours=False),
        Cut("fink-rate", "Fink rate_based_kn", by_alerts(fink_rate), is_ours=False),
        Cut("fink-orphan", "Fink orphan GRB", by_alerts(fink_orphan), is_ours=False),
        Cut("ztfrest", "ZTFReST rates", by_alerts(ztfrest), is_ours=False),
    ),
    "lsst": (
        Cut(
            "kilonova-host",
            "score kilonova >= 0, open class, near a galaxy",
            near_galaxy(by_score("kilonova")),
            0.0,
            is_graded=True,
        ),
        Cut(
            "fink-extragalactic-new",
            "Fink extragalactic_new",
            by_alerts(fink_extragalactic_new),
            is_ours=False,
        ),
        Cut("ztfrest", "ZTFReST rates, on Rubin", by_alerts(ztfrest), is_ours=False),
    ),
}


def cuts_of(survey: str) -> tuple[Cut, ...]:
    """Every cut for a survey, ours first."""
    return (*OURS, *OF_SURVEY[survey])
