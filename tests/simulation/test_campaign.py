"""Several nights of a few fields: who is seen when, how many, and always the same."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from scipy.stats import norm

from correlator.errors import ConfigurationError
from correlator.simulation import injections
from correlator.simulation.cadence import G, R
from correlator.simulation.campaign import CampaignConfig, packets_of_field, plan_campaign
from correlator.simulation.ephemeris import DAY_S
from correlator.simulation.lightcurves import afterglow_mag, kilonova_mag
from correlator.simulation.lsst_cadence import DEPTH_MAG, PAIRS, lsst_fields, lsst_visits
from correlator.simulation.population import Kind

SMALL = {"n_fields": 2, "alerts_per_visit": 80, "injections_each": 1}


@pytest.fixture(scope="module", params=["ztf", "lsst"])
def campaign(request):
    return plan_campaign(CampaignConfig(request.param, **SMALL))


@pytest.fixture(scope="module")
def fields(campaign):
    return [packets_of_field(campaign, followed) for followed in campaign.fields]


def test_the_same_seed_gives_the_same_bytes(campaign, fields):
    again = packets_of_field(plan_campaign(campaign.config), campaign.fields[0])
    assert again.packets == fields[0].packets


def test_a_visit_has_about_as_many_alerts_as_asked(campaign, fields):
    n_visits = sum(followed.visits.n_tonight for followed in campaign.fields)
    n_alerts = sum(
        Kind(int(f.population.kind[source])) is not Kind.COUNTERPART
        for f in fields
        for _, source, _, _ in f.packets
    )
    assert n_alerts / n_visits == pytest.approx(SMALL["alerts_per_visit"], rel=0.35)


def test_nights_rise_and_end_with_the_campaign(campaign, fields):
    for field in fields:
        nights = [night for night, *_ in field.packets]
        assert nights == sorted(nights)
        assert set(nights) <= set(range(1, campaign.config.n_nights + 1))


def test_asteroids_and_flares_are_of_one_night_and_stars_last(fields):
    nights = defaultdict(lambda: defaultdict(set))
    for number, field in enumerate(fields):
        for night, source, _, _ in field.packets:
            nights[Kind(int(field.population.kind[source]))][number, source].add(night)
    for kind in (Kind.ASTEROID, Kind.BOGUS):
        assert {len(seen) for seen in nights[kind].values()} == {1}
    assert max(len(seen) for seen in nights[Kind.STAR].values()) > 1


def test_injections_change_nothing_of_the_background(campaign, fields):
    config = campaign.config
    bare = plan_campaign(CampaignConfig(config.survey, **{**SMALL, "injections_each": 0}))
    for field, followed in zip(fields, bare.fields, strict=True):
        n = len(field.population) - len(field.labels)
        without = packets_of_field(bare, followed)
        assert without.labels == ()
        kept = [p[:2] for p in field.packets if p[1] < n]
        assert Counter(kept) == Counter(p[:2] for p in without.packets)


def test_every_kind_is_injected_outside_the_plane_within_a_day(campaign):
    followed = campaign.fields[0]
    last = campaign.nights[0].end_unix_s
    injected = injections.inject(followed.field, followed.visits, last, 3, seed=1)
    assert Counter(injected.labels) == dict.fromkeys(injections.models(), 3)
    assert ((injected.t0_unix_s > last - DAY_S) & (injected.t0_unix_s <= last)).all()
    before = followed.visits.start_unix_s < injected.t0_unix_s.min() - 60.0
    assert (injected.population.flux[:, before] == 0.0).all()
    assert injections.inject(followed.field, followed.visits, last, 0, seed=1) is None


def test_the_afterglows_are_drawn_from_the_published_brightness():
    mean, sigma = injections.PEAK_MAG_R_1000S, injections.SPREAD_MAG
    assert norm.cdf(22.1, mean, sigma) == pytest.approx(0.71, abs=0.005)
    found = injections.afterglows()
    assert len(found) == 10
    assert found == injections.afterglows()
    rng = np.random.default_rng(injections.AFTERGLOW_SEED)
    for model, mag in zip(found, rng.normal(mean, sigma, 10), strict=True):
        again = afterglow_mag(1000.0 / DAY_S, R, model.mag_r_1h, model.decay, 0.7)
        assert again == pytest.approx(mag)
        assert model.spectral_index == pytest.approx(model.decay / 1.5)


def test_redder_bands_of_the_kilonova_fade_more_slowly():
    fades = [kilonova_mag(4.0, fid, 40.0) - kilonova_mag(1.0, fid, 40.0) for fid in range(1, 6)]
    assert fades == sorted(fades, reverse=True)


def test_rubin_sees_a_field_in_pairs_every_fifth_night_or_so():
    n_nights, gaps = 60, []
    for field in lsst_fields(4, seed=3):
        assert field.area_deg2 == pytest.approx(9.6, rel=0.01)
        _, *nights = lsst_visits(field, 1_773_532_800.0, n_nights, seed=3)
        visited = [night for night in nights if night]
        gaps.append(n_nights / len(visited))
        for first, second in visited:
            assert (first.fid, second.fid) in PAIRS
            assert 22.0 * 60.0 <= second.start_unix_s - first.start_unix_s <= 33.0 * 60.0
            assert first.limit_mag < DEPTH_MAG[first.fid] + 0.5
    assert 4.0 < np.mean(gaps) < 6.5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_fields": 0}, "n_fields must be 1 or more, got 0"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"n_fields": 5_000}, "n_fields must be at most"),
    ],
)
def test_a_campaign_that_cannot_be_says_why(changes, said):
    with pytest.raises(ConfigurationError, match=said):
        plan_campaign(CampaignConfig("ztf", **{**SMALL, **changes}))


def test_a_visit_of_ztf_is_in_g_or_r():
    plan = plan_campaign(CampaignConfig("ztf", **SMALL))
    assert {int(f) for field in plan.fields for f in field.visits.fid} == {G, R}
