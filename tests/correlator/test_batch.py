"""The batch cross-match against every alert compared with every notice."""

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.batch import JoinOptions, OnsetRule, join, onset_unix_s
from correlator.policy import DAY_S
from skymaps.healpix import Positions
from skymaps.shapes import Circle
from skymaps.skymap import SkyMap
from tests.builders import T0_UNIX_S, a_circle, a_notice, an_alert
from tests.skymaps.sky_factory import random_map

seeds = st.integers(0, 2**32 - 1)
windows = st.sampled_from([(0.0, 7.0), (-1.0, 0.0), (-np.inf, np.inf), (0.25, 0.5), (-3.0, 3.0)])


def a_night(rng, n=60):
    """Alerts near the events in place and time, some to the second, one without an onset."""
    dec = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, n)))
    dec[: n // 2] = rng.uniform(15.0, 25.0, n // 2)
    ra = np.where(np.arange(n) < n // 2, rng.uniform(145.0, 155.0, n), rng.uniform(0.0, 360.0, n))
    shift_d = rng.choice([-1.0, 0.0, 0.25, 0.5, 3.0, 7.0, 7.1], n) + rng.choice(
        [0.0, 0.1, -1e-5, 0.1 - 1e-5], n
    )
    alerts = [
        an_alert(f"{k}", f"ZTF{k}", ra[k], dec[k], T0_UNIX_S + shift_d[k] * DAY_S) for k in range(n)
    ]
    fading = alerts[0].detection, *alerts[0].history
    fainter = [replace(d, flux_njy=-abs(d.flux_njy)) for d in fading]
    alerts[0] = replace(alerts[0], detection=fainter[0], history=tuple(fainter[1:]))
    return alerts


def some_notices(seed, rng):
    uniq, density, _ = random_map(seed)
    wide = Circle(10.0, -70.0, float(rng.uniform(1.0, 170.0)), 0.68, False, source="tests")
    places = [a_circle(radius_deg=float(rng.uniform(0.1, 8.0))), wide]
    places.append(SkyMap.from_uniq(uniq, density))
    return [
        a_notice(f"ivo://tests#{k}", event_id=f"{k}", localization=place)
        for k, place in enumerate(places)
    ]


def by_brute_force(alerts, notices, options):
    start_s, end_s = (DAY_S * d for d in options.window_days)
    pairs = []
    for notice in notices:
        place = notice.localization
        for alert in alerts:
            onset = onset_unix_s(alert, options.onset)
            if onset is None or not start_s <= onset - notice.event_unix_s < end_s:
                continue
            match = place.match(Positions.of(alert.ra_deg, alert.dec_deg))
            inside = bool(match.inside(options.credible)[0])
            if isinstance(place, Circle) and not options.systematics:
                centre = SkyCoord(place.ra_deg * u.deg, place.dec_deg * u.deg)
                off = centre.separation(SkyCoord(alert.ra_deg * u.deg, alert.dec_deg * u.deg))
                inside = off.deg <= options.radius_scale * place.radius_deg
            if inside:
                level = float(match.credible_level[0])
                pairs.append((notice.notice_id, alert.alert_id, onset - T0_UNIX_S, level))
    return pairs


@settings(max_examples=60)
@given(seeds, windows, st.sampled_from([0.01, 0.5, 0.9, 1.0]), st.booleans(), st.booleans())
def test_the_join_is_every_alert_against_every_notice(seed, window, credible, systematics, first):
    rng = np.random.default_rng(seed)
    alerts, notices = a_night(rng), some_notices(seed, rng)
    options = JoinOptions(
        window_days=window,
        onset=OnsetRule.FIRST_DETECTION if first else OnsetRule.FIRST_RECORD,
        credible=credible,
        radius_scale=1.5,
        systematics=systematics,
    )
    found = list(join(alerts, notices, options))
    told = [(p.notice.notice_id, p.alert.alert_id, p.delta_t_s, p.credible_level) for p in found]
    assert told == by_brute_force(alerts, notices, options)


def test_the_window_is_half_open():
    alerts = [an_alert(f"{k}", f"ZTF{k}", time_unix_s=T0_UNIX_S + k * DAY_S) for k in range(4)]
    options = JoinOptions(window_days=(1.0, 3.0), onset=OnsetRule.ALERT)
    assert [p.alert.alert_id for p in join(alerts, [a_notice()], options)] == ["1", "2"]


def test_nothing_meets_nothing():
    assert list(join([], [a_notice()], JoinOptions())) == []
    assert list(join([an_alert()], [a_notice(localization=None)], JoinOptions())) == []


@pytest.mark.parametrize("wrong", [{"window_days": (1.0, 1.0)}, {"credible": 0.0}])
def test_options_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        JoinOptions(**wrong)
