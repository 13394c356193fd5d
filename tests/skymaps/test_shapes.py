"""Circles: against numerical integration and the table of SCIENCE section 1."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import vonmises_fisher

from skymaps.errors import SkyMapError
from skymaps.healpix import FULL_SKY_SR, Positions
from skymaps.localization import Localization
from skymaps.shapes import Circle, SystematicComponent, concentration_of, one_minus_cos

GND = (SystematicComponent(0.804, 3.72), SystematicComponent(0.196, 13.7))
ARCSEC = 1.0 / 3600.0


def circle(radius_deg, level=0.68, systematics=(), ra_deg=0.0, dec_deg=0.0):
    return Circle(ra_deg, dec_deg, radius_deg, level, False, systematics, "test")


def along_equator(t_deg):
    t = np.atleast_1d(np.asarray(t_deg, dtype=float))
    return Positions.of(t, np.zeros_like(t))


def integrated(shape, t_max_deg, scale_deg):
    """Probability within ``t_max_deg`` by Gauss-Legendre panels, from the density alone."""
    nodes, weights = np.polynomial.legendre.leggauss(48)
    edges = np.concatenate([[0.0], scale_deg * 2.0 ** np.arange(-3, 40), [180.0]])
    edges = np.unique(np.append(edges[edges < t_max_deg], t_max_deg))
    total = 0.0
    for a, b in itertools.pairwise(edges):
        t = 0.5 * (b - a) * nodes + 0.5 * (a + b)
        density = shape.match(along_equator(t)).probdensity_per_sr
        ring = 2.0 * np.pi * np.sin(np.radians(t)) * density
        total += math.radians(0.5 * (b - a)) * float(weights @ ring)
    return total


systematic_sets = st.sampled_from([(), GND, (SystematicComponent(1.0, 2.0),)])
radii = st.one_of(st.floats(0.5 * ARCSEC, 0.1), st.floats(0.1, 60.0))


@settings(deadline=None)
@given(radii, st.floats(0.3, 0.97), systematic_sets)
def test_the_density_of_a_circle_integrates_to_one(radius_deg, level, systematics):
    shape = circle(radius_deg, level, systematics)
    assert integrated(shape, 180.0, radius_deg) == pytest.approx(1.0, abs=1e-7)


@settings(deadline=None)
@given(radii, st.floats(0.3, 0.97), systematic_sets, st.floats(0.1, 3.0))
def test_the_credible_level_is_the_integral_of_the_density_so_far(
    radius_deg, level, systematics, times
):
    shape = circle(radius_deg, level, systematics)
    t_deg = min(radius_deg * times, 179.0)
    told = shape.match(along_equator(t_deg)).credible_level[0]
    assert told == pytest.approx(integrated(shape, t_deg, radius_deg), abs=1e-7)


@settings(deadline=None)
@given(st.floats(0.5 * ARCSEC, 60.0), st.floats(0.3, 0.97))
def test_a_published_radius_holds_its_published_level(radius_deg, level):
    shape = circle(radius_deg, level)
    held = shape.match(along_equator(radius_deg)).credible_level[0]
    assert held == pytest.approx(level, abs=1e-6)
    assert shape.radius_at(level) == pytest.approx(radius_deg, rel=1e-9)


@settings(deadline=None)
@given(radii, systematic_sets, st.floats(0.0, 1.0))
def test_the_radius_at_a_level_has_that_level(radius_deg, systematics, level):
    shape = circle(radius_deg, 0.9, systematics)
    r_deg = shape.radius_at(level)
    assert shape.match(along_equator(min(r_deg, 180.0))).credible_level[0] == pytest.approx(
        level, abs=1e-6
    )
    cap_deg2 = 2.0 * math.pi * one_minus_cos(np.array(r_deg)) * (180.0 / math.pi) ** 2
    assert shape.area_deg2(level) == pytest.approx(float(cap_deg2), rel=1e-9)


@settings(deadline=None)
@given(radii, systematic_sets, st.lists(st.floats(0.0, 180.0), min_size=2, max_size=9))
def test_density_falls_and_level_rises_with_separation(radius_deg, systematics, separations):
    match = circle(radius_deg, 0.68, systematics).match(along_equator(sorted(separations)))
    assert (np.diff(match.probdensity_per_sr) <= 0).all()
    assert (np.diff(match.credible_level) >= 0).all()
    assert (match.cell_probability == 0).all()


@pytest.mark.parametrize(
    ("level", "sigmas"), [(0.5, 1.177), (0.683, 1.516), (0.9, 2.146), (0.95, 2.448)]
)
def test_small_radii_are_the_gaussian_ones_of_the_table(level, sigmas):
    sigma_deg = 0.01
    k = concentration_of(sigmas * sigma_deg, level)
    assert math.degrees(1.0 / math.sqrt(k)) == pytest.approx(sigma_deg, rel=5e-4)


@pytest.mark.parametrize("r68_deg", [1.86, 3.72, 13.7, 55.6])
def test_a_systematic_alone_is_the_fisher_distribution_of_its_r68(r68_deg):
    shape = circle(1e-6, 0.68, (SystematicComponent(1.0, r68_deg),))
    k = 1.0 / (0.66 * math.radians(r68_deg)) ** 2
    told = shape.match(along_equator([0.0, 10.0])).probdensity_per_sr
    unit = np.stack([np.cos(np.radians([0.0, 10.0])), np.sin(np.radians([0.0, 10.0])), [0, 0]], 1)
    truth = vonmises_fisher([1.0, 0.0, 0.0], k).pdf(unit)
    assert told == pytest.approx(truth, rel=1e-8)


def test_radii_are_added_in_quadrature():
    wide = circle(3.0, 0.68, (SystematicComponent(1.0, 4.0),))
    assert wide.radius_at(0.68) == pytest.approx(5.0, rel=0.01)


def test_a_circle_of_half_an_arcsec_keeps_its_digits():
    shape = circle(0.5 * ARCSEC, 0.9, ra_deg=359.9999999, dec_deg=-89.9)
    assert shape.area_deg2(0.9) == pytest.approx(math.pi * (0.5 * ARCSEC) ** 2, rel=1e-9)
    dec = -89.9 + np.array([0.0, 0.5, 5.0]) * ARCSEC
    match = shape.match(Positions.of(np.full(3, 359.9999999), dec))
    assert match.credible_level == pytest.approx([0.0, 0.9, 1.0], abs=1e-6)


def test_an_afterglow_outside_the_statistical_circle_is_inside_with_systematics():
    # ZTF21aagwbjr and GRB 210204A: 1.60 deg from the centre, 1.32 deg statistical radius.
    position = along_equator(1.60)
    robo_long = (SystematicComponent(0.579, 1.86), SystematicComponent(0.421, 4.14))
    assert not circle(1.32).match(position).inside(0.68)[0]
    assert circle(1.32, 0.68, robo_long).match(position).inside(0.68)[0]


def test_a_radius_that_says_less_than_nothing_is_the_uniform_sky():
    shape = circle(170.0, 0.68)
    match = shape.match(along_equator([0.0, 90.0, 180.0]))
    assert match.probdensity_per_sr == pytest.approx([1 / FULL_SKY_SR] * 3, rel=1e-6)
    assert match.credible_level == pytest.approx([0.0, 0.5, 1.0], abs=1e-6)


def test_the_whole_level_is_the_whole_sky_and_no_level_is_no_area():
    assert circle(1.0, 0.9, GND).area_deg2(1.0) == pytest.approx(41_252.96, abs=0.01)
    assert circle(1.0, 0.9, GND).area_deg2(0.0) == 0.0
    assert circle(1.0, 0.9, GND).radius_at(1.0) == pytest.approx(180.0)


def test_a_circle_is_a_localization():
    shape = circle(1.0)
    assert isinstance(shape, Localization)
    assert shape.kind == "circle"
    assert hash(shape) == hash(circle(np.float64(1)))
    assert shape == circle(1)


@pytest.mark.parametrize("level", [-0.1, 1.1, float("nan")])
def test_a_level_outside_zero_to_one_has_no_area(level):
    with pytest.raises(SkyMapError, match="credible level lies in"):
        circle(1.0).area_deg2(level)


GOOD = {
    "ra_deg": 10.0,
    "dec_deg": 10.0,
    "radius_deg": 1.0,
    "level": 0.9,
    "includes_systematics": False,
    "source": "",
}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"ra_deg": float("nan")}, "ra_deg is finite"),
        ({"ra_deg": 10**400}, "ra_deg is finite"),
        ({"ra_deg": "10"}, "ra_deg is a number"),
        ({"ra_deg": None}, "ra_deg is a number"),
        ({"dec_deg": 90.5}, "dec lies in"),
        ({"dec_deg": float("-inf")}, "dec_deg is finite"),
        ({"radius_deg": 0.0}, "a radius lies in"),
        ({"radius_deg": -1.0}, "a radius lies in"),
        ({"radius_deg": 1e-200}, "a radius lies in"),
        ({"radius_deg": 180.1}, "a radius lies in"),
        ({"radius_deg": True}, "radius_deg is a number"),
        ({"level": 0.0}, "level lies in"),
        ({"level": 1.0}, "level lies in"),
        ({"level": 68.0}, "level lies in"),
        ({"includes_systematics": 1}, "includes_systematics is true or false"),
        ({"includes_systematics": True, "systematics": GND}, "never added twice"),
        ({"systematics": GND[:1]}, "sum to 1"),
        ({"systematics": ((1.0, 2.0),)}, "SystematicComponents"),
        ({"systematics": (SystematicComponent(1 / 17, 1.0),) * 17}, "at most 16"),
        ({"source": "x" * 1001}, "a source has at most"),
        ({"source": None}, "a source has at most"),
    ],
)
def test_a_circle_that_breaks_a_rule_names_it(change, rule):
    with pytest.raises(SkyMapError, match=rule):
        Circle(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("weight", "r68_deg"), [(0.0, 1.0), (1.1, 1.0), (0.5, -1.0), (0.5, 181.0), (0.5, math.nan)]
)
def test_a_systematic_component_that_breaks_a_rule_is_refused(weight, r68_deg):
    with pytest.raises(SkyMapError):
        SystematicComponent(weight, r68_deg)
