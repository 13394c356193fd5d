"""Multi-order maps: against astropy-healpix, ligo.skymap and brute force."""

import pickle
import warnings

import astropy_healpix
import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from skymaps.errors import SkyMapError
from skymaps.healpix import DEG2_PER_SR, Positions, cell_area_sr, ranges_of_uniq
from skymaps.localization import Localization
from skymaps.skymap import SkyMap
from tests.skymaps.sky_factory import random_distance, random_map

with warnings.catch_warnings():  # of its own dependencies, at import
    warnings.simplefilter("ignore")
    from ligo.skymap.postprocess import crossmatch, find_greedy_credible_levels

seeds = st.integers(0, 2**32 - 1)
shares = st.sampled_from([1.0, 0.6, 0.1])


def random_positions(seed, n=50):
    rng = np.random.default_rng(seed)
    return Positions.of(rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n))))


def levels_by_density(density, level):
    """Highest level of each distinct density: free of the order of ties."""
    values, group = np.unique(density, return_inverse=True)
    highest = np.zeros(len(values))
    np.maximum.at(highest, group, level)
    return values, highest


@settings(deadline=None)
@given(seeds, shares, st.booleans())
def test_levels_are_those_of_ligo_skymap(seed, keep, ties):
    uniq, density, order = random_map(seed, keep=keep, ties=ties)
    made = SkyMap.from_uniq(uniq, 3.0 * density)
    probability = density * astropy_healpix.nside_to_pixel_area(2**order).value
    truth = find_greedy_credible_levels(probability, ranking=density)
    rows = np.argsort(ranges_of_uniq(uniq)[0])
    told = levels_by_density(density[rows], made.credible_level)
    assert told[1] == pytest.approx(levels_by_density(density, truth)[1], abs=1e-12)
    assert made.cell_probability == pytest.approx(probability[rows], rel=1e-12)
    assert made.probdensity_per_sr == pytest.approx(density[rows], rel=1e-12)
    assert made.sum_before_normalising == pytest.approx(3.0)


@settings(deadline=None)
@given(seeds)
def test_a_position_has_the_values_that_ligo_crossmatch_finds(seed):
    uniq, density, _ = random_map(seed)
    positions = random_positions(seed, 5)
    table = Table({"UNIQ": uniq, "PROBDENSITY": density})
    where = SkyCoord(positions.ra_deg, positions.dec_deg, unit="deg")
    truth = crossmatch(table, where)
    match = SkyMap.from_uniq(uniq, density).match(positions)
    assert match.probdensity_per_sr == pytest.approx(truth.probdensity, rel=1e-12)
    assert match.credible_level == pytest.approx(truth.searched_prob, abs=1e-12)


@settings(deadline=None)
@given(seeds, shares)
def test_a_position_has_the_density_of_the_cell_that_holds_it(seed, keep):
    uniq, density, order = random_map(seed, keep=keep)
    positions = random_positions(seed)
    truth = np.zeros(len(positions))
    for level in np.unique(order):
        healpix = astropy_healpix.HEALPix(2**level, order="nested")
        ipix = healpix.lonlat_to_healpix(
            positions.ra_deg * units.deg, positions.dec_deg * units.deg
        )
        of_cell = dict(zip(uniq.tolist(), density.tolist(), strict=True))
        truth += [of_cell.get(4 ** (int(level) + 1) + int(p), 0.0) for p in ipix]
    match = SkyMap.from_uniq(uniq, density).match(positions)
    assert match.probdensity_per_sr == pytest.approx(truth, rel=1e-12)
    nowhere = truth == 0.0
    assert (match.credible_level[nowhere] == 1.0).all()
    assert not match.inside(1.0)[nowhere].any()


@settings(deadline=None)
@given(seeds, shares, st.booleans(), st.floats(0.0, 1.0))
def test_the_region_of_a_level_is_where_its_positions_are_inside(seed, keep, ties, level):
    uniq, density, _ = random_map(seed, keep=keep, ties=ties)
    made = SkyMap.from_uniq(uniq, density)
    ranges = made.ranges(level)
    positions = random_positions(seed)
    index = positions.index_29[:, None]
    truth = ((ranges[:, 0] <= index) & (index < ranges[:, 1])).any(axis=1)
    assert made.match(positions).inside(level).tolist() == truth.tolist()
    assert (ranges[:, 0] < ranges[:, 1]).all()
    assert (ranges[1:, 0] > ranges[:-1, 1]).all()
    cells_29 = sum(int(b - a) for a, b in ranges)
    assert made.area_deg2(level) == pytest.approx(
        cells_29 * float(cell_area_sr(29)) * DEG2_PER_SR, rel=1e-12
    )
    assert (len(ranges) > 0) == (level > 0.0)


@settings(deadline=None)
@given(seeds, shares)
def test_the_region_of_a_level_is_the_smallest_that_reaches_it(seed, keep):
    uniq, density, order = random_map(seed, keep=keep)
    made = SkyMap.from_uniq(uniq, density)
    area = astropy_healpix.nside_to_pixel_area(2**order).to_value("deg2")
    probability = density * area / DEG2_PER_SR
    held = taken = 0.0
    for i in np.argsort(-density):
        if held >= 0.9:
            break
        held, taken = held + probability[i], taken + area[i]
    assert made.area_deg2(0.9) == pytest.approx(taken, rel=1e-9)


@settings(deadline=None)
@given(seeds, shares)
def test_the_order_of_the_rows_does_not_matter(seed, keep):
    uniq, density, _ = random_map(seed, keep=keep, ties=True)
    layers = random_distance(seed, len(uniq))
    rows = np.random.default_rng(seed).permutation(len(uniq))
    one = SkyMap.from_uniq(uniq, density, *layers)
    other = SkyMap.from_uniq(uniq[rows], density[rows], *(d[rows] for d in layers))
    assert one == other
    assert hash(one) == hash(other)
    assert one.credible_level.tolist() == other.credible_level.tolist()


@settings(deadline=None)
@given(seeds, shares)
def test_a_position_has_the_distance_of_its_cell_or_none(seed, keep):
    uniq, density, _ = random_map(seed, keep=keep)
    mu, sigma, norm = random_distance(seed, len(uniq))
    made = SkyMap.from_uniq(uniq, density, mu, sigma, norm)
    lo, hi = ranges_of_uniq(uniq)
    positions = random_positions(seed)
    told = made.distance_at(positions)
    assert told is not None
    for i, index in enumerate(positions.index_29):
        cell = np.flatnonzero((lo <= index) & (index < hi))
        truth = (mu[cell[0]], sigma[cell[0]], norm[cell[0]]) if len(cell) else (np.inf, 1.0, 0.0)
        assert (told.mu_mpc[i], told.sigma_mpc[i], told.norm[i]) == truth


@pytest.mark.parametrize(
    ("mu", "sigma", "norm"),
    [
        (np.nan, 1.0, 1.0),
        (np.inf, 1.0, 1.0),
        (1.0, np.nan, 1.0),
        (1.0, 0.0, 1.0),
        (1.0, -1.0, 1.0),
        (1.0, np.inf, 1.0),
        (1.0, 1.0, np.nan),
        (1.0, 1.0, 0.0),
        (1.0, 1.0, -1.0),
    ],
)
def test_an_unusable_distance_is_no_distance(mu, sigma, norm):
    made = SkyMap.from_uniq([4, 5], [1.0, 1.0], [5.0, mu], [1.0, sigma], [1.0, norm])
    assert made.dist_mu_mpc.tolist() == [5.0, np.inf]
    assert made.dist_sigma_mpc.tolist() == [1.0, 1.0]
    assert made.dist_norm.tolist() == [1.0, 0.0]


def test_a_map_without_distance_says_so():
    made = SkyMap.from_uniq([4], [1.0])
    assert not made.has_distance
    assert made.distance_at(Positions.of(0.0, 0.0)) is None
    assert SkyMap.from_uniq([4], [1.0], [1.0], [1.0], [1.0]).has_distance


def test_equal_densities_are_ranked_by_index():
    made = SkyMap.from_uniq(np.arange(15, 3, -1), np.ones(12))
    assert made.credible_level == pytest.approx(np.arange(1, 13) / 12)


@settings(deadline=None)
@given(seeds, st.sampled_from([0, 1, 3, 40, 300]))
def test_few_ties_or_many_are_ranked_by_index(seed, n_tied):
    rng = np.random.default_rng(seed)
    density = rng.lognormal(0.0, 3.0, 12 * 4**3)
    density[rng.integers(0, len(density), n_tied)] = density[rng.integers(0, 5, n_tied)]
    uniq = np.arange(4**4, 4**4 + len(density))
    made = SkyMap.from_uniq(uniq, density)
    area = cell_area_sr(3)
    rows = np.argsort(-density, kind="stable")
    enclosed = np.cumsum(density[rows] * area)
    assert made.credible_level[rows].tolist() == (enclosed / enclosed[-1]).tolist()


def test_nothing_of_a_map_can_be_changed():
    made = SkyMap.from_uniq([4, 5], [1.0, 2.0], [1, 1], [1, 1], [1, 1])
    for name in ("lo", "hi", "probdensity_per_sr", "credible_level", "dist_mu_mpc"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(made, name)[0] = 7
        with pytest.raises(AttributeError):
            setattr(made, name, None)


def test_a_map_does_not_follow_its_input():
    density = np.array([1.0, 2.0])
    made = SkyMap.from_uniq([4, 5], density)
    density[0] = 9.0
    assert made.published_density_per_sr.tolist() == [1.0, 2.0]


def test_a_map_is_a_localization_and_survives_pickling():
    made = SkyMap.from_uniq([4, 5], [1.0, 2.0])
    assert isinstance(made, Localization)
    assert (made.kind, made.n_rows, made.order.tolist()) == ("map", 2, [0, 0])
    assert pickle.loads(pickle.dumps(made)) == made
    assert made != SkyMap.from_uniq([4, 5], [2.0, 1.0])
    assert "2 rows" in repr(made)


@pytest.mark.parametrize(
    ("uniq", "density", "rule"),
    [
        ([], [], "at least one cell"),
        ([4, 5], [1.0], "one value a cell"),
        ([[4, 5]], [[1.0, 2.0]], "one value a cell"),
        ([4, 4], [1.0, 1.0], "do not overlap"),
        ([4, 16], [1.0, 1.0], "do not overlap"),
        ([4, 64 + 3], [1.0, 1.0], "do not overlap"),
        ([3], [1.0], "UNIQ must lie in"),
        ([4**31], [1.0], "UNIQ must lie in"),
        ([4], [np.nan], "finite and not negative"),
        ([4], [np.inf], "finite and not negative"),
        ([4, 5], [1.0, -1e-9], "finite and not negative"),
        ([4], [0.0], "sums to a probability"),
        ([4], [1e-300], "sums to a probability"),
        ([4, 5], [1.7e308, 1.7e308], "sums to a probability"),
    ],
)
def test_a_map_that_breaks_a_rule_names_it(uniq, density, rule):
    with pytest.raises(SkyMapError, match=rule):
        SkyMap.from_uniq(np.array(uniq, dtype=np.int64), density)


def test_a_map_with_some_of_the_distance_layers_is_refused():
    with pytest.raises(SkyMapError, match="all three distance layers or none"):
        SkyMap.from_uniq([4], [1.0], [1.0])


@pytest.mark.parametrize("level", [-0.1, 1.5, float("nan")])
def test_a_level_outside_zero_to_one_has_no_region(level):
    made = SkyMap.from_uniq([4], [1.0])
    with pytest.raises(SkyMapError, match="credible level lies in"):
        made.area_deg2(level)
    with pytest.raises(SkyMapError, match="credible level lies in"):
        made.ranges(level)
