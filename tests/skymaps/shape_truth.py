"""What ellipses, annuli and polygons are, said a second time by astropy and scipy: samplers, and
densities of no particular norm."""

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy_healpix import healpix_to_lonlat
from scipy.integrate import quad
from scipy.optimize import brentq

from skymaps.healpix import Positions


def centre_of(ra_deg, dec_deg):
    return SkyCoord(ra_deg, dec_deg, unit="deg")


def seen_from(centre, ra_deg, dec_deg):
    """Angle and position angle [rad] of places from a centre."""
    places = SkyCoord(ra_deg, dec_deg, unit="deg")
    return centre.separation(places).rad, centre.position_angle(places).rad


def placed(centre, t_rad, angle_rad):
    """Places at angles in directions from a centre."""
    places = centre.directional_offset_by(angle_rad * u.rad, t_rad * u.rad)
    return Positions.of(places.ra.deg, np.clip(places.dec.deg, -90.0, 90.0))


def plane_widths(axes_deg, level):
    """Widths in the equal-area plane of axes that are narrow against the sky."""
    return 2.0 * np.sin(np.radians(axes_deg) / 2.0) / np.sqrt(-2.0 * np.log(1.0 - level))


def ellipse_density(centre, axes_deg, pa_deg, level, ra_deg, dec_deg):
    """1 at the peak; axes ahead, behind, right, left."""
    t, angle = seen_from(centre, ra_deg, dec_deg)
    ahead, behind, right, left = plane_widths(axes_deg, level)
    radius, angle = 2.0 * np.sin(t / 2.0), angle - np.radians(pa_deg)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    q = (x / np.where(x > 0, ahead, behind)) ** 2 + (y / np.where(y > 0, right, left)) ** 2
    return np.exp(-q / 2.0)


def drawn_from_ellipse(centre, axes_deg, pa_deg, level, n, rng):
    """Halves of normal distributions, each direction as often as it is wide."""
    ahead, behind, right, left = plane_widths(axes_deg, level)

    def half_normals(plus, minus):
        is_plus = rng.uniform(size=n) < plus / (plus + minus)
        return np.where(is_plus, plus, -minus) * np.abs(rng.standard_normal(n))

    x, y = half_normals(ahead, behind), half_normals(right, left)
    radius = np.hypot(x, y)
    assert radius.max() < 2.0, "narrow against the sky"
    return placed(centre, 2.0 * np.arcsin(radius / 2.0), np.arctan2(y, x) + np.radians(pa_deg))


def annulus_sigma(half_width_deg, level):
    """Width [rad] of an annulus that comes near no pole of its own."""
    half = np.radians(half_width_deg)

    def held(sigma, far):
        return quad(lambda x: np.exp(-((x / sigma) ** 2) / 2.0) * np.cos(x), 0.0, far)[0]

    return brentq(lambda s: held(s, half) / held(s, 9.0 * s) - level, half / 6.0, 2.0 * half)


def annulus_density(centre, radius_deg, half_width_deg, level, ra_deg, dec_deg):
    """1 at the peak."""
    t, _ = seen_from(centre, ra_deg, dec_deg)
    off = (t - np.radians(radius_deg)) / annulus_sigma(half_width_deg, level)
    return np.exp(-(off**2) / 2.0)


def drawn_from_annulus(centre, radius_deg, half_width_deg, level, n, rng):
    """Normal angles, kept as often as their circle is long."""
    sigma = annulus_sigma(half_width_deg, level)
    t = np.radians(radius_deg) + sigma * rng.standard_normal(3 * n + 1000)
    t = t[(t > 0.0) & (t < np.pi) & (rng.uniform(size=len(t)) < np.sin(t))][:n]
    assert len(t) == n
    return placed(centre, t, rng.uniform(0.0, 2.0 * np.pi, n))


def within(corners, vectors):
    """Whether vectors lie inside a convex polygon whose corners go round it."""
    normals = np.cross(corners, np.roll(corners, -1, axis=0))
    side = vectors @ (normals * np.sign(normals @ corners.sum(axis=0))[:, None]).T
    # Sides all look to the middle, for corners that go round either way.
    return (side > 0.0).all(axis=1)


def vectors_of(ra_deg, dec_deg):
    return SkyCoord(ra_deg, dec_deg, unit="deg").cartesian.xyz.value.T


def drawn_from_polygon(corners_deg, level, n, rng):
    """Uniform inside; outside, along the rays of such places, an exponential enlargement."""
    corners = vectors_of(*np.array(corners_deg).T)
    middle = SkyCoord(*corners.sum(axis=0), representation_type="cartesian")
    centre = centre_of(middle.spherical.lon.deg, middle.spherical.lat.deg)
    reach, _ = seen_from(centre, *np.array(corners_deg).T)
    t, angle = np.empty(0), np.empty(0)
    while len(t) < n:
        # 1 - cos of the angle is uniform in a cap.
        h = rng.uniform(0.0, 2.0 * np.sin(reach.max() / 2.0) ** 2, n)
        some = 2.0 * np.arcsin(np.sqrt(h / 2.0)), rng.uniform(0.0, 2.0 * np.pi, n)
        places = placed(centre, *some)
        inside = within(corners, vectors_of(places.ra_deg, places.dec_deg))
        t, angle = np.append(t, some[0][inside]), np.append(angle, some[1][inside])
    t, angle = t[:n], angle[:n]
    out = rng.uniform(size=n) > level
    if out.any():
        edge = 2.0 * np.sin(_edge(centre, corners, angle[out]) / 2.0)
        enlarged = np.sqrt(1.0 - rng.exponential(size=out.sum()) / np.log(1.0 - level))
        assert (edge * enlarged).max() < 2.0, "narrow against the sky"
        t[out] = 2.0 * np.arcsin(edge * enlarged / 2.0)
    return placed(centre, t, angle)


def _edge(centre, corners, angle):
    """Angle of the edge [rad] in each direction, by bisection."""
    low, high = np.zeros(len(angle)), np.full(len(angle), np.pi / 2.0)
    for _ in range(45):
        middle = 0.5 * (low + high)
        places = placed(centre, middle, angle)
        inside = within(corners, vectors_of(places.ra_deg, places.dec_deg))
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return low


def round_the_middle(corners_deg):
    """Corners (vectors) in the order in which they go round their middle."""
    corners = vectors_of(*np.array(corners_deg).T)
    middle = SkyCoord(*corners.sum(axis=0), representation_type="cartesian")
    centre = centre_of(middle.spherical.lon.deg, middle.spherical.lat.deg)
    _, angle = seen_from(centre, *np.array(corners_deg).T)
    return corners[np.argsort(angle)]


def places_in_cap(corners_deg, n, rng):
    """Places evenly in the cap about a polygon's middle that goes through its farthest corner."""
    corners = vectors_of(*np.array(corners_deg).T)
    middle = SkyCoord(*corners.sum(axis=0), representation_type="cartesian")
    centre = centre_of(middle.spherical.lon.deg, middle.spherical.lat.deg)
    reach, _ = seen_from(centre, *np.array(corners_deg).T)
    h = rng.uniform(0.0, 2.0 * np.sin(reach.max() / 2.0) ** 2, n)
    return placed(centre, 2.0 * np.arcsin(np.sqrt(h / 2.0)), rng.uniform(0.0, 2.0 * np.pi, n))


def cap_sr(corners_deg):
    """Area of that cap [sr]."""
    corners = vectors_of(*np.array(corners_deg).T)
    middle = corners.sum(axis=0) / np.linalg.norm(corners.sum(axis=0))
    reach = np.linalg.norm(corners - middle, axis=1).max()
    return np.pi * reach**2


def centres_of_cells(index_29):
    """RA and dec [deg] of order-29 cells, by astropy-healpix."""
    lon, lat = healpix_to_lonlat(index_29, 2**29, order="nested")
    return lon.deg, lat.deg
