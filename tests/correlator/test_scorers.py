"""Scorers: each rule by cases, laws of all, and published light curves."""

import csv
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from correlator.alert import Detection, Limit, Surroundings
from correlator.features import FEATURES, Context, Position, features_of, features_of_many
from correlator.features.curves import BANDS
from correlator.object import OpticalObject
from correlator.policy import DAY_S
from correlator.scorers import (
    SCORERS,
    ObjectClass,
    batch_of,
    class_of,
    power_laws,
    scores_of,
    scores_of_many,
)
from correlator.scorers.fink import roid
from correlator.scorers.kilonova import OFFSET_MAG
from correlator.scorers.templates import (
    KILONOVA_DAYS,
    KILONOVA_MAG_AB,
    Shapes,
    backgrounds,
    kilonova,
)
from tests.builders import an_alert, an_object
from tests.correlator.light_curves import (
    AT2017GFO,
    ZTF21AAGWBJR,
    object_of_packets,
    published,
    unix_s,
)
from tests.correlator.test_features import START_UNIX_S, alerts_of, curve_object, light_curves

Point = tuple[float, str, float]


def value(name: str, obj: OpticalObject) -> float | None:
    return scores_of(obj)[name].value


def test_names_with_versions_are_unique_and_every_score_has_a_reason():
    assert len({s.name for s in SCORERS}) == len(SCORERS)
    scores = scores_of(an_object())
    assert list(scores) == [s.name for s in SCORERS]
    assert all(s.reason and s.version for s in scores.values())
    assert all(s.meaning and s.source for s in SCORERS)


@settings(max_examples=25)
@given(st.lists(light_curves(), min_size=1, max_size=5))
def test_the_other_objects_do_not_matter(curves):
    objects = [an_object(*alerts_of(curve)) for curve in curves]
    assert scores_of_many(objects) == [scores_of(o) for o in objects]


@settings(max_examples=25)
@given(light_curves(), st.integers(-10_000_000, 10_000_000))
def test_the_date_does_not_matter(curve, shift_s):
    here, there = an_object(*alerts_of(curve)), an_object(*alerts_of(curve, shift_s))
    assert scores_of(there) == scores_of(here)


fluxes = st.floats(-1e30, 1e30) | st.sampled_from([0.0, 5e-324, -1e-300, 1e30])
errors = st.none() | st.floats(1e-6, 1e30)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.floats(0.0, 3e8), st.sampled_from("grX"), fluxes, errors),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_a_decoder_lets_through_gives_numbers(points):
    found = [
        Detection(str(i), START_UNIX_S + t_s, band, flux, error)
        for i, (t_s, band, flux, error) in enumerate(sorted(points, key=lambda p: p[0]))
    ]
    obj = an_object(an_alert(detection=found[-1], history=tuple(found[:-1])))
    features = features_of(obj)
    told = [getattr(features, name) for name in FEATURES]
    told += [score.value for score in scores_of(obj, features).values()]
    assert all(x is None or math.isfinite(x) for x in told)


def test_features_must_be_those_of_the_objects():
    with pytest.raises(ValueError, match="1 objects and 0 features"):
        batch_of([an_object()], [])


def seen_once(mag: float = 18.0, **near: Any) -> OpticalObject:
    return curve_object((0.0, "r", mag), surroundings=Surroundings(**near))


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (seen_once(solar_system_name="23", solar_system_sep_arcsec=0.5), 1.0),
        (seen_once(solar_system_name="23", solar_system_sep_arcsec=8.0), 0.5),
        (seen_once(solar_system_name="23", solar_system_sep_arcsec=20.0), None),
        # A star nearer than the asteroid.
        (seen_once(solar_system_sep_arcsec=4.0, star_score=0.99, star_sep_arcsec=0.3), 0.5),
        (seen_once(), None),
        # Something that stays is no asteroid, whatever passes by.
        (
            curve_object((-1.0, "r", 18.0), (0.0, "r", 18.0), surroundings=Surroundings("23", 0.5)),
            0.0,
        ),
        (curve_object((0.0, "r", 18.0), survey="lsst", object_id="sso23"), 1.0),
        (curve_object((0.0, "r", 18.0), survey="lsst", object_id="23"), 0.0),
    ],
)
def test_solar_system(obj, expected):
    assert value("solar-system", obj) == expected


def test_what_moves_is_of_the_solar_system():
    obj = curve_object((0.0, "r", 18.0), (0.03, "r", 18.0))
    track = (Position(START_UNIX_S, 10.0, 0.0), Position(START_UNIX_S + 2592.0, 10.0, 0.005))
    features = features_of(obj, context=Context(positions=track))
    assert scores_of(obj, features)["solar-system"].value == 1.0
    still = (track[0], Position(START_UNIX_S + 2592.0, 10.0, 0.0001))
    features = features_of(obj, context=Context(positions=still))
    assert scores_of(obj, features)["solar-system"].value == 0.0


@pytest.mark.parametrize(
    ("score", "sep_arcsec", "expected"),
    [(0.9, 1.0, 0.9), (0.9, 2.1, 0.0), (0.02, 0.1, 0.02), (None, None, None)],
)
def test_star(score, sep_arcsec, expected):
    assert value("star", seen_once(star_score=score, star_sep_arcsec=sep_arcsec)) == expected


def test_prior_activity():
    young = curve_object((0.0, "r", 18.0), survey_first_unix_s=START_UNIX_S)
    old = curve_object((0.0, "r", 18.0), survey_first_unix_s=START_UNIX_S - 32.0 * DAY_S)
    limited = curve_object((0.0, "r", 18.0), limits=(Limit(START_UNIX_S - DAY_S, "r", 20.0),))
    below = an_object(an_alert(detection=Detection("2", START_UNIX_S, "r", -5e3, 100.0)))
    got = [value("prior-activity", o) for o in (young, old, limited, below, seen_once())]
    assert got == [0.0, 1.0, 0.0, 1.0, None]


def test_a_glint_is_seen_once_between_deep_limits():
    minutes = 60.0
    deep = (Limit(START_UNIX_S - 30 * minutes, "g", 20.5),)
    shallow = (Limit(START_UNIX_S - 30 * minutes, "g", 18.5),)
    long_ago = (Limit(START_UNIX_S - DAY_S, "g", 20.5),)
    flash = (0.0, "r", 18.0)
    got = [
        value("satellite-glint", curve_object(flash, limits=limits))
        for limits in (deep, shallow, long_ago)
    ]
    assert got == [1.0, None, None]
    twice = curve_object((-0.02, "r", 18.0), flash, limits=deep)
    asteroid = curve_object(flash, limits=deep, surroundings=Surroundings("23", 1.0))
    assert [value("satellite-glint", o) for o in (twice, asteroid)] == [0.0, 0.0]


def test_the_fast_rate_is_between_the_latest_two_of_a_band():
    points = ((0.0, "r", 18.0), (1.0, "r", 18.2), (1.5, "g", 19.0), (3.0, "r", 19.2))
    obj = curve_object(*points)
    assert value("fast-rate", obj) == pytest.approx(0.5)
    # The exposures of one visit count once.
    obj = curve_object(*points, (3.001, "r", 19.3))
    assert value("fast-rate", obj) == pytest.approx(1.1 / 2.001)


def test_against_a_limit_the_fast_rate_is_a_least_brightening():
    deep = (Limit(START_UNIX_S - 0.5 * DAY_S, "r", 20.0),)
    assert value("fast-rate", curve_object((0.0, "r", 18.0), limits=deep)) == pytest.approx(-4.0)
    shallow = (Limit(START_UNIX_S - 0.5 * DAY_S, "r", 17.0),)
    assert value("fast-rate", curve_object((0.0, "r", 18.0), limits=shallow)) is None
    assert value("fast-rate", seen_once()) is None


def power_law_points(alpha: float, t0_day: float, days: Sequence[float]) -> list[Point]:
    return [
        (day, band, 17.0 + offset + 2.5 * alpha * math.log10(day - t0_day))
        for day in days
        for band, offset in (("g", 0.3), ("r", 0.0))
    ]


@given(st.floats(0.4, 2.9), st.floats(0.05, 2.0))
def test_a_power_law_is_found_again(alpha, delay_d):
    obj = curve_object(*power_law_points(alpha, -delay_d, (0.0, 0.3, 1.0, 2.5)))
    (fit,) = power_laws(batch_of([obj], [features_of(obj)]), [START_UNIX_S - delay_d * DAY_S])
    assert fit is not None
    assert fit.alpha == pytest.approx(alpha, abs=1e-4)
    assert fit.chi2 == pytest.approx(0.0, abs=1e-3)
    assert fit.n_free == 5  # eight points, two offsets, one index
    assert fit.t0_unix_s == pytest.approx(START_UNIX_S - delay_d * DAY_S)


def test_the_index_has_the_error_of_a_weighted_line():
    days = np.array([0.0, 0.5, 1.5, 3.0])
    obj = curve_object(*((day, "r", 18.0 + day) for day in days))
    (fit,) = power_laws(batch_of([obj], [features_of(obj)]), [START_UNIX_S - DAY_S])
    x = 2.5 * np.log10(days + 1.0)
    line, covariance = np.polyfit(
        x, 18.0 + days, 1, w=np.full(4, 1 / math.hypot(0.1, 0.1)), cov="unscaled"
    )
    assert fit is not None
    assert fit.alpha == pytest.approx(line[0], rel=1e-6)
    assert fit.alpha_err == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-6)
    assert fit.chi2 == pytest.approx((((18.0 + days - np.polyval(line, x)) ** 2) / 0.02).sum())


def test_nothing_can_be_fitted_to_what_was_seen_before_t0():
    obj = curve_object(*power_law_points(1.0, -1.0, (0.0, 1.0, 2.0)))
    batch = batch_of([obj, obj], [features_of(obj)] * 2)
    before, free = power_laws(batch, [START_UNIX_S + 0.5 * DAY_S, None])
    assert before is None
    assert free is not None
    assert free.n_free == 2


def test_an_afterglow_is_a_power_law_of_a_sane_index():
    days = (0.0, 0.2, 0.6, 1.5, 2.5)
    good = value("afterglow", curve_object(*power_law_points(1.1, -0.2, days)))
    assert good is not None
    assert good > 0.5
    constant = curve_object(*((day, "r", 18.0) for day in days))
    rising = curve_object(*((day, "r", 19.0 - day) for day in days))
    humped = curve_object(*((d, "r", m) for d, m in zip(days, (18, 19, 18, 19, 18), strict=True)))
    assert [value("afterglow", o) for o in (constant, rising)] == [0.0, 0.0]
    assert (value("afterglow", humped) or 0.0) < 1e-3
    assert value("afterglow", curve_object((0.0, "r", 18.0), (1.0, "r", 19.0))) is None


FADING = ((0.0, "g", 19.2), (0.05, "r", 19.0), (1.0, "g", 20.3), (1.05, "r", 20.0))


def test_an_orphan_afterglow_fades_fast_and_is_no_star():
    assert value("orphan-afterglow", curve_object(*FADING)) == 1.0
    star = curve_object(*FADING, surroundings=Surroundings(star_score=0.9, star_sep_arcsec=0.5))
    slow = curve_object(*((d, b, 19.0 + 0.1 * d) for d, b, _ in FADING))
    blue = curve_object(*((d, b, m - (1.5 if b == "g" else 0.0)) for d, b, m in FADING))
    old = curve_object(*FADING, survey_first_unix_s=START_UNIX_S - 20 * DAY_S)
    assert [value("orphan-afterglow", o) for o in (star, slow, blue, old)] == [0.0] * 4
    assert value("orphan-afterglow", curve_object(*FADING[:2])) is None


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (((0, "g", 19.5), (1, "r", 19.0), (2, "r", 19.3)), 1.0),
        (((0, "g", 19.5), (1, "r", 19.0)), 0.0),  # two
        (((0, "g", 19.5), (1, "r", 17.9), (2, "r", 19.3)), 0.0),  # brighter than 18
        (((0, "g", 19.5), (1, "r", 19.0), (11, "r", 19.3)), 0.0),  # too long
        (((0, "g", 19.5), (1, "r", 19.3), (2, "r", 19.0)), 0.0),  # brightens
        (((0, "g", 19.0), (1, "r", 19.2), (2, "r", 19.3)), 0.0),  # blue
        (((0, "r", 19.0), (1, "g", 19.4), (2, "r", 19.1)), 1.0),  # g, then r: 0.3 of colour
        (((0, "r", 19.0), (1, "g", 19.5), (2, "r", 19.1)), 0.0),
        (((0, "r", 19.0), (1, "r", 19.2), (2, "g", 19.3)), 1.0),
    ],
)
def test_finks_cuts_for_orphans(points, expected):
    assert value("orphan-afterglow-fink", curve_object(*points)) == expected


@pytest.mark.parametrize(
    ("numbers", "flag"),
    [
        ((1, 1, 0.9, 12.0, -999.0, None), 1),
        ((1, 1, 0.1, 12.0, -999.0, None), 2),
        ((1, 1, 0.1, 4.0, -999.0, None), 0),
        ((2, 2, 0.1, 12.0, -999.0, 20.0), 2),
        ((2, 2, 0.1, 12.0, -999.0, 31.0), 0),
        ((2, 1, 0.1, 12.0, -999.0, None), 0),
        ((1, 1, 0.9, 12.0, 1.0, None), 3),
        ((5, 5, 0.9, 12.0, 4.9, None), 3),
        ((6, 5, 0.9, 12.0, 1.0, None), 0),
        ((1, 1, 0.9, 0.5, 1.0, None), 0),  # a star nearer than the asteroid
    ],
)
def test_finks_flag_of_the_solar_system(numbers, flag):
    assert roid(*numbers) == flag


def test_a_young_supernova_rises_slowly():
    rising = [
        (d, b, 20.0 - 0.2 * d + (0.1 if b == "g" else 0.0)) for d in (0.0, 3.0, 6.0) for b in "gr"
    ]
    assert value("early-supernova", curve_object(*rising)) == 1.0
    fading = [(d, b, 18.0 + 0.2 * d) for d, b, _ in rising]
    star = Surroundings(star_score=0.9, star_sep_arcsec=0.5)
    assert value("early-supernova", curve_object(*fading)) is None
    assert value("early-supernova", curve_object(*rising, surroundings=star)) == 0.0
    old = curve_object(*rising, survey_first_unix_s=START_UNIX_S - 20 * DAY_S)
    assert value("early-supernova", old) == 0.0


def test_a_lens_is_a_star_that_rises_and_fades_alike():
    star = Surroundings(star_score=0.99, star_sep_arcsec=0.2)
    hump = [(d, b, 16.0 + 0.08 * abs(d)) for d in range(-12, 13, 2) for b in "gr"]
    hump = [(d + (0.1 if b == "r" else 0.0), b, m) for d, b, m in hump]
    assert value("microlensing", curve_object(*hump, surroundings=star)) == 1.0
    assert value("microlensing", curve_object(*hump)) == 0.0
    ramp = [(d, b, 16.0 - 0.08 * d) for d, b, _ in hump]
    assert value("microlensing", curve_object(*ramp, surroundings=star)) is None
    reddening = [(d, b, m + (0.02 * d if b == "g" else 0.0)) for d, b, m in hump]
    assert value("microlensing", curve_object(*reddening, surroundings=star)) == 0.0


def test_the_kilonova_score_tells_at2017gfo_from_its_rivals():
    days = (0.0, 1.0, 2.0)
    bands = ("g", "r", "i")

    def seen(mag: Any) -> OpticalObject:
        return curve_object(
            *((d + 0.01 * k, b, mag(d, b)) for d in days for k, b in enumerate(bands))
        )

    steps = {"g": -1.0, "r": 0.0, "i": 1.0}
    merger = seen(lambda d, b: 2.0 + float(np.interp(d + 0.9, KILONOVA_DAYS, KILONOVA_MAG_AB[b])))
    supernova = seen(lambda d, b: 19.0 - 0.1 * d - 0.1 * steps[b])
    dwarf_nova = seen(lambda d, b: 18.0 + 0.3 * d + 0.1 * steps[b])
    afterglow = seen(lambda d, b: 19.0 + 2.5 * math.log10(1.0 + d / 0.1) - 0.3 * steps[b])
    assert value("kilonova", merger) > 0.0
    for rival in (supernova, dwarf_nova, afterglow):
        assert value("kilonova", rival) < 0.0


def mean_density(shapes: Shapes, mag: np.ndarray, err: np.ndarray, oldest_d: float) -> float:
    """Mean over the shapes of the density of the points, all with one Gaussian offset."""
    variance = err**2 + shapes.scatter_mag**2
    covariance = np.diag(variance) + OFFSET_MAG**2
    densities = []
    for shape, age_d in zip(shapes.mag, shapes.first_seen_d, strict=True):
        if age_d > oldest_d:
            continue
        off = mag - shape
        densities.append(
            multivariate_normal.pdf(off - np.average(off, weights=1.0 / variance), cov=covariance)
        )
    return float(np.mean(densities))


@pytest.mark.parametrize("limit_d", [None, 0.4])
def test_the_kilonova_score_is_a_ratio_of_mean_densities(limit_d):
    points = ((0.0, "g", 18.0), (0.1, "r", 17.9), (1.0, "g", 18.7), (1.1, "i", 18.0))
    limits = () if limit_d is None else (Limit(START_UNIX_S - limit_d * DAY_S, "g", 20.0),)
    obj = curve_object(*points, limits=limits)
    day = np.array([p[0] for p in points])
    band = np.array([BANDS.index(p[1]) for p in points])
    mag, err = np.array([p[2] for p in points]), np.full(4, 0.1)
    oldest_d = math.inf if limit_d is None else limit_d
    ours = mean_density(kilonova(day, band), mag, err, oldest_d)
    others = [mean_density(x, mag, err, math.inf) for x in backgrounds(day, band).values()]
    assert value("kilonova", obj) == pytest.approx(math.log(ours / np.mean(others)), abs=1e-6)


def test_the_kilonova_score_knows_when_it_knows_nothing():
    assert value("kilonova", seen_once()) is None
    old = curve_object(*FADING, survey_first_unix_s=START_UNIX_S - 20 * DAY_S)
    assert value("kilonova", old) is None


def test_how_bright_it_is_says_nothing_of_a_kilonova():
    near = curve_object(*((d, b, m - 2.0) for d, b, m in FADING))
    assert value("kilonova", near) == pytest.approx(
        value("kilonova", curve_object(*FADING)), abs=1e-6
    )


def kind(obj: OpticalObject) -> ObjectClass:
    features = features_of(obj)
    return class_of(scores_of(obj, features), features)


def test_one_class_an_object():
    star = Surroundings(star_score=0.9, star_sep_arcsec=0.5)
    old = START_UNIX_S - 40 * DAY_S
    flash = curve_object((0.0, "r", 18.0), limits=(Limit(START_UNIX_S - 1800.0, "r", 20.0),))
    steady = ((0.0, "r", 19.0), (1.0, "r", 19.0))
    assert kind(seen_once(solar_system_sep_arcsec=1.0)) == ObjectClass.SOLAR_SYSTEM
    assert kind(flash) == ObjectClass.GLINT
    assert kind(curve_object(*FADING, surroundings=star)) == ObjectClass.STAR
    assert kind(curve_object(*steady, survey_first_unix_s=old)) == ObjectClass.ACTIVE
    assert kind(curve_object(*FADING)) == ObjectClass.FAST
    assert kind(curve_object(*steady)) == ObjectClass.TRANSIENT
    assert kind(seen_once()) == ObjectClass.UNKNOWN


@pytest.mark.real_data
def test_the_kilonova_template_is_the_published_photometry(real_data):
    with (real_data / AT2017GFO).open() as file:
        rows = [row for row in csv.DictReader(file) if row["flux"]]
    for band, mags in KILONOVA_MAG_AB.items():
        points = [
            (float(r["mjd"]) - 57982.5285, 23.9 - 2.5 * math.log10(float(r["flux"])))
            for r in rows
            if r["filter"] == f"ps1::{band}"
        ]
        read_off = np.interp(KILONOVA_DAYS, *zip(*points, strict=True))
        np.testing.assert_allclose(mags, read_off, atol=0.0051)


@pytest.mark.real_data
def test_the_afterglow_of_grb_210204a(real_data):
    obj = object_of_packets(real_data / ZTF21AAGWBJR)
    features = features_of_many([obj])
    # T0 2021-02-04T06:29:25.66: r fades by 1.210 mag from 1.0578 d to 2.9425 d after it.
    (fit,) = power_laws(batch_of([obj], features), [unix_s(59249.27044)])
    assert fit is not None
    assert fit.alpha == pytest.approx(1.210 / (2.5 * math.log10(2.9425 / 1.0578)), abs=0.01)
    assert (fit.n_free, fit.p_value) == (0, None)
    scores = scores_of(obj)
    assert scores["orphan-afterglow"].value == 1.0
    # One g detection before two fading ones in r makes its mean colour blue for Fink's filter.
    assert scores["orphan-afterglow-fink"].value == 0.0
    assert scores["afterglow"].value is None
    assert class_of(scores, features[0]) == ObjectClass.FAST


@pytest.mark.real_data
def test_at2017gfo_is_no_power_law_of_one_index_in_all_bands(real_data):
    scores = scores_of(published(real_data / AT2017GFO, 197.450375, -23.3815))
    assert scores["afterglow"].value < 1e-9
    # Circular, as the template is this light curve; that it stands out against its rivals is not.
    assert scores["kilonova"].value > 0.0
    assert scores["early-supernova"].value == 0.0
