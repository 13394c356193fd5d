"""Scores of an optical object: named, versioned, deterministic rules over features and photometry.

No scorer knows what the simulator draws from, a clock, or the other objects of its batch. A value
is None where the packets do not tell.
"""

from correlator.scorers.appearance import Appearance, appearances_of
from correlator.scorers.classes import ObjectClass, class_of
from correlator.scorers.power_law import PowerLaw, power_laws
from correlator.scorers.score import Batch, Score, Scorer, batch_of
from correlator.scorers.scores import SCORERS, scores_of, scores_of_many

__all__ = [
    "SCORERS",
    "Appearance",
    "Batch",
    "ObjectClass",
    "PowerLaw",
    "Score",
    "Scorer",
    "appearances_of",
    "batch_of",
    "class_of",
    "power_laws",
    "scores_of",
    "scores_of_many",
]
