"""Gravitational-wave sky maps: two arcs of a ring on an adaptive grid, with distances, as FITS.

Two detectors measure an arrival-time difference, which confines a source to a ring about their
baseline; amplitude and phase leave some arcs of it. The grid is built as BAYESTAR does: the most
probable quarter of the first pixels' number is split, seven times over (Singer & Price 2016,
PRD 93, 024013). Distances follow p(r | x) = norm r^2 N(r; mu, sigma) (Singer et al. 2016, ApJ 829,
L15).
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import healpy
import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from correlator.simulation.ephemeris import angle_deg, moved_deg
from skymaps.healpix import DEG2_PER_SR, MAX_ORDER, cell_area_sr

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Density = Callable[[Floats, Floats], Floats]

FIRST_ORDER = 4
ROUNDS = 7
SPLIT_CELLS = 12 * 4**FIRST_ORDER // 4

_TILT_SCALE_DEG = 20.0

_TABLE_COLUMNS = (
    ("UNIQ", "K", None),
    ("PROBDENSITY", "D", "sr-1"),
    ("DISTMU", "D", "Mpc"),
    ("DISTSIGMA", "D", "Mpc"),
    ("DISTNORM", "D", "Mpc-2"),
)


@dataclass(frozen=True, slots=True)
class Arc:
    """One lobe of the ring: where along it, how long, how heavy."""

    along_deg: float
    length_deg: float
    weight: float


@dataclass(frozen=True, slots=True)
class Ring:
    """A ring through a centre, bright in some arcs; unnormalised density by position.

    Attributes
    ----------
    ra_deg, dec_deg
        Where the arcs' coordinate is zero.
    radius_deg, bearing_deg
        Angle from the centre to the ring's axis and its direction, east of north.
    width_deg
        Gaussian sigma across the ring.
    arcs
        Gaussian lobes along it.
    """

    ra_deg: float
    dec_deg: float
    radius_deg: float
    bearing_deg: float
    width_deg: float
    arcs: tuple[Arc, ...]

    def __call__(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        """Density at positions [deg], shape ``(n,)``."""
        axis = moved_deg(self.ra_deg, self.dec_deg, self.radius_deg, self.bearing_deg)
        across = angle_deg(ra_deg, dec_deg, *axis) - self.radius_deg
        turn = _bearing_deg(axis, ra_deg, dec_deg)
        turn -= _bearing_deg(axis, np.array(self.ra_deg), np.array(self.dec_deg))
        along = (turn + 180.0) % 360.0 - 180.0
        along *= math.sin(math.radians(self.radius_deg))
        lobes = sum(
            arc.weight
            / arc.length_deg
            * np.exp(-0.5 * ((along - arc.along_deg) / arc.length_deg) ** 2)
            for arc in self.arcs
        )
        return np.asarray(lobes * np.exp(-0.5 * (across / self.width_deg) ** 2))


@dataclass(frozen=True, slots=True)
class Spot:
    """A round Gaussian likelihood: what a third detector adds."""

    ra_deg: float
    dec_deg: float
    sigma_deg: float

    def __call__(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        """Likelihood at positions [deg], shape ``(n,)``."""
        offset = angle_deg(ra_deg, dec_deg, self.ra_deg, self.dec_deg)
        return np.asarray(np.exp(-0.5 * (offset / self.sigma_deg) ** 2))


@dataclass(frozen=True, slots=True)
class GwMap:
    """A multi-order map of ``n`` cells, normalised to 1.

    Attributes
    ----------
    order, ipix
        NESTED cells, sorted by UNIQ.
    probdensity_per_sr
        Density [1/sr].
    mu_mpc, sigma_mpc
        Distance ansatz of each cell [Mpc].
    """

    order: Indices
    ipix: Indices
    probdensity_per_sr: Floats
    mu_mpc: Floats
    sigma_mpc: Floats

    @property
    def cell_probability(self) -> Floats:
        """Probability of each cell."""
        return self.probdensity_per_sr * cell_area_sr(self.order)

    @property
    def norm_per_mpc2(self) -> Floats:
        """Normalisation of r^2 N(r; mu, sigma) over r > 0, in closed form [1/Mpc2]."""
        mu, sigma = self.mu_mpc, self.sigma_mpc
        x = mu / sigma
        integral = (mu**2 + sigma**2) * _cumulative(x) + mu * sigma * _gaussian(x)
        return np.asarray(1.0 / integral)

    def centres_deg(self) -> tuple[Floats, Floats]:
        """Right ascension and declination of the cells' centres [deg]."""
        ra, dec = healpy.pix2ang(2**self.order, self.ipix, nest=True, lonlat=True)
        return np.asarray(ra), np.asarray(dec)

    def area_deg2(self, level: float) -> float:
        """Area of the credible region of a level, the straddling cell included [deg2]."""
        order = np.argsort(-self.probdensity_per_sr, kind="stable")
        n = 1 + np.searchsorted(np.cumsum(self.cell_probability[order]), level)
        return float(cell_area_sr(self.order[order[:n]]).sum() * DEG2_PER_SR)

    def draw(self, rng: np.random.Generator) -> tuple[float, float, float]:
        """Position [deg] and distance [Mpc] from the map's own posterior."""
        p = self.cell_probability
        cell = int(rng.choice(len(p), p=p / p.sum()))
        shift = 2 * (MAX_ORDER - int(self.order[cell]))
        index = (int(self.ipix[cell]) << shift) + int(rng.integers(0, 1 << shift))
        ra, dec = healpy.pix2ang(2**MAX_ORDER, index, nest=True, lonlat=True)
        r = np.linspace(0.0, self.mu_mpc[cell] + 6.0 * self.sigma_mpc[cell], 4001)
        density = r**2 * _gaussian((r - self.mu_mpc[cell]) / self.sigma_mpc[cell])
        cumulative = np.cumsum(density)
        distance = np.interp(rng.random() * cumulative[-1], cumulative, r)
        return float(ra), float(dec), float(distance)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the source may be: a distance ansatz that falls off with the angle from a centre.

    Attributes
    ----------
    distance_mpc, relative_error
        Location at the centre [Mpc], and scale relative to it.
    tilt
        Relative fall of the location far from the centre: the ends of an arc are seen with less
        of the antenna pattern, so that what is heard from there is nearer.
    """

    ra_deg: float
    dec_deg: float
    distance_mpc: float
    relative_error: float
    tilt: float

    def mu_mpc(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        """Location at positions [Mpc], shape ``(n,)``."""
        far = (angle_deg(ra_deg, dec_deg, self.ra_deg, self.dec_deg) / _TILT_SCALE_DEG) ** 2
        return np.asarray(self.distance_mpc * (1.0 - self.tilt * far / (1.0 + far)))


def map_of(density: Density, reach: Reach) -> GwMap:
    """Map of an unnormalised density by position [deg], on its adaptive grid."""
    order = np.full(12 * 4**FIRST_ORDER, FIRST_ORDER)
    ipix = np.arange(12 * 4**FIRST_ORDER)
    value = _at_centres(density, order, ipix)
    for _ in range(ROUNDS):
        rank = np.argsort(-value * cell_area_sr(order), kind="stable")
        split, kept = rank[:SPLIT_CELLS], rank[SPLIT_CELLS:]
        children = (4 * ipix[split][:, None] + np.arange(4)).ravel()
        deeper = np.repeat(order[split] + 1, 4)
        found = _at_centres(density, deeper, children)
        order = np.concatenate([order[kept], deeper])
        ipix = np.concatenate([ipix[kept], children])
        value = np.concatenate([value[kept], found])
    by_uniq = np.argsort(4 * 4**order + ipix)
    order, ipix, value = order[by_uniq], ipix[by_uniq], value[by_uniq]
    value = value / (value * cell_area_sr(order)).sum()
    ra, dec = healpy.pix2ang(2**order, ipix, nest=True, lonlat=True)
    sigma = reach.relative_error * reach.distance_mpc * np.ones(len(order))
    return GwMap(order, ipix, value, reach.mu_mpc(ra, dec), sigma)


def fits_bytes(sky_map: GwMap, name: str, date_obs: str, mjd_obs: float, instruments: str) -> bytes:
    """Multi-order FITS file with the header keywords that LVK's files have."""
    values = (
        4 * 4**sky_map.order + sky_map.ipix,
        sky_map.probdensity_per_sr,
        sky_map.mu_mpc,
        sky_map.sigma_mpc,
        sky_map.norm_per_mpc2,
    )
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column(name=column, format=code, unit=unit, array=array)
            for (column, code, unit), array in zip(_TABLE_COLUMNS, values, strict=True)
        ]
    )
    mean, std = _distance_moments(sky_map)
    cards = {
        "MOC": True,
        "PIXTYPE": "HEALPIX",
        "ORDERING": "NUNIQ",
        "COORDSYS": "C",
        "MOCORDER": int(sky_map.order.max()),
        "INDXSCHM": "EXPLICIT",
        "OBJECT": name,
        "INSTRUME": instruments,
        "DATE-OBS": date_obs,
        "MJD-OBS": mjd_obs,
        "CREATOR": "simulated night",
        "DISTMEAN": mean,
        "DISTSTD": std,
    }
    for key, value in cards.items():
        table.header[key] = value
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(stream)
    return stream.getvalue()


def _distance_moments(sky_map: GwMap) -> tuple[float, float]:
    """Mean and standard deviation of the distance over the sky [Mpc]."""
    p = sky_map.cell_probability
    r = np.linspace(0.0, float((sky_map.mu_mpc + 6.0 * sky_map.sigma_mpc).max()), 500)
    heavy = np.argsort(-p)[:2000]
    mu, sigma = sky_map.mu_mpc[heavy, None], sky_map.sigma_mpc[heavy, None]
    weight = sky_map.norm_per_mpc2[heavy, None] / sigma
    density = p[heavy] @ (weight * r**2 * _gaussian((r - mu) / sigma))
    mean = float((density * r).sum() / density.sum())
    variance = float((density * r**2).sum() / density.sum()) - mean**2
    return mean, math.sqrt(variance)


def _gaussian(x: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi))


def _cumulative(x: Floats) -> Floats:
    return np.array([0.5 * math.erfc(-v / math.sqrt(2.0)) for v in x.tolist()])


def _at_centres(density: Density, order: Indices, ipix: Indices) -> Floats:
    ra, dec = healpy.pix2ang(2**order, ipix, nest=True, lonlat=True)
    return density(np.asarray(ra), np.asarray(dec))


def _bearing_deg(axis: tuple[Floats, Floats], ra_deg: Floats, dec_deg: Floats) -> Floats:
    """Direction of positions as seen from the axis, east of north [deg]."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    ra0, dec0 = np.radians(axis[0]), np.radians(axis[1])
    y = np.sin(ra - ra0) * np.cos(dec)
    x = np.cos(dec0) * np.sin(dec) - np.sin(dec0) * np.cos(dec) * np.cos(ra - ra0)
    return np.asarray(np.degrees(np.arctan2(y, x)))
