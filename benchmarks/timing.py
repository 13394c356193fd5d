"""Our way and a peer's way to do one thing, timed in turn in one process."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

Way = Callable[[], object]

_LONG_S = 1.0
"""A call that lasts longer needs no warming up."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: medians over the rounds, in ``unit``.

    Attributes
    ----------
    peer
        Who did the same, and what differs in what it does; None where nobody does.
    ratio
        How many times better than the peer: median of the ratios of the two times of each round.
    bar
        The least that the ratio must be; None where nobody has set one.
    """

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    bar: float | None = None


@dataclass(frozen=True, slots=True)
class Effort:
    """How many rounds, and the least that one sample lasts [s]."""

    rounds: int = 7
    sample_s: float = 0.05

    def time_of(self, name: str, ours: Way, peer: str, theirs: Way) -> Row:
        """Compare the times of a call [ms]."""
        return _row(name, "ms", lambda second: 1e3 * second, peer, self.in_turn(ours, theirs))

    def rate_of(
        self, name: str, n: int, unit: str, ours: Way, peer: str = "", theirs: Way | None = None
    ) -> Row:
        """Compare the rates of calls that each do ``n`` items; ours alone without a peer."""
        seconds = self.in_turn(ours, theirs) if theirs else self.in_turn(ours)
        return _row(name, unit, lambda second: n / second, peer, seconds)

    def in_turn(self, *ways: Way) -> list[list[float]]:
        """Seconds a call of each way, round by round: A B A B ..."""
        gc.collect()
        gc.freeze()  # the inputs are no garbage: to look through them outlasts a sample
        # The first call fills caches and says how many make a sample; a long one is a sample.
        first = [_seconds(way, 1) for way in ways]
        n_calls = [max(1, math.ceil(self.sample_s / once)) for once in first]
        seconds = [[once] if min(first) > _LONG_S else [] for once in first]
        while len(seconds[-1]) < self.rounds:
            for way, n, taken in zip(ways, n_calls, seconds, strict=True):
                taken.append(_seconds(way, n))
        return seconds


def _row(
    name: str, unit: str, of: Callable[[float], float], peer: str, seconds: list[list[float]]
) -> Row:
    ours, *others = (of(median(taken)) for taken in seconds)
    if not others:
        return Row(name, ours, unit)
    ratio = median(theirs / mine for mine, theirs in zip(*seconds, strict=True))
    return Row(name, ours, unit, peer, others[0], ratio)


def _seconds(way: Way, n_calls: int) -> float:
    gc.collect()  # nobody pays for the other's garbage
    started = time.perf_counter()
    for _ in range(n_calls):
        way()
    return (time.perf_counter() - started) / n_calls
