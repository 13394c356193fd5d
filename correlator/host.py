"""Which galaxy may be the host: chance probability, projected distance, offset in galaxy sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from correlator.crossmatch import CatalogTag, SkyClass

_ARCSEC_PER_RAD = 3600.0 * 180.0 / math.pi

HUBBLE_KM_S_MPC, MATTER_DENSITY = 67.66, 0.30966
"""H0 [km/s/Mpc] and Omega_m of a flat Universe (Planck 2018 VI, table 2, last column)."""
_LIGHT_KM_S = 299_792.458

Counts = Callable[[float], float]
"""Galaxies brighter than a magnitude [per arcsec2]."""


def galaxies_per_arcsec2(mag_r: float) -> float:
    """sigma(<= m): galaxies brighter than a magnitude R on the sky [per arcsec2].

    Bloom, Kulkarni & Djorgovski (2002), AJ 123, 1111, equation 2, from the counts of Hogg et al.
    (1997). They were counted at R of about 20 to 26. Brighter galaxies are rarer than this line
    says (their counts rise as 10**(0.6 m)), so that there it is an upper bound.
    """
    slope = 0.334
    log_per_deg2_mag = slope * (mag_r - 22.963) + 4.320
    return math.pow(10.0, log_per_deg2_mag) / (slope * math.log(10.0)) / 3600.0**2


def chance_probability(
    separation_arcsec: float,
    mag_r: float,
    half_light_arcsec: float = 0.0,
    counts: Counts = galaxies_per_arcsec2,
) -> float:
    """P_c = 1 - exp(-pi r**2 sigma(<= m)): that so bright a galaxy is so near by chance.

    Bloom et al. (2002): r**2 is the separation's square with 4 R_half**2 added. With a bluer
    magnitude than R it is an upper bound: galaxies are fainter there.
    """
    radius_2 = separation_arcsec**2 + 4.0 * half_light_arcsec**2
    return -math.expm1(-math.pi * radius_2 * counts(mag_r))


def angular_diameter_distance_mpc(z: float) -> float:
    """Angular diameter distance [Mpc] of a redshift of 0 to 20, by Simpson's rule.

    Raises
    ------
    ValueError
        A redshift outside.
    """
    if not 0.0 <= z <= 20.0:
        raise ValueError(f"z must lie in [0, 20], got {z}")
    n_steps = 256
    at = np.linspace(0.0, z, n_steps + 1)
    inverse = 1.0 / np.sqrt(MATTER_DENSITY * (1.0 + at) ** 3 + 1.0 - MATTER_DENSITY)
    total = inverse[0] + inverse[-1] + 4.0 * inverse[1::2].sum() + 2.0 * inverse[2:-1:2].sum()
    comoving = _LIGHT_KM_S / HUBBLE_KM_S_MPC * float(total) * z / n_steps / 3.0
    return comoving / (1.0 + z)


def projected_kpc(
    separation_arcsec: float, distance_mpc: float | None, z: float | None
) -> float | None:
    """Distance on the sky at the galaxy [kpc]; None when neither distance nor redshift is known.

    Parameters
    ----------
    distance_mpc
        Luminosity distance [Mpc], which comes first: nearby it does not follow from the redshift.
    z
        Redshift: turns that into an angular diameter distance, or stands for it.
    """
    if distance_mpc is not None and distance_mpc > 0.0:
        away_mpc = distance_mpc / (1.0 + max(z or 0.0, 0.0)) ** 2
    elif z is not None and 0.0 < z <= 20.0:
        away_mpc = angular_diameter_distance_mpc(z)
    else:
        return None
    return separation_arcsec / _ARCSEC_PER_RAD * away_mpc * 1e3


def directional_light_radius_arcsec(
    semi_major_arcsec: float, axis_ratio: float, angle_deg: float
) -> float:
    """Radius of an ellipse [arcsec] in a direction, counted from its major axis [deg].

    Sullivan et al. (2006); the ellipse is the catalogue's own (an isophote, mostly).
    """
    along, across = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return semi_major_arcsec * axis_ratio / math.hypot(axis_ratio * along, across)


def position_angle_deg(ra0_deg: float, dec0_deg: float, ra_deg: float, dec_deg: float) -> float:
    """Direction from the first place to the second [deg], from north over east, in [0, 360)."""
    dra, dec0, dec = math.radians(ra_deg - ra0_deg), math.radians(dec0_deg), math.radians(dec_deg)
    east = math.sin(dra) * math.cos(dec)
    north = math.sin(dec) * math.cos(dec0) - math.cos(dec) * math.sin(dec0) * math.cos(dra)
    return math.degrees(math.atan2(east, north)) % 360.0


@dataclass(frozen=True, slots=True)
class Host:
    """A galaxy that may be the host of what is at a position. ``None`` is "cannot be said".

    Attributes
    ----------
    tag
        The galaxy.
    p_chance
        P_c of Bloom et al. (2002).
    mag_name
        The magnitude that was used; with any but ``mag_r`` P_c is an upper bound.
    offset_kpc
        Projected distance [kpc].
    offset_radii
        Separation over the directional light radius.
    """

    tag: CatalogTag
    p_chance: float | None
    mag_name: str | None
    offset_kpc: float | None
    offset_radii: float | None


_MAGNITUDES = ("mag_r", "mag_v", "mag_g", "mag_b")
"""From R to the blue; what is redder than R would make P_c too small."""

_BRIGHTEST_MAG, _FAINTEST_MAG = -5.0, 50.0
"""No galaxy is outside; a catalogue's number for "unknown" may be."""


def hosts(ra_deg: float, dec_deg: float, tags: Iterable[CatalogTag]) -> tuple[Host, ...]:
    """The galaxies among the entries near a place [deg], from the least chance probability on.

    Those without one come last, by their separation.
    """
    galaxies = (tag for tag in tags if tag.sky_class in (SkyClass.GALAXY, SkyClass.AGN))
    found = [_host(ra_deg, dec_deg, tag) for tag in galaxies]
    return tuple(sorted(found, key=_by_chance))


def _by_chance(host: Host) -> tuple[float, float, str, str]:
    tag = host.tag
    chance = math.inf if host.p_chance is None else host.p_chance
    return chance, tag.separation_arcsec, tag.catalog, tag.object_id


def _host(ra_deg: float, dec_deg: float, tag: CatalogTag) -> Host:
    mag_name = next((name for name in _MAGNITUDES if _is_magnitude(tag.value(name))), None)
    mag = None if mag_name is None else tag.value(mag_name)
    half_light = tag.value("half_light_arcsec") or 0.0
    separation = tag.separation_arcsec
    return Host(
        tag,
        None if mag is None else chance_probability(separation, mag, half_light),
        mag_name,
        projected_kpc(separation, tag.value("distance_mpc"), tag.value("z")),
        _offset_radii(ra_deg, dec_deg, tag),
    )


def _is_magnitude(value: float | None) -> bool:
    return value is not None and _BRIGHTEST_MAG <= value <= _FAINTEST_MAG


def _offset_radii(ra_deg: float, dec_deg: float, tag: CatalogTag) -> float | None:
    """Separation over the light radius in that direction; a galaxy of unknown shape is round."""
    semi_major = tag.value("semi_major_arcsec")
    if semi_major is None or semi_major <= 0.0:
        return None
    ratio, major_deg = tag.value("axis_ratio"), tag.value("position_angle_deg")
    if ratio is None or major_deg is None or not 0.0 < ratio <= 1.0:
        return tag.separation_arcsec / semi_major
    to_place = position_angle_deg(tag.ra_deg, tag.dec_deg, ra_deg, dec_deg)
    radius = directional_light_radius_arcsec(semi_major, ratio, to_place - major_deg)
    return tag.separation_arcsec / radius
