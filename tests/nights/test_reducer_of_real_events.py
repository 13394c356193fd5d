"""The reducer's law on every real event: whatever the order of its notices, one state is left."""

import csv
import itertools
import random
from collections import defaultdict

import pytest

from correlator.errors import MalformedNoticeError
from correlator.event import EventState, apply_notice, event_of
from correlator.wire import record_of_event, to_json
from ingest_vo.reader import to_notice

pytestmark = pytest.mark.real_data

WHOLE_TO = 6
"""Up to so many notices every order is tried; of more, that many random ones:"""

N_ORDERS = 200


@pytest.fixture(scope="module")
def notices_of_events(real_data):
    found = defaultdict(dict)
    with (real_data / "notices" / "MANIFEST.csv").open() as lines:
        for row in csv.DictReader(lines):
            packet = (real_data / "notices" / row["path"]).read_bytes()
            try:
                notice = to_notice(packet, row["path"])
            except MalformedNoticeError:
                continue
            found[notice.event_key][notice.notice_id, notice.content_sha256] = notice
    return {key: list(some.values()) for key, some in found.items() if len(some) > 1}


def orders(notices):
    if len(notices) <= WHOLE_TO:
        yield from itertools.permutations(notices)
        return
    rng = random.Random(len(notices))
    for _ in range(N_ORDERS):
        yield rng.sample(notices, k=len(notices))


def folded(order):
    event = None
    for notice in order:
        event = apply_notice(event, notice)
    return event


def test_every_order_of_arrival_ends_in_the_same_state(notices_of_events):
    assert len(notices_of_events) > 80
    assert max(map(len, notices_of_events.values())) >= 5
    for key, notices in notices_of_events.items():
        wanted = to_json(record_of_event(event_of(notices)))
        for order in orders(notices):
            assert to_json(record_of_event(folded(order))) == wanted, key


def test_a_retraction_takes_back_whether_it_comes_first_or_last(notices_of_events):
    retracted = {
        key: notices
        for key, notices in notices_of_events.items()
        if any(n.is_retraction for n in notices) and not any(n.is_test for n in notices)
    }
    assert retracted
    for key, notices in retracted.items():
        taken_back = [n for n in notices if n.is_retraction]
        others = [n for n in notices if not n.is_retraction]
        states = {folded(order).state for order in (taken_back + others, others + taken_back)}
        assert len(states) == 1, key
        if {n.instrument for n in others} <= {n.instrument for n in taken_back}:
            assert states == {EventState.RETRACTED}, key
