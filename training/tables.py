"""Tables of what models say of simulated objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.evaluation import Examined, area_under_curve, interval_95, threshold_at
from training.fits import RARE
from training.samples import BACKGROUNDS, KILONOVA, KILONOVAE_OFF_GRID, sample
from training.visits import SURVEYS

VALIDATION_SEED, HELD_OUT_SEED = (20261128, 1), (20261128, 3)
"""Seeds of samples that no model is fitted to. Seed 2 was a held-out one until it had been seen."""

N_KILONOVAE, N_OF_A_BACKGROUND = 1500, 500

SHARES = (0.01, 0.001)
"""Shares of the background at which thresholds are set, on the validation sample."""

COMMON_SHARE = 0.05
"""Share of the common classes that the anomaly's threshold lets through."""

Rows = list[list[str]]
Mask = NDArray[np.bool_]


def simulated(models: Path, seed: Sequence[int], size: float) -> Examined:
    """A sample with kilonovae off the grid, and what models say of it."""
    n, m = int(N_KILONOVAE * size), int(N_OF_A_BACKGROUND * size)
    return Examined.of(sample(seed, n, m, KILONOVAE_OFF_GRID), models)


def table_lines(rows: Rows) -> list[str]:
    """Rows, the first the head, as a table of Markdown."""
    whole = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return ["| " + " | ".join(row) + " |" for row in whole]


class Thresholds:
    """Where the scores are cut: fixed on the validation sample, on objects with two points."""

    def __init__(self, validation: Examined) -> None:
        background = (validation.kind != KILONOVA) & (validation.said.n_points >= 2)
        weight, said = validation.weight[background], validation.said
        self.model = {s: threshold_at(said.model[background], weight, s) for s in SHARES}
        self.rule = {s: threshold_at(said.rule[background], weight, s) for s in SHARES}
        common = ~np.isin(validation.kind, RARE) & (said.n_points >= 2)
        self.anomaly = threshold_at(said.anomaly[common], validation.weight[common], COMMON_SHARE)

    def rows(self) -> Rows:
        """As a table."""
        head = ["share of the background above", "model", "rule"]
        return [head] + [
            [f"{100 * s:g} %", f"{self.model[s]:.3f}", f"{self.rule[s]:+.2f}"] for s in SHARES
        ]


def simulated_tables(shown: Examined, thresholds: Thresholds) -> dict[str, Rows]:
    """The tables of simulated objects by title."""
    return {
        "Thresholds": thresholds.rows(),
        "Efficiency": efficiency(shown, thresholds),
        "Contamination by class": _by_class(shown, thresholds),
        "Reliability": _reliability(shown),
        "Anomaly by class": _anomaly_by_class(shown, thresholds),
    }


POINTS: dict[str, Callable[[NDArray[np.int64]], Mask]] = {
    "1": lambda n: n == 1,
    "2": lambda n: n == 2,
    "3-5": lambda n: (n >= 3) & (n <= 5),
    "6+": lambda n: n >= 6,
    "2+": lambda n: n >= 2,
}


def efficiency(shown: Examined, thresholds: Thresholds, with_curves: bool = True) -> Rows:
    """How many kilonovae each finds, by survey and number of points.

    The area under the curve needs a background.
    """
    head = ["survey", "points", "kilonovae", *["AUC model", "AUC rule"] * with_curves]
    head += [f"{who} at {100 * s:g} %" for s in SHARES for who in ("model", "rule")]
    rows = [head]
    for survey in SURVEYS:
        for name, chosen in POINTS.items():
            here = (shown.survey == survey.name) & chosen(shown.said.n_points)
            is_kilonova = shown.kind == KILONOVA
            ours, said = here & is_kilonova, shown.said
            curves = [
                f"{area_under_curve(scores[here], is_kilonova[here]):.3f}"
                for scores in [said.model, said.rule] * with_curves
            ]
            shares = [
                share_of(scores[ours] > cut[s])
                for s in SHARES
                for scores, cut in ((said.model, thresholds.model), (said.rule, thresholds.rule))
            ]
            if name == "1":  # of which the rule says nothing
                shares[1::2] = [""] * len(SHARES)
                curves[1:] = [""] * len(curves[1:])
            rows.append([survey.name, name, str(int(ours.sum())), *curves, *shares])
    return rows


def share_of(above: Mask) -> str:
    """A share in percent with its interval."""
    n, k = len(above), int(above.sum())
    if n == 0:
        return ""
    low, high = interval_95(k, n)
    return f"{100 * k / n:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _by_class(shown: Examined, thresholds: Thresholds) -> Rows:
    rows = [["class", *(f"{s.name} {who}" for s in SURVEYS for who in ("n", "model", "rule"))]]
    share = SHARES[0]
    for kind in BACKGROUNDS:
        row = [kind]
        for survey in SURVEYS:
            here = (shown.survey == survey.name) & (shown.kind == kind) & (shown.said.n_points >= 2)
            row += [
                str(int(here.sum())),
                share_of(shown.said.model[here] > thresholds.model[share]),
                share_of(shown.said.rule[here] > thresholds.rule[share]),
            ]
        rows.append(row)
    return rows


def _reliability(shown: Examined) -> Rows:
    rows = [["score", "objects", "mean score", "share of kilonovae, both sides weighing the same"]]
    edges = np.linspace(0.0, 1.0, 11)
    weight, is_kilonova = shown.weight, shown.kind == KILONOVA
    for low, high in pairwise(edges.tolist()):
        here = (shown.said.model >= low) & (shown.said.model < high)
        if not here.any():
            continue
        w = weight[here]
        share = float(w[is_kilonova[here]].sum() / w.sum())
        # Weighted, so that an interval of counts would be too narrow.
        n_eff = w.sum() ** 2 / (w * w).sum()
        error = (max(share * (1.0 - share), 0.25 / n_eff) / n_eff) ** 0.5
        mean = float((w * shown.said.model[here]).sum() / w.sum())
        rows.append(
            [f"{low:.1f} to {high:.1f}", str(len(w)), f"{mean:.3f}", f"{share:.3f} ± {error:.3f}"]
        )
    return rows


def _anomaly_by_class(shown: Examined, thresholds: Thresholds) -> Rows:
    rows = [["class", *(f"{s.name} {what}" for s in SURVEYS for what in ("median", "above"))]]
    for kind in (KILONOVA, *BACKGROUNDS):
        row = [kind]
        for survey in SURVEYS:
            here = (shown.survey == survey.name) & (shown.kind == kind) & (shown.said.n_points >= 2)
            scores = shown.said.anomaly[here]
            row += [f"{np.median(scores):.3f}", share_of(scores > thresholds.anomaly)]
        rows.append(row)
    return rows
