"""The optical objects of a load night: drawn all at once, made into alerts one by one.

A load night is not a likeness of ZTF's sky (that is `correlator.simulation.night`): it has the
shape of its alerts, the growth of their histories and the mix of what joins and what does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from correlator.alert import AB_ZERO_POINT_NJY, Alert, Detection, Limit, Quality, Surroundings
from correlator.policy import DAY_S
from correlator.simulation.ephemeris import moved_deg
from correlator.simulation.load_events import LoadEvent
from skymaps.healpix import index_29_of
from skymaps.place import index_29_at

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

SLOT_S, N_SLOTS = 60.0, 600
"""An exposure a minute through a night of ten hours; alerts of one exposure share its time."""

NIGHT_S = SLOT_S * N_SLOTS
MIN_SLOTS_APART = 15
"""A place is not visited again within a quarter of an hour: longer than the 0.01 d of the rules."""

MOST_ALERTS = 10
PAST_VISITS, PAST_CADENCE_S = 10, 2 * DAY_S
"""Visits of a place in the nights before, every second night."""

EXPOSURE_S = 30.0
_FEWER = 0.7
"""Each further alert of an object is that much rarer: 2.9 alerts an object on average."""

SOUTHERN_EDGE_SINE = -0.5
"""The footprint is the sky north of -30 deg: three quarters of it."""

CHANGE, CHANGE_DEG = 0.01, 0.3 / 3600.0
"""Flux, in parts, and place by which the second content of an alert id differs from the first."""

_LIMIT_MAG = 20.6
_JITTER_DEG = 0.1 / 3600.0
_FIRST_ID = 2_900_000_000_000_000
_IDS_PER_OBJECT = 32

_BANDS = ("g", "r")


class LoadKind(IntEnum):
    """What an object is: it decides its past, its light and its neighbours."""

    VARIABLE = 0
    """A star: seen for years, brighter and fainter than the template."""
    ASTEROID = 1
    """Seen once, at the place of a known Solar System object."""
    SUPERNOVA = 2
    """Began to shine in one of the nights before."""
    TRANSIENT = 3
    """Seen tonight for the first time, fading."""


_CLEAN = Quality(n_bad_pixels=0, fwhm_px=2.1, elongation=1.1, mag_difference=0.02)

_SHARES = (0.66, 0.28, 0.04, 0.02)

_NEAR = {
    LoadKind.VARIABLE: Surroundings(star_score=0.97, star_sep_arcsec=0.2, gaia_sep_arcsec=0.2),
    LoadKind.ASTEROID: Surroundings(solar_system_name="12345", solar_system_sep_arcsec=0.9),
    LoadKind.SUPERNOVA: Surroundings(star_score=0.05, star_sep_arcsec=3.1),
    LoadKind.TRANSIENT: Surroundings(star_score=0.02, star_sep_arcsec=5.4),
}


@dataclass(frozen=True, slots=True)
class _Objects:
    """Objects before their light is drawn; every array has shape ``(n,)``.

    Attributes
    ----------
    onset_unix_s
        When it began to shine; NaN where no event says.
    first_slot
        Slot before which it has no alert.
    """

    ra_deg: Floats
    dec_deg: Floats
    kind: Indices
    n_alerts: Indices
    onset_unix_s: Floats
    first_slot: Indices


@dataclass(frozen=True, slots=True)
class LoadSky:
    """All objects of the night, and the alerts that they give.

    Attributes
    ----------
    start_unix_s
        Beginning of the night.
    owner, nth
        Object of each alert, and which of its alerts it is, shape ``(n_alerts,)``.
    time_unix_s, ra_deg, dec_deg, index_29, flux_njy, flux_err_njy, real_bogus
        Of each alert, shape ``(n_alerts,)``.
    begins
        First alert of each object, shape ``(n_objects,)``.
    past_unix_s, past_flux_njy
        Visits of the nights before, shape ``(n_objects, PAST_VISITS)``; a flux of 0 is a limit.
    survey_first_unix_s
        Beginning of each object's history, shape ``(n_objects,)``.
    n_injected
        So many of the objects, the first ones, belong to events.
    """

    start_unix_s: float
    kind: Indices
    owner: Indices
    nth: Indices
    time_unix_s: Floats
    ra_deg: Floats
    dec_deg: Floats
    index_29: Indices
    flux_njy: Floats
    flux_err_njy: Floats
    real_bogus: Floats
    begins: Indices
    past_unix_s: Floats
    past_flux_njy: Floats
    survey_first_unix_s: Floats
    n_injected: int

    def alert(self, at: int, changed: bool = False) -> Alert:
        """Alert number ``at``.

        Parameters
        ----------
        changed
            The same id with other content, as surveys send at times: processed anew.
        """
        owner, nth = int(self.owner[at]), int(self.nth[at])
        before = range(int(self.begins[owner]), at)
        seen, limits = self._past(owner)
        real_bogus, dec_deg = float(self.real_bogus[at]), float(self.dec_deg[at])
        index_29, factor = int(self.index_29[at]), 1.0
        if changed:
            # Brighter or fainter, so that either content may be the one that stays.
            dec_deg -= math.copysign(CHANGE_DEG, dec_deg)
            index_29 = index_29_at(self.ra_deg[at], dec_deg)
            factor = 1.0 + CHANGE * (-1) ** at
        return Alert(
            survey="ztf",
            schema_version="4.02",
            alert_id=alert_id(owner, nth),
            object_id=object_id(owner),
            ra_deg=float(self.ra_deg[at]),
            dec_deg=dec_deg,
            index_29=index_29,
            exposure_s=EXPOSURE_S,
            detection=self._detection(at, factor),
            history=(*seen, *(self._detection(i) for i in before)),
            limits=limits,
            survey_first_unix_s=float(self.survey_first_unix_s[owner]),
            quality=replace(_CLEAN, real_bogus=real_bogus * factor, real_bogus_forest=real_bogus),
            surroundings=_NEAR[LoadKind(int(self.kind[owner]))],
        )

    def _detection(self, at: int, factor: float = 1.0) -> Detection:
        time_unix_s = float(self.time_unix_s[at])
        return Detection(
            source_id=alert_id(int(self.owner[at]), int(self.nth[at])),
            time_unix_s=time_unix_s,
            band=_band(time_unix_s),
            flux_njy=factor * float(self.flux_njy[at]),
            flux_err_njy=float(self.flux_err_njy[at]),
        )

    def _past(self, owner: int) -> tuple[tuple[Detection, ...], tuple[Limit, ...]]:
        """What the nights before saw of an object, and what they missed."""
        visits = list(
            zip(
                range(PAST_VISITS),
                self.past_unix_s[owner].tolist(),
                self.past_flux_njy[owner].tolist(),
                strict=True,
            )
        )
        seen = (
            Detection(alert_id(owner, MOST_ALERTS + n), when, _band(when), flux, 0.1 * abs(flux))
            for n, when, flux in visits
            if flux
        )
        missed = (Limit(when, _band(when), _LIMIT_MAG) for _, when, flux in visits if not flux)
        return tuple(seen), tuple(missed)


def alert_id(owner: int, nth: int) -> str:
    """``candid`` of an object's n-th alert of the night, or of a past visit (from 10 on)."""
    return str(_FIRST_ID + _IDS_PER_OBJECT * owner + nth)


def object_id(owner: int) -> str:
    """``ZTF26aaaaaaa``, counted in letters."""
    letters, left = "", owner
    for _ in range(7):
        left, letter = divmod(left, 26)
        letters = chr(ord("a") + letter) + letters
    return f"ZTF26{letters}"


def draw_sky(
    n_alerts: int, start_unix_s: float, events: Sequence[LoadEvent], rng: np.random.Generator
) -> LoadSky:
    """Objects with exactly so many alerts together: those of the events, and the unrelated sky."""
    injected = _injected(start_unix_s, events, rng)
    unrelated = _unrelated(n_alerts - int(injected.n_alerts.sum()), rng)
    objects = _Objects(
        *(
            np.concatenate([getattr(injected, name), getattr(unrelated, name)])
            for name in _Objects.__dataclass_fields__
        )
    )
    owner = np.repeat(np.arange(len(objects.n_alerts)), objects.n_alerts)
    begins = np.cumsum(objects.n_alerts) - objects.n_alerts
    nth = np.arange(n_alerts) - begins[owner]
    slot = _slots(objects, owner, rng)
    time_unix_s = np.asarray(start_unix_s + SLOT_S * slot + 0.5 * EXPOSURE_S, dtype=np.float64)
    past_unix_s = _past_times(objects, start_unix_s, rng)
    onset, lights = _light(objects, owner, time_unix_s, past_unix_s, rng)
    ra_deg, dec_deg = _measured(objects, owner, rng)
    return LoadSky(
        start_unix_s=start_unix_s,
        kind=objects.kind,
        owner=owner,
        nth=nth,
        time_unix_s=time_unix_s,
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        index_29=index_29_of(ra_deg, dec_deg),
        real_bogus=np.round(rng.uniform(0.6, 0.98, n_alerts), 4),
        begins=begins,
        past_unix_s=past_unix_s,
        survey_first_unix_s=onset,
        n_injected=len(injected.n_alerts),
        **lights,
    )


def _injected(
    start_unix_s: float, events: Sequence[LoadEvent], rng: np.random.Generator
) -> _Objects:
    """Three objects an event that has any: the first at the true place, two rivals about it."""
    rows: list[tuple[float, float, int, int, float, int]] = []
    for event in events:
        sky, spread_deg = event.sky, event.spread_deg or 0.0
        for rival in range(event.n_injected):
            apart = 0.0 if rival == 0 else float(rng.rayleigh(0.5 * spread_deg))
            ra, dec = moved_deg(sky.ra_deg or 0.0, sky.dec_deg or 0.0, apart, rng.uniform(0, 360))
            onset = sky.t0_unix_s + rng.uniform(0.01, 0.05) * DAY_S
            since = max(0, 1 + int((onset - start_unix_s) / SLOT_S))
            kind = LoadKind.TRANSIENT if onset > start_unix_s - DAY_S else LoadKind.SUPERNOVA
            rows.append((float(ra), float(dec), kind, int(rng.integers(4, 11)), onset, since))
    table = np.array(rows, dtype=np.float64).reshape(-1, 6).T
    whole = table.astype(np.int64)
    return _Objects(table[0], table[1], whole[2], whole[3], table[4], whole[5])


def _unrelated(n_alerts: int, rng: np.random.Generator) -> _Objects:
    """Objects all over the footprint with so many alerts together."""
    chances = _FEWER ** np.arange(MOST_ALERTS)
    counts = 1 + rng.choice(MOST_ALERTS, size=n_alerts, p=chances / chances.sum())
    kind = rng.choice(len(_SHARES), size=n_alerts, p=_SHARES)
    counts = np.where(kind == LoadKind.ASTEROID, 1, counts)
    total = np.cumsum(counts)
    n = 1 + int(np.searchsorted(total, n_alerts))
    counts, kind = counts[:n], kind[:n]
    counts[-1] -= int(total[n - 1]) - n_alerts
    return _Objects(
        ra_deg=rng.uniform(0.0, 360.0, n),
        dec_deg=np.degrees(np.arcsin(rng.uniform(SOUTHERN_EDGE_SINE, 1.0, n))),
        kind=kind,
        n_alerts=counts,
        onset_unix_s=np.full(n, np.nan),
        first_slot=np.zeros(n, dtype=np.int64),
    )


def _slots(objects: _Objects, owner: Indices, rng: np.random.Generator) -> Indices:
    """Slot of each alert: by time within an object, a quarter of an hour apart at least."""
    nth = np.arange(len(owner)) - (np.cumsum(objects.n_alerts) - objects.n_alerts)[owner]
    spaced = MIN_SLOTS_APART * (objects.n_alerts - 1)
    room = N_SLOTS - objects.first_slot - spaced
    drawn = objects.first_slot[owner] + (rng.random(len(owner)) * room[owner]).astype(np.int64)
    by_owner = np.lexsort((drawn, owner))
    return np.asarray(drawn[by_owner] + MIN_SLOTS_APART * nth)


def _past_times(objects: _Objects, start_unix_s: float, rng: np.random.Generator) -> Floats:
    """Middles of the visits of the nights before, the oldest first."""
    nights = np.arange(PAST_VISITS, 0, -1) * PAST_CADENCE_S
    slot = rng.integers(0, N_SLOTS, len(objects.kind))
    return np.asarray(start_unix_s + SLOT_S * slot[:, None] - nights + 0.5 * EXPOSURE_S)


def _light(
    objects: _Objects,
    owner: Indices,
    time_unix_s: Floats,
    past_unix_s: Floats,
    rng: np.random.Generator,
) -> tuple[Floats, dict[str, Any]]:
    """Beginning of each object's history, and the fluxes of its alerts and of its past."""
    n, kind = len(objects.kind), objects.kind
    first_alert = time_unix_s[np.cumsum(objects.n_alerts) - objects.n_alerts]
    peak_mag = rng.uniform(17.0, 20.0, n)
    fading = rng.uniform(0.3, 3.0, n) * (kind == LoadKind.TRANSIENT)
    since_first = (time_unix_s - first_alert[owner]) / DAY_S
    size = _flux(peak_mag[owner] + fading[owner] * since_first)
    flux = size * rng.normal(1.0, 0.05, len(owner))
    is_fainter = (kind == LoadKind.VARIABLE)[owner] & (rng.random(len(owner)) < 0.4)
    flux = np.where(is_fainter, -flux, flux)
    past_flux = _past_flux(objects, first_alert, past_unix_s, _flux(peak_mag), rng)
    first_seen = np.where(
        past_flux.any(axis=1),
        past_unix_s[np.arange(n), (past_flux != 0.0).argmax(axis=1)],
        first_alert,
    )
    years_ago = past_unix_s[:, 0] - 365.0 * DAY_S
    began = np.where(kind == LoadKind.VARIABLE, years_ago, first_seen - 0.5 * EXPOSURE_S)
    return began, {
        "flux_njy": np.round(flux, 3),
        "flux_err_njy": np.round(np.abs(flux) / rng.uniform(5.0, 50.0, len(owner)), 3),
        "past_flux_njy": np.round(past_flux, 3),
    }


def _past_flux(
    objects: _Objects,
    first_alert_unix_s: Floats,
    past_unix_s: Floats,
    size: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Fluxes of the visits before; 0 where nothing was found."""
    n, kind = len(objects.kind), objects.kind
    rising = past_unix_s[np.arange(n), rng.integers(1, PAST_VISITS, n)]
    drawn = np.where(kind == LoadKind.SUPERNOVA, rising, first_alert_unix_s)
    onset = np.where(np.isnan(objects.onset_unix_s), drawn, objects.onset_unix_s)
    flux = size[:, None] * rng.normal(1.0, 0.1, past_unix_s.shape)
    chance = rng.random(past_unix_s.shape)
    of_star = np.where(chance < 0.4, flux, np.where(chance < 0.7, -flux, 0.0))
    of_new = np.where(past_unix_s >= onset[:, None], flux, 0.0)
    return np.asarray(np.where((kind == LoadKind.VARIABLE)[:, None], of_star, of_new))


def _measured(objects: _Objects, owner: Indices, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Positions of the alerts about those of their objects."""
    ra, dec = moved_deg(
        objects.ra_deg[owner],
        objects.dec_deg[owner],
        rng.rayleigh(_JITTER_DEG, len(owner)),
        rng.uniform(0.0, 360.0, len(owner)),
    )
    return np.round(ra, 7) % 360.0, np.round(dec, 7)


def _flux(mag_ab: Floats) -> Floats:
    return np.asarray(10.0 ** (0.4 * (AB_ZERO_POINT_NJY - mag_ab)))


def _band(time_unix_s: float) -> str:
    """Filter of an exposure: one of two, by turns of its slot."""
    return _BANDS[int(time_unix_s // SLOT_S) % len(_BANDS)]
