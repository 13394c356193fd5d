"""Sources are as many as asked, where they belong, and look like what they are."""

import numpy as np
import pytest

from correlator.simulation import ephemeris
from correlator.simulation.background import (
    ALERT_SHARES,
    density_weight,
    draw_background,
    draw_kind,
)
from correlator.simulation.population import NO_NAME, UNKNOWN, Kind
from correlator.simulation.sightings import observe

N = 2_000


@pytest.fixture(scope="module")
def field(plan):
    return plan.grid.fields[plan.exposures[100].field]


@pytest.fixture(scope="module")
def visits(plan, field):
    return plan.visits[field.number]


@pytest.fixture
def draw(plan, field, visits):
    def drawn(kind, n=N):
        rng = np.random.default_rng(7)
        return draw_kind(kind, n, field, visits, plan.night, rng)

    return drawn


def test_the_shares_are_those_of_a_whole_night():
    assert sum(ALERT_SHARES.values()) == pytest.approx(1.0)


def test_numbers_are_poisson_with_the_density_times_the_weight(plan, field, visits):
    rng = np.random.default_rng(2)
    densities = dict.fromkeys(ALERT_SHARES, 300.0)
    population = draw_background(field, visits, plan.night, densities, rng)
    for kind in (Kind.STAR, Kind.SUPERNOVA, Kind.AGN):
        expected = 300.0 * density_weight(kind, field)
        n = int((population.kind == kind).sum())
        assert abs(n - expected) < 5.0 * np.sqrt(expected)


def test_sources_lie_in_their_field(plan, field, visits, draw):
    for kind in ALERT_SHARES:
        population = draw(kind)
        assert (population.ra_deg >= field.ra_lo_deg).all(), kind
        assert (population.ra_deg < field.ra_hi_deg).all(), kind
        assert (population.dec_deg >= field.dec_lo_deg).all(), kind
        assert (population.dec_deg < field.dec_hi_deg).all(), kind


def test_stars_crowd_in_the_plane_and_asteroids_near_the_ecliptic(plan):
    fields = plan.grid.fields
    galactic = min(fields, key=lambda f: abs(ephemeris.galactic_deg(f.ra_deg, f.dec_deg)[1]))
    polar = max(fields, key=lambda f: ephemeris.galactic_deg(f.ra_deg, f.dec_deg)[1])
    assert density_weight(Kind.STAR, galactic) > 4.0 * density_weight(Kind.STAR, polar)
    assert density_weight(Kind.SUPERNOVA, galactic) < 0.3 * density_weight(Kind.SUPERNOVA, polar)
    ecliptic = min(fields, key=lambda f: abs(ephemeris.ecliptic_deg(f.ra_deg, f.dec_deg)[1]))
    far = max(fields, key=lambda f: ephemeris.ecliptic_deg(f.ra_deg, f.dec_deg)[1])
    assert density_weight(Kind.ASTEROID, ecliptic) > 10.0 * density_weight(Kind.ASTEROID, far)


def test_stars_outbursts_and_flares_have_a_star_at_their_place(draw):
    for kind in (Kind.STAR, Kind.OUTBURST, Kind.FLARE):
        population = draw(kind)
        assert (population.star_score[:, 0] > 0.76).all()
        assert np.median(population.star_sep_arcsec[:, 0]) < 0.5
        assert (population.star_sep_arcsec[:, 0] < 1.0).mean() > 0.999


def test_most_supernovae_have_a_galaxy_beside_them_and_some_have_none(draw):
    population = draw(Kind.SUPERNOVA)
    hosted = (population.star_sep_arcsec[:, 0] < 8.0) & (population.star_score[:, 0] < 0.7)
    assert 0.7 < hosted.mean() < 0.95


def test_long_lived_sources_have_a_history_of_years_and_new_ones_none(plan, draw):
    for kind in (Kind.STAR, Kind.AGN):
        population = draw(kind)
        age_days = (plan.night.start_unix_s - population.since_unix_s) / 86_400.0
        assert (age_days > 1_000.0).all()
        assert (population.n_before > 0).all()
    assert np.isnan(draw(Kind.BOGUS).since_unix_s).all()


def test_asteroids_are_known_by_name_and_seen_once_each(visits, draw):
    population = draw(Kind.ASTEROID)
    known = population.solar_system_name != NO_NAME
    assert 0.7 < known.mean() < 0.95
    assert (population.solar_system_sep_arcsec[~known] == UNKNOWN).all()
    assert (population.solar_system_sep_arcsec[known] < 5.0).all()
    times_seen = (population.flux != 0.0).sum(axis=1)
    assert 0.0 < (times_seen > 1).mean() < 0.02
    assert (population.flux[:, : visits.n_past] == 0.0).all()


def test_scores_tell_real_from_bogus_as_well_as_those_of_ztf(field, visits, draw):
    rng = np.random.default_rng(4)
    scores = {}
    for kind in (Kind.STAR, Kind.BOGUS):
        population = draw(kind)
        seen = observe(population, field, visits, rng)
        at = seen.is_detected
        scores[kind] = seen.real_bogus[at], seen.deep_real_bogus[at], seen.n_bad_pixels[at]
    assert 0.75 < np.median(scores[Kind.STAR][0]) < 0.9
    assert np.median(scores[Kind.STAR][1]) > 0.99
    assert (scores[Kind.STAR][2] == 0).mean() > 0.95
    assert (scores[Kind.BOGUS][0] > 0.55).mean() < 0.4
    assert (scores[Kind.BOGUS][1] > 0.5).mean() < 0.2


def test_errors_grow_with_magnitude_and_the_limit_is_five_sigma(field, visits, draw):
    population = draw(Kind.SUPERNOVA)
    seen = observe(population, field, visits, np.random.default_rng(1))
    at = seen.is_detected
    snr = np.abs(seen.flux[at]) / seen.flux_err[at]
    mag = 25.0 - 2.5 * np.log10(np.abs(seen.flux[at]))
    assert snr.min() >= 5.0
    assert snr[mag < 17.0].min() > 25.0
    assert np.median(snr[mag > 20.0]) < 9.0
    assert np.corrcoef(mag, -np.log(snr))[0, 1] > 0.8


def test_measured_fluxes_scatter_by_their_errors(field, visits, draw):
    population = draw(Kind.STAR)
    seen = observe(population, field, visits, np.random.default_rng(1))
    pull = ((seen.flux - population.flux) / seen.flux_err)[population.flux != 0.0]
    assert abs(pull.mean()) < 0.02
    assert pull.std() == pytest.approx(1.0, abs=0.02)
