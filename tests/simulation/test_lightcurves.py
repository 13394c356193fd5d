"""Light curves at epochs where their value is known."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.simulation.cadence import G, R
from correlator.simulation.lightcurves import (
    AT2017GFO_DISTANCE_MPC,
    afterglow_mag,
    flare_mag,
    flux_of,
    kilonova_mag,
    mag_of,
    outburst_mag,
    supernova_mag,
)

MERGER_MJD = 57_982.528_5
"""GW170817, 2017-08-17T12:41:04 UTC."""


@pytest.mark.parametrize(
    ("days", "fid", "mag"),
    [
        (0.5, G, 17.4),
        (1.25, G, 18.1),
        (2.5, R, 19.1),
        (9.5, R, 22.2),
        (11.5, R, 23.2),
        (0.25, R, 17.3 + 2.5 * np.log10(2.0)),
    ],
)
def test_the_kilonova_is_at2017gfo_at_its_own_distance(days, fid, mag):
    assert kilonova_mag(days, fid, AT2017GFO_DISTANCE_MPC) == pytest.approx(mag)


@given(st.floats(0.01, 15.0), st.floats(20.0, 200.0))
def test_ten_times_the_distance_is_five_magnitudes(days, distance_mpc):
    near, far = (kilonova_mag(days, R, d) for d in (distance_mpc, 10.0 * distance_mpc))
    assert far - near == pytest.approx(5.0)


@pytest.mark.real_data
def test_the_table_is_within_a_quarter_of_a_magnitude_of_the_published_photometry(real_data):
    path = real_data / "optical" / "mm" / "AT2017gfo_optical.csv"
    bands = {"ps1::g": 1, "ps1::r": 2, "ps1::i": 3, "ps1::z": 4, "ps1::y": 5}
    misses = []
    with path.open() as file:
        for row in csv.DictReader(file):
            if row["filter"] in bands and row["flux"]:
                days = float(row["mjd"]) - MERGER_MJD
                published = 23.9 - 2.5 * np.log10(float(row["flux"]))
                fid = bands[row["filter"]]
                misses.append(kilonova_mag(days, fid, AT2017GFO_DISTANCE_MPC) - published)
    assert len(misses) > 35
    assert np.median(np.abs(misses)) < 0.15
    assert np.quantile(np.abs(misses), 0.9) < 0.35


@given(st.floats(0.01, 5.0), st.floats(1.5, 20.0), st.floats(0.8, 2.0))
def test_an_afterglow_fades_as_its_power_law(days, factor, decay):
    early, late = (afterglow_mag(t, R, 18.0, decay, 0.7) for t in (days, factor * days))
    assert late - early == pytest.approx(2.5 * decay * np.log10(factor))


def test_an_afterglow_has_its_reference_magnitude_after_an_hour_and_is_red():
    assert afterglow_mag(1.0 / 24.0, R, 18.2, 1.1, 0.8) == pytest.approx(18.2)
    colour = afterglow_mag(1.0, G, 18.0, 1.1, 1.0) - afterglow_mag(1.0, R, 18.0, 1.1, 1.0)
    assert colour == pytest.approx(2.5 * np.log10(0.6231 / 0.4770), abs=1e-6)


@pytest.mark.parametrize("days", [-3.0, -1e-6, 0.0])
def test_nothing_shines_before_its_time(days):
    for mag in (
        kilonova_mag(days, G, 40.0),
        afterglow_mag(days, G, 18.0, 1.0, 0.7),
        supernova_mag(days, 18.0, 15.0),
        outburst_mag(days, 16.0, 5.0),
        flare_mag(days, 17.0, 0.01, G),
    ):
        assert np.isinf(mag)


def test_a_supernova_peaks_after_its_rise_and_fades_by_a_magnitude_in_23_days():
    days = np.linspace(1.0, 80.0, 800)
    mag = supernova_mag(days, 18.0, 16.0)
    assert days[np.argmin(mag)] == pytest.approx(16.0, abs=0.1)
    assert mag.min() == pytest.approx(18.0, abs=0.01)
    assert supernova_mag(39.0, 18.0, 16.0) == pytest.approx(19.0, abs=0.01)


@given(st.floats(10.0, 25.0))
def test_flux_and_magnitude_are_inverse(mag):
    assert mag_of(flux_of(mag)) == pytest.approx(mag)
    assert mag_of(-flux_of(mag)) == pytest.approx(mag)
