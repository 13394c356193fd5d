"""A load night: seeded, as large as asked for, with everything that may happen to a record."""

from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from correlator.alert import Alert
from correlator.errors import ConfigurationError
from correlator.event import EventState, event_of
from correlator.object import apply_alert
from correlator.policy import DAY_S
from correlator.service.load_night import LoadNight
from correlator.simulation.load import LoadConfig, plan_load, write_load
from correlator.wire import of_json, to_json
from ingest_vo.reader import to_notice
from streams.topics import NOTICES_RAW, OPTICAL_ALERTS

CONFIG = LoadConfig(seed=3, n_alerts=4_000, n_notices=40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("load") / "night"
    write_load(CONFIG, folder)
    return folder


@pytest.fixture(scope="module")
def deliveries(folder):
    return list(LoadNight(folder))


@pytest.fixture(scope="module")
def truth(folder):
    return LoadNight(folder).truth


@pytest.fixture(scope="module")
def alerts(deliveries):
    """Distinct contents of each alert id."""
    found = defaultdict(set)
    for d in deliveries:
        if d.topic == OPTICAL_ALERTS.name:
            found[of_json(Alert, d.value).alert_id].add(d.value)
    return found


@pytest.fixture(scope="module")
def packets(deliveries):
    return [(d.key, d.value) for d in deliveries if d.topic == NOTICES_RAW.name]


@pytest.fixture(scope="module")
def events(packets):
    by_key = defaultdict(list)
    for name, packet in packets:
        notice = to_notice(packet, name)
        by_key[notice.event_key].append(notice)
    return {key: event_of(notices) for key, notices in by_key.items()}


def test_the_same_seed_writes_the_same_bytes(folder, tmp_path):
    write_load(CONFIG, tmp_path / "again")
    for name in ("load.records", "truth.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.slow
def test_another_seed_is_another_night(deliveries):
    other = plan_load(LoadConfig(seed=4, n_alerts=4_000))
    assert not {r.value for r in other.records()} & {d.value for d in deliveries}


def test_there_are_as_many_distinct_records_as_asked_for(alerts, packets, truth, deliveries):
    assert len(alerts) == CONFIG.n_alerts
    assert len({to_notice(packet, name).notice_id for name, packet in packets}) == CONFIG.n_notices
    assert len(deliveries) == truth["n_records"] == 4_000 + 40 + _again(truth)


def _again(truth):
    return truth["n_alerts_again"] + truth["n_notices_again"]


def test_some_alerts_come_twice_and_some_with_other_bytes_under_their_id(deliveries, alerts, truth):
    counts = Counter(d.value for d in deliveries if d.topic == OPTICAL_ALERTS.name)
    assert sum(n - 1 for n in counts.values()) > 20
    changed = [bodies for bodies in alerts.values() if len(bodies) > 1]
    assert len(changed) == truth["n_alerts_changed"] > 10


def test_some_notices_come_twice_and_some_with_other_bytes_under_their_id(packets):
    by_id = defaultdict(Counter)
    for name, packet in packets:
        by_id[to_notice(packet, name).notice_id][packet] += 1
    assert sum(max(c.values()) > 1 for c in by_id.values()) >= 5
    assert sum(len(c) > 1 for c in by_id.values()) >= 1


def test_alerts_come_by_time_of_delivery_but_some_later_than_they_were_taken(deliveries):
    times = [d.time_unix_s for d in deliveries]
    assert times == sorted(times)
    taken = [
        of_json(Alert, d.value).time_unix_s for d in deliveries if d.topic == OPTICAL_ALERTS.name
    ]
    assert taken != sorted(taken)


def test_histories_grow_from_alert_to_alert(alerts):
    by_object = defaultdict(list)
    for bodies in alerts.values():
        alert = of_json(Alert, min(bodies))
        by_object[alert.object_id].append(alert)
    assert {len(found) for found in by_object.values()} == set(range(1, 11))
    for found in by_object.values():
        found.sort(key=lambda a: a.time_unix_s)
        gaps = [b.time_unix_s - a.time_unix_s for a, b in pairwise(found)]
        assert all(gap > 0.01 * DAY_S for gap in gaps)
        known = [{d.source_id for d in (a.detection, *a.history)} for a in found]
        assert all(after - before for before, after in pairwise(known))
        assert all(before <= after for before, after in pairwise(known))


def test_a_changed_alert_still_folds_the_same_in_either_order(alerts):
    for bodies in (b for b in alerts.values() if len(b) > 1):
        one, two = (of_json(Alert, body) for body in sorted(bodies))
        assert one.object_id == two.object_id
        assert to_json(apply_alert(apply_alert(None, one), two)) == to_json(
            apply_alert(apply_alert(None, two), one)
        )


def test_the_missions_are_several_and_the_events_of_every_state(events):
    assert {e.mission for e in events.values()} == {"LVK", "SVOM", "Fermi", "Swift", "IceCube"}
    assert {e.state for e in events.values()} == set(EventState)
    assert any(e.is_burst is False for e in events.values())
    kinds = {e.localization.kind for e in events.values() if e.localization is not None}
    assert kinds == {"circle", "map"}


def test_the_truth_names_the_events_that_the_packets_are_of(events, truth):
    named = {event["event_id"] for event in truth["events"]}
    assert named == {event.event_id for event in events.values()}
    of_round = {event["kind"] for event in truth["events"]}
    assert {"bns-merger", "retracted-grb", "closing-grb", "closed-grb", "mock"} <= of_round


def test_one_burst_closes_while_alerts_still_come(deliveries, truth):
    closing = next(e for e in truth["events"] if e["kind"] == "closing-grb")
    closes = closing["t0_unix_s"] + 17 * DAY_S
    objects = set(closing["objects"])
    taken = [of_json(Alert, d.value) for d in deliveries if d.key in objects]
    assert {alert.time_unix_s <= closes for alert in taken} == {True, False}


def test_another_order_delivers_the_same_records(deliveries):
    config = LoadConfig(seed=3, n_alerts=4_000, n_notices=40, order_seed=1)
    shuffled = list(plan_load(config).records())
    assert [r.value for r in shuffled] != [d.value for d in deliveries]
    assert sorted(map(tuple, shuffled)) == sorted(
        (d.time_unix_s, d.topic, d.key, d.value) for d in deliveries
    )


def test_an_archive_of_it_is_what_a_replay_takes(folder, deliveries):
    archive = LoadNight(folder).archive()
    assert archive.deliveries == deliveries
    assert (archive.n_alerts, archive.n_notices) == (4_000, 40)
    assert LoadNight(folder).as_of_unix_s >= archive.latest_unix_s


@pytest.mark.parametrize(
    "wrong",
    [{"seed": -1}, {"order_seed": -1}, {"n_notices": 0}, {"n_alerts": 999}, {"n_notices": 10_001}],
)
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigurationError):
        LoadConfig(**wrong)


def test_a_folder_in_use_is_refused(folder):
    with pytest.raises(ConfigurationError, match="not empty"):
        write_load(CONFIG, folder)


def test_a_folder_without_a_night_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"load\.records"):
        LoadNight(tmp_path)


@pytest.mark.parametrize("keep", [200, -10])
def test_a_file_that_is_cut_short_says_so(folder, tmp_path, keep):
    (tmp_path / "truth.json").write_bytes((folder / "truth.json").read_bytes())
    (tmp_path / "load.records").write_bytes((folder / "load.records").read_bytes()[:keep])
    with pytest.raises(ConfigurationError, match="cut short"):
        list(LoadNight(tmp_path))


def test_a_line_of_something_else_is_refused(folder, tmp_path):
    (tmp_path / "truth.json").write_bytes((folder / "truth.json").read_bytes())
    (tmp_path / "load.records").write_bytes(b"something else\n")
    with pytest.raises(ConfigurationError, match="something else"):
        list(LoadNight(tmp_path))
