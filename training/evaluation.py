"""What models say of objects that they have not seen, beside the rule of the same name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, rankdata

from correlator.features import as_matrix, features_of_many
from correlator.object import OpticalObject
from correlator.scorers import batch_of
from correlator.scorers.kilonova import KILONOVA as RULE
from training.blackbody import Floats
from training.certain_rates import INPUTS as RATE_INPUTS
from training.files import scores_of_file
from training.fits import KILONOVA_INPUTS
from training.samples import KILONOVA, Labelled

MODELS = {
    "kilonova-gbt": ("1.0", KILONOVA_INPUTS),
    "anomaly": ("1.0", RATE_INPUTS),
}
"""Version and inputs of each model."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of ``n`` objects, shape ``(n,)`` each.

    Attributes
    ----------
    model, rule, anomaly
        The trained kilonova score, the rule ``kilonova`` (NaN where it says nothing), the anomaly.
    n_points
        Positive detections.
    """

    model: Floats
    rule: Floats
    anomaly: Floats
    n_points: NDArray[np.int64]


def said_of(objects: Sequence[OpticalObject], models: Path) -> Said:
    """What the models of a folder and the rule say of some objects."""
    features = features_of_many(objects)
    by_model = {
        name: scores_of_file(models / name / version / "model.onnx", as_matrix(features, inputs))
        for name, (version, inputs) in MODELS.items()
    }
    rule = [score.value for score in RULE.scores(batch_of(objects, features))]
    return Said(
        by_model["kilonova-gbt"],
        np.array(rule, dtype=np.float64),
        by_model["anomaly"],
        np.array([f.n_positive for f in features], dtype=np.int64),
    )


@dataclass(frozen=True, slots=True)
class Examined:
    """Simulated objects: what they are, who saw them, what is said of them."""

    kind: NDArray[np.str_]
    survey: NDArray[np.str_]
    said: Said

    @classmethod
    def of(cls, sample: Sequence[Labelled], models: Path) -> Examined:
        """Ask the models of a folder about a sample."""
        kinds, surveys = np.array([x.kind for x in sample]), np.array([x.survey for x in sample])
        return cls(kinds, surveys, said_of([x.object for x in sample], models))

    @property
    def weight(self) -> Floats:
        """Kilonovae and the rest weigh 1 together, in the rest each class of each survey alike."""
        weight = np.zeros(len(self.kind))
        for kind in set(self.kind.tolist()):
            for survey in set(self.survey.tolist()):
                here = (self.kind == kind) & (self.survey == survey)
                weight[here] = 1.0 / max(here.sum(), 1)
        for side in (self.kind == KILONOVA, self.kind != KILONOVA):
            weight[side] /= weight[side].sum()
        return weight


def threshold_at(scores: Floats, weight: Floats, share: float) -> float:
    """The least score that at most so large a share of the weight exceeds; NaN never does."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    order = np.argsort(-known)
    above = np.cumsum(weight[order]) / weight.sum()
    return float(known[order][np.searchsorted(above, share, side="right")])


def area_under_curve(scores: Floats, is_signal: NDArray[np.bool_]) -> float:
    """Chance that a signal has the higher score than a background; unknown is lowest."""
    ranks = rankdata(np.where(np.isnan(scores), -np.inf, scores))
    n = int(is_signal.sum())
    return float((ranks[is_signal].sum() - n * (n + 1) / 2.0) / (n * (len(scores) - n)))


def interval_95(k: int, n: int) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share of which ``k`` of ``n`` were counted."""
    low = 0.0 if k == 0 else float(beta.ppf(0.025, k, n - k + 1))
    high = 1.0 if k == n else float(beta.ppf(0.975, k + 1, n - k))
    return low, high
