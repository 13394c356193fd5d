"""P-P: positions drawn from a localization have uniform credible levels (10^5 draws, KS)."""

import healpy
import numpy as np
import pytest
from scipy.stats import kstest

from ingest_vo import systematics
from skymaps.annuli import LEVEL_3_SIGMA, annulus, crossing
from skymaps.ellipses import asymmetric, ellipse
from skymaps.healpix import Positions, unit_vectors
from skymaps.polygons import polygon
from skymaps.shapes import Circle
from skymaps.skymap import SkyMap
from skymaps.tiles import tiles_of
from tests.skymaps import shape_truth as truth
from tests.skymaps.sky_factory import random_map

N_DRAWS = 100_000
LEAST_P = 1e-3
"""The draws are seeded: a wrong level fails every time, a right one never."""


def places_of(vectors):
    ra = np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])) % 360.0
    return Positions.of(ra, np.degrees(np.arcsin(np.clip(vectors[:, 2], -1.0, 1.0))))


def drawn_from(circle, rng):
    """A component by its weight, then the inverse of its distribution in 1 - cos."""
    weights, ks = np.array(circle.components).T
    k = rng.choice(ks, N_DRAWS, p=weights)
    h = -np.log1p(rng.uniform(size=N_DRAWS) * np.expm1(-2.0 * k)) / k
    phi = rng.uniform(0.0, 2.0 * np.pi, N_DRAWS)
    (up,) = unit_vectors(circle.ra_deg, circle.dec_deg)
    east = np.cross([0.0, 0.0, 1.0], up)
    east /= np.linalg.norm(east)
    ring = np.outer(np.cos(phi), east) + np.outer(np.sin(phi), np.cross(up, east))
    return places_of((1.0 - h)[:, None] * up + np.sqrt(h * (2.0 - h))[:, None] * ring)


def circle(radius_deg, level=0.683):
    return Circle(210.0, 35.0, radius_deg, level, True, (), "tests")


CIRCLES = {
    name: meaning.circle("tests", 210.0, 35.0, 2.5)
    for name, meaning in vars(systematics).items()
    if isinstance(meaning, systematics.RadiusMeaning)
}
"""What every mission's radius means, and two of other sizes."""
CIRCLES |= {"tiny": circle(0.001), "wide": circle(60.0)}


@pytest.mark.parametrize("name", CIRCLES)
def test_levels_of_a_circle_are_uniform(name):
    rng = np.random.default_rng(5)
    level = CIRCLES[name].match(drawn_from(CIRCLES[name], rng)).credible_level
    assert kstest(level, "uniform").pvalue > LEAST_P


@pytest.mark.parametrize(
    "sky_map",
    [SkyMap.from_uniq(*random_map(11)[:2]), tiles_of(CIRCLES["GBM_GROUND"])],
    ids=["random", "tiles"],
)
def test_levels_of_a_map_are_uniform_when_drawn_inside_the_cell(sky_map):
    rng = np.random.default_rng(6)
    row = rng.choice(sky_map.n_rows, N_DRAWS, p=sky_map.cell_probability)
    inside = rng.uniform(size=N_DRAWS)
    index_29 = sky_map.lo[row] + (inside * (sky_map.hi[row] - sky_map.lo[row])).astype(np.int64)
    ra, dec = healpy.pix2ang(2**29, index_29, nest=True, lonlat=True)
    found = sky_map.match(Positions.of(ra, dec))
    assert (found.probdensity_per_sr == sky_map.probdensity_per_sr[row]).all()
    level = found.credible_level - rng.uniform(size=N_DRAWS) * found.cell_probability
    assert kstest(level, "uniform").pvalue > LEAST_P


def test_positions_of_a_map_have_the_levels_of_its_circle():
    """Drawn from the circle, asked of its tiles: the two are one distribution."""
    rng = np.random.default_rng(7)
    made = CIRCLES["GBM_FINAL_HUMAN"]
    found = tiles_of(made).match(drawn_from(made, rng))
    level = found.credible_level - rng.uniform(size=N_DRAWS) * found.cell_probability
    assert kstest(level, "uniform").pvalue > LEAST_P


def axes(*each):
    return np.array(each)


def drawn_from_crossing(rng):
    """Places of one annulus, kept by the density of the other."""
    kept = Positions.of([], [])
    while len(kept) < N_DRAWS:
        some = truth.drawn_from_annulus(
            truth.centre_of(95.231, 23.495), 73.181, 0.3, LEVEL_3_SIGMA, N_DRAWS, rng
        )
        other = truth.centre_of(333.897, -8.566), 50.692, 1.965, LEVEL_3_SIGMA
        share = truth.annulus_density(*other, some.ra_deg, some.dec_deg)
        good = rng.uniform(size=N_DRAWS) < share
        kept = Positions.of(
            np.append(kept.ra_deg, some.ra_deg[good]), np.append(kept.dec_deg, some.dec_deg[good])
        )
    return Positions.of(kept.ra_deg[:N_DRAWS], kept.dec_deg[:N_DRAWS])


BOX = [(345.72, 19.547), (345.464, 19.29), (347.309, 17.634), (347.566, 17.889)]
SHAPES = {
    "ellipse": (
        lambda: ellipse(30.0, 89.0, 3.0, 0.5, 20.0, 0.9),
        lambda rng: truth.drawn_from_ellipse(
            truth.centre_of(30.0, 89.0), axes(3.0, 3.0, 0.5, 0.5), 20.0, 0.9, N_DRAWS, rng
        ),
    ),
    "ellipse of arcsec": (
        lambda: ellipse(0.0, -5.0, 0.001, 0.0003, 160.0, 0.683),
        lambda rng: truth.drawn_from_ellipse(
            truth.centre_of(0.0, -5.0), axes(1.0, 1.0, 0.3, 0.3) * 1e-3, 160.0, 0.683, N_DRAWS, rng
        ),
    ),
    "asymmetric": (  # IceCube-170922A, GCN Circular 21916, but at another declination
        lambda: asymmetric(77.43, -60.0, (1.90, 1.30), (0.50, 0.30), 0.9),
        lambda rng: truth.drawn_from_ellipse(
            truth.centre_of(77.43, -60.0), axes(0.5, 0.3, 0.95, 0.65), 0.0, 0.9, N_DRAWS, rng
        ),
    ),
    "annulus": (  # GRB 160310A, GCN Circular 19209
        lambda: annulus(178.455, -2.131, 76.571, 0.876),
        lambda rng: truth.drawn_from_annulus(
            truth.centre_of(178.455, -2.131), 76.571, 0.876, LEVEL_3_SIGMA, N_DRAWS, rng
        ),
    ),
    "wide annulus": (  # GRB 240913C, GCN Circular 37538
        lambda: annulus(56.462, 86.015, 62.390, 17.278),
        lambda rng: truth.drawn_from_annulus(
            truth.centre_of(56.462, 86.015), 62.390, 17.278, LEVEL_3_SIGMA, N_DRAWS, rng
        ),
    ),
    "annulus thinner than its cells": (  # the same
        lambda: annulus(95.231, 23.495, 73.181, 0.024),
        lambda rng: truth.drawn_from_annulus(
            truth.centre_of(95.231, 23.495), 73.181, 0.024, LEVEL_3_SIGMA, N_DRAWS, rng
        ),
    ),
    "crossing": (
        lambda: crossing([(333.897, -8.566, 50.692, 1.965), (95.231, 23.495, 73.181, 0.3)]),
        drawn_from_crossing,
    ),
    "polygon": (
        lambda: polygon(BOX, 0.9),
        lambda rng: truth.drawn_from_polygon(BOX, 0.9, N_DRAWS, rng),
    ),
    "polygon and no more": (
        lambda: polygon(BOX, 1.0),
        lambda rng: truth.drawn_from_polygon(BOX, 1.0, N_DRAWS, rng),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_levels_of_a_shape_are_uniform(name):
    """Drawn from the shape by another way, asked of its cells."""
    make, draw = SHAPES[name]
    rng = np.random.default_rng(9)
    found = make().match(draw(rng))
    level = found.credible_level - rng.uniform(size=N_DRAWS) * found.cell_probability
    assert kstest(level, "uniform").pvalue > LEAST_P


def test_an_ellipse_on_its_side_is_found_out():
    rng = np.random.default_rng(10)
    _, draw = SHAPES["ellipse"]
    found = ellipse(30.0, 89.0, 3.0, 0.5, 110.0, 0.9).match(draw(rng))
    assert kstest(found.credible_level, "uniform").pvalue < 1e-20


def test_a_radius_that_is_a_tenth_too_small_is_found_out():
    rng = np.random.default_rng(8)
    level = circle(2.7).match(drawn_from(circle(3.0), rng)).credible_level
    assert kstest(level, "uniform").pvalue < 1e-20
