"""Hosts: the published formulas at known places, and astropy as the judge of geometry."""

import math

import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.cosmology import Planck18
from hypothesis import given
from hypothesis import strategies as st

from correlator.crossmatch import CatalogTag, SkyClass
from correlator.host import (
    angular_diameter_distance_mpc,
    chance_probability,
    directional_light_radius_arcsec,
    galaxies_per_arcsec2,
    hosts,
    position_angle_deg,
    projected_kpc,
)

AT2017GFO = 197.450374, -23.381495  # Abbott et al. 2017, ApJL 848, L12
NGC_4993 = 197.448783, -23.383863


def galaxy(name, separation_arcsec, ra_deg=10.0, dec_deg=0.0, **values):
    return CatalogTag(
        "ongc", "v", name, ra_deg, dec_deg, separation_arcsec, SkyClass.GALAXY, "G",
        tuple(sorted(values.items())),
    )  # fmt: skip


def test_the_counts_are_those_that_others_use():
    # Berger (2010), ApJ 722, 1946, equation 1: 10**(0.33 (m - 24) - 2.44) / (0.33 ln 10).
    for mag in (20.0, 22.0, 24.0, 26.0):
        theirs = 10.0 ** (0.33 * (mag - 24.0) - 2.44) / (0.33 * math.log(10.0))
        # Two fits to overlapping counts; a wrong unit or a missing integral is factors away.
        assert galaxies_per_arcsec2(mag) == pytest.approx(theirs, rel=0.15)


def test_chance_grows_with_separation_and_magnitude_and_is_a_probability():
    assert chance_probability(0.0, 20.0) == 0.0
    assert chance_probability(2.0, 20.0) < chance_probability(2.0, 22.0)
    assert chance_probability(2.0, 22.0) < chance_probability(5.0, 22.0)
    assert chance_probability(1e4, 28.0) == pytest.approx(1.0)
    # So small that 1 - exp(-x) would round to a multiple of 1e-16.
    tiny = math.pi * 1e-10 * galaxies_per_arcsec2(12.0)
    assert chance_probability(1e-5, 12.0) == pytest.approx(tiny, rel=1e-9)
    two_half_radii = chance_probability(2.0, 22.0, half_light_arcsec=1.5)
    assert two_half_radii == pytest.approx(chance_probability(math.sqrt(4.0 + 9.0), 22.0))


@pytest.mark.parametrize("z", [0.0, 1e-4, 0.01, 0.1, 0.5, 1.0, 3.0, 8.0])
def test_distances_are_those_of_planck(z):
    ours = angular_diameter_distance_mpc(z)
    # Theirs has radiation and massive neutrinos, too.
    assert ours == pytest.approx(Planck18.angular_diameter_distance(z).to_value(u.Mpc), rel=2e-3)


def test_a_redshift_that_is_none_is_refused():
    with pytest.raises(ValueError, match="z must lie in"):
        angular_diameter_distance_mpc(-0.1)


def test_distance_comes_before_redshift_and_unknown_stays_unknown():
    assert projected_kpc(10.0, None, None) is None
    assert projected_kpc(10.0, None, -0.001) is None
    assert projected_kpc(10.0, 40.0, None) == pytest.approx(1.939, rel=1e-3)
    assert projected_kpc(10.0, 40.0, 0.009787) == pytest.approx(1.939 / 1.009787**2, rel=1e-3)
    assert projected_kpc(10.0, 40.0, 5.0) != projected_kpc(10.0, None, 5.0)


@given(
    a=st.tuples(st.floats(0.0, 360.0), st.floats(-89.0, 89.0)),
    b=st.tuples(st.floats(0.0, 360.0), st.floats(-89.0, 89.0)),
)
def test_position_angles_are_those_of_astropy(a, b):
    first, second = (SkyCoord(*place, unit="deg") for place in (a, b))
    if not 1e-6 < first.separation(second).deg < 180.0 - 1e-6:
        return
    theirs = first.position_angle(second).deg
    assert abs((position_angle_deg(*a, *b) - theirs + 180.0) % 360.0 - 180.0) < 1e-5


def test_the_light_radius_is_that_of_the_ellipse():
    assert directional_light_radius_arcsec(10.0, 0.4, 0.0) == pytest.approx(10.0)
    assert directional_light_radius_arcsec(10.0, 0.4, 180.0) == pytest.approx(10.0)
    assert directional_light_radius_arcsec(10.0, 0.4, 90.0) == pytest.approx(4.0)
    angle = math.radians(30.0)
    r = directional_light_radius_arcsec(10.0, 0.4, 30.0)
    on_it = (r * math.cos(angle) / 10.0) ** 2 + (r * math.sin(angle) / 4.0) ** 2
    assert on_it == pytest.approx(1.0)


def test_the_host_of_at2017gfo():
    there = SkyCoord(*NGC_4993, unit="deg").separation(SkyCoord(*AT2017GFO, unit="deg")).arcsec
    tag = galaxy(
        "NGC4993", there, *NGC_4993,
        mag_b=13.3, distance_mpc=40.7, z=0.009787,
        semi_major_arcsec=38.0, axis_ratio=0.85, position_angle_deg=173.0,
    )  # fmt: skip
    [host] = hosts(*AT2017GFO, [tag])
    assert host.offset_kpc == pytest.approx(2.0, abs=0.15)  # Levan et al. 2017: 2.1 kpc
    assert host.p_chance < 5e-4
    assert host.mag_name == "mag_b"
    assert 0.25 < host.offset_radii < 0.35


def test_hosts_come_by_chance_and_those_without_a_magnitude_last():
    faint_near, bright_far = galaxy("a", 3.0, mag_r=22.0), galaxy("b", 6.0, mag_r=16.0)
    unknown_near, unknown_far = galaxy("c", 1.0, mag_k=12.0), galaxy("d", 2.0)
    star = CatalogTag("gaia", "v", "s", 10.0, 0.0, 0.1, SkyClass.STAR)
    silent = CatalogTag("gaia", "v", "t", 10.0, 0.0, 0.1)
    found = hosts(10.0, 0.0, [unknown_far, star, faint_near, silent, unknown_near, bright_far])
    assert [host.tag.object_id for host in found] == ["b", "a", "c", "d"]
    assert found[2].p_chance is None
    assert found[2].offset_kpc is None
    assert found[2].offset_radii is None


def test_a_galaxy_of_unknown_shape_is_round():
    tag = galaxy("round", 12.0, semi_major_arcsec=6.0)
    assert hosts(10.0, 0.0, [tag])[0].offset_radii == 2.0
    edge_on = galaxy("odd", 12.0, semi_major_arcsec=6.0, axis_ratio=0.0, position_angle_deg=3.0)
    assert hosts(10.0, 0.0, [edge_on])[0].offset_radii == 2.0


@pytest.mark.parametrize("unknown", [9999.0, -9999.0])
def test_a_number_that_is_no_magnitude_says_no_chance(unknown):
    (host,) = hosts(10.0, 0.0, [galaxy("a", 5.0, mag_r=unknown)])
    assert (host.p_chance, host.mag_name) == (None, None)
    (host,) = hosts(10.0, 0.0, [galaxy("a", 5.0, mag_r=unknown, mag_g=18.0)])
    assert host.mag_name == "mag_g"
