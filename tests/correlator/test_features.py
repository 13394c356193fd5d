"""Features: what they are called, the laws that they keep, and published light curves."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import BarycentricMeanEcliptic, SkyCoord
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from correlator.alert import Alert, Detection, Limit, Surroundings, flux_of_mag
from correlator.features import (
    FEATURES,
    Context,
    Features,
    Position,
    as_matrix,
    features_of,
    features_of_many,
)
from correlator.light import rate
from correlator.object import OpticalObject
from correlator.policy import DAY_S
from tests.builders import an_alert, an_object
from tests.correlator.light_curves import (
    AT2017GFO,
    ZTF20ABWYSQY,
    ZTF21AAGWBJR,
    object_of_packets,
    published,
    unix_s,
)

START_UNIX_S = 1_700_000_000.0


def test_every_feature_is_unknown_until_somebody_says_it():
    assert {getattr(Features(), name) for name in FEATURES} == {None}


def test_a_unit_in_a_name_is_the_unit_of_the_feature():
    suffixes = {
        "_mag_per_day": "mag/d",
        "_njy_per_day": "nJy/d",
        "_arcsec_per_h": "arcsec/h",
        "_mag_ab": "mag AB",
        "_err_mag": "mag",
        "_arcsec": "arcsec",
        "_kpc": "kpc",
        "_deg": "deg",
        "_njy": "nJy",
        "_d": "d",
    }
    for name, meaning in FEATURES.items():
        units = [unit for suffix, unit in suffixes.items() if name.endswith(suffix)]
        if name not in ("u_g_mag", "g_r_mag", "r_i_mag", "i_z_mag", "z_y_mag", "peak_abs_mag"):
            assert meaning.unit == (units[0] if units else ""), name
        assert meaning.text


def test_a_matrix_has_a_row_an_object_and_a_column_a_name():
    known, unknown = Features(age_d=1.5, n_detections=3), Features()
    matrix = as_matrix([known, unknown], ("n_detections", "age_d"))
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix, [[3.0, 1.5], [np.nan, np.nan]])
    assert as_matrix([], ("age_d",)).shape == (0, 1)
    assert as_matrix([known], ()).shape == (1, 0)


def test_a_name_that_is_no_feature_is_refused():
    with pytest.raises(KeyError, match="no feature is called age"):
        as_matrix([Features()], ["age"])


# Seconds in steps of 1/64 s keep their digits when all are shifted by whole seconds.
times = st.integers(0, 64 * 86_400 * 20).map(lambda i: START_UNIX_S + i / 64.0)
bands = st.sampled_from("ugrizy")


@st.composite
def detections(draw: Any) -> Detection:
    flux = draw(st.floats(-50_000.0, 50_000.0).filter(lambda x: abs(x) > 10.0))
    error = draw(st.none() | st.floats(0.02, 0.4))
    return Detection(
        source_id=str(draw(st.integers(0, 10**6))),
        time_unix_s=draw(times),
        band=draw(bands),
        flux_njy=flux,
        flux_err_njy=None if error is None else error * abs(flux),
    )


@st.composite
def light_curves(draw: Any) -> tuple[list[Detection], list[Limit]]:
    found = draw(st.lists(detections(), min_size=1, max_size=12, unique_by=lambda d: d.source_id))
    limits = draw(
        st.lists(st.builds(Limit, times, bands, st.floats(17.0, 22.0)), max_size=6, unique=True)
    )
    return found, limits


def alerts_of(curve: tuple[list[Detection], list[Limit]], shift_s: float = 0.0) -> list[Alert]:
    """An alert of each detection, with those before it as its history."""
    found, limits = curve
    moved = [replace(d, time_unix_s=d.time_unix_s + shift_s) for d in found]
    moved.sort(key=lambda d: (d.time_unix_s, d.source_id))
    limits = [replace(x, time_unix_s=x.time_unix_s + shift_s) for x in limits]
    return [
        an_alert(
            alert_id=d.source_id,
            detection=d,
            history=tuple(moved[:i]),
            limits=tuple(
                sorted(
                    {x for x in limits if x.time_unix_s <= d.time_unix_s},
                    key=lambda x: (x.time_unix_s, x.band, x.mag_ab),
                )
            ),
            survey_first_unix_s=moved[0].time_unix_s,
        )
        for i, d in enumerate(moved)
    ]


@settings(max_examples=60)
@given(light_curves(), st.randoms(use_true_random=False))
def test_neither_the_order_of_alerts_nor_a_repeated_one_matters(curve, random):
    alerts = alerts_of(curve)
    shuffled = alerts + random.choices(alerts, k=3)
    random.shuffle(shuffled)
    assert features_of(an_object(*shuffled)) == features_of(an_object(*alerts))


@settings(max_examples=60)
@given(light_curves(), st.integers(-10_000_000, 10_000_000))
def test_the_date_does_not_matter(curve, shift_s):
    assert features_of(an_object(*alerts_of(curve, shift_s))) == features_of(
        an_object(*alerts_of(curve))
    )


@settings(max_examples=30)
@given(st.lists(light_curves(), min_size=1, max_size=6))
def test_the_other_objects_do_not_matter(curves):
    objects = [an_object(*alerts_of(curve)) for curve in curves]
    assert features_of_many(objects) == [features_of(o) for o in objects]


@settings(max_examples=60)
@given(light_curves(), times)
def test_as_of_a_time_the_later_does_not_exist(curve, end):
    obj, alerts = an_object(*alerts_of(curve)), alerts_of(curve)
    before = [a for a in alerts if a.time_unix_s <= end]
    got = features_of(obj, end)
    if not before:
        assert (got.n_detections, got.age_d, got.peak_mag_ab) == (0, None, None)
        return
    # The limits since the latest alert are in the later packets only.
    limits = tuple(x for x in obj.limits if x.time_unix_s <= end)
    same = features_of(replace(an_object(*before), limits=limits), end)
    for name in FEATURES:
        expected = getattr(same, name)
        # The day counts from another moment.
        assert getattr(got, name) == (
            expected if expected is None else pytest.approx(expected, rel=1e-6, abs=1e-6)
        ), name


def slope_by_numpy(points: list[Detection]) -> tuple[float, float] | None:
    """Weighted straight line of magnitude against time [d], with the error of its slope."""
    known = [p for p in points if p.mag_err_ab is not None]
    days = np.array([p.time_unix_s - START_UNIX_S for p in known]) / DAY_S
    if len(known) < 2 or days.max() - days.min() < 0.01:
        return None
    mags, errors = np.array([(p.mag_ab, p.mag_err_ab) for p in known], dtype=float).T
    line, covariance = np.polyfit(days, mags, 1, w=1.0 / errors, cov="unscaled")
    return line[0], np.sqrt(covariance[0, 0])


@settings(max_examples=100)
@given(light_curves())
def test_rises_and_fades_are_numpys_lines_up_to_the_peak_and_since(curve):
    obj = an_object(*alerts_of(curve))
    got = features_of(obj)
    for band in "ugrizy":
        points = [d for d in obj.positive if d.band == band]
        assert getattr(got, f"n_{band}") == len(points)
        peak = max(range(len(points)), key=lambda i: points[i].flux_njy, default=0)
        for part, sign, side in (
            ("rise", -1.0, points[: peak + 1]),
            ("fade", 1.0, points[peak:]),
        ):
            line = slope_by_numpy(side)
            value = getattr(got, f"{part}_{band}_mag_per_day")
            error = getattr(got, f"{part}_{band}_err_mag_per_day")
            assert (value is None) == (error is None) == (line is None)
            if line is not None:
                # Points almost at one time: the line itself has few digits.
                assert value == pytest.approx(sign * line[0], rel=1e-4, abs=1e-4 * line[1])
                assert error == pytest.approx(line[1], rel=1e-4)


@settings(max_examples=60)
@given(light_curves())
def test_the_rate_is_the_one_that_ranks(curve):
    obj = an_object(*alerts_of(curve))
    got, expected = features_of(obj), rate(obj.detections)
    if expected is None:
        assert got.rate_mag_per_day is None
    else:
        assert got.rate_err_mag_per_day == pytest.approx(expected.error_mag_per_day, rel=1e-6)
        assert got.rate_mag_per_day == pytest.approx(
            expected.mag_per_day, rel=1e-5, abs=1e-5 * expected.error_mag_per_day
        )


def colour_by_search(obj: OpticalObject, blue: str, red: str) -> float | None:
    """The latest detection in the redder band that has one in the bluer within 6 h."""
    for d in reversed([d for d in obj.positive if d.band == red]):
        near = [
            (abs(b.time_unix_s - d.time_unix_s), b.time_unix_s, b)
            for b in obj.positive
            if b.band == blue
        ]
        apart_s, _, partner = min(near, key=lambda x: x[:2], default=(np.inf, 0.0, d))
        if apart_s <= 0.25 * DAY_S:
            return partner.mag_ab - d.mag_ab
    return None


@settings(max_examples=100)
@given(light_curves())
def test_a_colour_is_of_the_nearest_pair(curve):
    obj = an_object(*alerts_of(curve))
    times_s = [d.time_unix_s for d in obj.detections]
    assume(len(set(times_s)) == len(times_s))  # which of two at one time is nearest nobody says
    got = features_of(obj)
    for blue, red in ("ug", "gr", "ri", "iz", "zy"):
        expected = colour_by_search(obj, blue, red)
        value = getattr(got, f"{blue}_{red}_mag")
        assert value == (None if expected is None else pytest.approx(expected, abs=1e-9))


def curve_object(*points: tuple[float, str, float], **of_alert: Any) -> OpticalObject:
    """An object of positive detections: day, band, magnitude, of 0.1 mag error."""
    made = [
        Detection(
            str(i),
            START_UNIX_S + day * DAY_S,
            band,
            flux_of_mag(mag),
            0.1 * np.log(10) / 2.5 * flux_of_mag(mag),
        )
        for i, (day, band, mag) in enumerate(points)
    ]
    return an_object(
        an_alert(**{"detection": made[-1], "history": tuple(made[:-1]), "limits": ()} | of_alert)
    )


def test_the_onset_lies_after_the_last_limit_that_would_have_shown_it():
    limits = (
        Limit(START_UNIX_S - 3.0 * DAY_S, "r", 20.0),
        Limit(START_UNIX_S - 2.0 * DAY_S, "g", 20.0),
        Limit(START_UNIX_S - 1.0 * DAY_S, "g", 18.0),  # too bright to say anything
        Limit(START_UNIX_S + 0.5 * DAY_S, "r", 21.0),  # after the onset
    )
    got = features_of(curve_object((0.0, "r", 19.0), (1.0, "r", 18.0), limits=limits))
    assert got.onset_interval_d == pytest.approx(2.0)
    assert got.limit_rise_mag_per_day == pytest.approx(1.0 / 3.0)
    assert (got.age_d, got.duration_d) == (pytest.approx(1.0), pytest.approx(1.0))
    assert got.rise_r_mag_per_day == pytest.approx(1.0)
    assert got.fade_r_mag_per_day is None


def test_the_surveys_own_count_of_the_first_detection_makes_an_object_older():
    obj = curve_object(
        (0.0, "r", 19.0), (1.0, "r", 18.0), survey_first_unix_s=START_UNIX_S - 40.0 * DAY_S
    )
    got = features_of(obj)
    assert (got.age_d, got.survey_age_d) == (pytest.approx(41.0), pytest.approx(41.0))
    assert got.duration_d == pytest.approx(1.0)


def test_of_equally_bright_detections_the_first_is_the_peak():
    got = features_of(curve_object((0.0, "r", 18.0), (1.0, "r", 18.0), (2.0, "r", 19.0)))
    assert got.since_peak_d == pytest.approx(2.0)
    assert got.rise_r_mag_per_day is None
    assert got.fade_r_mag_per_day == pytest.approx(0.5)


def test_a_first_detection_by_the_survey_does_not_count_before_it_was():
    obj = curve_object(
        (0.0, "r", 19.0), (3.0, "r", 18.0), survey_first_unix_s=START_UNIX_S + 2.0 * DAY_S
    )
    assert features_of(obj, START_UNIX_S + DAY_S).survey_age_d is None
    assert features_of(obj).survey_age_d == pytest.approx(1.0)


def test_a_source_below_its_template_has_fluxes_and_no_magnitudes():
    faded = [
        Detection(str(i), START_UNIX_S + i * DAY_S, "g", -100.0 - 50.0 * i, 10.0) for i in range(3)
    ]
    got = features_of(an_object(an_alert(detection=faded[2], history=tuple(faded[:2]))))
    assert (got.n_detections, got.n_positive, got.n_negative) == (3, 0, 3)
    assert (got.age_d, got.peak_mag_ab, got.rate_mag_per_day, got.n_g) == (None, None, None, 0)
    assert (got.last_flux_njy, got.last_snr) == (-200.0, -20.0)
    assert got.flux_rate_njy_per_day == pytest.approx(-50.0)
    assert got.flux_rate_err_njy_per_day == pytest.approx(10.0 / np.sqrt(2.0))
    assert got.flux_chi2 == pytest.approx((25.0 + 0.0 + 25.0) / 2.0)


def test_what_stands_near_and_what_is_known_besides():
    near = Surroundings(None, 3.0, 0.9, 1.5, 7.0)
    context = Context(
        dist_mpc=40.0,
        host_sep_arcsec=10.0,
        positions=(
            Position(START_UNIX_S, 359.9999, 0.0),
            Position(START_UNIX_S + 1800.0, 0.0001, 0.0),
        ),
    )
    obj = curve_object((0.0, "r", 17.0), surroundings=near)
    got = features_of(obj, context=context)
    assert (got.star_score, got.star_sep_arcsec, got.gaia_sep_arcsec) == (0.9, 1.5, 7.0)
    assert (got.solar_system_sep_arcsec, got.solar_system_linked) == (3.0, None)
    assert got.peak_abs_mag == pytest.approx(17.0 - 33.010, abs=1e-3)  # 40 Mpc
    assert got.host_sep_kpc == pytest.approx(1.939, abs=1e-3)
    assert got.motion_arcsec_per_h == pytest.approx(2.0 * 0.72)
    assert features_of(obj).motion_arcsec_per_h is None
    asteroid = curve_object((0.0, "r", 17.0), survey="lsst", object_id="sso23", surroundings=near)
    assert features_of(asteroid).solar_system_linked == 1.0
    assert features_of(curve_object((0.0, "r", 17.0), survey="lsst")).solar_system_linked == 0.0


@pytest.mark.parametrize(
    ("ra_deg", "dec_deg"),
    [(0.0, 0.0), (192.85948, 27.12825), (266.4, -28.9), (90.0, 66.6), (10, -90)],
)
def test_latitudes_are_astropys(ra_deg, dec_deg):
    got = features_of(an_object(ra_deg=ra_deg, dec_deg=dec_deg))
    place = SkyCoord(ra_deg * u.deg, dec_deg * u.deg, frame="icrs")
    # astropy's axes differ by the frame bias and rounding of the pole, below 0.1 arcsec.
    assert got.galactic_latitude_deg == pytest.approx(place.galactic.b.deg, abs=3e-5)
    ecliptic = place.transform_to(BarycentricMeanEcliptic(equinox="J2000"))
    assert got.ecliptic_latitude_deg == pytest.approx(ecliptic.lat.deg, abs=3e-5)


def test_lists_of_unlike_length_are_refused():
    with pytest.raises(ValueError, match="1 objects, 2 times"):
        features_of_many([an_object()], [None, None])


@pytest.mark.real_data
def test_at2017gfo_fades_as_published(real_data):
    obj = published(real_data / AT2017GFO, 197.450375, -23.3815)
    got = features_of(obj, unix_s(57985.5), Context(dist_mpc=40.7))
    # GCN 21617 (Smartt et al.): i 17.24, 17.91, 18.47 and z 17.26, 17.80, 18.31 on three nights,
    # "0.6 mag per day"; their own lines are 0.61 and 0.52 with errors of 0.05 and 0.04.
    assert got.fade_i_mag_per_day == pytest.approx(0.61, abs=0.10)
    assert got.fade_z_mag_per_day == pytest.approx(0.52, abs=0.08)
    assert got.peak_i_mag_ab == pytest.approx(17.24, abs=0.06)
    # Kasliwal et al. (2020): discovery at -16.1, fading by 1 mag/d.
    assert got.peak_abs_mag == pytest.approx(-16.1, abs=0.4)
    assert got.fade_r_mag_per_day == pytest.approx(1.0, abs=0.15)
    # Blue bands fade faster, and it reddens (Arcavi et al. 2017, Cowperthwaite et al. 2017).
    rates = [getattr(got, f"fade_{band}_mag_per_day") for band in "griz"]
    assert rates == sorted(rates, reverse=True)
    assert got.g_r_drift_mag_per_day > 5.0 * got.g_r_drift_err_mag_per_day
    first = features_of(obj, unix_s(57983.5))
    assert first.g_r_mag == pytest.approx(0.14, abs=0.10)  # its first night, 376.7 and 428.5 uJy
    assert first.age_d == pytest.approx(0.269, abs=0.001)


@pytest.mark.real_data
def test_ztf20abwysqy_was_found_as_published(real_data):
    got = features_of(published(real_data / ZTF20ABWYSQY, 6.7856, 34.0273))
    # Ahumada et al. (2021): g = 20.85 at MJD 59087.39865, r = 20.70 half an hour later.
    assert got.first_mag_ab == pytest.approx(20.85, abs=0.01)
    assert got.last_r_mag_ab == pytest.approx(20.70, abs=0.01)
    assert got.g_r_mag == pytest.approx(0.15, abs=0.01)
    assert got.g_r_err_mag == pytest.approx(0.11, abs=0.01)
    assert (got.n_g, got.n_r, got.fade_mag_per_day) == (1, 1, None)


@pytest.mark.real_data
def test_ztf21aagwbjr_fades_like_an_afterglow(real_data):
    got = features_of(object_of_packets(real_data / ZTF21AAGWBJR))
    # r 19.35(11) at MJD 59250.3282 and 20.56(21) at 59252.2128: 0.64(13) mag/d, by hand.
    assert got.fade_r_mag_per_day == pytest.approx(0.642, abs=0.002)
    assert got.fade_r_err_mag_per_day == pytest.approx(0.127, abs=0.002)
    assert got.g_r_mag == pytest.approx(0.26, abs=0.01)
    # jdstarthist 2459249.79662 is the first detection of Andreoni et al. (2021), 1.03 d before.
    assert got.survey_age_d == pytest.approx(59252.21284 - 59249.29662, abs=0.0005)
