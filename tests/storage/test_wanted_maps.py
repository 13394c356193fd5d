"""Which notices name a map that nobody has fetched."""

from correlator.event import event_of
from correlator.wire import record_of_event
from tests.builders import a_notice

URL = "https://heasarc.gsfc.nasa.gov/a.fit"


def told(store, *notices, received_unix_s=100.0):
    for notice in notices:
        store.notices.put(notice, b"packet", notice.notice_id, received_unix_s)
    store.events.put(record_of_event(event_of(notices)))


def wanted(store, since_unix_s=0.0, notice_id=None):
    found = store.notices.wanted_maps("map", "+map", since_unix_s, notice_id)
    return [w.notice_id for w in found]


def fin(notice_id="ivo://fin", **other):
    return a_notice(notice_id, **({"skymap_url": URL, "localization_rank": 30} | other))


def test_a_notice_with_a_url_wants_its_map_until_it_is_there(store):
    told(store, fin(), a_notice("ivo://flt"))
    (found,) = store.notices.wanted_maps("map", "+map", 0.0)
    assert (found.notice_id, found.url, found.received_unix_s) == ("ivo://fin", URL, 100.0)
    assert (found.event_key, found.is_test) == (fin().event_key, False)
    assert wanted(store, notice_id="ivo://fin") == ["ivo://fin"]
    assert wanted(store, notice_id="ivo://flt") == []
    told(store, fin(), fin("ivo://fin+map", source="map"))
    assert wanted(store) == []


def test_what_came_before_the_moment_is_not_asked_for(store):
    told(store, fin())
    assert wanted(store, since_unix_s=100.0) == ["ivo://fin"]
    assert wanted(store, since_unix_s=100.5) == []


def test_a_notice_whose_place_has_no_rank_wants_none(store):
    told(store, fin(localization_rank=-1))
    assert wanted(store) == []


def test_a_retracted_event_wants_none(store):
    told(store, fin())
    told(store, fin(), a_notice("ivo://no", is_retraction=True, localization_rank=-1))
    assert wanted(store) == []


def test_of_one_url_the_most_authoritative_notice_wants_it(store):
    told(store, *(fin(f"ivo://{n}", sequence=float(n)) for n in (3, 2, 10)),
         fin("ivo://0", skymap_url=URL + "s"))  # fmt: skip
    assert wanted(store) == ["ivo://0", "ivo://10"]


def test_the_same_url_of_another_event_is_another_map(store):
    told(store, fin())
    told(store, fin("ivo://other", event_id="2"), received_unix_s=50.0)
    assert wanted(store) == ["ivo://other", "ivo://fin"]
