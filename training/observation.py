"""From a source and a survey to an object as its alerts tell it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from correlator.alert import AB_ZERO_POINT_NJY, Detection, Limit, Surroundings
from correlator.features.curves import BANDS
from correlator.object import OpticalObject
from correlator.policy import DAY_S
from training.blackbody import Floats
from training.sources import Source
from training.visits import Survey, Visits

BRIGHTEST_SNR = (6.0, 120.0)
"""Signal to noise of an object where it stands out most, drawn evenly in its logarithm for every
class, so that how bright something is says nothing of what it is."""

LEAST_SNR = 5.0
"""Of a detection: the surveys' own threshold."""

FLOOR_MAG = 0.02
"""Error of the photometry of a bright source."""

MODEL_MAG = 0.12
"""How wrong the models' colours may be: each band of an object is off by so much."""

BEFORE_D, AFTER_D = 35.0, 60.0
"""For how long a place is looked at before and after the beginning of something."""

START_UNIX_S = 1_700_000_000.0

_INDEX_29 = 0


def observed(
    rng: np.random.Generator, source: Source, survey: Survey, wrong_mag: float = MODEL_MAG
) -> OpticalObject | None:
    """The object at one of its detections, with what its alert tells of the past.

    Parameters
    ----------
    wrong_mag
        How wrong the colours of the source may be.

    Returns
    -------
    OpticalObject or None
        None if nothing is detected.
    """
    visits = survey.visits(rng, _before_d(rng, source, survey), AFTER_D)
    flux, error = _measured(rng, source, visits, wrong_mag)
    seen = np.abs(flux) >= LEAST_SNR * error
    if not seen.any():
        return None
    now = _alert_of(rng, source, np.flatnonzero(seen))
    told = (visits.day <= visits.day[now]) & (visits.day > visits.day[now] - survey.history_d)
    times = START_UNIX_S + visits.day * DAY_S
    ids = [str(i) for i in range(len(times))]
    detections = tuple(
        Detection(ids[i], float(times[i]), BANDS[visits.band[i]], float(flux[i]), float(error[i]))
        for i in np.flatnonzero(seen & told)
    )
    limits = tuple(
        Limit(float(times[i]), BANDS[visits.band[i]], float(visits.depth_mag_ab[i]))
        for i in np.flatnonzero(~seen & told & survey.tells_limits)
    )
    return _object(survey, detections, limits, _first_unix_s(rng, source, survey, times[seen][0]))


def _measured(
    rng: np.random.Generator, source: Source, visits: Visits, wrong_mag: float
) -> tuple[Floats, Floats]:
    """Fluxes and errors [nJy], scaled so that the brightest has a signal to noise of its own."""
    noise_njy = 10.0 ** (0.4 * (AB_ZERO_POINT_NJY - visits.depth_mag_ab)) / LEAST_SNR
    wrong = 10.0 ** (-0.4 * rng.normal(0.0, wrong_mag, len(BANDS)))
    true = source.light(visits.day, visits.band) * wrong[visits.band]
    most = float(np.max(np.abs(true) / noise_njy, initial=0.0))
    snr = math.exp(rng.uniform(*np.log(BRIGHTEST_SNR)))
    true = true * (snr / most if most > 0.0 else 0.0)
    error = np.hypot(noise_njy, FLOOR_MAG * 0.4 * math.log(10.0) * np.abs(true))
    return true + error * rng.normal(size=len(error)), error


def _before_d(rng: np.random.Generator, source: Source, survey: Survey) -> float:
    """For how long a place has been looked at: where something always was, up to all history."""
    if source.is_persistent and survey.history_d > BEFORE_D:
        return float(rng.uniform(BEFORE_D, survey.history_d))
    return BEFORE_D


def _alert_of(rng: np.random.Generator, source: Source, seen: NDArray[np.int64]) -> int:
    """The detection whose alert it is: of what is new mostly one of the first ten, else any."""
    is_early = not source.is_persistent and rng.random() < 0.8
    return int(rng.choice(seen[:10] if is_early else seen))


def _first_unix_s(
    rng: np.random.Generator, source: Source, survey: Survey, seen_unix_s: float
) -> float | None:
    """The survey's own count of the first detection, which only ZTF gives."""
    if survey.name != "ztf":
        return None
    years_d = rng.exponential(700.0) if source.is_persistent else 0.0
    return float(seen_unix_s - years_d * DAY_S)


def _object(
    survey: Survey,
    detections: tuple[Detection, ...],
    limits: tuple[Limit, ...],
    first_unix_s: float | None,
) -> OpticalObject:
    last = detections[-1]
    return OpticalObject(
        survey=survey.name,
        object_id="simulated",
        alert_ids=(last.source_id,),
        ra_deg=0.0,
        dec_deg=0.0,
        index_29=_INDEX_29,
        position_snr=abs(last.flux_njy) / (last.flux_err_njy or math.inf),
        position_alert_id=last.source_id,
        latest_unix_s=last.time_unix_s,
        latest_alert_id=last.source_id,
        detections=detections,
        limits=limits,
        survey_first_unix_s=first_unix_s,
        real_bogus=None,
        surroundings=Surroundings(),
    )
