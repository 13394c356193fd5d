"""Injected counterparts against the unrelated sky of the same nights: who finds what, at what cost.

Each cut sees each object that has an alert in a night, with what was known by the end of it. An
injected source is found once it has passed in some night; an unrelated one counts in every night in
which it passes, as it stands on that night's list.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from benchmarks.injection_cuts import Cut
from benchmarks.injection_nights import FieldResult
from correlator.simulation.population import Kind

REAL_ALERTS: Mapping[str, int] = {"ztf": 1_000_000, "lsst": 10_000_000}
"""Alerts of a night that numbers of unrelated objects are scaled to: ZTF's 0.6 to 1.2 million
(Patterson et al. 2019), Rubin's 10 million of the design (LSE-163)."""

_Z95 = 1.959964


@dataclass(slots=True)
class Tally:
    """What one cut said.

    Attributes
    ----------
    best
        Best value of each injected source by the end of each night, minus infinity before the
        first; a list of rows of ``n_nights``.
    false_values, false_kinds
        Value and kind of each unrelated object in each night in which the cut gave it one; of a cut
        that is not graded, only where it passed.
    """

    cut: Cut
    best: list[NDArray[np.float64]] = field(default_factory=list)
    false_values: list[float] = field(default_factory=list)
    false_kinds: list[Kind] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """Everything that a campaign gave.

    Attributes
    ----------
    labels
        What each injected source is, in the order of the rows of the tallies.
    n_alerts
        Alerts of unrelated objects, before any gate, by kind.
    """

    survey: str
    n_nights: int
    tallies: dict[str, Tally]
    labels: list[str] = field(default_factory=list)
    n_alerts: Counter[Kind] = field(default_factory=Counter)

    @property
    def factor(self) -> float:
        """A night of the survey over all simulated alerts of unrelated objects."""
        return REAL_ALERTS[self.survey] / self.n_alerts.total()

    def n_found(self, cut: str, prefix: str, night: int, least: float | None = None) -> int:
        """How many injected sources of a label that begins so a cut has found by a night."""
        return int(self._found(cut, prefix, night, least).sum())

    def n_injected(self, prefix: str) -> int:
        """How many there are."""
        return sum(label.startswith(prefix) for label in self.labels)

    def efficiency(self, cut: str, prefix: str, night: int, least: float | None = None) -> float:
        """The share that a cut has found by the end of a night; NaN of none."""
        found = self._found(cut, prefix, night, least)
        return float(found.mean()) if len(found) else math.nan

    def _found(self, cut: str, prefix: str, night: int, least: float | None) -> NDArray[np.bool_]:
        tally = self.tallies[cut]
        rows = [i for i, label in enumerate(self.labels) if label.startswith(prefix)]
        values = np.array([tally.best[i][night - 1] for i in rows])
        bound = tally.cut.least if least is None else least
        # Minus infinity is no value: it passes no threshold, not even that.
        return np.asarray((values >= bound) & (values > -np.inf))

    def n_false(self, cut: str, least: float | None = None) -> Counter[Kind]:
        """Unrelated objects that a cut passes, summed over the nights, by kind."""
        tally = self.tallies[cut]
        bound = tally.cut.least if least is None else least
        rows = zip(tally.false_values, tally.false_kinds, strict=True)
        return Counter(kind for value, kind in rows if value >= bound)

    def threshold(self, cut: str, n_false: int) -> float:
        """The least value at which a cut passes no more than so many unrelated objects."""
        values = sorted(self.tallies[cut].false_values, reverse=True)
        return math.nextafter(values[n_false], math.inf) if len(values) > n_false else -math.inf


def evaluate(
    survey: str, n_nights: int, fields: Iterable[FieldResult], cuts: Sequence[Cut]
) -> Outcome:
    """Ask every cut about every object in every night.

    Parameters
    ----------
    fields
        What was known; read one by one.
    cuts
        Any: a model is ``model_cut(folder, 0.5)``, or
        ``Cut(name, meaning, by_features(function), 0.5, is_graded=True)``.
    """
    outcome = Outcome(survey, n_nights, {cut.name: Tally(cut) for cut in cuts})
    for one in fields:
        _add(outcome, one)
        del one  # a crowded field has half a gigabyte, and the next is made meanwhile
    return outcome


def _add(outcome: Outcome, one: FieldResult) -> None:
    first = len(one.kinds) - len(one.labels)
    outcome.labels += one.labels
    for known in one.nights:
        for source, alerts in zip(known.sources, known.tonight, strict=True):
            if source < first:
                outcome.n_alerts[one.kinds[source]] += len(alerts)
    for tally in outcome.tallies.values():
        best = np.full((len(one.labels), outcome.n_nights), -np.inf)
        for known in one.nights:
            values = tally.cut.judge(known)
            for source, value in zip(known.sources, values, strict=True):
                if value is None:
                    continue
                if source < first:
                    if tally.cut.is_graded or value >= tally.cut.least:
                        tally.false_values.append(value)
                        tally.false_kinds.append(one.kinds[source])
                else:
                    best[source - first, known.night - 1] = value
        tally.best += list(np.maximum.accumulate(best, axis=1))


def share_interval(n: int, total: int) -> tuple[float, float]:
    """95 % interval of a share, Wilson's; all of [0, 1] without a trial."""
    if total == 0:
        return 0.0, 1.0
    share, z2 = n / total, _Z95**2 / total
    centre = (share + 0.5 * z2) / (1.0 + z2)
    half = _Z95 * math.sqrt(share * (1.0 - share) / total + 0.25 * z2 / total) / (1.0 + z2)
    return max(0.0, centre - half), min(1.0, centre + half)


def count_interval(n: int) -> tuple[float, float]:
    """95 % interval of the mean of a Poisson number (Garwood)."""
    low = 0.5 * float(chi2.ppf(0.025, 2 * n)) if n else 0.0
    return low, 0.5 * float(chi2.ppf(0.975, 2 * n + 2))
