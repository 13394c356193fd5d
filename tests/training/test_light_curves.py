"""Light curves for training: known answers of the models, and laws of what is observed of them."""

import numpy as np
import pytest

from correlator.alert import AB_ZERO_POINT_NJY
from correlator.policy import DAY_S
from training import explosions, sources
from training.blackbody import flux_njy
from training.observation import BRIGHTEST_SNR, LEAST_SNR, _measured, observed
from training.one_zone import DAYS, SUN_G, luminosity, r_process_heating
from training.samples import BACKGROUNDS, KILONOVA, KILONOVAE_OF_GRID, KILONOVAE_OFF_GRID, sample
from training.visits import LSST, SURVEYS, ZTF


def abs_mag(flux):
    return AB_ZERO_POINT_NJY - 2.5 * np.log10(flux)


def test_the_sun_as_a_black_body_has_its_magnitudes():
    # Willmer (2018, ApJS 236, 47): r 4.65, i 4.53, z 4.50 AB at 10 pc; its lines are left out here.
    mags = abs_mag(flux_njy(5772.0, 6.957e10))
    assert mags[2:5] == pytest.approx([4.65, 4.53, 4.50], abs=0.1)


def test_a_ball_that_holds_nothing_back_shines_with_its_heat():
    mass = np.array([0.01 * SUN_G])
    heating = r_process_heating(mass)
    shines = luminosity(heating, mass, np.array([6e9]), np.array([1e-4]))[0]
    late = DAYS > 0.5
    # Steps of 6.6 %, through the middle of each: heat falls by up to 4 % from there to the end.
    assert shines[late] == pytest.approx([heating(d[None])[0] for d in DAYS[late]], rel=0.08)
    # 2e10 erg/s/g at a day (Metzger 2019), half of which stays.
    assert heating(np.array([1.0]))[0] == pytest.approx(0.01 * SUN_G * 2e10 * 0.5, rel=0.3)


def test_the_published_fit_of_at2017gfo_is_near_its_published_peak():
    # Villar et al. (2017), two of three components; at 40.7 Mpc it had r = 17.3, -15.7, early on.
    fit = np.array([[0.02, 0.266, 0.5, 674.0], [0.047, 0.152, 3.0, 1308.0]])
    table = explosions._component(fit, np.zeros(2)).sum(axis=0)
    day = np.searchsorted(DAYS, 0.6)
    assert abs_mag(table[day, 2]) == pytest.approx(-15.7, abs=0.7)


def test_supernovae_are_as_bright_as_supernovae():
    rng, still = np.random.default_rng(1), np.zeros(50)
    ia = abs_mag(explosions.thermonuclear(rng, 50, still)[..., 1].max(axis=1))
    plateau = abs_mag(explosions.plateau(rng, 50, still)[..., 2].max(axis=1))
    assert -20.0 < np.median(ia) < -18.5
    assert -18.5 < np.median(plateau) < -16.0


@pytest.mark.parametrize("models", [explosions.kilonovae_of_grid, explosions.kilonovae_off_grid])
def test_kilonovae_fade_faster_in_blue(models):
    table = models(np.random.default_rng(2), 60, np.zeros(60))
    early, late = np.searchsorted(DAYS, [1.0, 4.0])
    fade = abs_mag(table[:, late]) - abs_mag(table[:, early])
    assert (fade[:, 1] > fade[:, 3]).mean() > 0.9


def test_an_afterglow_falls_as_a_power_law_and_has_one_colour():
    light = sources.afterglow(np.random.default_rng(3)).light
    days, r = np.array([30.0, 60.0]), np.array([2, 2])
    first, second = light(days, r)
    slope = np.log(second / first) / np.log(2.0)
    assert -2.5 <= slope <= -1.6
    ratio = light(days, np.array([1, 1])) / light(days, r)
    assert ratio[0] == pytest.approx(ratio[1])
    assert (light(-days, r) == 0.0).all()


def test_what_is_observed_is_what_an_alert_can_tell():
    rng, n_limits = np.random.default_rng(4), 0
    for survey in SURVEYS:
        for source in (sources.dwarf_nova(rng), sources.nucleus(rng), sources.variable(rng)) * 4:
            obj = observed(rng, source, survey)
            if obj is None:
                continue
            times = [d.time_unix_s for d in obj.detections]
            assert times == sorted(times)
            assert times[-1] == obj.latest_unix_s
            assert times[0] > obj.latest_unix_s - survey.history_d * DAY_S
            assert all(abs(d.flux_njy) >= LEAST_SNR * d.flux_err_njy for d in obj.detections)
            assert all(x.time_unix_s < obj.latest_unix_s for x in obj.limits)
            n_limits += len(obj.limits)
            if survey is LSST:
                assert obj.limits == ()
                assert obj.survey_first_unix_s is None
            else:
                assert obj.survey_first_unix_s <= times[0]
    assert n_limits > 0


@pytest.mark.parametrize("kind", [KILONOVA, *BACKGROUNDS])
def test_how_bright_something_is_says_nothing_of_what_it_is(kind):
    rng = np.random.default_rng(5)
    draw = ({KILONOVA: KILONOVAE_OF_GRID} | BACKGROUNDS)[kind]
    most = []
    for source in draw(rng, ZTF):
        visits = ZTF.visits(rng, 35.0, 60.0)
        flux, error = _measured(rng, source, visits, 0.1)
        if (np.abs(flux) > LEAST_SNR * error).any():
            most.append(np.max(np.abs(flux) / error))
        if len(most) == 40:
            break
    # The middle of a number drawn evenly in its logarithm, which 40 tell to a fifth; the floor of
    # the errors takes from the largest.
    assert 0.6 * np.sqrt(np.prod(BRIGHTEST_SNR)) < np.median(most) < 60.0


def test_a_sample_is_what_its_seed_says_and_kilonovae_off_the_grid_are_others():
    one, again = (sample((6,), 4, 2, KILONOVAE_OF_GRID) for _ in range(2))
    assert one == again
    off = sample((6,), 4, 2, KILONOVAE_OFF_GRID)
    assert [x for x in off if x.kind != KILONOVA] == [x for x in one if x.kind != KILONOVA]
    assert [x for x in off if x.kind == KILONOVA] != [x for x in one if x.kind == KILONOVA]
    assert {x.survey for x in one} == {ZTF.name, LSST.name}
