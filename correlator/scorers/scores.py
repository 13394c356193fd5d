"""Every scorer, and what all of them say of objects."""

from __future__ import annotations

from collections.abc import Sequence

from correlator.features import Features, features_of, features_of_many
from correlator.object import OpticalObject
from correlator.scorers.fink import ORPHAN_FINK
from correlator.scorers.kilonova import KILONOVA
from correlator.scorers.neighbours import GLINT, PRIOR_ACTIVITY, SOLAR_SYSTEM, STAR
from correlator.scorers.power_law import AFTERGLOW
from correlator.scorers.score import Score, batch_of
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
    if not objects:
        return []
    batch = batch_of(objects, features_of_many(objects) if features is None else features)
    by_scorer = [scorer.scores(batch) for scorer in SCORERS]
    names = [scorer.name for scorer in SCORERS]
    return [dict(zip(names, row, strict=True)) for row in zip(*by_scorer, strict=True)]
