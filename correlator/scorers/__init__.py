"""Scores of an optical object: named, versioned, deterministic rules over features and photometry.

No scorer knows what the simulator draws from, a clock, or the other objects of its batch. A value
is None where the packets do not tell.
"""

from collections.abc import Sequence

from correlator.features import Features, features_of, features_of_many
from correlator.object import OpticalObject
from correlator.scorers.classes import ObjectClass, class_of
from correlator.scorers.fink import ORPHAN_FINK
from correlator.scorers.kilonova import KILONOVA
from correlator.scorers.neighbours import GLINT, PRIOR_ACTIVITY, SOLAR_SYSTEM, STAR
from correlator.scorers.power_law import AFTERGLOW, PowerLaw, power_laws
from correlator.scorers.score import Batch, Score, Scorer, batch_of
from correlator.scorers.transients import EARLY_SUPERNOVA, FAST_RATE, MICROLENSING, ORPHAN

SCORERS = (
    SOLAR_SYSTEM,
    STAR,
    PRIOR_ACTIVITY,
    GLINT,
    FAST_RATE,
    AFTERGLOW,
    ORPHAN,
    ORPHAN_FINK,
    EARLY_SUPERNOVA,
    KILONOVA,
    MICROLENSING,
)
"""Every scorer, in the order in which scores are listed."""

__all__ = [
    "SCORERS",
    "Batch",
    "ObjectClass",
    "PowerLaw",
    "Score",
    "Scorer",
    "batch_of",
    "class_of",
    "power_laws",
    "scores_of",
    "scores_of_many",
]


def scores_of(obj: OpticalObject, features: Features | None = None) -> dict[str, Score]:
    """Scores of one object by name: those of a list of it alone; see :func:`scores_of_many`."""
    return scores_of_many([obj], [features or features_of(obj)])[0]


def scores_of_many(
    objects: Sequence[OpticalObject], features: Sequence[Features] | None = None
) -> list[dict[str, Score]]:
    """Scores of objects, by name.

    Parameters
    ----------
    objects
        ``n`` objects, as they are: a score does not go back in time.
    features
        Their features, where they are at hand already.
    """
    batch = batch_of(objects, features_of_many(objects) if features is None else features)
    by_scorer = [scorer.scores(batch) for scorer in SCORERS]
    names = [scorer.name for scorer in SCORERS]
    return [dict(zip(names, row, strict=True)) for row in zip(*by_scorer, strict=True)]
