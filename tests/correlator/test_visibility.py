"""Visibility from a site against textbook cases."""

import pytest
from astropy.time import Time
from astropy.utils.iers import iers

from correlator.visibility import SITES, visibilities

WINTER_NOON_UTC = 1_705_320_000.0
"""2024-01-15 12:00 UTC."""


def seen(ra_deg, dec_deg, site="palomar", at=WINTER_NOON_UTC):
    return visibilities(ra_deg, dec_deg, SITES[site], at)


def test_a_pole_stands_at_the_latitude_all_night():
    (pole,) = seen([0.0], [90.0])
    assert pole.best_altitude_deg == pytest.approx(SITES["palomar"].latitude_deg, abs=0.5)
    assert pole.hours_up == pytest.approx(11.5, abs=0.7)  # nautical night in January


def test_the_other_pole_is_never_up():
    (pole,) = seen([0.0], [-90.0])
    assert pole.hours_up == 0.0
    assert pole.best_altitude_deg < 0.0


def test_what_stands_opposite_the_sun_is_up_most():
    # The Sun is at RA 19h43m: 07h43m culminates at midnight, 19h43m at noon.
    night, day = seen([116.0, 296.0], [33.0, 33.0])
    assert night.hours_up > 8.0
    assert night.best_altitude_deg > 85.0
    assert day.hours_up < 2.0


def test_the_moon_is_where_gcn_has_it():
    # A Fermi notice of 2024-01-15 16:45:56 UTC gives Moon_RA 354.13, Moon_Dec -5.17; the parallax
    # of a site moves it by up to a degree. The Moon is taken at the middle of the 24 hours.
    (near,) = seen([354.13], [-5.17], at=1_705_337_156.0 - 43_200.0)
    assert near.moon_separation_deg < 1.2


def test_dates_beyond_the_tables_of_the_earth_still_work():
    (pole,) = seen([0.0], [90.0], "la-palma", 2_200_000_000.0)
    assert pole.best_altitude_deg == pytest.approx(SITES["la-palma"].latitude_deg, abs=0.5)


@pytest.mark.parametrize("at", [WINTER_NOON_UTC, 1_900_000_000.0])
def test_an_installation_that_nobody_has_updated_for_years_still_works(monkeypatch, at):
    class LaterTime(Time):
        @classmethod
        def now(cls):
            return Time(1_900_000_000.0, format="unix")

    monkeypatch.setattr(iers, "Time", LaterTime)
    (pole,) = seen([0.0], [90.0], "la-palma", at)
    assert pole.best_altitude_deg == pytest.approx(SITES["la-palma"].latitude_deg, abs=0.5)
