"""What is read back of notices, localizations, objects and dead letters."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from correlator.errors import MalformedPacketError
from correlator.policy import DAY_S
from correlator.wire import record_of_event
from storage.alerts import PAGE_ROWS
from storage.database import Database
from storage.localizations import LocalizationStore
from storage.share import Share
from tests.builders import (
    T0_UNIX_S,
    a_circle,
    a_notice,
    a_pair,
    a_pair_record,
    a_withdrawal,
    an_alert,
    an_event,
)
from tests.storage.writers import put_alerts


def test_one_notice_id_with_two_contents_is_two_notices(store):
    for content in ("b", "a", "b"):
        notice = replace(a_notice("ivo://tests/1"), content_sha256=content)
        store.notices.put(notice, content.encode(), f"file {content}", 1.0)
    packets = store.notices.packets_of_event(a_notice().event_key)
    assert packets == [("file a", b"a", ()), ("file b", b"b", ())]
    assert store.notices.packet("ivo://tests/1") == b"a"
    assert store.notices.packet("ivo://tests/2") is None
    assert store.notices.packets_of_event("lvk:S1") == []


def test_notices_are_found_by_event_mission_and_half_open_time(store):
    for number, mission in enumerate(["Fermi", "Swift", "Fermi"]):
        said = T0_UNIX_S + number * DAY_S if number else None
        notice = a_notice(str(number), mission=mission, event_id=mission, notice_unix_s=said)
        store.notices.put(notice, b"", "a file", 1.0)

    def found(**wanted: object) -> list[str]:
        return [n.notice_id for n in store.notices.find(**wanted)]

    assert found() == ["2", "1", "0"]
    assert found(limit=1) == ["2"]
    assert found(mission="Fermi") == ["2", "0"]
    assert found(event_key="fermi-gbm:Swift") == ["1"]
    assert found(start_unix_s=T0_UNIX_S + DAY_S, end_unix_s=T0_UNIX_S + 2 * DAY_S) == ["1"]
    (record,) = store.notices.find(event_key="fermi-gbm:Swift")
    notice = a_notice("1", mission="Swift")
    assert record.localization_sha256 == notice.localization.sha256
    assert (record.is_burst, record.far_hz, record.packet_name) == (True, None, "a file")


def test_a_localization_is_read_once_and_forgotten_when_many_others_were(store):
    circles = [a_circle(radius_deg=r) for r in (1.0, 2.0, 3.0)]
    for circle in circles:
        store.localizations.put(circle)
    fresh = LocalizationStore(Database(store.engine), n_cached=2)
    first = fresh.get(circles[0].sha256)
    assert first == circles[0]
    assert fresh.get(circles[1].sha256) == circles[1]
    assert fresh.get(circles[0].sha256) is first
    assert fresh.get(circles[2].sha256) == circles[2]  # the second was used least
    with store.engine.begin() as connection:
        connection.execute(text("DELETE FROM localizations"))
    assert fresh.get(circles[0].sha256) is first
    assert fresh.get(circles[1].sha256) is None


def test_the_columns_of_a_localization_say_what_it_is(store):
    circle = a_circle(radius_deg=2.0, level=0.9)
    store.localizations.put(circle)
    with store.engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM localizations")).one()
    assert (row.kind, row.body, row.n_bytes) == ("circle", circle.to_bytes(), len(row.body))
    assert row.area_90_deg2 == pytest.approx(3.14159265 * 2.0**2, rel=1e-3)


def test_objects_come_page_by_page_and_by_recency(store):
    n = 2 * PAGE_ROWS + 1
    objects = put_alerts(
        store,
        *(
            an_alert(object_id=f"ZTF{i:05d}", time_unix_s=T0_UNIX_S + i, ra_deg=i / 10)
            for i in range(n)
        ),
    )
    assert list(store.alerts.objects()) == objects
    recent = [o.object_id for o in store.alerts.objects(since_unix_s=T0_UNIX_S + n - 2)]
    assert recent == [f"ZTF{n - 2:05d}", f"ZTF{n - 1:05d}"]
    assert store.alerts.get_object("ztf:unknown") is None


def test_text_is_ordered_by_its_bytes_in_every_database(store):
    keys = ["ztf:ab", "ZTF:B", "ztf:B", "ztf:a_", "ztf:é"]
    store.pairs.put_many(a_pair_record(object_key=key) for key in keys)
    assert [p.object_key for p in store.pairs.all_live()] == sorted(keys)


def test_one_may_write_while_objects_are_read(store):
    put_alerts(store, *(an_alert(object_id=f"ZTF{i}") for i in range(3)))
    for obj in store.alerts.objects():
        put_alerts(store, an_alert("new", obj.object_id))
    assert store.counts()["objects"] == 3


def test_events_are_found_by_keys_and_by_time(store):
    events = [
        record_of_event(an_event(event_id=f"{i}", event_unix_s=T0_UNIX_S + i if i else None))
        for i in range(4)
    ]
    for event in events:
        store.events.put(event)
    assert store.events.since(T0_UNIX_S + 2) == events[2:]
    assert store.events.since(T0_UNIX_S + 9) == []
    keys = [events[0].event_key, events[2].event_key]
    assert store.events.get_many([*keys, "lvk:S1"]) == dict(zip(keys, events[::2], strict=True))
    assert store.events.get_many([]) == {}


def test_every_pair_is_known_by_its_event_live_or_withdrawn(store):
    assert store.pairs.keys_with_pairs() == []
    keys = [f"ztf:ZTF{i}" for i in range(8)]
    for event_key in ("grb:2", "grb:1"):
        store.pairs.put_many(
            [
                *(a_pair_record(event_key=event_key, object_key=k) for k in keys[:5]),
                *(a_withdrawal(event_key=event_key, object_key=k) for k in keys[5:]),
            ]
        )
    store.pairs.put_many([a_pair_record(event_key="grb:1", object_key=keys[0], object_version=3)])
    everything = Share.everything()
    expected = [(k, 1, 3 if k == keys[0] else 1, ()) for k in keys]
    assert store.pairs.known("grb:1", everything) == expected
    assert store.pairs.known("grb:3", everything) == []
    parts = [store.pairs.known("grb:1", Share(frozenset({p}), 3)) for p in range(3)]
    assert sorted(pair for part in parts for pair in part) == expected
    assert all(Share(frozenset({1}), 3).holds(k[4:]) for k, *_ in parts[1])
    assert store.pairs.keys_with_pairs() == ["grb:1", "grb:2"]
    assert [store.pairs.count_live(k) for k in ("grb:1", "grb:2", "grb:3")] == [5, 5, 0]
    assert [p.object_key for p in store.pairs.live("grb:2")] == keys[:5]


@pytest.mark.parametrize("store", ["sqlite://"], indirect=True)
def test_the_questions_of_every_batch_are_answered_by_an_index(store):
    """In SQLite; PostgreSQL plans by the size of its tables."""
    current = "SELECT * FROM coincidences WHERE {} = 'x' AND is_current = 1 AND state = 'active'"
    three = "ix_coincidences_{0}_is_current_state ({0}=? AND is_current=? AND state=?)"
    plans = {
        "SELECT object_key, ra_deg, dec_deg, index_29, time_unix_s FROM objects AS o WHERE"
        " o.index_29 >= 1 AND o.index_29 < 2 AND o.time_unix_s >= 1 AND o.first_unix_s <= 2"
        " AND o.key_hash % 8 IN (1, 2)": "COVERING INDEX ix_objects_region",
        "SELECT count(*) FROM alerts WHERE survey = 'ztf' AND object_id = 'x'": "COVERING INDEX",
        current.format(
            "case_name"
        ): "ix_coincidences_case_name_published (case_name=? AND is_current=? AND state=?)",
        current.format("event_key"): three.format("event_key"),
        "SELECT * FROM pairs WHERE event_key = 'x' AND is_live = 1": (
            "ix_pairs_event_key (event_key=? AND is_live=?)"
        ),
        "UPDATE coincidences SET is_current = 0 WHERE coincidence_id = 'x' AND case_name = 'y'"
        " AND revision = 1": "(coincidence_id=? AND case_name=? AND revision=?)",
        "SELECT * FROM events WHERE event_unix_s >= 1": "ix_events_event_unix_s",
    }
    with store.engine.connect() as connection:
        for statement, index in plans.items():
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all()
            assert index in " ".join(row[3] for row in plan)


def test_alerts_of_an_object_come_by_time(store):
    late, early = an_alert("1", time_unix_s=T0_UNIX_S + 9.0), an_alert("2", time_unix_s=T0_UNIX_S)
    put_alerts(store, late, early, an_alert("3", object_id="ZTF25another"))
    assert store.alerts.of_object("ztf", "ZTF25aaaaaaa") == [early, late]
    assert store.alerts.of_object("lsst", "ZTF25aaaaaaa") == []


def test_an_equal_version_replaces_for_a_new_release_may_see_more_in_the_same_packets(store):
    event = record_of_event(an_event())
    store.events.put(event)
    store.events.put(replace(event, far_hz=1e-9))
    assert store.events.get(event.event_key).far_hz == 1e-9
    assert store.events.get("lvk:S1") is None
    store.pairs.put_many([a_pair_record(log_lr=1.0), a_withdrawal(), a_pair_record(log_lr=2.0)])
    assert store.pairs.all_live() == [a_pair(log_lr=2.0)]


def test_a_body_that_someone_damaged_is_named(store):
    put_alerts(store, an_alert())
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE objects SET body = '{}'"))
    with pytest.raises(MalformedPacketError, match="object ztf:ZTF25aaaaaaa"):
        store.alerts.get_object("ztf:ZTF25aaaaaaa")


def test_dead_letters_are_counted_by_rule_and_listed_from_the_latest(store):
    error = MalformedPacketError("packet 7", "dec must lie in [-90, 90] deg", 123.0)
    put = store.dead_letters.put
    seventh = put("optical.alerts", "7", b"7", str(error), 7.0, rule=error.rule)
    put("optical.alerts", "8", b"8", "packet 8: dec is wrong", 8.0, rule=error.rule)
    put("gcn", "9", b"9", "no such mission", 9.0)
    assert store.dead_letters.count_by_rule() == {error.rule: 2, "no such mission": 1}
    assert [x.packet_name for x in store.dead_letters.list()] == ["9", "8", "7"]
    assert [x.packet_name for x in store.dead_letters.list(source="gcn")] == ["9"]
    assert [x.packet_name for x in store.dead_letters.list(rule=error.rule, limit=1)] == ["8"]
    letter = store.dead_letters.get(seventh)
    assert (letter.reason, letter.source) == (str(error), "optical.alerts")
    assert store.dead_letters.packet(seventh) == b"7"
    assert store.dead_letters.get("unknown") is store.dead_letters.packet("unknown") is None


def test_a_dead_letter_that_was_put_back_is_listed_only_if_asked_until_it_is_refused_again(store):
    put = store.dead_letters.put
    first = put("optical.alerts", "1", b"1", "reason", 1.0, record_key="ZTF1 \0")
    second = put("optical.alerts", "2", b"2", "reason", 2.0)
    store.dead_letters.mark_replayed(first, 10.0)
    store.dead_letters.mark_replayed("unknown", 10.0)
    assert [x.dead_letter_id for x in store.dead_letters.list()] == [second]
    everything = store.dead_letters.list(include_replayed=True)
    assert [(x.dead_letter_id, x.record_key, x.replayed_unix_s) for x in everything] == [
        (second, None, None),
        (first, "ZTF1 \\0", 10.0),
    ]
    put("optical.alerts", "1", b"1", "reason", 5.0, record_key="ZTF1 \0")  # as an old record
    assert store.dead_letters.get(first).replayed_unix_s == 10.0
    put("optical.alerts", "1", b"1", "reason", 11.0, record_key="ZTF1 \0")
    assert [x.dead_letter_id for x in store.dead_letters.list()] == [first, second]
    assert store.counts()["dead_letters"] == 2


def test_the_dead_letter_takes_any_bytes_and_any_name(store):
    put = store.dead_letters.put
    letter_id = put("a\0b", "key \ud800", b"\0\xff", "reason \0", 1.0, rule="rule \udfff")
    letter = store.dead_letters.get(letter_id)
    assert (letter.source, letter.packet_name) == (r"a\0b", r"key \ud800")
    assert (letter.reason, letter.rule) == (r"reason \0", r"rule \udfff")
    assert store.dead_letters.packet(letter_id) == b"\0\xff"


def test_a_notice_whose_record_has_no_text_for_a_key_is_stored(store):
    store.notices.put(a_notice(), b"packet", "\0\ud800key [notices.raw/0@1]", 10.0)
    ((name, packet, _),) = store.notices.packets_of_event(a_notice().event_key)
    assert (name, packet) == ("\\0\\ud800key [notices.raw/0@1]", b"packet")
