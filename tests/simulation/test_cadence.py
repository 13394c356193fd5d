"""Fields tile the sky; the night is scheduled as the survey does."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.simulation import ephemeris
from correlator.simulation.cadence import (
    EXPOSURE_S,
    LOWEST_ALTITUDE_DEG,
    PAST_DAYS,
    SOUTHERN_EDGE_DEG,
    FieldGrid,
    G,
    R,
    Request,
    night_of,
    past_visits,
    schedule,
)

GRID = FieldGrid.whole_sky()
NIGHT = night_of(datetime(2026, 3, 15, tzinfo=UTC).timestamp())
EXPOSURES = schedule(NIGHT, GRID, [], 1)


@given(st.floats(0.0, 360.0, exclude_max=True), st.floats(SOUTHERN_EDGE_DEG, 89.999))
def test_a_position_belongs_to_the_one_field_that_holds_it(ra, dec):
    holding = [
        f.number
        for f in GRID.fields
        if f.ra_lo_deg <= ra < f.ra_hi_deg and f.dec_lo_deg <= dec < f.dec_hi_deg
    ]
    assert holding == GRID.numbers_of(ra, dec).tolist()


def test_the_south_belongs_to_no_field():
    assert GRID.field_at(10.0, SOUTHERN_EDGE_DEG - 0.1) is None


def test_fields_have_the_area_of_the_camera_and_cover_the_northern_sky():
    areas = np.array([f.area_deg2 for f in GRID.fields])
    assert ((areas > 44.0) & (areas < 50.0)).all()
    north = 2.0 * np.pi * (1.0 - np.sin(np.radians(SOUTHERN_EDGE_DEG))) * np.degrees(1.0) ** 2
    assert areas.sum() == pytest.approx(north, rel=1e-9)


@given(st.sampled_from(GRID.fields), st.integers(0, 7), st.integers(0, 7))
def test_the_middle_of_each_quadrant_has_its_number(field, column, row):
    ra = field.ra_lo_deg + (column + 0.5) / 8.0 * (field.ra_hi_deg - field.ra_lo_deg)
    dec = field.dec_lo_deg + (row + 0.5) / 8.0 * (field.dec_hi_deg - field.dec_lo_deg)
    assert field.quadrant_of(ra, dec) == 8 * row + column


def test_the_night_is_dark_and_numbered_as_ztf_does():
    hours = (NIGHT.end_unix_s - NIGHT.start_unix_s) / 3600.0
    assert 9.0 < hours < 11.0
    # Real packet of 2025-03-02: nid 2982.
    assert night_of(datetime(2025, 3, 2, tzinfo=UTC).timestamp()).number == 2982


def test_there_are_hundreds_of_exposures_that_never_overlap():
    starts = np.array([e.start_unix_s for e in EXPOSURES])
    assert len(starts) > 300
    assert (np.diff(starts) > EXPOSURE_S).all()
    assert starts[0] >= NIGHT.start_unix_s
    assert starts[-1] < NIGHT.end_unix_s


def test_each_field_is_visited_in_both_bands_half_an_hour_to_an_hour_apart():
    by_field = {}
    for e in EXPOSURES:
        by_field.setdefault(e.field, []).append(e)
    assert {len(v) for v in by_field.values()} == {2}
    for first, second in by_field.values():
        assert {first.fid, second.fid} == {G, R}
        assert 900.0 < second.start_unix_s - first.start_unix_s < 3600.0


def test_fields_are_looked_at_high_in_the_sky_and_deep():
    fields = [GRID.fields[e.field] for e in EXPOSURES]
    starts = [e.start_unix_s for e in EXPOSURES]
    altitude = ephemeris.altitude_deg(
        [f.ra_deg for f in fields], [f.dec_deg for f in fields], starts
    )
    assert (altitude > LOWEST_ALTITUDE_DEG - 1.0).all()
    assert 20.0 < np.median([e.limit_mag for e in EXPOSURES]) < 20.9


def test_a_full_moon_costs_depth():
    depth = []
    for month, day in ((3, 19), (3, 3)):  # new Moon, full Moon of March 2026
        night = night_of(datetime(2026, month, day, tzinfo=UTC).timestamp())
        depth.append(np.median([e.limit_mag for e in schedule(night, GRID, [], 1)]))
    assert depth[0] > depth[1] + 0.2


def test_requests_are_served_in_the_first_free_slots():
    wanted = [Request(f, R, NIGHT.start_unix_s + 3600.0) for f in (300, 301, 302)]
    served = [e for e in schedule(NIGHT, GRID, wanted, 1) if e.is_too]
    assert [e.field for e in served] == [300, 301, 302]
    assert all(0.0 <= e.start_unix_s - wanted[0].earliest_unix_s < 240.0 for e in served)


def test_past_visits_are_pairs_of_the_thirty_days_before_the_night():
    visits = past_visits(GRID.fields[400], GRID, NIGHT, 1)
    starts = np.array([v.start_unix_s for v in visits])
    assert len(visits) > 6
    assert (np.diff(starts) > 0.0).all()
    assert NIGHT.start_unix_s - PAST_DAYS * 86_400.0 < starts[0]
    assert starts[-1] < NIGHT.start_unix_s - 9.0 * 3600.0
