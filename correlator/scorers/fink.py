"""Rules of the Fink broker, as published, to compare ours with."""

from __future__ import annotations

from collections.abc import Sequence

from correlator.alert import Detection, mag_of_flux
from correlator.features import Features
from correlator.object import OpticalObject
from correlator.scorers.score import Scorer, Value, all_of, at_most, one_by_one

_ORPHAN_N = 3


def roid(
    n_survey: int,
    n_packet: int,
    star_score: float,
    star_sep_arcsec: float,
    solar_system_sep_arcsec: float,
    last_gap_min: float | None,
) -> int:
    """Fink's Solar System flag: 3 known asteroid, 2 candidate, 1 seen once, 0 neither.

    The rules in the order in which they override each other (fink-science,
    ``fink_science/ztf/asteroids/processor.py``). Distances and the score are the survey's numbers,
    its sentinel -999 for unknown included, as the rules compare them.

    Parameters
    ----------
    n_survey
        Detections at the place by the survey's count (ZTF ``ndethist``).
    n_packet
        Magnitudes in the packet, its own included.
    last_gap_min
        Time between the two latest magnitudes [min]; None of one.
    """
    flag = 1 if n_survey == 1 else 0
    if star_score < 0.76 and n_survey <= 2:
        flag = 2
    if 0.0 < star_sep_arcsec < 5.0:
        flag = 0
    if n_packet == 2 and last_gap_min is not None and last_gap_min > 30.0:
        flag = 0
    if n_survey == 2 and n_packet == 1:
        flag = 0
    is_near = 0.0 <= solar_system_sep_arcsec < 5.0
    if is_near and abs(star_sep_arcsec) > solar_system_sep_arcsec and max(n_survey, n_packet) <= 5:
        flag = 3
    return flag


def _orphan(obj: OpticalObject, f: Features) -> Value:
    found = obj.detections
    # Fink takes magnitudes without their signs.
    mags = [mag_of_flux(abs(d.flux_njy)) for d in found if d.flux_njy]
    bands = {b: [m for m, d in zip(mags, found, strict=False) if d.band == b] for b in "gr"}
    is_three = len(mags) == len(found) == _ORPHAN_N
    age_d = f.span_d if f.survey_age_d is None else f.survey_age_d
    return all_of(
        (
            (is_three, "three detections"),
            (at_most(age_d, 30.0), "at most 30 d old"),
            (all(m > 18.0 for m in mags), "always fainter than 18"),
            ((f.span_d or 0.0) < 10.0, "within 10 d"),
            (is_three and _fades(found, mags), "fades at last"),
            (
                bool(bands["g"] and bands["r"]) and _mean(bands["g"]) >= _mean(bands["r"]),
                "red on the mean",
            ),
            (obj.surroundings.solar_system_name is None, "no asteroid"),
        )
    )


def _fades(found: Sequence[Detection], mags: Sequence[float]) -> bool:
    is_g_then_r = (found[1].band, found[2].band) in (("g", "r"), ("g", "i"), ("r", "i"))
    return mags[1] - mags[2] <= 0.3 if is_g_then_r else mags[2] > mags[1]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


ORPHAN_FINK = Scorer(
    "orphan-afterglow-fink",
    "1",
    "1 passes all cuts of Fink's filter, else 0",
    "fink-filters, filter_orphan_grb_candidates (Peloton, Bregeon); at most 30 d, fainter than 18, "
    "three detections within 10 d, fading at last, g - r >= 0 on the mean, no asteroid",
    one_by_one(_orphan),
)
"""Their history is the packet's, ours the object's; a name of an asteroid counts of the latest
packet, theirs of each."""
