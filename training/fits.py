"""The two models: what they are given, and how they are fitted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest

from correlator.features import as_matrix, features_of_many
from correlator.object import OpticalObject
from training.blackbody import Floats
from training.certain_rates import INPUTS as RATE_INPUTS
from training.certain_rates import certain_rates
from training.real import RealAlert
from training.samples import KILONOVA, Labelled

KILONOVA_INPUTS = (
    *("n_negative", "age_d", "duration_d", "since_peak_d", "onset_interval_d"),
    *("limit_rise_mag_per_day", "rate_mag_per_day", "rate_err_mag_per_day"),
    *("rise_mag_per_day", "rise_err_mag_per_day", "fade_mag_per_day", "fade_err_mag_per_day"),
    *("rise_g_mag_per_day", "rise_r_mag_per_day", "rise_i_mag_per_day", "rise_z_mag_per_day"),
    *("fade_g_mag_per_day", "fade_r_mag_per_day", "fade_i_mag_per_day", "fade_z_mag_per_day"),
    *("u_g_mag", "g_r_mag", "r_i_mag", "i_z_mag", "z_y_mag"),
    *("g_r_err_mag", "r_i_err_mag", "i_z_err_mag"),
    *("g_r_drift_mag_per_day", "r_i_drift_mag_per_day", "i_z_drift_mag_per_day"),
    *("g_r_drift_err_mag_per_day", "r_i_drift_err_mag_per_day", "i_z_drift_err_mag_per_day"),
    "flux_chi2",
)
"""Shape and colour. Neither brightness, number of detections nor place: of those the simulation
knows only what was put in."""

N_OF_A_TREE = 512
"""Rows of which a tree of the anomaly's forest is made."""

RARE = (KILONOVA, "afterglow", "off-axis afterglow")
"""Classes that the anomaly model has not seen."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """What models are fitted to.

    Attributes
    ----------
    simulated, real
        Objects with what they are; of the real ones those that are not held out.
    """

    simulated: Sequence[Labelled]
    real: Sequence[RealAlert]


def matrix(objects: Sequence[OpticalObject], names: Sequence[str]) -> Floats:
    """Features in single precision, as a model gets them; shape ``(n, len(names))``."""
    return as_matrix(features_of_many(objects), names).astype(np.float32).astype(np.float64)


def fit_kilonova(training: TrainingSet, n_trees: int) -> HistGradientBoostingClassifier:
    """Boosted trees: kilonova against everything else.

    Kilonovae and the rest weigh the same, and in the rest each class of each survey, all real
    alerts being one more class: the probability is for a world in which half of all are kilonovae.
    """
    objects = [x.object for x in training.simulated] + [x.object for x in training.real]
    classes = [(x.kind, x.survey) for x in training.simulated]
    kinds = [*classes, *(("real", x.object.survey) for x in training.real)]
    is_kilonova = np.array([kind == KILONOVA for kind, _ in kinds])
    keys = [x.object.object_key for x in training.real]
    weight = np.concatenate([np.ones(len(classes)), 1.0 / _repeats(keys)])
    for each in set(kinds):
        here = np.array([kind == each for kind in kinds])
        weight[here] /= weight[here].sum()
    for side in (is_kilonova, ~is_kilonova):
        weight[side] *= 0.5 * len(kinds) / weight[side].sum()
    model = HistGradientBoostingClassifier(
        max_iter=n_trees,
        learning_rate=0.1,
        max_leaf_nodes=15,
        min_samples_leaf=40,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=0,
    )
    return model.fit(matrix(objects, KILONOVA_INPUTS), is_kilonova, sample_weight=weight)


def fit_anomaly(training: TrainingSet, n_trees: int) -> IsolationForest:
    """An isolation forest of the certain rates of what is common.

    That is real alerts, and simulated ones that are not rare.

    Half of the rows that it draws are real, where there are any: each survey as often, and in it
    each object.
    """
    rng = np.random.default_rng(0)
    rows = matrix([x.object for x in training.simulated if x.kind not in RARE], RATE_INPUTS)
    if training.real:
        real = matrix([x.object for x in training.real], RATE_INPUTS)
        share = 1.0 / _repeats([x.object.object_key for x in training.real])
        surveys = np.array([x.object.survey for x in training.real])
        for survey in set(surveys.tolist()):
            share[surveys == survey] /= share[surveys == survey].sum()
        rows = np.concatenate([rows, real[rng.choice(len(real), len(rows), p=share / share.sum())]])
    n = min(N_OF_A_TREE, len(rows))
    forest = IsolationForest(n_estimators=n_trees, max_samples=n, random_state=0)
    return forest.fit(certain_rates(rows))


def _repeats(keys: Sequence[str]) -> Floats:
    """How many alerts there are of the object of each."""
    counts = Counter(keys)
    return np.array([counts[key] for key in keys], dtype=np.float64)
