"""One class of an object by its scores, for tables and filters; the scores themselves say more."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from correlator.features import Features
from correlator.scorers.neighbours import STAR_SCORE
from correlator.scorers.score import Score
from correlator.scorers.transients import FAST_FADE_MAG_PER_DAY


class ObjectClass(StrEnum):
    """What an object looks like, from what overrides all else to what overrides none."""

    SOLAR_SYSTEM = "solar-system"
    GLINT = "glint"
    STAR = "star"
    ACTIVE = "active"
    """Seen more than a month before or below its template, with no star at its place: a nucleus, a
    faint star, an old supernova."""
    FAST = "fast-transient"
    TRANSIENT = "transient"
    UNKNOWN = "unknown"
    """Seen once, without a past."""


def class_of(scores: Mapping[str, Score], features: Features) -> ObjectClass:
    """The class of an object.

    Parameters
    ----------
    scores
        Its scores by name, those of ``neighbours`` among them.

    Raises
    ------
    KeyError
        A score is missing.
    """
    fade, error = features.fade_mag_per_day, features.fade_err_mag_per_day
    fades = fade is not None and error is not None and fade - error >= FAST_FADE_MAG_PER_DAY
    found = (
        ((scores["solar-system"].value or 0.0) >= 0.5, ObjectClass.SOLAR_SYSTEM),
        (scores["satellite-glint"].value == 1.0, ObjectClass.GLINT),
        ((scores["star"].value or 0.0) >= STAR_SCORE, ObjectClass.STAR),
        (scores["prior-activity"].value == 1.0, ObjectClass.ACTIVE),
        (fades, ObjectClass.FAST),
        ((features.n_positive or 0) >= 2, ObjectClass.TRANSIENT),
    )
    return next((kind for holds, kind in found if holds), ObjectClass.UNKNOWN)
