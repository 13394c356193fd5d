"""When and where the simulated survey looks: fields, exposures of the night, visits of the past.

Modelled on ZTF's public survey (Bellm et al. 2019, PASP 131, 068003): fields of 47 deg2 in fixed
places, each due every second night, once in g and once in r some 45 min apart. Unlike ZTF's, our
fields are boxes in right ascension and declination that tile the sky without gap or overlap, so
that a position belongs to exactly one of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from correlator.simulation import ephemeris
from correlator.simulation.ephemeris import DAY_S

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

FIELD_DEG2 = 47.0
FIELD_HEIGHT_DEG = math.sqrt(FIELD_DEG2)
SOUTHERN_EDGE_DEG = -30.0

QUADRANTS_PER_SIDE = 8
"""16 CCDs of 4 readout quadrants: 64 channels ``rcid``."""

EXPOSURE_S = 30.0
SLOT_S = 60.0
"""Exposure, readout, slew and the share of the private surveys [s]; gives some 600 exposures."""

BLOCK_FIELDS = 45
"""Fields that are visited in one band before the other: 45 min between the visits."""

G, R = 1, 2
"""Filter numbers ``fid``."""

TWILIGHT_DEG = -12.0
LOWEST_ALTITUDE_DEG = 30.0
"""Sun's altitude at which the night begins; altitude of airmass 2, the survey's limit."""

NIGHT_ZERO_JD = 2_457_754.5
"""Night number 0 of ZTF: 2017-01-01, UTC."""

PAST_DAYS = 30
CADENCE_NIGHTS = 2
CLEAR_NIGHTS = 0.75
"""Length of the history in a packet; nights between visits; share of nights that are clear."""

DARK_LIMIT_MAG = {G: 20.8, R: 20.6}
"""5-sigma limits at zenith without Moon (Bellm et al. 2019)."""

_PAST, _TONIGHT, _WEATHER = 11, 12, 13
"""Streams of random numbers, so that one does not shift another."""


@dataclass(frozen=True, slots=True)
class Night:
    """The dark hours of one UTC date at Palomar [s since the Unix epoch]."""

    start_unix_s: float
    end_unix_s: float

    @property
    def number(self) -> int:
        """Nights since 2017-01-01, ZTF's ``nid``."""
        return int(ephemeris.jd_of(self.start_unix_s) - NIGHT_ZERO_JD)


@dataclass(frozen=True, slots=True)
class Field:
    """A box on the sky, half open at its upper edges [deg]."""

    number: int
    ra_lo_deg: float
    ra_hi_deg: float
    dec_lo_deg: float
    dec_hi_deg: float

    @property
    def ra_deg(self) -> float:
        """Right ascension of the centre."""
        return 0.5 * (self.ra_lo_deg + self.ra_hi_deg)

    @property
    def dec_deg(self) -> float:
        """Declination of the centre."""
        return 0.5 * (self.dec_lo_deg + self.dec_hi_deg)

    @property
    def area_deg2(self) -> float:
        """Area."""
        height = math.sin(math.radians(self.dec_hi_deg)) - math.sin(math.radians(self.dec_lo_deg))
        return (self.ra_hi_deg - self.ra_lo_deg) * math.degrees(height)

    def quadrant_of(self, ra_deg: ArrayLike, dec_deg: ArrayLike) -> Indices:
        """Readout channel ``rcid``, 0 to 63, of positions inside."""
        x = (np.asarray(ra_deg) - self.ra_lo_deg) / (self.ra_hi_deg - self.ra_lo_deg)
        y = (np.asarray(dec_deg) - self.dec_lo_deg) / (self.dec_hi_deg - self.dec_lo_deg)
        last = QUADRANTS_PER_SIDE - 1
        column = np.clip((x * QUADRANTS_PER_SIDE).astype(np.int64), 0, last)
        row = np.clip((y * QUADRANTS_PER_SIDE).astype(np.int64), 0, last)
        return np.asarray(row * QUADRANTS_PER_SIDE + column)

    def margin_deg(self, ra_deg: float, dec_deg: float) -> float:
        """Distance of a position inside from the nearest edge [deg]."""
        cos_dec = math.cos(math.radians(dec_deg))
        return min(
            (ra_deg - self.ra_lo_deg) * cos_dec,
            (self.ra_hi_deg - ra_deg) * cos_dec,
            dec_deg - self.dec_lo_deg,
            self.dec_hi_deg - dec_deg,
        )


@dataclass(frozen=True, slots=True)
class FieldGrid:
    """All fields, numbered from south to north and with right ascension."""

    fields: tuple[Field, ...]
    strip_dec_deg: Floats
    strip_first: Indices
    strip_count: Indices

    @classmethod
    def whole_sky(cls) -> FieldGrid:
        """Fields from the southern limit to the pole."""
        n_strips = math.ceil((90.0 - SOUTHERN_EDGE_DEG) / FIELD_HEIGHT_DEG)
        edges = np.linspace(SOUTHERN_EDGE_DEG, 90.0, n_strips + 1)
        fields: list[Field] = []
        first, count = [], []
        for lo, hi in pairwise(edges.tolist()):
            height = math.sin(math.radians(hi)) - math.sin(math.radians(lo))
            n = max(1, round(360.0 * math.degrees(height) / FIELD_DEG2))
            first.append(len(fields))
            count.append(n)
            ras = np.linspace(0.0, 360.0, n + 1).tolist()
            for a, b in pairwise(ras):
                fields.append(Field(len(fields), a, b, lo, hi))
        return cls(tuple(fields), edges, np.array(first), np.array(count))

    def numbers_of(self, ra_deg: ArrayLike, dec_deg: ArrayLike) -> Indices:
        """Field number of each position, -1 south of the southern limit, shape ``(n,)``."""
        ra, dec = np.atleast_1d(ra_deg) % 360.0, np.atleast_1d(dec_deg)
        found = np.searchsorted(self.strip_dec_deg, dec, side="right") - 1
        strip = np.clip(found, 0, len(self.strip_count) - 1)
        count = self.strip_count[strip]
        column = np.minimum((ra / 360.0 * count).astype(np.int64), count - 1)
        return np.where(found < 0, -1, self.strip_first[strip] + column)

    def field_at(self, ra_deg: float, dec_deg: float) -> Field | None:
        """The field of one position."""
        number = int(self.numbers_of(ra_deg, dec_deg)[0])
        return None if number < 0 else self.fields[number]


@dataclass(frozen=True, slots=True)
class Exposure:
    """One exposure of one field.

    Attributes
    ----------
    start_unix_s
        Beginning; ZTF's ``jd`` [s since the Unix epoch].
    limit_mag
        5-sigma limit [mag AB].
    fwhm_px
        Seeing [px of 1 arcsec].
    is_too
        Whether a target-of-opportunity programme asked for it.
    """

    field: int
    start_unix_s: float
    fid: int
    limit_mag: float
    fwhm_px: float
    is_too: bool = False

    @property
    def mid_unix_s(self) -> float:
        """Middle of the exposure."""
        return self.start_unix_s + 0.5 * EXPOSURE_S


@dataclass(frozen=True, slots=True)
class Request:
    """A target-of-opportunity visit: this field, in this band, not before this time."""

    field: int
    fid: int
    earliest_unix_s: float


def night_of(midnight_unix_s: float) -> Night:
    """The night of the UTC date that begins at ``midnight_unix_s``; Palomar lies 8 h west."""
    times = midnight_unix_s + np.arange(0.0, DAY_S, 60.0)
    is_dark = ephemeris.altitude_deg(*ephemeris.sun_position_deg(times), times) < TWILIGHT_DEG
    dark = times[is_dark]
    return Night(float(dark[0]), float(dark[-1]))


def schedule(
    night: Night, grid: FieldGrid, requests: Sequence[Request], seed: int
) -> tuple[Exposure, ...]:
    """Exposures of the night by time: requests in the first free slots, the survey around them."""
    slots = np.arange(night.start_unix_s, night.end_unix_s - EXPOSURE_S, SLOT_S)
    free = np.ones(len(slots), dtype=np.bool_)
    chosen: dict[int, tuple[int, int, bool]] = {}
    for request in sorted(requests, key=lambda r: (r.earliest_unix_s, r.field, r.fid)):
        later = np.flatnonzero(free & (slots >= request.earliest_unix_s))
        if len(later):
            free[later[0]] = False
            chosen[int(later[0])] = (request.field, request.fid, True)
    for slot, field, fid in _survey(slots, np.flatnonzero(free), night, grid):
        chosen[slot] = (field, fid, False)
    rng = np.random.default_rng([seed, _TONIGHT])
    order = sorted(chosen)
    numbers = np.array([chosen[i][0] for i in order])
    fids = np.array([chosen[i][1] for i in order])
    limits, fwhm = _conditions(grid, numbers, fids, slots[order], rng)
    return tuple(
        Exposure(chosen[i][0], float(slots[i]), chosen[i][1], float(m), float(w), chosen[i][2])
        for i, m, w in zip(order, limits, fwhm, strict=True)
    )


def past_visits(field: Field, grid: FieldGrid, night: Night, seed: int) -> tuple[Exposure, ...]:
    """Visits of a field in the thirty days before the night, by time."""
    rng = np.random.default_rng([seed, _PAST, field.number])
    is_clear = np.random.default_rng([seed, _WEATHER]).random(PAST_DAYS) < CLEAR_NIGHTS
    phase = rng.uniform(0.15, 0.85)
    length = night.end_unix_s - night.start_unix_s - 3 * 3600.0
    starts, fids = [], []
    for days_ago in range(PAST_DAYS - 1, 0, -1):
        jitter_s, gap_s = rng.uniform(-1800.0, 1800.0), rng.uniform(1800.0, 3600.0)
        if not (is_clear[days_ago] and _is_due(field.number, night.number - days_ago)):
            continue
        # The sky rises 4 min earlier a day, and the schedule follows it.
        start = night.start_unix_s + phase * length + days_ago * (236.0 - DAY_S) + jitter_s
        starts += [start, start + gap_s]
        fids += [G, R]
    numbers = np.full(len(starts), field.number)
    limits, fwhm = _conditions(grid, numbers, np.array(fids), np.array(starts), rng)
    return tuple(
        Exposure(field.number, t, fid, float(m), float(w))
        for t, fid, m, w in zip(starts, fids, limits, fwhm, strict=True)
    )


def _survey(
    slots: Floats, free: Indices, night: Night, grid: FieldGrid
) -> Iterator[tuple[int, int, int]]:
    """Slot, field and band of the survey's own visits: a block in one band, then in the other."""
    numbers = np.arange(len(grid.fields))
    ra = np.array([f.ra_deg for f in grid.fields])
    dec = np.array([f.dec_deg for f in grid.fields])
    waiting = np.array([_is_due(int(n), night.number) for n in numbers])
    for k, begin in enumerate(range(0, len(free) - 1, 2 * BLOCK_FIELDS)):
        block = free[begin : begin + 2 * BLOCK_FIELDS]
        half = len(block) // 2
        first, last = slots[block[0]], slots[block[-1]]
        lowest = np.minimum(
            ephemeris.altitude_deg(ra, dec, first), ephemeris.altitude_deg(ra, dec, last)
        )
        up = numbers[waiting & (lowest > LOWEST_ALTITUDE_DEG)]
        hour_angle = (ephemeris.sidereal_deg(first) - ra[up] + 180.0) % 360.0
        visited = up[np.argsort(-hour_angle, kind="stable")][:half]
        waiting[visited] = False
        bands = (G, R) if k % 2 == 0 else (R, G)
        for fid, part in zip(bands, (block[:half], block[half:]), strict=True):
            for slot, number in zip(part.tolist(), visited.tolist(), strict=False):
                yield slot, number, fid


def _is_due(field: int, night: int) -> bool:
    return (field + night) % CADENCE_NIGHTS == 0


def _conditions(
    grid: FieldGrid, numbers: Indices, fids: Indices, start_unix_s: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Limits [mag] and seeing [px] of exposures: airmass, Moon and a little luck."""
    ra = np.array([grid.fields[n].ra_deg for n in numbers])
    dec = np.array([grid.fields[n].dec_deg for n in numbers])
    altitude = np.maximum(ephemeris.altitude_deg(ra, dec, start_unix_s), 20.0)
    airmass = 1.0 / np.sin(np.radians(altitude))
    moon = ephemeris.moon_position_deg(start_unix_s)
    up = ephemeris.altitude_deg(*moon, start_unix_s) > 0.0
    near = np.exp(-ephemeris.angle_deg(ra, dec, *moon) / 60.0)
    # Up to 1.7 mag near the full Moon, as ZTF's limits scatter from 18.5 to 20.8.
    glow = 2.5 * up * ephemeris.moon_illumination(start_unix_s) ** 2 * near
    dark = np.where(fids == G, DARK_LIMIT_MAG[G], DARK_LIMIT_MAG[R])
    luck = rng.normal(0.0, 0.12, len(numbers)) - rng.exponential(0.08, len(numbers))
    limit = dark - 0.25 * (airmass - 1.0) - glow * np.where(fids == G, 1.0, 0.7) + luck
    fwhm = 1.8 * airmass**0.6 * np.exp(rng.normal(0.0, 0.15, len(numbers)))
    return np.clip(limit, 17.0, 21.2), np.clip(fwhm, 1.2, 6.0)
