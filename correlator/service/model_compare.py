"""Two versions of a model against each other, on the objects that both have scored."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from streams.scores import ScoreRecord

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles that are told."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two versions differ.

    Attributes
    ----------
    n_both, n_first_only, n_second_only
        Records in which both have a value, and in which only one of them does.
    rank_correlation
        Spearman's, of the records that both scored; None where there are fewer than 2, or one of
        them says the same of all.
    mean_difference, std_difference
        Second less first; None where no record has both.
    quantiles_first, quantiles_second, quantiles_difference
        At ``QUANTILES``.
    threshold, decide_differently
        Fraction of the records in which exactly one of them is at or above the threshold; None
        without one.
    """

    name: str
    first: str
    second: str
    n_both: int
    n_first_only: int
    n_second_only: int
    rank_correlation: float | None
    mean_difference: float | None
    std_difference: float | None
    quantiles_first: tuple[float, ...]
    quantiles_second: tuple[float, ...]
    quantiles_difference: tuple[float, ...]
    threshold: float | None
    decide_differently: float | None


def compared(
    records: Iterable[ScoreRecord],
    name: str,
    first: str,
    second: str,
    threshold: float | None = None,
) -> Comparison:
    """Compare two versions of a model on some records; the same object state counts once."""
    latest: dict[tuple[str, int, str], tuple[float | None, float | None]] = {}
    for record in records:
        said = record.scores.get(name, {})
        if first in said or second in said:
            state = record.object_key, record.object_version, record.latest_alert_id
            known = latest.get(state, (None, None))
            latest[state] = said.get(first, known[0]), said.get(second, known[1])
    pairs = np.array(list(latest.values()), dtype=np.float64).reshape(-1, 2)
    a_known, b_known = ~np.isnan(pairs).T
    both = pairs[a_known & b_known]
    a, b = both.T
    n = len(both)
    return Comparison(
        name=name,
        first=first,
        second=second,
        n_both=n,
        n_first_only=int(np.sum(a_known & ~b_known)),
        n_second_only=int(np.sum(b_known & ~a_known)),
        rank_correlation=_rank_correlation(a, b),
        mean_difference=float(np.mean(b - a)) if n else None,
        std_difference=float(np.std(b - a)) if n else None,
        quantiles_first=_quantiles(a),
        quantiles_second=_quantiles(b),
        quantiles_difference=_quantiles(b - a),
        threshold=threshold,
        decide_differently=(
            float(np.mean((a >= threshold) != (b >= threshold)))
            if n and threshold is not None
            else None
        ),
    )


def _rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    if len(a) < 2 or np.ptp(a) == 0.0 or np.ptp(b) == 0.0:
        return None
    found = float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
    return found if math.isfinite(found) else None


def _quantiles(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(np.quantile(values, QUANTILES).tolist()) if len(values) else ()
