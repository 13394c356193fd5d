"""Objects in a region of sky and time, and the share of a worker."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skymaps.healpix import END_29
from skymaps.runs import SkyRuns
from storage.share import Share, key_hash
from tests.builders import T0_UNIX_S, an_alert
from tests.storage.contents import emptied
from tests.storage.writers import put_alerts

N_OBJECTS = 60
STRANGE = {2: 'ZTF,"{2}"', 3: "ZTF\n3\\", 4: "ZTF25é\x01"}
"""Names of objects that no survey gives."""

WHOLE_SKY = np.array([[0, END_29]], dtype=np.int64)


def the_alerts():
    """Objects all over the sky, at its ends and side by side, seen at several times."""
    rng = np.random.default_rng(1)
    places = [0, 1, 2, 1000, 1001, END_29 - 2, END_29 - 1]
    places += [int(i) for i in rng.integers(0, END_29, N_OBJECTS - len(places))]
    for number, index_29 in enumerate(places):
        name = STRANGE.get(number, f"ZTF{number}")
        alert = an_alert(f"{number}", name, time_unix_s=T0_UNIX_S + number % 7, ra_deg=number / 7.0)
        yield replace(alert, index_29=index_29)


def object_id(number):
    return STRANGE.get(number, f"ZTF{number}")


def the_runs():
    runs = SkyRuns()
    for number, a in enumerate(the_alerts()):
        runs.add([a.index_29], [a.time_unix_s], [number], [a.history[0].time_unix_s])
    return runs


RUNS = the_runs()


@pytest.fixture(scope="module")
def region_store(reused_store):
    put_alerts(emptied(reused_store), *the_alerts())
    return reused_store


bounds = st.one_of(
    st.sampled_from([0, 1, 2, 3, 1000, 1001, 1002, END_29 - 1, END_29]), st.integers(0, END_29)
)
ragged = st.lists(bounds, max_size=12, unique=True).map(
    lambda ends: np.array(sorted(ends)[: len(ends) // 2 * 2], dtype=np.int64).reshape(-1, 2)
)
moments = st.integers(-1, 8).map(lambda i: T0_UNIX_S + i)
shares = st.integers(1, 5).flatmap(
    lambda n: st.builds(Share, st.frozensets(st.integers(0, n - 1)), st.just(n))
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ragged, moments, moments, shares)
def test_a_region_holds_what_lies_in_its_ranges_and_times_and_share(
    region_store, ranges, since, until, share
):
    found = region_store.alerts.region(ranges, since, until, share)
    expected = {
        f"ztf:{a.object_id}": (a.ra_deg, a.dec_deg, a.index_29)
        for a in the_alerts()
        if any(lo <= a.index_29 < hi for lo, hi in ranges.tolist())
        and a.time_unix_s >= since
        and a.history[0].time_unix_s <= until
        and zlib.crc32(a.object_id.encode()) % share.of in share.partitions
    }
    columns = found.ra_deg, found.dec_deg, found.index_29
    assert [c.dtype for c in columns] == [np.float64, np.float64, np.int64]
    rows = list(zip(*(c.tolist() for c in columns), strict=True))
    assert len(found.keys) == len(expected)
    assert dict(zip(found.keys, rows, strict=True)) == expected
    # The runs in memory say the same of the same rows.
    in_memory = [object_id(number) for number in RUNS.find(ranges, since, until).tolist()]
    assert {f"ztf:{name}" for name in in_memory if share.holds(name)} == expected.keys()


def test_the_whole_sky_is_one_range_and_no_range_is_nothing(region_store):
    everything = Share.everything()
    times = T0_UNIX_S - 1e9, T0_UNIX_S + 1e9
    assert len(region_store.alerts.region(WHOLE_SKY, *times, everything).keys) == N_OBJECTS
    none = np.empty((0, 2), dtype=np.int64)
    assert region_store.alerts.region(none, *times, everything).keys == []


def test_thousands_of_ranges_are_one_question(region_store):
    ends = np.linspace(0, END_29, 20_001, dtype=np.int64)
    ranges = np.stack([ends[:-1], ends[1:]], axis=1)
    found = region_store.alerts.region(ranges, 0.0, 4e9, Share.everything())
    assert found.index_29.tolist() == sorted(a.index_29 for a in the_alerts())


def test_the_shares_of_all_partitions_are_everything_once(region_store):
    whole = region_store.alerts.region(WHOLE_SKY, 0.0, 4e9, Share.everything()).keys
    parts = [
        region_store.alerts.region(WHOLE_SKY, 0.0, 4e9, Share(frozenset({p}), 3)).keys
        for p in range(3)
    ]
    assert sorted(key for part in parts for key in part) == sorted(whole)
    assert all(parts)


def test_a_share_says_what_it_holds():
    share = Share(frozenset({0, 2}), 3)
    assert (share.is_all, share.is_none) == (False, False)
    assert Share(frozenset(range(3)), 3).is_all
    assert Share(frozenset(), 3).is_none
    assert share.holds("ZTF1") is (zlib.crc32(b"ZTF1") % 3 != 1)
    assert key_hash("ZTF25é") == zlib.crc32("ZTF25é".encode())


@pytest.mark.parametrize(("partitions", "of"), [({0}, 0), ({3}, 3), ({-1}, 3)])
def test_a_share_of_partitions_that_are_not_there_is_refused(partitions, of):
    with pytest.raises(ValueError, match="partitions in"):
        Share(frozenset(partitions), of)
