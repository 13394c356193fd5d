"""Rows of the sky benchmark: a ratio to a peer, how much it varied, how busy the machine was."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from benchmarks.timing import Effort, Row, Way

BARS: Mapping[str, float] = {
    "join-100": 70.0,
    "join-1000": 200.0,
    "join-100-one": 240.0,
    "match-100": 400.0,
    "volume-1": 1_000.0,
    "map-read": 15.0,
    "overlap": 50.0,
    "wire": 12.0,
}
"""Least ratio to the peer, by measure (issue 4)."""


@dataclass(frozen=True, slots=True)
class SkyRow(Row):
    """A measurement with its spread.

    Attributes
    ----------
    ratio_least, ratio_most
        Of all rounds; None where nothing is timed.
    load_1min
        Of the machine, after the rounds.
    """

    ratio_least: float | None = None
    ratio_most: float | None = None
    load_1min: float | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """What is compared with a peer, and in which unit."""

    name: str
    peer: str
    unit: str = "ms"
    of: Callable[[float], float] = lambda second: 1e3 * second
    bar: float | None = None


def rows_of(effort: Effort, measure: Measure, theirs: Way, **ours: Way) -> Iterator[SkyRow]:
    """One row for each of our ways; all of them and the peer's take turns."""
    *mine, peers = effort.in_turn(*ours.values(), theirs)
    load = round(os.getloadavg()[0], 2)
    for name, seconds in zip(ours, mine, strict=True):
        ratios = [their / our for our, their in zip(seconds, peers, strict=True)]
        yield SkyRow(
            measure.name if name == "numpy" else f"{measure.name}-{name}",
            measure.of(median(seconds)),
            measure.unit,
            measure.peer,
            measure.of(median(peers)),
            median(ratios),
            measure.bar,
            min(ratios),
            max(ratios),
            load,
        )
