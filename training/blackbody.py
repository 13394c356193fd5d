"""Light of black bodies, and of dust before them, in the six bands."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

WAVELENGTH_UM = np.array([0.3671, 0.4827, 0.6223, 0.7546, 0.8691, 0.9712])
"""Effective wavelengths of u g r i z y: those of Rubin's published throughputs."""

EXTINCTION_PER_EBV = np.array([4.24, 3.30, 2.29, 1.70, 1.26, 1.09])
"""A(band) / E(B-V) of u g r i z y for R_V = 3.1 (Schlafly & Finkbeiner 2011, ApJ 737, 103)."""

STEFAN_BOLTZMANN = 5.670374e-5
"""[erg / s / cm2 / K4]."""

LIGHT_CM_PER_S = 2.99792458e10

_H_OVER_K_S_K = 4.799243e-11
_TWO_H_OVER_C2 = 2.0 * 6.62607e-27 / LIGHT_CM_PER_S**2
_TEN_PARSEC_CM = 3.0856776e19
_NJY = 1e-32
"""[erg / s / cm2 / Hz]."""


def flux_njy(temperature_k: ArrayLike, radius_cm: ArrayLike, redshift: ArrayLike = 0.0) -> Floats:
    """Flux of a sphere that shines as a black body, at 10 pc, in each band.

    Parameters
    ----------
    temperature_k, radius_cm, redshift
        Broadcast against each other to some shape. The redshift moves the bands and dims nothing.

    Returns
    -------
    ndarray
        That shape and an axis of six more [nJy].
    """
    t, r, z = np.broadcast_arrays(
        np.asarray(temperature_k, float), np.asarray(radius_cm, float), np.asarray(redshift, float)
    )
    nu = LIGHT_CM_PER_S / (WAVELENGTH_UM * 1e-4) * (1.0 + z[..., None])
    with np.errstate(over="ignore"):
        photons = 1.0 / np.expm1(np.minimum(_H_OVER_K_S_K * nu / t[..., None], 600.0))
    area = math.pi * (r[..., None] / _TEN_PARSEC_CM) ** 2
    return np.asarray(area * _TWO_H_OVER_C2 * nu**3 * photons / _NJY)


def power_law(spectral_index: ArrayLike) -> Floats:
    """Flux of each band of ``F ~ nu^-spectral_index``, 1 in r; an axis of six more."""
    ratio = WAVELENGTH_UM / WAVELENGTH_UM[2]
    return np.asarray(ratio ** np.asarray(spectral_index, float)[..., None])


def behind_dust(ebv_mag: ArrayLike) -> Floats:
    """What is left of the flux of each band behind dust; an axis of six more."""
    return np.asarray(10.0 ** (-0.4 * EXTINCTION_PER_EBV * np.asarray(ebv_mag, float)[..., None]))
