"""What the benchmarks of latency and of memory make of what they see, and what they feed."""

from __future__ import annotations

import math
from itertools import islice, pairwise

import numpy as np
import pytest

from benchmarks.counterparts import counterpart, merger_notices, with_counterparts
from benchmarks.full_store import LENGTH_S, make_full_store, stored_rows
from benchmarks.latency import alert_rows, alert_timing, notice_rows, timing_of
from benchmarks.live_events import live_events
from benchmarks.slim_sky import slim_night
from benchmarks.soak import (
    NOTICE_EVERY_S,
    Look,
    Soak,
    SoakSetting,
    growth,
    notices_for_ever,
    soak_rows,
)
from correlator.coincidence import correlate
from correlator.errors import ConfigurationError
from correlator.object import OpticalObject, object_of
from correlator.pair import PairEvidence
from correlator.policy import DAY_S, Policy
from correlator.ranking import rank_event
from correlator.simulation.load_sky import NIGHT_S
from correlator.wire import of_json, to_json
from ingest_vo.reader import to_notice
from skymaps.healpix import index_29_of
from skymaps.shapes import Circle
from storage.share import Share, key_hash
from storage.store import Store

START_UNIX_S = 1_790_000_000.0
MIB = 2**20


@pytest.mark.slow
def test_every_counterpart_makes_a_coincidence_of_its_event_all_night_long():
    policy, rng = Policy(), np.random.default_rng(1)
    events = [e for e in live_events(START_UNIX_S) if isinstance(e.localization, Circle)]
    for number, event in enumerate(events):
        for time_unix_s in (START_UNIX_S, START_UNIX_S + NIGHT_S):
            alert = counterpart(event, number, time_unix_s, rng)
            pair = correlate(object_of(alert), event, policy)
            assert isinstance(pair, PairEvidence), pair
            ranking = rank_event(event, [pair], policy, time_unix_s)
            assert len(ranking.coincidences) == 1, ranking.candidates


def test_counterparts_take_the_places_of_every_fifth_alert_and_the_others_stay():
    night, events = list(slim_night(40, START_UNIX_S)), list(live_events(START_UNIX_S))
    mixed = list(with_counterparts(night, events, every=5, first=10))
    assert [n for n, (_, key) in enumerate(mixed) if key is not None] == [10, 15, 20, 25, 30, 35]
    assert [r for r, key in mixed if key is None] == [
        r for n, r in enumerate(night) if n < 10 or n % 5
    ]
    assert len({r.key for r, key in mixed if key is not None}) == 6


def test_mergers_are_events_of_their_own_with_300_deg2():
    mergers = list(merger_notices(3, START_UNIX_S - DAY_S, START_UNIX_S))
    assert len({m.event_key for m in mergers}) == 3
    for merger in mergers:
        notice = to_notice(merger.first.data, merger.first.name)
        assert notice.localization is not None
        assert 250.0 < notice.localization.area_deg2(0.9) < 350.0
        assert to_notice(merger.retraction.data, merger.retraction.name).is_retraction


def test_stored_objects_are_what_their_canonical_json_says():
    rows = list(stored_rows(7, 300, START_UNIX_S, np.random.default_rng(2)))
    n_new = 0
    for key, name, ra, dec, index, hashed, first, latest, n_detections, body in rows:
        obj = of_json(OpticalObject, body.encode(), name)
        assert to_json(obj).decode() == body
        assert (obj.object_key, obj.ra_deg, obj.dec_deg, obj.index_29) == (key, ra, dec, index)
        assert (obj.detections[0].time_unix_s, obj.latest_unix_s) == (first, latest)
        assert (len(obj.detections), key_hash(name)) == (n_detections, hashed)
        assert index == index_29_of(ra, dec)[0]
        assert START_UNIX_S - LENGTH_S <= latest <= START_UNIX_S
        assert [d.time_unix_s for d in obj.detections] == sorted(
            d.time_unix_s for d in obj.detections
        )
        n_new += obj.survey_first_unix_s > START_UNIX_S - 15 * DAY_S
    assert 10 <= n_new <= 60  # a tenth of 300


def test_a_full_store_is_one_that_a_worker_can_use(tmp_path):
    make_full_store(tmp_path / "full.sqlite", 500, START_UNIX_S)
    with Store.open(f"sqlite:///{tmp_path}/full.sqlite") as store:
        sky = np.array([[0, 12 * 4**29]])
        rows = store.alerts.region(sky, 0.0, START_UNIX_S, Share.everything())
        assert len(rows.keys) == 500
        assert len(store.alerts.get_objects(rows.keys)) == 500
        objects = store.alerts.get_objects(rows.keys).values()
        assert store.alerts.latest_unix_s() == max(obj.latest_unix_s for obj in objects)


@pytest.mark.parametrize(
    ("came", "pairs", "taken", "is_quiet"),
    [
        (100.3, [100.2], 0.3, True),
        (None, [100.2], None, True),
        (100.9, [99.6, 100.2], 0.9, False),
        (100.3, [99.4, 100.2], 0.3, True),
        (100.3, [], 0.3, True),
    ],
)
def test_an_alert_is_quiet_when_no_pair_of_its_event_came_within_the_debounce(
    came, pairs, taken, is_quiet
):
    timing = alert_timing(100.0, came, pairs)
    assert timing.is_quiet is is_quiet
    assert timing.taken_s == (None if taken is None else pytest.approx(taken))


def test_an_alert_without_a_coincidence_counts_as_slower_than_all():
    rows = {
        row.name: row for row in alert_rows("x", [*(0.1 * n for n in range(1, 98)), *[None] * 3])
    }
    assert rows["x-p50"].value == pytest.approx(5.0)
    assert rows["x-p99"].value == math.inf
    assert rows["x-p99"].ratio == 0.0
    assert rows["x-max"].value == pytest.approx(9.7)
    assert (rows["x-n"].value, rows["x-lost"].value) == (100, 3)


def test_no_coincidence_at_all_is_no_measurement():
    with pytest.raises(ConfigurationError, match="no coincidence"):
        list(alert_rows("x", [None, None]))


def test_a_notice_is_timed_by_its_hundredth_coincidence_and_99_percent_of_its_pairs():
    pairs = [10.0 + 0.01 * n for n in range(1, 201)]
    out = [10.5] * 60 + [11.5] * 60
    timing = timing_of(10.0, pairs, out, 300.0)
    assert (timing.first_s, timing.first_hundred_s) == (0.5, 1.5)
    assert timing.most_pairs_s == pytest.approx(1.98)
    assert timing.pairs_per_s == pytest.approx(100.0)
    rows = {row.name: row for row in notice_rows([timing])}
    assert rows["latency-notice-100-p99"].value == 1.5
    assert rows["latency-notice-100-p99"].ratio == pytest.approx(2.0 / 1.5)


def test_a_notice_with_fewer_than_a_hundred_coincidences_is_no_measurement():
    with pytest.raises(ConfigurationError, match="too few"):
        timing_of(10.0, [10.1], [10.2] * 99, 300.0)


def test_memory_grows_from_the_first_look_to_the_highest():
    assert growth([100 * MIB, 108 * MIB, 90 * MIB]) == pytest.approx(0.08)
    assert growth([100 * MIB, 90 * MIB]) == 0.0


def test_only_what_comes_after_two_minutes_counts_for_the_bar():
    looks = [Look(5.0 * n, min(50 + 2 * n, 100) * MIB, 5000 * n, n % 3) for n in range(60)]
    rows = {row.name: row for row in soak_rows(Soak(looks, [12]), SoakSetting())}
    assert rows["soak-growth"].value == pytest.approx(100 / 98 - 1.0)
    assert rows["soak-rate"].value == pytest.approx(1000.0)
    assert rows["soak-behind"].value == 2
    assert rows["soak-rss-0s"].value == 50
    assert rows["soak-events-left-1"].value == 12
    assert not any("edge" in name for name in rows)


def test_the_edge_has_a_growth_of_its_own():
    looks = [Look(5.0 * n, 70 * MIB, 1, 0, (90 + n // 30) * MIB) for n in range(60)]
    rows = {row.name: row for row in soak_rows(Soak(looks, [], 590), SoakSetting())}
    assert rows["soak-growth"].value == 0.0
    assert rows["soak-edge-growth"].value == pytest.approx(91 / 90 - 1.0)
    assert rows["soak-edge-passed"].value == pytest.approx(2.0)


def test_a_soak_in_which_nothing_was_done_is_no_measurement():
    with pytest.raises(ConfigurationError, match="none of the alerts"):
        list(soak_rows(Soak([Look(0.0, MIB, 0, 0)]), SoakSetting()))


def test_notices_come_in_order_with_a_new_event_every_four_hours():
    notices = list(islice(notices_for_ever(START_UNIX_S), 14))
    times = [n.sent_unix_s for n in notices]
    assert all(a < b for a, b in pairwise(times))
    read = [to_notice(n.data, n.name) for n in notices]
    first = {}
    for notice in read:
        first.setdefault(notice.event_key, notice.event_unix_s)
    t0s = list(first.values())
    assert len(t0s) == 8  # a merger, six bursts of two notices, a seventh's first
    assert t0s == pytest.approx([START_UNIX_S + NOTICE_EVERY_S * n for n in range(1, 9)], abs=2.0)
