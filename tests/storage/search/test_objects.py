"""Pages and streams of objects and alerts, against everything that was stored."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from correlator.audience import OPERATOR, PUBLIC_READER
from storage import schema
from storage.errors import SearchError
from storage.search import MAX_LIMIT, Region
from tests.builders import (
    DEC_DEG,
    RA_DEG,
    T0_UNIX_S,
    an_alert,
)
from tests.storage.contents import emptied
from tests.storage.search.questions import (
    MEMBER,
    ON_SHARED_STORES,
    READERS,
    all_of,
    audience_of_number,
    limits,
    moments,
    regions,
    set_audiences,
    the_places,
)
from tests.storage.writers import Writer, objects_of, put_alerts


def the_alerts():
    for number, (ra, dec) in enumerate(the_places()):
        time_unix_s = T0_UNIX_S + number % 7 * 86_400.0
        for nth in range(number % 3 + 1):
            yield an_alert(f"{number}{nth}", f"ZTF{number:03d}", ra, dec, time_unix_s + nth)


ALERTS = list(the_alerts())
OBJECTS = objects_of(ALERTS)


@pytest.fixture(scope="module")
def sky_store(reused_store):
    store = emptied(reused_store)
    put_alerts(store, *ALERTS)
    for table in (schema.objects, schema.alerts):
        set_audiences(store, table, lambda row: audience_of_number(int(row["object_id"][3:])))
    return store


@ON_SHARED_STORES
@given(regions, moments, moments, st.sampled_from(READERS), limits)
def test_pages_of_objects_have_what_is_there_once(sky_store, region, since, until, reader, limit):
    def page_after(after):
        return sky_store.search.objects(reader, region, since, until, after, limit)

    found = all_of(page_after)
    expected = {
        key
        for key, obj in OBJECTS.items()
        if (region is None or region.contains(obj.ra_deg, obj.dec_deg)[0])
        and (since is None or obj.latest_unix_s >= since)
        and (until is None or obj.detections[0].time_unix_s < until)
        and reader.may_read(audience_of_number(int(obj.object_id[3:])))
    }
    assert sorted(obj.object_key for obj in found) == sorted(expected)
    streamed = sky_store.search.stream_objects(reader, region, since, until)
    assert [obj for batch in streamed for obj in batch] == found


@ON_SHARED_STORES
@given(regions, moments, moments, st.sampled_from(READERS), limits)
def test_pages_of_alerts_have_what_is_there_once(sky_store, region, since, until, reader, limit):
    def page_after(after):
        return sky_store.search.alerts(reader, region, since, until, None, after, limit)

    expected = {
        (alert.object_id, alert.alert_id)
        for alert in ALERTS
        for obj in [OBJECTS[f"ztf:{alert.object_id}"]]
        if (region is None or region.contains(obj.ra_deg, obj.dec_deg)[0])
        and (since is None or alert.time_unix_s >= since)
        and (until is None or alert.time_unix_s < until)
        and reader.may_read(audience_of_number(int(alert.object_id[3:])))
    }
    found = [(alert.object_id, alert.alert_id) for alert in all_of(page_after)]
    assert sorted(found) == sorted(expected)
    streamed = sky_store.search.stream_alerts(reader, region, since, until)
    assert [(a.object_id, a.alert_id) for batch in streamed for a in batch] == found


@pytest.mark.parametrize("reader", READERS)
def test_an_object_and_its_light_curve_are_for_who_may_read_them(sky_store, reader):
    for number in range(10):
        key = f"ztf:ZTF{number:03d}"
        obj, alerts = (
            sky_store.search.object(reader, key),
            sky_store.search.light_curve(reader, key),
        )
        may_read = reader.may_read(audience_of_number(number))
        assert (obj is not None) == may_read
        assert [a.alert_id for a in alerts] == [
            f"{number}{nth}" for nth in range(number % 3 + 1) if may_read
        ]
        listed = all_of(
            lambda after, key=key: sky_store.search.alerts(
                reader, object_key=key, after=after, limit=2
            )
        )
        assert listed == alerts
    assert sky_store.search.object(reader, "ztf:nobody") is None


def test_an_object_is_hidden_where_some_alert_of_it_is_though_others_are_not(store):
    put_alerts(store, an_alert("1", "ZTF1"), an_alert("2", "ZTF1", time_unix_s=T0_UNIX_S))
    set_audiences(store, schema.alerts, lambda row: ("alpha",) if row["alert_id"] == "2" else ())
    set_audiences(store, schema.objects, lambda row: ("alpha",))
    search, near = store.search, Region.cone(RA_DEG, DEC_DEG, 5.0)
    assert search.objects(PUBLIC_READER, near).rows == []
    assert search.alerts(PUBLIC_READER, near).rows == []
    assert search.alerts(PUBLIC_READER, near, object_key="ztf:ZTF1").rows == [an_alert("1", "ZTF1")]
    assert search.light_curve(PUBLIC_READER, "ztf:ZTF1") == [an_alert("1", "ZTF1")]
    assert len(search.alerts(MEMBER, near).rows) == 2


def test_who_pages_while_a_worker_writes_gets_what_was_there_once(shared_store):
    search, writer = shared_store.search, Writer(shared_store)
    numbers = count(1000)

    def write_some():
        new = [(n, (n * 37.0) % 360.0, (n * 7.0) % 80.0) for n in (next(numbers) for _ in range(5))]
        # New objects, and new alerts of the old ones, which are where they were.
        writer.put([an_alert(f"{n}", f"ZTF{n}", ra, dec) for n, ra, dec in new])
        writer.put([an_alert(f"{n}", f"ZTF{n % 50:03d}", *the_places()[n % 50]) for n, _, _ in new])

    before = [an_alert(f"{n}", f"ZTF{n:03d}", *the_places()[n]) for n in range(50)]
    writer.put(before)
    for region in (None, Region.box(0.0, 360.0, -90.0, 90.0)):
        rows, after = [], None
        while True:
            page = search.objects(OPERATOR, region, after=after, limit=12)
            rows += [obj.object_id for obj in page.rows]
            write_some()
            if page.after is None:
                break
            after = page.after
        assert len(rows) == len(set(rows))
        assert {f"ZTF{n:03d}" for n in range(50)} <= set(rows)


def test_the_end_of_a_page_may_have_been_through_json(sky_store):
    near = Region.whole_sky()
    first = sky_store.search.objects(OPERATOR, near, limit=5)
    again = sky_store.search.objects(OPERATOR, near, after=list(first.after), limit=5)
    assert again == sky_store.search.objects(OPERATOR, near, after=first.after, limit=5)
    assert {o.object_key for o in first.rows}.isdisjoint({o.object_key for o in again.rows})


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": 0},
        {"limit": MAX_LIMIT + 1},
        {"limit": True},
        {"after": (1, 2)},
        {"after": "abc"},
        {"after": ("a\0",)},
        {"after": ("\ud800",)},
        {"after": (1.5,)},
        {"region": Region.whole_sky(), "after": (1, "a", 3)},
        {"region": Region.whole_sky(), "after": (2**63, "a")},
        {"region": Region.whole_sky(), "after": (True, "a")},
        {"region": Region.whole_sky(), "after": (None, "a")},
        {"since_unix_s": float("nan")},
        {"until_unix_s": float("inf")},
        {"until_unix_s": "yesterday"},
    ],
)
def test_what_cannot_be_asked_is_refused(reused_store, asked):
    with pytest.raises(SearchError):
        reused_store.search.objects(OPERATOR, **asked)


def test_a_page_of_alerts_looks_at_so_many_objects_only(store, monkeypatch):
    monkeypatch.setattr("storage.search.objects.MAX_EXAMINED", 20, raising=False)
    # All seen before and after the time that is asked for, and none within it but the last.
    for number, (ra, dec) in enumerate(list(the_places())[:100]):
        name = f"ZTF{number:03d}"
        times = (0.0, 9e4) if number < 99 else (0.0, 5e4, 9e4)
        put_alerts(
            store,
            *(
                an_alert(f"{number}{nth}", name, ra, dec, T0_UNIX_S + t)
                for nth, t in enumerate(times)
            ),
        )
    statements = 0

    def count_one(*_arguments):
        nonlocal statements
        statements += 1

    def page_after(after):
        nonlocal statements
        statements = 0
        found = store.search.alerts(
            PUBLIC_READER, None, T0_UNIX_S + 4e4, T0_UNIX_S + 6e4, None, after, 1
        )
        assert statements <= 20
        return found

    event.listen(store.engine, "before_cursor_execute", count_one)
    try:
        assert [alert.alert_id for alert in all_of(page_after)] == ["991"]
    finally:
        event.remove(store.engine, "before_cursor_execute", count_one)
