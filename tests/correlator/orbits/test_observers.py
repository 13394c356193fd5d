"""Where an observatory is, against astropy."""

from datetime import UTC, datetime

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import EarthLocation, get_body_barycentric_posvel
from astropy.time import Time

from correlator.orbits.observers import AU_M, mjd_tdb_of, observer_at
from correlator.visibility import SITES

# The first has a leap second at its end, which astropy's own unix time is spread over.
TIMES = ["2016-12-31T12:00:00", "2017-01-01T12:00:00", "2018-07-02T03:00:00", "2026-06-27T09:38:40"]


def unix_s_of(when):
    return datetime.fromisoformat(when).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("when", TIMES)
def test_the_time_is_that_of_the_barycentre(when):
    time = Time(when, scale="utc")
    assert abs(mjd_tdb_of(unix_s_of(when)) - time.tdb.mjd) * 86_400.0 < 0.002


@pytest.mark.parametrize("when", TIMES)
@pytest.mark.parametrize("name", ["rubin", "palomar"])
def test_an_observatory_is_where_astropy_has_it(when, name):
    site, time = SITES[name], Time(when, scale="utc")
    place = EarthLocation.from_geodetic(
        site.longitude_deg * u.deg, site.latitude_deg * u.deg, site.height_m * u.m
    )
    earth, sun = (get_body_barycentric_posvel(body, time) for body in ("earth", "sun"))
    local, local_speed = place.get_gcrs_posvel(time)
    position = (earth[0] - sun[0]).xyz.to_value(u.m) + local.xyz.to_value(u.m)
    velocity = (earth[1] - sun[1]).xyz + local_speed.xyz
    ours = observer_at(site, unix_s_of(when))
    # UTC for UT1 is at most 0.9 s x 465 m/s.
    assert np.linalg.norm(ours.position_au * AU_M - position) < 600.0
    speed = np.linalg.norm(ours.velocity_au_d - velocity.to_value(u.au / u.day))
    assert speed * AU_M / 86_400.0 < 0.1
