"""The join index: the pairs and what they say are those of brute force, whichever way is asked."""

import os
import sys
from importlib.util import find_spec

import healpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skymaps.errors import SkyMapError
from skymaps.footprint import Footprint
from skymaps.healpix import END_29, Positions, cell_area_sr, ranges_of_cells
from skymaps.index import SkyIndex
from skymaps.localization import SkyMatch
from skymaps.shapes import Circle, SystematicComponent
from skymaps.skymap import SkyMap
from tests.skymaps.sky_factory import random_map

HAS_NUMBA = find_spec("numba") is not None or "CI" in os.environ
WIDE = (SystematicComponent(0.804, 3.72), SystematicComponent(0.196, 13.7))
THREE = (
    SystematicComponent(0.5, 0.0),
    SystematicComponent(0.25, 1.0),
    SystematicComponent(0.25, 9),
)

seeds = st.integers(0, 2**32 - 1)
levels = st.sampled_from([0.0, 1e-9, 0.5, 0.9, 0.99, 0.99 + 1e-9, 1.0]) | st.floats(0.0, 1.0)
centres = st.tuples(
    st.sampled_from([0.0, 45.0, 359.999, 360.0]) | st.floats(0.0, 360.0),
    st.sampled_from([-90.0, 0.0, 41.8103148958, 90.0]) | st.floats(-90.0, 90.0),
)
circles = st.builds(
    lambda place, radius, mixture: Circle(*place, radius, 0.9, False, mixture, "test"),
    centres,
    st.sampled_from([1e-9, 5 / 3600, 0.05, 1.0, 20.0, 100.0, 180.0]),
    st.sampled_from([(), (), WIDE, THREE]),
)


def narrow_map(place, seed, finest):
    """A map of cells of every order to the finest about one place, some left out."""
    rng = np.random.default_rng(seed)
    index = int(Positions.of(*place).index_29[0])
    order, cell = [0], [index >> 58]
    for deeper in range(1, finest + 1):
        around = 4 * cell.pop() + np.arange(4)
        own = index >> 2 * (29 - deeper)
        kept = [c for c in around.tolist() if c != own and rng.random() < 0.9]
        order = order[:-1] + [deeper] * (len(kept) + 1)
        cell += [*kept, own]
    lo, hi = ranges_of_cells(order, cell)
    probability = rng.lognormal(0.0, 2.0, len(lo))
    return SkyMap(lo, hi, probability / probability.sum() / cell_area_sr(order))


def a_map(seed, keep):
    return SkyMap.from_uniq(*random_map(seed, max_order=8 if seed % 3 == 0 else 5, keep=keep)[:2])


maps = st.builds(a_map, st.integers(0, 20), st.sampled_from([1.0, 0.3, 0.02])) | st.builds(
    narrow_map, centres, seeds, st.integers(0, 29)
)


class Cap:
    """A localization of a form that the index does not know: a cap of equal density."""

    kind = "cap"
    sha256 = "cap"

    def __init__(self, dec_deg):
        self.dec_deg = dec_deg

    def match(self, positions):
        inside = positions.dec_deg >= self.dec_deg
        n = np.zeros(len(positions))
        return SkyMatch(np.where(inside, 0.1, 0.0), np.where(inside, 0.25, 1.0), n)

    def area_deg2(self, level):
        return 1.0

    def cover(self, level):
        return np.array([[0, END_29]])

    def to_bytes(self):
        return b""


caps = st.builds(Cap, st.floats(-90.0, 90.0))


def places(localizations, seed, n, shape):
    """Positions anywhere, about the localizations, or crowded as in one visit of a camera."""
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    if shape == "visit":
        dec = np.clip(rng.uniform(-90, 90) + rng.uniform(-1.75, 1.75, n), -90, 90)
        ra = (rng.uniform(0, 360) + rng.uniform(-1.75, 1.75, n)) % 360.0
    for i, one in enumerate(localizations):
        mine = np.arange(i, n, len(localizations) + 1)
        if isinstance(one, Circle):
            off = one.radius_deg * rng.choice([0.0, 0.5, 1.0, 1.0001, 2.0], len(mine))
            turn = rng.uniform(0, 2 * np.pi, len(mine))
            dec[mine] = np.clip(one.dec_deg + off * np.sin(turn), -90, 90)
            squeezed = np.maximum(np.cos(np.radians(dec[mine])), 1e-9)
            ra[mine] = (one.ra_deg + off * np.cos(turn) / squeezed) % 360.0
        elif isinstance(one, SkyMap):
            row = rng.integers(0, one.n_rows, len(mine))
            index = one.lo[row] + (rng.random(len(mine)) * (one.hi[row] - one.lo[row])).astype(int)
            ra[mine], dec[mine] = healpy.pix2ang(2**29, index, nest=True, lonlat=True)
    return Positions.of(ra, dec)


def brute_force(localizations, positions, level):
    """Row, number and what is said, of every pair inside, by row and number."""
    found = []
    for number, one in enumerate(localizations):
        match = one.match(positions)
        for row in np.flatnonzero(match.inside(level)).tolist():
            said = match.probdensity_per_sr, match.credible_level, match.cell_probability
            found.append((row, number, *(float(layer[row]) for layer in said)))
    return sorted(found)


def told(pairs):
    match = pairs.match
    layers = match.probdensity_per_sr, match.credible_level, match.cell_probability
    columns = pairs.row, pairs.number, *layers
    return list(zip(*(x.tolist() for x in columns), strict=True))


def one_by_one(index, positions):
    coordinates = zip(positions.ra_deg.tolist(), positions.dec_deg.tolist(), strict=True)
    return [(row, *pair) for row, place in enumerate(coordinates) for pair in index.at(*place)]


@settings(deadline=None, max_examples=150)
@given(
    st.lists(circles | maps | caps, min_size=1, max_size=8),
    levels,
    seeds,
    st.sampled_from(["anywhere", "visit"]),
)
def test_the_pairs_are_those_of_brute_force_to_the_last_bit(localizations, level, seed, shape):
    positions = places(localizations, seed, 60, shape)
    truth = brute_force(localizations, positions, level)
    index = SkyIndex.of(localizations, level)
    assert told(index.match(positions)) == truth
    assert one_by_one(index, positions) == truth
    few = Positions(positions.ra_deg[:3], positions.dec_deg[:3], positions.index_29[:3])
    assert told(index.match(few)) == [pair for pair in truth if pair[0] < 3]
    if HAS_NUMBA:
        assert told(index.match(positions, compiled=True)) == truth
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("skymaps.index._LARGE", 0)
            assert told(index.match(positions, compiled=True)) == truth


def test_the_law_has_pairs_of_every_kind_to_find():
    some = [
        Circle(10.0, 20.0, 5.0, 0.9, False, WIDE, "t"),
        Circle(200.0, -20.0, 5 / 3600, 0.9, False, (), "t"),
        a_map(3, 1.0),
        narrow_map((80.0, -45.0), 1, 29),
        Cap(60.0),
    ]
    positions = places(some, 1, 600, "anywhere")
    pairs = SkyIndex.of(some, 0.9).match(positions)
    assert set(pairs.number.tolist()) == set(range(len(some)))
    assert len(pairs) < 0.6 * len(some) * len(positions)
    deepest = some[3].order[np.searchsorted(some[3].lo, positions.index_29, "right") - 1]
    assert deepest[pairs.row[pairs.number == 3]].max() > 20


def test_the_rows_of_a_footprint_are_the_cells_in_the_region():
    sky_map = a_map(3, 1.0)
    made = Footprint.of(sky_map, 0.5)
    inside = sky_map.credible_level - sky_map.cell_probability < 0.5
    assert made.row[:, 0].tolist() == sky_map.probdensity_per_sr[inside].tolist()
    touched = {
        int(c) for r in sky_map.ranges(0.5) for c in range(r[0] >> 46, ((r[1] - 1) >> 46) + 1)
    }
    assert made.cell.tolist() == sorted(touched)


def test_an_empty_index_and_no_positions_make_no_pairs():
    nothing = SkyIndex.of([], 0.9)
    assert len(nothing.match(Positions.of([1.0, 2.0], [3.0, 4.0]))) == 0
    assert nothing.at(1.0, 2.0) == []
    assert len(SkyIndex.of([a_map(1, 1.0)], 0.9).match(Positions.of([], []))) == 0


def test_footprints_are_of_one_level_and_levels_of_zero_to_one():
    circle = Circle(10.0, 20.0, 5.0, 0.9, False)
    with pytest.raises(ValueError, match="footprints of level"):
        SkyIndex.of_footprints([Footprint.of(circle, 0.5)], 0.9)
    for one in (circle, a_map(1, 1.0)):
        with pytest.raises(SkyMapError, match="credible level lies in"):
            SkyIndex.of([one], 1.5)


@pytest.mark.parametrize("place", [(np.nan, 0.0), (0.0, np.inf), (0.0, 90.1)])
def test_a_place_that_is_none_is_refused(place):
    with pytest.raises(ValueError, match=r"finite|must lie in"):
        SkyIndex.of([], 0.9).at(*place)


def test_numba_is_not_imported_unless_it_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "skymaps.compiled", raising=False)
    index, here = SkyIndex.of([a_map(1, 1.0)], 0.9), Positions.of([10.0] * 9, [20.0] * 9)
    index.match(here)
    index.at(10.0, 20.0)
    with pytest.raises(ImportError):
        index.match(here, compiled=True)
