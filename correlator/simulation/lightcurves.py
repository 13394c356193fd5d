"""Brightness against time of what the simulated sky holds; magnitudes AB, times in days.

Fluxes are in units of a source of magnitude 25, so that differences can be negative.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from correlator.simulation.cadence import G

Floats = NDArray[np.float64]

ZERO_POINT_MAG = 25.0

AT2017GFO_DISTANCE_MPC = 40.7
"""NGC 4993 by surface-brightness fluctuations (Cantiello et al. 2018, ApJ 854, L31)."""

AT2017GFO_DAYS: Final = (0.5, 1.0, 1.5, 2.0, 2.5, 3.5, 4.5, 5.5, 7.5, 9.5)
AT2017GFO_MAG: Final = {
    "g": (17.4, 17.6, 18.6, 19.5, 20.2, 21.1, 21.6, 21.9, 23.3, 24.0),
    "r": (17.3, 17.4, 18.0, 18.6, 19.1, 19.8, 20.5, 20.8, 21.2, 22.2),
    "i": (17.4, 17.4, 17.9, 18.3, 18.6, 19.0, 19.5, 19.7, 20.5, 21.4),
    "z": (17.5, 17.5, 17.7, 18.1, 18.3, 18.6, 19.1, 19.2, 19.9, 21.2),
    "y": (17.5, 17.4, 17.4, 17.7, 17.9, 18.0, 18.4, 18.8, 19.4, 20.8),
}
"""AT2017gfo as observed, days since the merger, rounded to 0.1 mag: read off the compilation of
Villar et al. 2017 (ApJ 851, L21), the early points after Drout et al. 2017 (Science 358, 1570) and
Arcavi et al. 2017 (Nature 551, 64). Of u there are too few points to read off anything."""

_LATE_FADE_MAG_PER_DAY = 0.5
BANDS = {1: "g", 2: "r", 3: "i", 4: "z", 5: "y"}
"""Bands by filter number: ZTF's ``fid``, and 4 and 5 for Rubin's z and y."""

WAVELENGTH_UM = {1: 0.4770, 2: 0.6231, 3: 0.7625, 4: 0.8690, 5: 0.9710}
"""Effective wavelengths of g, r, i (Fukugita et al. 1996), z and y (LSST, Ivezic et al. 2019)."""

_AFTERGLOW_REFERENCE_DAYS = 1.0 / 24.0


def flux_of(mag: ArrayLike) -> Floats:
    """Flux of a magnitude."""
    return np.asarray(10.0 ** (-0.4 * (np.asarray(mag) - ZERO_POINT_MAG)))


def mag_of(flux: ArrayLike) -> Floats:
    """Magnitude of the size of a flux, whatever its sign; inf for none."""
    with np.errstate(divide="ignore"):
        return np.asarray(ZERO_POINT_MAG - 2.5 * np.log10(np.abs(flux)))


def kilonova_mag(days: ArrayLike, fid: ArrayLike, distance_mpc: float) -> Floats:
    """AT2017gfo at another distance; inf before the merger.

    Between the published points the magnitude is linear in time. Before the first one the flux
    grows linearly from zero; after the last it fades by 0.5 mag/d. No K-correction: z < 0.04.
    """
    t, band = np.broadcast_arrays(np.asarray(days, dtype=np.float64), np.asarray(fid))
    mag = np.full(t.shape, np.inf)
    for number, name in BANDS.items():
        table = np.interp(t, AT2017GFO_DAYS, AT2017GFO_MAG[name])
        late = np.maximum(t - AT2017GFO_DAYS[-1], 0.0) * _LATE_FADE_MAG_PER_DAY
        early = -2.5 * np.log10(np.clip(t / AT2017GFO_DAYS[0], 1e-9, 1.0))
        mag = np.where(band == number, table + late + early, mag)
    scaled = mag + 5.0 * np.log10(distance_mpc / AT2017GFO_DISTANCE_MPC)
    return np.where(t > 0.0, scaled, np.inf)


def afterglow_mag(
    days: ArrayLike, fid: ArrayLike, mag_r_1h: float, decay: float, spectral_index: float
) -> Floats:
    """Afterglow F ~ t^-decay nu^-spectral_index; inf before the burst.

    The slopes are those of slow cooling before the jet break (Sari, Piran & Narayan 1998).
    """
    t, band = np.broadcast_arrays(np.asarray(days, dtype=np.float64), np.asarray(fid))
    after = np.maximum(t, 1e-6) / _AFTERGLOW_REFERENCE_DAYS
    red = np.array([0.0, *(WAVELENGTH_UM[k] / WAVELENGTH_UM[2] for k in BANDS)])
    colour = -2.5 * spectral_index * np.log10(np.where(band > 0, red[band], 1.0))
    mag = mag_r_1h + 2.5 * decay * np.log10(after) + colour
    return np.where(t > 0.0, mag, np.inf)


def supernova_mag(days: ArrayLike, peak_mag: ArrayLike, rise_days: ArrayLike) -> Floats:
    """Supernova: flux ~ t^2 to the peak (Riess et al. 1999), then an exponential of 25 d."""
    t, rise = np.asarray(days), np.asarray(rise_days)
    rising = 5.0 * np.log10(rise / np.maximum(t, 1e-3))
    falling = 1.0857 / 25.0 * (t - rise)
    mag = np.asarray(peak_mag) + np.where(t < rise, rising, falling)
    return np.where(t > 0.0, mag, np.inf)


def outburst_mag(days: ArrayLike, peak_mag: ArrayLike, plateau_days: ArrayLike) -> Floats:
    """Dwarf nova: a rise of 4 mag/d, a plateau, a fall of 1 mag/d (Warner 1995, chapter 3)."""
    t, plateau = np.asarray(days), np.asarray(plateau_days)
    rising = 4.0 * np.maximum(1.0 - t, 0.0)
    falling = np.maximum(t - 1.0 - plateau, 0.0)
    mag = np.asarray(peak_mag) + rising + falling
    return np.where((t > 0.0) & (falling < 5.0), mag, np.inf)


def flare_mag(
    days: ArrayLike, peak_mag: ArrayLike, scale_days: ArrayLike, fid: ArrayLike
) -> Floats:
    """Stellar flare: a sudden peak, an exponential fall; bluer than the star, g brightest."""
    t = np.asarray(days)
    colour = np.where(np.asarray(fid) == G, 0.0, 0.5)
    mag = np.asarray(peak_mag) + colour + 1.0857 * np.maximum(t, 0.0) / np.asarray(scale_days)
    return np.where(t > 0.0, mag, np.inf)
