"""Alerts against the regions of all live events: the join index, and a loop over MOCs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.agreement import require
from benchmarks.sky_inputs import LEVEL, anywhere, live_sky, visit
from benchmarks.sky_peers import CELLS_A_RADIUS, MocLoop, angles, has_numba
from benchmarks.sky_rows import BARS, Measure, SkyRow, rows_of
from benchmarks.timing import Effort, Way
from skymaps.healpix import Positions, separation_deg
from skymaps.index import SkyIndex
from skymaps.localization import Localization
from skymaps.pairs import SkyPairs
from skymaps.shapes import Circle

SHAPES = {"anywhere": anywhere, "visit": visit}
"""Alerts over the whole sky in random order (the worst case), or of one visit (a survey's)."""

N_BATCHES = 3
"""Batches a call: three skies, or three visits."""

N_ALONE = 100
"""Alerts that are asked for one after the other, from all batches."""

_PEER = "mocpy MOC.contains_lonlat, a MOC an event (says inside or not, nothing else)"


def join_rows(effort: Effort, n_events: Sequence[int], n_alerts: int) -> Iterator[SkyRow]:
    """Rates of whole batches, and of one alert at a time for the least number of events."""
    for n in n_events:
        localizations = live_sky(n).localizations
        index, mocs = SkyIndex.of(localizations, LEVEL), MocLoop(localizations, LEVEL)
        for shape, alerts in SHAPES.items():
            batches = [alerts(n_alerts, seed) for seed in range(N_BATCHES)]
            for batch in batches:
                _check(index, mocs, batch)
            yield from _batch_rows(effort, f"join-{n}", shape, index, mocs, batches)
            if n == min(n_events):
                yield from _one_by_one_rows(effort, f"join-{n}-one", shape, index, mocs, batches)


def _batch_rows(
    effort: Effort,
    name: str,
    shape: str,
    index: SkyIndex,
    mocs: MocLoop,
    batches: list[Positions],
) -> Iterator[SkyRow]:
    coordinates = [(batch.ra_deg, batch.dec_deg) for batch in batches]
    theirs = [angles(batch) for batch in batches]
    n = sum(map(len, batches))

    def ours(*, compiled: bool) -> None:
        for some in coordinates:
            # The peer finds the cells of the positions in its call, so do we.
            index.match(Positions.of(*some, compiled=compiled), compiled=compiled)

    def peers() -> None:
        for some in theirs:
            mocs(*some)

    ways: dict[str, Way] = {"numpy": lambda: ours(compiled=False)}
    if has_numba():
        ways["compiled"] = lambda: ours(compiled=True)
    measure = Measure(f"{name}-{shape}", _PEER, "alerts/s", lambda s: n / s, BARS.get(name))
    yield from rows_of(effort, measure, peers, **ways)


def _one_by_one_rows(
    effort: Effort,
    name: str,
    shape: str,
    index: SkyIndex,
    mocs: MocLoop,
    batches: list[Positions],
) -> Iterator[SkyRow]:
    some = [batches[i % N_BATCHES] for i in range(N_ALONE)]
    rows = [i % len(batch) for i, batch in enumerate(some)]
    places = [
        (float(batch.ra_deg[row]), float(batch.dec_deg[row]))
        for batch, row in zip(some, rows, strict=True)
    ]
    theirs = [angles(Positions.of(*place)) for place in places]
    measure = Measure(f"{name}-{shape}", _PEER, "alerts/s", lambda s: N_ALONE / s, BARS.get(name))
    yield from rows_of(
        effort,
        measure,
        lambda: [mocs(*one) for one in theirs],
        numpy=lambda: [index.at(*place) for place in places],
    )


def _check(index: SkyIndex, mocs: MocLoop, positions: Positions) -> None:
    """Compare all ways with brute force, and the peer's pairs with ours."""
    truth = _brute_force(index.localizations, positions, index.level)
    ways = {"numpy": index.match(positions)}
    if has_numba():
        ways["numba"] = index.match(positions, compiled=True)
    for way, pairs in ways.items():
        require(_is_same(pairs, truth), f"the pairs of brute force and of the index ({way})")
    few = min(N_ALONE, len(positions))
    coordinates = zip(
        positions.ra_deg[:few].tolist(), positions.dec_deg[:few].tolist(), strict=True
    )
    alone = [(row, *pair) for row, place in enumerate(coordinates) for pair in index.at(*place)]
    require(alone == [pair for pair in truth if pair[0] < few], "the pairs of single places")
    inside = np.array(mocs(*angles(positions))).T
    ours = np.zeros_like(inside)
    ours[ways["numpy"].row, ways["numpy"].number] = True
    for number, one in enumerate(index.localizations):
        same = _peer_agrees(one, positions, ours[:, number], inside[:, number], index.level)
        require(same, f"mocpy's and our positions in localization {number}")


def _brute_force(
    localizations: Sequence[Localization], positions: Positions, level: float
) -> list[tuple[int, int, float, float, float]]:
    found = []
    for number, one in enumerate(localizations):
        match = one.match(positions)
        layers = match.probdensity_per_sr, match.credible_level, match.cell_probability
        rows = np.flatnonzero(match.inside(level))
        columns = rows.tolist(), *(layer[rows].tolist() for layer in layers)
        found += [(row, number, *said) for row, *said in zip(*columns, strict=True)]
    return sorted(found)


def _is_same(pairs: SkyPairs, truth: list[tuple[int, int, float, float, float]]) -> bool:
    match = pairs.match
    layers = match.probdensity_per_sr, match.credible_level, match.cell_probability
    columns = pairs.row, pairs.number, *layers
    return list(zip(*(column.tolist() for column in columns), strict=True)) == truth


def _peer_agrees(
    one: Localization,
    positions: Positions,
    ours: NDArray[np.bool_],
    theirs: NDArray[np.bool_],
    level: float,
) -> bool:
    """Whether the same are inside; a cone of cells is somewhat wider than its circle."""
    if not isinstance(one, Circle):
        return bool((ours == theirs).all())
    radius_deg = one.radius_at(level)
    off_deg = separation_deg(positions.ra_deg, positions.dec_deg, one.ra_deg, one.dec_deg)
    wider = off_deg <= radius_deg * (1.0 + 4.0 / CELLS_A_RADIUS)
    return bool((theirs[ours].all()) and wider[theirs & ~ours].all())
