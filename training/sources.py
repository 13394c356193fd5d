"""What shines: a source is a function of days and bands, and one of each class can be drawn.

Fluxes are in any unit of their own: the observation scales them. Negative ones are fainter than in
the template.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.blackbody import Floats, behind_dust, flux_njy, power_law
from training.one_zone import DAYS

Ints = NDArray[np.int64]

Light = Callable[[Floats, Ints], Floats]
"""Flux at days since the source's beginning (rising, shape ``(n,)``) in bands (place in ugrizy)."""


@dataclass(frozen=True, slots=True)
class Source:
    """Something that shines.

    Attributes
    ----------
    light
        Its flux, 0 before it begins.
    is_persistent
        It has always been there, so that its days have no beginning.
    """

    light: Light
    is_persistent: bool = False


def of_table(table: Floats, redshift: float, dust: Floats) -> Source:
    """A model of an explosion: ``table`` of shape ``(len(DAYS), 6)`` at ``DAYS`` of its frame."""
    logs = np.log(np.maximum(table * dust, 1e-30))
    log_days = np.log(DAYS * (1.0 + redshift))

    def light(days: Floats, bands: Ints) -> Floats:
        at = np.log(np.maximum(days, 1e-9))
        values = np.stack([np.interp(at, log_days, logs[:, b]) for b in range(logs.shape[1])])
        flux = np.exp(values[bands, np.arange(len(days))])
        early = np.clip(days / math.exp(log_days[0]), 0.0, 1.0)
        return np.asarray(flux * early)

    return Source(light)


def afterglow(rng: np.random.Generator) -> Source:
    """A burst seen on its axis: a power law that steepens at the jet's break.

    Indices and breaks: Kann et al. (2010, ApJ 720, 1513), Wang et al. (2018, ApJ 859, 160).
    """
    early, late = rng.uniform(0.6, 1.4), rng.uniform(1.6, 2.5)
    break_d = math.exp(rng.uniform(math.log(0.2), math.log(6.0)))
    colours = power_law(rng.uniform(0.4, 1.2)) * behind_dust(rng.exponential(0.08))
    return _broken(-early, -late, break_d, 2.0, colours)


def off_axis(rng: np.random.Generator) -> Source:
    """A burst seen off its axis: it rises for days, then falls as on its axis after the break.

    Slopes: Granot et al. (2002, ApJ 570, L61), Ryan et al. (2020, ApJ 896, 166).
    """
    rise, fall = rng.uniform(0.8, 3.0), rng.uniform(1.6, 2.5)
    peak_d = math.exp(rng.uniform(math.log(0.3), math.log(20.0)))
    colours = power_law(rng.uniform(0.4, 1.2)) * behind_dust(rng.exponential(0.08))
    return _broken(rise, -fall, peak_d, 1.0, colours)


def _broken(before: float, after: float, break_d: float, smooth: float, colours: Floats) -> Source:
    def light(days: Floats, bands: Ints) -> Floats:
        x = np.maximum(days, 1e-3) / break_d
        shape = (x ** (-smooth * before) + x ** (-smooth * after)) ** (-1.0 / smooth)
        return np.asarray(np.where(days > 0.0, shape, 0.0) * colours[bands])

    return Source(light)


def dwarf_nova(rng: np.random.Generator) -> Source:
    """An outburst of a cataclysmic variable: up in a day, a plateau, down by 0.3 to 1.2 mag/d.

    Warner (1995, Cataclysmic Variable Stars, chapter 3), Bailey's relation; hot disc, cooling as
    it falls.
    """
    rise, fall = rng.uniform(1.5, 6.0), rng.uniform(0.3, 1.2)
    plateau_d = rng.choice([rng.uniform(0.0, 3.0), rng.uniform(5.0, 15.0)])
    hot_k, cool_k = rng.uniform(9000.0, 18000.0), rng.uniform(5500.0, 8000.0)
    peak_d, slow = rng.uniform(2.0, 4.0) / rise, rng.uniform(0.0, 0.1)
    dust = behind_dust(rng.exponential(0.15))

    def light(days: Floats, bands: Ints) -> Floats:
        falling_d = np.maximum(days - peak_d - plateau_d, 0.0)
        flat_d = np.clip(days - peak_d, 0.0, plateau_d)
        mag = rise * np.maximum(peak_d - days, 0.0) + slow * flat_d + fall * falling_d
        faint = np.clip(mag / 4.0, 0.0, 1.0)
        colours = flux_njy(hot_k * (cool_k / hot_k) ** faint, 1e11)
        colours /= colours[:, 2:3]
        shape = np.where((days > 0.0) & (mag < 6.0), 10.0 ** (-0.4 * mag), 0.0)
        return np.asarray(shape * colours[np.arange(len(days)), bands] * dust[bands])

    return Source(light)


_FLARE_ENDS = 0.01
"""Of its peak: what is left beyond is not called the flare any more."""


def flare(rng: np.random.Generator) -> Source:
    """A flare of an M dwarf: the template of Davenport et al. (2014, ApJ 797, 122), 10,000 K.

    Half widths of 2 min to 2 h: those that two exposures can both see are the long ones.
    """
    width_d = math.exp(rng.uniform(math.log(2.0), math.log(120.0))) / 1440.0
    colours = flux_njy(rng.uniform(8000.0, 14000.0), 1e9) * behind_dust(rng.exponential(0.05))

    def light(days: Floats, bands: Ints) -> Floats:
        x = days / width_d - 1.0
        up = 1.0 + 1.941 * x - 0.175 * x**2 - 2.246 * x**3 - 1.125 * x**4
        late = np.maximum(x, 0.0)
        down = 0.6890 * np.exp(-1.600 * late) + 0.3030 * np.exp(-0.2783 * late)
        rising = np.where(x > -1.0, np.maximum(up, 0.0), 0.0)
        shape = np.where(x < 0.0, rising, np.where(down > _FLARE_ENDS, down, 0.0))
        return np.asarray(shape * colours[bands])

    return Source(light)


def variable(rng: np.random.Generator) -> Source:
    """A periodic star, of half a day or of half a year, a wave or a sawtooth, of any colour."""
    low, high = ((0.2, 1.0), (5.0, 50.0), (80.0, 500.0))[rng.integers(3)]
    period_d, phase = rng.uniform(low, high), rng.random()
    rise_share = rng.choice([0.5, rng.uniform(0.12, 0.4)])
    temperature_k, offset = rng.uniform(2800.0, 9000.0), rng.uniform(-0.9, 0.9)
    change_k = temperature_k * (1.0 + rng.uniform(-0.02, 0.25))
    colours = _derivative(temperature_k, change_k) * behind_dust(rng.exponential(0.2))

    def light(days: Floats, bands: Ints) -> Floats:
        x = (days / period_d + phase) % 1.0
        saw = np.where(x < rise_share, x / rise_share, (1.0 - x) / (1.0 - rise_share))
        return np.asarray((offset - np.cos(math.pi * saw)) * colours[bands])

    return Source(light, is_persistent=True)


def _derivative(temperature_k: float, hotter_k: float) -> Floats:
    """Colours of the change of a star that gets hotter, 1 in r."""
    base, hot = flux_njy(temperature_k, 1e11), 1.2 * flux_njy(hotter_k, 1e11)
    return np.asarray((hot - base) / (hot - base)[2])


def nucleus(rng: np.random.Generator) -> Source:
    """An active galactic nucleus: a damped random walk (MacLeod et al. 2010, ApJ 721, 1014)."""
    tau_d = math.exp(rng.uniform(math.log(20.0), math.log(600.0)))
    spread, template = rng.uniform(0.1, 0.35), rng.normal(0.0, 0.2)
    colours = power_law(rng.uniform(-0.3, 1.0))
    seed = int(rng.integers(2**32))

    def light(days: Floats, bands: Ints) -> Floats:
        steps = np.random.default_rng(seed).normal(size=len(days))
        kept = np.exp(-np.diff(days, prepend=-math.inf) / tau_d)
        mag, now = np.empty(len(days)), 0.0
        for i, (keep, step) in enumerate(zip(kept.tolist(), steps.tolist(), strict=True)):
            now = now * keep + spread * step * math.sqrt(1.0 - keep * keep)
            mag[i] = now
        flux = 10.0 ** (-0.4 * mag) - 10.0 ** (-0.4 * template)
        return np.asarray(flux * colours[bands])

    return Source(light, is_persistent=True)


def asteroid(rng: np.random.Generator) -> Source:
    """A slow mover: hours at one place, the colours of sunlight, turning (0.3 mag at most)."""
    period_d, depth = rng.uniform(0.1, 0.5), rng.uniform(0.0, 0.15)
    phase, colours = rng.random(), flux_njy(5772.0, 1e11) * power_law(rng.uniform(0.0, 0.6))
    stays_d = math.exp(rng.uniform(math.log(0.03), math.log(0.8)))

    def light(days: Floats, bands: Ints) -> Floats:
        wave = 1.0 + depth * np.sin(2.0 * math.pi * (days / period_d + phase))
        return np.asarray(np.where((days > 0.0) & (days < stays_d), wave, 0.0) * colours[bands])

    return Source(light)
