"""The short formulas against astropy."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body
from astropy.time import Time
from astropy.utils import iers
from hypothesis import given
from hypothesis import strategies as st

from correlator.simulation import ephemeris

TIMES = np.array([1_577_836_800.0, 1_690_000_000.0, 1_773_542_940.0, 1_773_579_840.0])
# Equinox of date against J2000: precession is 0.36 deg in 2026.
PRECESSION_DEG = 0.4


@pytest.mark.parametrize(
    ("body", "ours", "error_deg"),
    [("sun", ephemeris.sun_position_deg, 0.02), ("moon", ephemeris.moon_position_deg, 1.3)],
)
def test_sun_and_moon_stand_where_astropy_puts_them(body, ours, error_deg):
    with iers.conf.set_temp("auto_download", False):
        there = get_body(body, Time(TIMES, format="unix"))
    apart = ephemeris.angle_deg(there.ra.deg, there.dec.deg, *ours(TIMES))
    assert (apart < error_deg + PRECESSION_DEG).all()


@given(st.floats(0.0, 360.0), st.floats(-89.0, 89.0))
def test_galactic_and_ecliptic_coordinates_are_those_of_astropy(ra, dec):
    here = SkyCoord(ra, dec, unit="deg")
    lon, lat = ephemeris.galactic_deg(ra, dec)
    assert ephemeris.angle_deg(lon, lat, here.galactic.l.deg, here.galactic.b.deg) < 1e-3
    ecliptic = here.barycentricmeanecliptic
    lon, lat = ephemeris.ecliptic_deg(ra, dec)
    assert ephemeris.angle_deg(lon, lat, ecliptic.lon.deg, ecliptic.lat.deg) < 1e-2


def test_altitudes_over_palomar_are_those_of_astropy():
    site = EarthLocation(
        lat=ephemeris.SITE_LATITUDE_DEG * u.deg, lon=ephemeris.SITE_LONGITUDE_DEG * u.deg
    )
    here = SkyCoord([10.0, 150.0, 200.0, 320.0], [80.0, 20.0, -10.0, 40.0], unit="deg")
    with iers.conf.set_temp("auto_download", False):
        there = here.transform_to(AltAz(obstime=Time(TIMES[2], format="unix"), location=site))
    ours = ephemeris.altitude_deg(here.ra.deg, here.dec.deg, TIMES[2])
    np.testing.assert_allclose(ours, there.alt.deg, atol=PRECESSION_DEG)


@given(
    st.floats(0.0, 360.0), st.floats(-85.0, 85.0), st.floats(0.001, 170.0), st.floats(0.0, 360.0)
)
def test_a_moved_position_lies_at_its_distance(ra, dec, distance, bearing):
    there = ephemeris.moved_deg(ra, dec, distance, bearing)
    assert float(ephemeris.angle_deg(ra, dec, *there)) == pytest.approx(distance, abs=1e-6)
