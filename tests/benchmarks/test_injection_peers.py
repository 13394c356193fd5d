"""The cuts of Fink and ZTFReST, on packets of which the answer is known."""

import pytest

from benchmarks.injection_peers import (
    fink_extragalactic_new,
    fink_kilonova,
    fink_orphan,
    fink_rate,
    is_near_galaxy,
    slope,
    ztfrest,
)
from correlator.alert import Quality, Surroundings
from correlator.policy import DAY_S
from tests.builders import T0_UNIX_S, a_detection, an_alert

GOOD = Quality(real_bogus=0.99, real_bogus_forest=0.9, snr=20.0, n_bad_pixels=0)
RUBIN_GOOD = Quality(real_bogus=0.9, snr=20.0)
GALAXY = Surroundings(star_score=0.1, star_sep_arcsec=4.0)
STAR = Surroundings(star_score=0.9, star_sep_arcsec=1.0)
AWAY = {"ra_deg": 180.0, "dec_deg": 30.0}


def a_fading(*points, survey="ztf", quality=GOOD, near=GALAXY, age_d=None, **other):
    """An alert of points of days, band and magnitude; the last is its own."""
    seen = [
        a_detection(str(i), T0_UNIX_S + day * DAY_S, mag, band)
        for i, (day, band, mag) in enumerate(points)
    ]
    own = seen[-1]
    return an_alert(
        own.source_id,
        survey=survey,
        detection=own,
        history=tuple(seen[:-1]),
        limits=(),
        quality=quality,
        surroundings=near,
        survey_first_unix_s=None if age_d is None else own.time_unix_s - age_d * DAY_S,
        **(AWAY | other),
    )


FAST = (0.0, "g", 18.0), (0.04, "r", 18.0), (2.0, "g", 19.0), (2.04, "r", 18.8)
SLOW = (0.0, "g", 18.0), (0.04, "r", 18.0), (2.0, "g", 18.4), (2.04, "r", 18.3)


def test_a_slope_is_the_weighted_one():
    assert slope([(0.0, 18.0, 0.1), (1.0, 18.5, 0.1), (2.0, 19.0, 0.1)]) == pytest.approx(0.5)
    heavy_end = slope([(0.0, 18.0, 0.1), (1.0, 18.0, 0.001), (2.0, 19.0, 0.001)])
    assert heavy_end == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("rule", [ztfrest, fink_rate])
def test_what_fades_by_half_a_magnitude_a_day_passes_and_half_of_that_does_not(rule):
    assert rule(a_fading(*FAST, age_d=2.1))
    assert not rule(a_fading(*SLOW, age_d=2.1))


@pytest.mark.parametrize(
    ("change", "ztfrest_too", "fink_too"),
    [
        ({"near": STAR}, False, True),
        ({"age_d": 400.0}, False, False),
        (
            {"quality": Quality(real_bogus=0.85, real_bogus_forest=0.9, n_bad_pixels=0)},
            *2 * [False],
        ),
        ({"quality": Quality(real_bogus=0.99, real_bogus_forest=0.5, n_bad_pixels=0)}, True, False),
        ({"near": Surroundings("1", 9.0)}, False, False),
        ({"ra_deg": 266.0, "dec_deg": -28.0}, True, False),
    ],
)
def test_what_each_rate_cut_looks_at(change, ztfrest_too, fink_too):
    alert = a_fading(*FAST, **({"age_d": 2.1} | change))
    assert (ztfrest(alert), fink_rate(alert)) == (ztfrest_too, fink_too)


def test_ztfrest_wants_every_band_fast():
    slow_in_r = (*FAST[:3], (2.04, "r", 18.2))
    assert not ztfrest(a_fading(*slow_in_r, age_d=2.1))
    assert not ztfrest(a_fading(*FAST, (8.0, "g", 22.0), age_d=8.1)), "g after 7 d"
    assert not ztfrest(a_fading((0.0, "g", 18.0), (0.04, "r", 18.0), age_d=0.1)), "no baseline"
    assert ztfrest(a_fading((0.0, "r", 19.0), (0.5, "r", 18.0), age_d=0.6)), "rises by 2 mag/d"
    assert not ztfrest(a_fading((0.0, "r", 18.4), (0.5, "r", 18.0), age_d=0.6)), "by 0.8 mag/d"


def test_fink_without_its_forest_wants_two_magnitudes_of_a_young_object():
    assert fink_kilonova(a_fading(*SLOW, age_d=2.1))
    assert not fink_kilonova(a_fading(SLOW[0], age_d=0.0)), "one magnitude"
    assert not fink_kilonova(a_fading(*SLOW, age_d=5.1))
    near = Surroundings("(1) Ceres", 2.0, star_score=0.1, star_sep_arcsec=20.0)
    assert not fink_kilonova(a_fading(*SLOW, age_d=2.1, near=near)), "roid 3"


def test_the_orphan_filter_of_fink_wants_three_faint_detections_that_fade():
    three = (0.0, "g", 19.2), (0.04, "r", 18.5), (2.0, "r", 19.5)
    assert fink_orphan(a_fading(*three, age_d=2.1))
    assert not fink_orphan(a_fading(*three[:2], age_d=0.1))
    assert not fink_orphan(a_fading(*three[:2], (2.0, "r", 18.2), age_d=2.1))


def test_near_a_galaxy_is_near_what_is_no_star():
    assert is_near_galaxy(GALAXY)
    assert not is_near_galaxy(STAR)
    assert not is_near_galaxy(Surroundings(star_score=0.1, star_sep_arcsec=16.0))
    assert not is_near_galaxy(Surroundings())


def test_the_extragalactic_filter_of_fink_for_rubin():
    def passes(*points, **other):
        given = {"survey": "lsst", "quality": RUBIN_GOOD, **other}
        return fink_extragalactic_new(a_fading(*points, **given))

    fades = (0.0, "g", 20.0), (1.0, "g", 20.6)
    assert passes(*fades)
    assert not passes((0.0, "g", 20.0), (1.0, "g", 20.4)), "0.4 mag/d in g"
    assert passes((0.0, "r", 20.0), (1.0, "r", 20.4)), "0.4 mag/d in r"
    assert not passes((0.0, "r", 20.0), (1.0, "g", 20.6)), "one point a band"
    assert not passes(*fades, near=STAR)
    assert not passes(*fades, near=Surroundings()), "no galaxy"
    assert not passes(*fades, ra_deg=266.0, dec_deg=-20.0), "in the plane"
    assert passes((0.0, "g", 20.6), (1.0, "g", 20.0)), "rises"
    assert not passes((0.0, "g", 22.6), (4.0, "g", 20.0)), "rises, too old"
