"""Light curves that a kilonova is told by: AT2017gfo, and simple shapes of what is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from correlator.features.curves import BANDS, Floats

KILONOVA_DAYS = (0.9, 1.4, 1.9, 2.4, 2.9, 3.5, 4.5, 5.5, 7.5)
"""Days since the merger of the template."""

KILONOVA_MAG_AB: Mapping[str, tuple[float, ...]] = {
    "g": (17.47, 18.41, 19.37, 20.13, 20.49, 21.15, 21.59, 21.84, 23.28),
    "r": (17.33, 17.97, 18.41, 19.07, 19.38, 19.85, 20.54, 20.80, 21.25),
    "i": (17.43, 17.82, 18.32, 18.53, 18.64, 19.06, 19.51, 19.57, 20.55),
    "z": (17.38, 17.69, 17.96, 18.31, 18.35, 18.61, 19.08, 19.19, 19.90),
    "y": (17.36, 17.32, 17.63, 17.76, 18.07, 18.07, 18.38, 18.84, 19.46),
}
"""AT2017gfo [mag AB], the published photometry in the bands of Pan-STARRS read off at those days by
straight lines; a test computes it again."""

STRETCHES = (0.6, 1.0, 1.6)
"""How many times as slow as AT2017gfo: ejecta of less and of more mass."""

TILTS_MAG = (-0.3, 0.0, 0.3)
"""How much redder from one band to the next: views from the pole and from the side."""

FIRST_SEEN_D = (0.1, 0.3, 0.6, 1.0, 1.5, 2.2, 3.2, 4.5)
"""Age at the first detection."""

BLUE_TO_RED = {band: BANDS.index(band) for band in "grizy"}

_RED_OF_R = np.arange(len(BANDS)) - BLUE_TO_RED["r"]
"""Steps from r to each band, redwards."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """``k`` light curves of a class at ``n`` points, up to an offset [mag].

    Attributes
    ----------
    mag
        Shape ``(k, n)``.
    first_seen_d
        Shape ``(k,)``: age at the first detection, NaN where the class does not care.
    scatter_mag
        Added to each error in quadrature.
    """

    mag: Floats
    first_seen_d: Floats
    scatter_mag: float


def kilonova(day: Floats, band: np.ndarray) -> Shapes:
    """AT2017gfo slower or faster, bluer or redder, at some days since the first detection.

    Before its first point the template is flat, after the last it goes on straight.
    """
    shapes, ages = [], []
    for stretch, age_d in product(STRETCHES, FIRST_SEEN_D):
        mag = np.full(len(day), np.nan)
        phase = (day + age_d) / stretch
        for name, code in BLUE_TO_RED.items():
            at = band == code
            mag[at] = _read_off(phase[at], np.array(KILONOVA_MAG_AB[name]))
        shapes += [mag + tilt * -_RED_OF_R[band] for tilt in TILTS_MAG]
        ages += [age_d] * len(TILTS_MAG)
    return Shapes(np.stack(shapes), np.array(ages), 0.2)


def _read_off(phase_d: Floats, mags: Floats) -> Floats:
    days = np.array(KILONOVA_DAYS)
    slope = float((mags[-1] - mags[-2]) / (days[-1] - days[-2]))
    beyond_d: Floats = np.maximum(phase_d - days[-1], 0.0)
    inside: Floats = np.interp(phase_d, days, mags)
    return inside + slope * beyond_d


def backgrounds(day: Floats, band: np.ndarray) -> dict[str, Shapes]:
    """What a kilonova is taken for, at days since the first detection.

    Each is a change with time and a colour a step of band. The numbers are round, of the textbooks:
    supernovae change by up to 0.3 mag/d; dwarf novae rise by 2 and fade by up to 0.6 mag/d, blue;
    flares of M dwarfs fade within hours; afterglows are power laws of indices 0.6 to 2 with the
    colours of synchrotron light; variables and active nuclei go up and down by 0.3 mag.
    """
    lines = {
        "supernova": ((-0.30, -0.15, -0.05, 0.0, 0.05, 0.10, 0.15), (-0.2, 0.0, 0.2, 0.4), 0.15),
        "dwarf-nova": ((-2.0, -1.0, 0.0, 0.1, 0.3, 0.6), (-0.2, 0.0, 0.1), 0.15),
        "variable": ((0.0,), (-0.2, 0.2, 0.6), 0.3),
    }
    found = {
        name: _shapes([slope * day for slope in slopes], colours, band, scatter)
        for name, (slopes, colours, scatter) in lines.items()
    }
    flares = [np.minimum(1.086 * day / tau_d, 6.0) for tau_d in (0.02, 0.05, 0.1)]
    found["flare"] = _shapes(flares, (-0.3, 0.0, 0.3), band, 0.15)
    decays = [
        2.5 * alpha * np.log10(1.0 + day / age_d)
        for alpha, age_d in product((0.6, 1.0, 1.4, 2.0), (0.02, 0.1, 0.3, 1.0))
    ]
    found["afterglow"] = _shapes(decays, (0.15, 0.35), band, 0.15)
    return found


def _shapes(
    curves: list[Floats], colours: tuple[float, ...], band: np.ndarray, scatter_mag: float
) -> Shapes:
    mag = [curve - colour * _RED_OF_R[band] for curve, colour in product(curves, colours)]
    return Shapes(np.stack(mag), np.full(len(mag), np.nan), scatter_mag)
