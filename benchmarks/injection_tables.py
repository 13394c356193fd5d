"""The outcome of injections as rows of a benchmark and as tables for people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.injections import Outcome, count_interval, share_interval
from benchmarks.timing import Row
from correlator.simulation.injections import (
    DISTANCES_MPC,
    N_AFTERGLOWS,
    STRETCHED_MPC,
    STRETCHES,
    models,
)
from correlator.simulation.population import Kind

NIGHTS = (1, 2, 4, 8)
"""Ends of nights that are reported, as far as the campaign has them."""

THRESHOLDS = (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 5.0)
"""Of the kilonova score."""

LABELS = (
    *(f"at2017gfo-{d}mpc" for d in DISTANCES_MPC),
    *(f"stretched-{s}" for s in STRETCHES),
    "afterglow",
)

BY_NIGHT = ("at2017gfo-40mpc", "at2017gfo-100mpc", "afterglow")
"""What is told night by night."""

_HEADS = (
    *(f"{d} Mpc" for d in DISTANCES_MPC),
    *(f"x{s:g} at {STRETCHED_MPC} Mpc" for s in STRETCHES),
    "afterglows",
)


@dataclass(frozen=True, slots=True)
class Table:
    """Cells with a title and the names of the columns."""

    title: str
    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]

    def as_markdown(self) -> str:
        """For a page."""
        lines = [self.columns, ("---",) * len(self.columns), *self.cells]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"**{self.title}**\n\n{body}\n"


def rows_of(outcome: Outcome) -> Iterator[Row]:
    """Efficiencies by label, night and cut; unrelated objects a night; both at equal cost."""
    start = f"injections-{outcome.survey}"
    yield Row(f"{start}-alerts", outcome.n_alerts.total(), "alerts")
    yield Row(f"{start}-injected", len(outcome.labels), "sources")
    for name in outcome.tallies:
        a_night = outcome.n_false(name).total() * outcome.factor
        yield Row(f"{start}-false-{name}", a_night, "objects/night")
        for label in LABELS:
            for night in _nights(outcome):
                share = outcome.efficiency(name, label, night)
                yield Row(f"{start}-{label}-night-{night}-{name}", share, "share")
    yield from _equal_rows(outcome, start)


def _equal_rows(outcome: Outcome, start: str) -> Iterator[Row]:
    """Our graded cuts at the threshold that has no more unrelated objects than a peer."""
    last = outcome.n_nights
    for ours, peer in _pairs(outcome):
        n_false = outcome.n_false(peer).total()
        least = outcome.threshold(ours, n_false)
        for label in LABELS:
            mine = outcome.efficiency(ours, label, last, least)
            theirs = outcome.efficiency(peer, label, last)
            meaning = f"{outcome.tallies[peer].cut.meaning}, {n_false} unrelated objects"
            ratio = mine / theirs if theirs > 0.0 else None
            yield Row(f"{start}-{label}-{ours}-as-{peer}", mine, "share", meaning, theirs, ratio)


def tables_of(outcome: Outcome) -> list[Table]:
    """Tables for people, with 95 % intervals."""
    last = outcome.n_nights
    return [
        _false_table(outcome),
        _efficiency_table(outcome, last),
        *(_night_table(outcome, label) for label in BY_NIGHT),
        _curve_table(outcome),
        _equal_table(outcome),
        _afterglow_table(outcome, last),
    ]


def _false_table(outcome: Outcome) -> Table:
    kinds = [kind for kind in Kind if kind is not Kind.COUNTERPART]
    cells = []
    for name in outcome.tallies:
        by_kind = outcome.n_false(name)
        n, factor = by_kind.total(), outcome.factor
        low, high = count_interval(n)
        scaled = f"{_number(n * factor)} ({_number(low * factor)}..{_number(high * factor)})"
        cells.append((name, str(n), scaled, *(str(by_kind[kind]) for kind in kinds)))
    columns = ("cut", "passed", "a night", *(kind.name.lower() for kind in kinds))
    title = (
        f"{outcome.survey}: unrelated objects that pass, of {outcome.n_alerts.total():,} alerts, "
        f"and scaled by {outcome.factor:.3g} to a night"
    )
    return Table(title, columns, tuple(cells))


def _efficiency_table(outcome: Outcome, night: int) -> Table:
    cells = []
    for name in outcome.tallies:
        shares = (_share(outcome, name, label, night) for label in LABELS)
        cells.append((name, *shares))
    numbers = ", ".join(str(outcome.n_injected(label)) for label in LABELS)
    columns = ("cut", *_HEADS)
    title = f"{outcome.survey}: found by the end of night {night} [%], of {numbers}"
    return Table(title, columns, tuple(cells))


def _night_table(outcome: Outcome, label: str) -> Table:
    nights = range(1, outcome.n_nights + 1)
    cells = [
        (name, *(_percent(outcome.efficiency(name, label, night)) for night in nights))
        for name in outcome.tallies
    ]
    columns = ("cut", *map(str, nights))
    title = f"{outcome.survey}: {label}, found by the end of each night [%]"
    return Table(title, columns, tuple(cells))


def _curve_table(outcome: Outcome) -> Table:
    name, cells = "kilonova", []
    for least in THRESHOLDS:
        n = outcome.n_false(name, least).total()
        shares = (_share(outcome, name, label, outcome.n_nights, least) for label in LABELS)
        cells.append((f"{least:g}", str(n), _number(n * outcome.factor), *shares))
    columns = ("score >=", "passed", "a night", *_HEADS)
    return Table(f"{outcome.survey}: the kilonova score by its threshold", columns, tuple(cells))


def _equal_table(outcome: Outcome) -> Table:
    cells = []
    cuts = [tally.cut for tally in outcome.tallies.values()]
    for peer in (cut.name for cut in cuts if not cut.is_ours):
        n_false = outcome.n_false(peer).total()
        cells.append(_cost_cells(outcome, peer, None))
        for ours in (cut.name for cut in cuts if cut.is_graded):
            cells.append(_cost_cells(outcome, ours, outcome.threshold(ours, n_false)))
    title = f"{outcome.survey}: each peer, and ours with no more unrelated objects"
    return Table(title, ("cut", "passed", *_HEADS), tuple(cells))


def _cost_cells(outcome: Outcome, name: str, least: float | None) -> tuple[str, ...]:
    said = name if least is None else f"{name} >= {least:.2f}"
    shares = (_share(outcome, name, label, outcome.n_nights, least) for label in LABELS)
    return said, str(outcome.n_false(name, least).total()), *shares


def _afterglow_table(outcome: Outcome, night: int) -> Table:
    cells = []
    for i in range(N_AFTERGLOWS):
        label = f"afterglow-{i}"
        numbers = (f"{value:.2f}" for value in _parameters(models()[label]))
        shares = (outcome.efficiency(name, label, night) for name in outcome.tallies)
        cells.append((str(i), *numbers, *map(_percent, shares)))
    columns = ("#", "R at 1 h", "alpha", "beta", *outcome.tallies)
    title = f"{outcome.survey}: each afterglow, found by the end of night {night} [%]"
    return Table(title, columns, tuple(cells))


def _parameters(model: object) -> Sequence[float]:
    return [getattr(model, name) for name in ("mag_r_1h", "decay", "spectral_index")]


def _pairs(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Each graded cut of ours with each peer."""
    cuts = [tally.cut for tally in outcome.tallies.values()]
    for ours in cuts:
        if ours.is_graded:
            yield from ((ours.name, peer.name) for peer in cuts if not peer.is_ours)


def _nights(outcome: Outcome) -> list[int]:
    return sorted({min(night, outcome.n_nights) for night in NIGHTS})


def _share(outcome: Outcome, name: str, label: str, night: int, least: float | None = None) -> str:
    total = outcome.n_injected(label)
    if not total:
        return "-"
    n = outcome.n_found(name, label, night, least)
    low, high = share_interval(n, total)
    return f"{100.0 * n / total:.0f} ({100.0 * low:.0f}..{100.0 * high:.0f})"


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100.0 * share:.0f}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10.0 or value == 0.0 else f"{value:.1f}"
