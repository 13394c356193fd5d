"""Ellipses, asymmetric errors, annuli and polygons in cells against what they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skymaps.annuli import LEVEL_3_SIGMA, annulus, crossing
from skymaps.ellipses import asymmetric, ellipse
from skymaps.errors import SkyMapError
from skymaps.healpix import FULL_SKY_SR, Positions
from skymaps.overlap import overlap
from skymaps.polygons import polygon
from skymaps.shapes import Circle, SystematicComponent
from skymaps.tiles import MAX_TILES, tiles_of
from skymaps.wire import localization_of_bytes
from tests.skymaps import shape_truth as truth

GBM = (SystematicComponent(0.804, 3.72), SystematicComponent(0.196, 13.7))
MAXI = [(345.72, 19.547), (345.464, 19.29), (347.309, 17.634), (347.566, 17.889)]
"""The rectangle of the example of MAXI's schema."""

IPN = [(178.6375, -26.8497), (178.7333, -26.6686), (178.6, -26.821), (178.6875, -26.66)]
"""The box of GRB 990506 (GCN Circular 298), whose corners do not go round it."""

ra = st.sampled_from([0.0, 359.9999, 123.4])
dec = st.sampled_from([-90.0, -89.9999, 0.0, 41.8, 90.0])
size = st.sampled_from([1.0 / 3600.0, 0.05, 2.0, 30.0, 150.0])


def boxed(ra_deg, dec_deg, size_deg):
    """Corners of a kite about a place."""
    centre = truth.centre_of(ra_deg, dec_deg)
    reach = np.radians(size_deg * np.array([1.0, 0.6, 0.8, 0.7]))
    places = truth.placed(centre, reach, np.radians([20.0, 110.0, 205.0, 300.0]))
    return list(zip(places.ra_deg, places.dec_deg, strict=True))


makers = st.one_of(
    st.builds(lambda r, d, a, b, pa: ellipse(r, d, a, max(a * b, 1e-5), pa, 0.9), ra, dec, size,
              st.sampled_from([1.0, 0.3, 0.02]), st.sampled_from([0.0, 77.0])),
    st.builds(lambda r, s: asymmetric(r, 70.0, (0.9 * s, 0.5 * s), (0.3 * s, 0.4 * s), 0.9),
              ra, st.sampled_from([0.001, 1.0, 100.0])),
    st.builds(lambda r, d, t, w: annulus(r, d, t, max(t * w, 1e-5)), ra, dec, size,
              st.sampled_from([1.0, 0.05, 0.002])),
    st.builds(lambda r, d, s, c: polygon(boxed(r, d, s), c), ra, dec,
              st.sampled_from([0.001, 0.1, 5.0, 60.0]), st.sampled_from([0.5, 0.9, 1.0])),
)  # fmt: skip


@settings(deadline=None, max_examples=6)
@given(makers)
def test_a_shape_is_a_whole_tiling_of_bounded_size_that_sums_to_one(made):
    is_whole(made)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(makers)
def test_many_more_shapes_are_whole_tilings(made):
    is_whole(made)


def is_whole(made):
    assert made.sum_before_normalising == pytest.approx(1.0, abs=2e-4)
    assert made.n_rows <= MAX_TILES
    assert int((made.hi - made.lo).sum()) == 12 * 4**29
    assert localization_of_bytes(made.to_bytes()) == made


@settings(deadline=None, max_examples=4)
@given(ra, dec, size, st.sampled_from([0.5, 0.683, 0.9]), st.sampled_from([(), GBM]))
def test_an_ellipse_of_equal_axes_is_the_circle(ra_deg, dec_deg, radius_deg, level, systematics):
    made = ellipse(ra_deg, dec_deg, radius_deg, radius_deg, 33.0, level, systematics)
    expected = tiles_of(Circle(ra_deg, dec_deg, radius_deg, level, False, systematics))
    cells, ours, theirs = np.intersect1d(made.lo, expected.lo, return_indices=True)
    assert len(cells) > 0.9 * expected.n_rows
    same = made.hi[ours] == expected.hi[theirs]
    density = (m.published_density_per_sr[r][same] for m, r in ((made, ours), (expected, theirs)))
    # Near the opposite place, in cells of no probability, the direction is lost.
    peak = expected.published_density_per_sr.max()
    np.testing.assert_allclose(*density, rtol=1e-6, atol=1e-9 * peak)


GRB_240913C = [
    (333.897, -8.566, 50.692, 1.965),
    (56.462, 86.015, 62.390, 17.278),
    (95.231, 23.495, 73.181, 0.024),
]
"""Annuli of GCN Circular 37538, which cross in a box of 3075 arcmin2, 20.8 deg long."""


def on_annuli(annuli, *places):
    each = [
        truth.annulus_density(truth.centre_of(*a[:2]), *a[2:], LEVEL_3_SIGMA, *places)
        for a in annuli
    ]
    return np.prod(each, axis=0)


SHAPES = {
    "ellipse": (
        lambda: ellipse(10.0, -89.0, 6.0, 1.5, 35.0, 0.9),
        lambda *at: truth.ellipse_density(
            truth.centre_of(10.0, -89.0), np.array([6.0, 6.0, 1.5, 1.5]), 35.0, 0.9, *at
        ),
    ),
    "tiny": (
        lambda: ellipse(0.0, 45.0, 2.0 / 3600.0, 1.0 / 3600.0, 120.0, 0.683),
        lambda *at: truth.ellipse_density(
            truth.centre_of(0.0, 45.0), np.array([2.0, 2.0, 1.0, 1.0]) / 3600.0, 120.0, 0.683, *at
        ),
    ),
    "asymmetric": (
        lambda: asymmetric(359.8, 60.0, (2.4, 0.8), (0.7, 0.5), 0.9),
        lambda *at: truth.ellipse_density(
            truth.centre_of(359.8, 60.0), np.array([0.7, 0.5, 1.2, 0.4]), 0.0, 0.9, *at
        ),
    ),
    "annulus": (
        lambda: annulus(334.296, -2.846, 47.219, 3.486),
        lambda *at: truth.annulus_density(
            truth.centre_of(334.296, -2.846), 47.219, 3.486, LEVEL_3_SIGMA, *at
        ),
    ),
    "crossing": (lambda: crossing(GRB_240913C[:2]), lambda *at: on_annuli(GRB_240913C[:2], *at)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_cells_have_the_mean_of_the_density_over_them(name):
    """Sixty-four by sixty-four places in each of some cells, of which the map asked fewer."""
    make, density = SHAPES[name]
    made = make()
    rng = np.random.default_rng(3)
    dense = np.flatnonzero(made.probdensity_per_sr > 1e-3 * made.probdensity_per_sr.max())
    rows = rng.choice(dense, 30, replace=False)
    step = (made.hi[rows] - made.lo[rows]) // 4096
    index_29 = made.lo[rows, None] + step[:, None] * np.arange(4096) + step[:, None] // 2
    places = truth.centres_of_cells(index_29.ravel())
    mean = density(*places).reshape(len(rows), -1).mean(axis=1)
    told = made.probdensity_per_sr[rows]
    np.testing.assert_allclose(told / told.max(), mean / mean.max(), rtol=3e-3)


@pytest.mark.parametrize(
    ("axes", "level"),
    [((6.0, 1.5), 0.9), ((120.0, 60.0), 0.9), ((70.0, 70.0), 0.5), ((180.0, 40.0), 0.683)],
)
def test_the_published_ellipse_holds_its_level(axes, level):
    made = ellipse(200.0, 20.0, *axes, 50.0, level)
    rays, steps = 720, 2_000
    angle = (np.arange(rays) + 0.5) * 2.0 * np.pi / rays
    # In the equal-area plane: out to the published curve, in rings of known area.
    along, across = (2.0 * np.sin(np.radians(axis) / 2.0) for axis in axes)
    edge = 1.0 / np.hypot(np.cos(angle) / along, np.sin(angle) / across)
    share = (np.arange(steps) + 0.5) / steps
    t = 2.0 * np.arcsin(np.minimum(share[:, None] * edge / 2.0, 1.0))
    places = truth.placed(
        truth.centre_of(200.0, 20.0), t.ravel(), np.tile(angle + np.radians(50.0), steps)
    )
    density = made.match(places).probdensity_per_sr.reshape(steps, rays)
    area = share[:, None] * edge**2 / steps * 2.0 * np.pi / rays
    assert float((density * area).sum()) == pytest.approx(level, abs=2e-3)


@pytest.mark.parametrize(
    ("radius_deg", "half_width_deg", "level"),
    [
        (60.0, 1.0, LEVEL_3_SIGMA),
        (62.39, 17.278, LEVEL_3_SIGMA),
        (5.0, 20.0, 0.9),
        (175.0, 30.0, 0.5),
        (0.0, 3.0, 0.9),
    ],
)
def test_the_published_annulus_holds_its_level(radius_deg, half_width_deg, level):
    made = annulus(80.0, -35.0, radius_deg, half_width_deg, level)
    inner, outer = max(radius_deg - half_width_deg, 0.0), min(radius_deg + half_width_deg, 180.0)
    cos_t = np.linspace(np.cos(np.radians(inner)), np.cos(np.radians(outer)), 4001)
    middle = 0.5 * (cos_t[1:] + cos_t[:-1])
    angle = (np.arange(360) + 0.5) * np.pi / 180.0
    places = truth.placed(
        truth.centre_of(80.0, -35.0), np.repeat(np.arccos(middle), 360), np.tile(angle, 4000)
    )
    density = made.match(places).probdensity_per_sr.mean()
    assert density * 2.0 * np.pi * (cos_t[0] - cos_t[-1]) == pytest.approx(level, abs=2e-3)


@pytest.mark.parametrize(
    "corners", [MAXI, IPN, boxed(0.0, 90.0, 40.0)], ids=["MAXI", "IPN", "pole"]
)
@pytest.mark.parametrize("level", [0.5, 0.9, 1.0])
def test_a_polygon_holds_its_level_evenly(corners, level):
    made = polygon(corners, level)
    places = truth.places_in_cap(corners, 400_000, np.random.default_rng(4))
    vectors = truth.vectors_of(places.ra_deg, places.dec_deg)
    inside = truth.within(truth.round_the_middle(corners), vectors)
    found = made.match(places)
    area = inside.mean() * truth.cap_sr(corners)
    assert found.probdensity_per_sr[inside].mean() * area == pytest.approx(level, rel=0.02)
    whole = np.median(found.probdensity_per_sr[inside])
    assert (found.probdensity_per_sr[inside] > 0.999 * whole).mean() > 0.8
    if level == 1.0:
        assert (found.probdensity_per_sr[~inside] < 0.999 * whole).all()
        assert (found.probdensity_per_sr[~inside] == 0.0).mean() > 0.8


def test_corners_may_come_in_any_order():
    rng = np.random.default_rng(2)
    expected = polygon(MAXI, 0.9)
    shuffled = [polygon([MAXI[i] for i in rng.permutation(4)], 0.9) for _ in range(3)]
    for made in shuffled:
        assert overlap(made, expected) == pytest.approx(overlap(expected, expected), rel=1e-6)


def test_regions_beyond_the_level_of_a_polygon_stay_near_it():
    made = polygon(MAXI, 0.9)
    inside = made.area_deg2(0.9)
    assert inside == pytest.approx(0.86, rel=0.02)
    assert made.area_deg2(0.99) == pytest.approx(2.0 * inside, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("radius_deg", "half_width_deg"),
    [(20.0, 0.02), pytest.param(60.0, 0.005, marks=pytest.mark.slow)],
)
def test_a_thin_annulus_is_coarser_than_it_is_wide(radius_deg, half_width_deg):
    made = annulus(95.231, 23.495, radius_deg, half_width_deg)
    assert made.n_rows <= MAX_TILES
    assert made.sum_before_normalising == pytest.approx(1.0, abs=1e-6)
    long_deg = 360.0 * np.sin(np.radians(radius_deg))
    wide_deg = 2.0 * 1.645 * half_width_deg / 3.0
    assert 1.0 < made.area_deg2(0.9) / (long_deg * wide_deg) < 3.0


def test_an_annulus_too_thin_for_its_length_is_refused():
    with pytest.raises(SkyMapError, match="at most 262144 cells"):
        annulus(95.231, 23.495, 60.0, 0.0005)


def test_annuli_cross_in_the_box_that_the_network_found():
    made = crossing(GRB_240913C)
    assert made.n_rows <= MAX_TILES
    assert 3600.0 * made.area_deg2(LEVEL_3_SIGMA) == pytest.approx(3075.0, rel=0.05)


def test_annuli_that_do_not_meet_are_refused():
    with pytest.raises(SkyMapError, match="meet within"):
        crossing([(0.0, 90.0, 30.0, 1.0), (0.0, -90.0, 30.0, 1.0)])
    with pytest.raises(SkyMapError, match="one annulus or more"):
        crossing([])


@pytest.mark.parametrize("minor_deg", [1.0, 0.3, 0.06])
def test_the_overlap_of_ellipses_is_that_of_gaussians(minor_deg):
    """Small against the sphere, where I = 2 / sqrt(det(A + B)) of their covariances."""
    made = ellipse(30.0, -20.0, 1.0, minor_deg, 40.0, 0.9)
    other = Circle(30.0, -20.0, 1.0, 0.9, True)
    a, b = (np.radians(axes) ** 2 / (-2.0 * np.log(0.1)) for axes in ([1.0, minor_deg], [1.0, 1.0]))
    assert overlap(made, made) == pytest.approx(2.0 / np.sqrt(np.prod(a + a)), rel=2e-3)
    assert overlap(made, other) == pytest.approx(2.0 / np.sqrt(np.prod(a + b)), rel=2e-3)


WIDE = {
    "ellipse": lambda: ellipse(40.0, 5.0, 40.0, 20.0, 70.0, 0.9),
    "annulus": lambda: annulus(300.0, -10.0, 80.0, 30.0),
    "polygon": lambda: polygon(boxed(30.0, 10.0, 60.0), 0.9),
    "circle": lambda: tiles_of(Circle(50.0, 0.0, 30.0, 0.9, True)),
}


@pytest.mark.parametrize(("one", "other"), [("ellipse", "annulus"), ("polygon", "ellipse"),
                                            ("annulus", "circle")])  # fmt: skip
def test_the_overlap_of_shapes_is_the_dense_sum(one, other):
    a, b = WIDE[one](), WIDE[other]()
    order = max(a.order.max(), b.order.max())
    index_29 = np.arange(12 * 4**order) << (2 * (29 - order))
    at = Positions(index_29 * 0.0, index_29 * 0.0, index_29)
    product = a.match(at).probdensity_per_sr * b.match(at).probdensity_per_sr
    expected = FULL_SKY_SR**2 * product.mean()
    assert overlap(a, b) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: ellipse(361.0, 0.0, 1.0, 1.0, 0.0, 0.9), "RA lies in"),
        (lambda: ellipse(0.0, 91.0, 1.0, 1.0, 0.0, 0.9), "dec lies in"),
        (lambda: ellipse(0.0, 0.0, 1.0, 0.0, 0.0, 0.9), "a semi-axis lies in"),
        (lambda: ellipse(0.0, 0.0, 181.0, 1.0, 0.0, 0.9), "a semi-axis lies in"),
        (lambda: ellipse(0.0, 0.0, float("nan"), 1.0, 0.0, 0.9), "a semi-axis lies in"),
        (lambda: ellipse(0.0, 0.0, 1.0, 1.0, float("inf"), 0.9), "a position angle lies in"),
        (lambda: ellipse(0.0, 0.0, 1.0, 1.0, 0.0, 1.0), "a containment level lies in"),
        (lambda: ellipse(0.0, 0.0, 100.0, 1e-4, 0.0, 0.9), "a shape needs at most"),
        (lambda: asymmetric(0.0, 90.0, (1.0, 1.0), (1.0, 1.0), 0.9), "a semi-axis lies in"),
        (lambda: asymmetric(0.0, 0.0, (1.0, -1.0), (1.0, 1.0), 0.9), "a semi-axis lies in"),
        (lambda: annulus(0.0, 0.0, 181.0, 1.0), "the radius of an annulus lies in"),
        (lambda: annulus(0.0, 0.0, float("nan"), 1.0), "the radius of an annulus lies in"),
        (lambda: annulus(0.0, 0.0, 60.0, 0.0), "the half width of an annulus lies in"),
        (lambda: annulus(0.0, 0.0, 60.0, 1.0, 0.0), "a containment level lies in"),
        (lambda: polygon(MAXI[:2], 0.9), "3 to 100 corners"),
        (lambda: polygon(MAXI * 30, 0.9), "3 to 100 corners"),
        (lambda: polygon(MAXI, 1.1), "the level of a polygon lies in"),
        (lambda: polygon([*MAXI, MAXI[0]], 0.9), "sides pass its middle"),
        (lambda: polygon([(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)], 0.9), "sides pass its middle"),
        (lambda: polygon([(0.0, 0.0), (120.0, 0.0), (240.0, 0.0)], 0.9), "polygon"),
        (lambda: polygon([(0.0, 0.0), (9.0, 0.1), (9.0, -0.1)], 0.9), "times as long as it is"),
        (lambda: polygon([(0.0, 0.0), (1.0, 95.0), (2.0, 0.0)], 0.9), "a corner of a polygon"),
        (lambda: polygon([(0.0, 0.0), (1.0, float("nan")), (2.0, 0.0)], 0.9), "a corner of"),
    ],
)  # fmt: skip
def test_an_impossible_shape_is_refused_by_its_rule(make, rule):
    with pytest.raises(SkyMapError, match=rule):
        make()
