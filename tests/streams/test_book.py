"""The event book: its candidates hold every pair, whatever the order and the shapes."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from correlator.coincidence import correlate
from correlator.event import EventState, event_of
from correlator.notice import Messenger
from correlator.object import object_of
from correlator.pair import PairEvidence
from correlator.policy import DAY_S, Policy
from correlator.window import closes_unix_s
from skymaps.healpix import Positions
from skymaps.shapes import Circle, SystematicComponent
from skymaps.skymap import SkyMap
from streams.book import MAX_REGION_RANGES, EventBook
from tests.builders import T0_UNIX_S, a_circle, a_detection, a_notice, an_alert, an_event
from tests.skymaps.sky_factory import random_map

POLICY = Policy()
WIDE = (SystematicComponent(0.804, 3.72), SystematicComponent(0.196, 13.7))


def a_map(seed, keep):
    uniq, density, _ = random_map(seed, keep=keep)
    return SkyMap.from_uniq(uniq, density)


centres = st.tuples(
    st.sampled_from([0.0, 0.001, 180.0, 359.999, 360.0]) | st.floats(0.0, 360.0),
    st.sampled_from([-90.0, -89.99, 0.0, 89.99, 90.0]) | st.floats(-90.0, 90.0),
)
circles = st.builds(
    lambda place, radius, mixture: Circle(*place, radius, 0.9, False, mixture, "test"),
    centres,
    st.sampled_from([1e-9, 5 / 3600, 0.05, 1.0, 20.0, 100.0, 180.0]),
    st.sampled_from([(), WIDE]),
)
maps = st.builds(a_map, st.integers(0, 50), st.sampled_from([1.0, 0.3, 0.02]))
times = st.sampled_from([-60.001, -60.0, -59.999, -1.0, 0.0, 1.0]) | st.floats(-9e5, 9e5)


@st.composite
def events(draw):
    after_s = draw(times)
    return event_of(
        [
            a_notice(
                f"n{draw(st.integers(0, 10**6))}",
                event_id=str(draw(st.integers(0, 5))),
                messenger=draw(st.sampled_from(list(Messenger))),
                event_unix_s=draw(st.none() | st.just(T0_UNIX_S + after_s)),
                localization=draw(st.none() | circles | maps),
                is_retraction=draw(st.sampled_from([False, False, False, True])),
                is_test=draw(st.sampled_from([False, False, False, True])),
                instrument=None,
            )
        ]
    )


def near(event, seed, n):
    """Objects near an event in place and time, and some elsewhere."""
    rng = np.random.default_rng(seed)
    centre = event.localization if isinstance(event.localization, Circle) else a_circle()
    for i in range(n):
        off = centre.radius_deg * rng.choice([1e-3, 0.5, 1.0, 2.0], 2) * rng.normal(size=2)
        dec = float(np.clip(centre.dec_deg + off[0], -90.0, 90.0))
        squeezed = max(math.cos(math.radians(dec)), 1e-9)
        ra = float((centre.ra_deg + off[1] / squeezed) % 360.0)
        if rng.random() < 0.3:
            ra, dec = float(rng.uniform(0, 360)), float(np.degrees(np.arcsin(rng.uniform(-1, 1))))
        when = (event.event_unix_s or T0_UNIX_S) + float(
            rng.choice([-60.0, 0.0, 3600.0, 1e5, -1e5])
        )
        yield an_object(f"ZTF{seed}x{i}", ra, dec, when, fades=rng.random() < 0.2)


def an_object(name, ra_deg, dec_deg, unix_s, fades=False):
    own = a_detection(name, unix_s)
    earlier = a_detection(f"{name}-", unix_s - 100.0)
    own = replace(own, flux_njy=-own.flux_njy) if fades else own
    alert = an_alert(name, name, ra_deg, dec_deg, detection=own, history=(earlier,), limits=())
    return object_of(alert)


def accepted(some, objects, policy=POLICY):
    """The truth: every pair by the full test."""
    return {
        (event.event_key, i)
        for event in some
        for i, obj in enumerate(objects)
        if isinstance(correlate(obj, event, policy), PairEvidence)
    }


def filled(some):
    book = EventBook()
    for event in some:
        book.put(event)
    return book


def keys(candidates):
    return [(event.event_key, i) for event, i in candidates]


@settings(deadline=None, max_examples=150)
@given(st.lists(events(), min_size=1, max_size=6), st.integers(0, 2**32 - 1), st.booleans())
def test_every_pair_is_a_candidate(some, seed, include_tests):
    policy = Policy(include_tests=include_tests)
    book = filled(some)
    objects = [obj for event in some for obj in near(event, seed, 8)]
    found = keys(book.candidates(objects, policy))
    assert found == sorted(set(found))
    assert set(found) >= accepted(book.events(), objects, policy)


def test_the_law_of_candidates_has_pairs_of_every_kind_to_find():
    shapes = [
        *[Circle(ra, dec, r, 0.9, False, WIDE if r > 1 else (), "t") for ra, dec, r in PLACES],
        a_map(3, 1.0),
        a_map(4, 0.3),
    ]
    some = [
        an_event(notice_id=f"n{i}", event_id=str(i), localization=x) for i, x in enumerate(shapes)
    ]
    objects = [obj for event in some for obj in near(event, 7, 40)]
    truth = accepted(some, objects)
    assert {key for key, _ in truth} == {event.event_key for event in some}
    found = set(keys(filled(some).candidates(objects, POLICY)))
    assert found >= truth
    assert len(found) < 0.5 * len(some) * len(objects)


PLACES = [
    (0.0, 90.0, 0.05),
    (123.0, -90.0, 5.0),
    (360.0, 0.0, 1.0),
    (0.0, 0.0, 1e-3),
    (45.0, 41.8103148958, 20.0),
    (200.0, 10.0, 180.0),
]


@settings(deadline=None, max_examples=50)
@given(st.lists(events(), max_size=8), st.randoms(use_true_random=False), st.integers(0, 99))
def test_the_order_of_events_does_not_count(some, random, seed):
    distinct = list({event.event_key: event for event in some}.values())
    shuffled = random.sample(distinct, len(distinct))
    objects = [obj for event in distinct for obj in near(event, seed, 4)]
    candidates = filled(distinct).candidates(objects, POLICY)
    assert filled(shuffled).candidates(objects, POLICY) == candidates


def test_an_alert_that_tells_a_wrong_index_is_found_where_it_is():
    obj = replace(object_of(an_alert()), index_29=0)
    event = an_event()
    assert isinstance(correlate(obj, event, POLICY), PairEvidence)
    assert filled([event]).candidates([obj], POLICY) == [(event, 0)]


def test_what_changes_in_the_book_changes_the_candidates():
    book, obj = EventBook(), object_of(an_alert())
    assert book.candidates([obj], POLICY) == []
    first = an_event()
    assert book.put(first)
    assert book.candidates([obj], POLICY) == [(first, 0)]
    assert book.candidates([], POLICY) == []
    second = event_of([*first.notices, a_notice("later", localization=a_circle(10.0, -20.0))])
    moved = replace(second, localization=a_circle(10.0, -20.0))
    assert book.put(moved)
    assert book.candidates([obj], POLICY) == []
    third = replace(moved, localization=first.localization, version=3)
    book.put(third)
    assert book.candidates([obj], POLICY) == [(third, 0)]
    assert book.candidates([obj], Policy(prior_tolerance_s=-1e9)) == []
    assert book.candidates([obj], POLICY) == [(third, 0)]
    book.put(replace(third, state=EventState.RETRACTED, version=4))
    assert book.candidates([obj], POLICY) == []
    book.put(replace(third, version=5))
    book.remove(third.event_key)
    assert book.candidates([obj], POLICY) == []
    assert len(book) == 0


def test_a_change_while_the_index_is_made_is_not_lost(monkeypatch):
    book, obj = EventBook(), object_of(an_alert())
    book.put(an_event())
    late = an_event(notice_id="late", event_id="late")
    footprint_of = EventBook._footprint_of

    def interrupted(self, event, localization, policy):
        if self.get(late.event_key) is None:
            self.put(late)
        return footprint_of(self, event, localization, policy)

    monkeypatch.setattr(EventBook, "_footprint_of", interrupted)
    book.candidates([obj], POLICY)
    assert late in [event for event, _ in book.candidates([obj], POLICY)]


def test_an_earlier_version_does_not_replace_a_later_one():
    early = an_event()
    late = event_of([*early.notices, a_notice("more")])
    book = EventBook()
    assert book.put(late)
    assert not book.put(early)
    assert book.put(late)
    assert book.get(early.event_key) == late
    assert book.events() == [late]
    assert book.get("nobody:1") is None
    book.remove("nobody:1")
    assert len(book) == 1


@pytest.mark.parametrize(
    ("changes", "after_t0_s"),
    [
        ({}, 17 * DAY_S),
        ({"event_end_unix_s": T0_UNIX_S + 600.0}, 17 * DAY_S + 600.0),
        ({"event_end_unix_s": T0_UNIX_S + 3 * DAY_S}, 18 * DAY_S),
        ({"messenger": Messenger.NEUTRINO}, 44 * DAY_S),
        ({"is_retraction": True, "instrument": None}, 17 * DAY_S),
    ],
)
def test_an_event_closes_a_fortnight_after_its_window(changes, after_t0_s):
    event = an_event(**changes)
    closes = closes_unix_s(event, POLICY)
    assert closes == T0_UNIX_S + after_t0_s
    book = filled([event])
    assert book.closed_before(closes, POLICY) == []
    assert book.closed_before(math.nextafter(closes, math.inf), POLICY) == [event]


@pytest.mark.parametrize("changes", [{"event_unix_s": None}, {"messenger": Messenger.RADIO}])
def test_an_event_without_a_time_or_a_class_never_closes(changes):
    event = an_event(**changes)
    assert closes_unix_s(event, POLICY) is None
    assert filled([event]).closed_before(math.inf, POLICY) == []


@settings(deadline=None)
@given(circles | maps, st.integers(0, 2**32 - 1))
@example(a_map(1, 0.3), 1)
def test_the_region_of_an_event_holds_its_pairs(localization, seed):
    event = an_event(localization=localization)
    region = EventBook().region(event, POLICY)
    assert region.shape[1] == 2
    assert 0 < len(region) <= MAX_REGION_RANGES
    assert all(a[1] <= b[0] for a, b in pairwise(region.tolist()))
    objects = list(near(event, seed, 20))
    for _, i in accepted([event], objects):
        place = int(Positions.of(objects[i].ra_deg, objects[i].dec_deg).index_29[0])
        assert ((region[:, 0] <= place) & (place < region[:, 1])).any()


def test_a_ragged_region_is_coarsened():
    n = 12 * 4**6
    density = np.where(np.arange(n) % 2, 1.0, 1e-6)
    lo = np.arange(n) << 46
    event = an_event(localization=SkyMap(lo, lo + (1 << 46), density))
    assert len(event.localization.cover(POLICY.widest_level)) > MAX_REGION_RANGES
    region = EventBook().region(event, POLICY)
    assert len(region) == MAX_REGION_RANGES
    bright = lo[1::2]
    row = np.searchsorted(region[:, 0], bright, side="right") - 1
    inside = event.localization.ranges(POLICY.widest_level)[:, 0]
    held = (region[row, 0] <= bright) & (bright < region[row, 1])
    assert held[np.isin(bright, inside)].all()


def test_an_event_without_a_localization_has_no_region():
    assert EventBook().region(an_event(localization=None), POLICY).shape == (0, 2)
