"""Filters over notices say what they say of the coincidences that the notices tell."""

import math
from dataclasses import replace

import orjson
import pytest

from correlator.client.choice import NOTICE_FIELDS, Choice, predicate_of_notices
from correlator.client.newest import Newest
from correlator.client.notice import notice_of
from correlator.errors import FilterError
from correlator.filters import FIELDS, Kind, predicate_of, read_filter
from correlator.filters.preset import presets
from correlator.notice import Messenger
from correlator.ranking import EventFacts
from storage.store import Store
from streams.gcn_notice import to_bytes
from tests.builders import a_coincidence, a_summary
from tests.streams.test_gcn_notice import (
    BURST,
    MERGER,
    a_full_coincidence,
    a_revision,
    the_document,
)
from tests.streams.test_law_of_workers import PACKETS
from tests.streams.workers import WANTED, Cluster, would_be_sent

CLASSES = (("BNS", 0.9), ("Terrestrial", None))
MERGED = EventFacts("LVK", Messenger.GRAVITATIONAL_WAVE, 1e-9, None, None, None, CLASSES)
MUTE = EventFacts("Fermi", Messenger.GAMMA_RAY, None, None, None, None, ())

SOME = {
    "full": (a_full_coincidence(event=MERGED), MERGER),
    "plain": (a_coincidence(event=MUTE), BURST),
    "no magnitude": (a_coincidence(object=a_summary(last_mag_ab=None), event=MUTE), BURST),
    "not a number": (a_coincidence(s_sky=math.nan, log_lr=math.inf, event=MUTE), BURST),
    "a test": (a_coincidence(event_key="test:lvk:MS25", event=MERGED), MERGER),
    "joint": (a_coincidence(event_key="joint:svom:sb1", event=MUTE), BURST),
    "of Rubin": (a_coincidence(object_key="lsst:1700", event=MUTE), BURST),
}


@pytest.mark.parametrize("name", SOME)
def test_every_field_is_found_in_the_notice(name):
    coincidence, event = SOME[name]
    said = the_document(a_revision(body=coincidence), events=(event,))
    document = orjson.loads(to_bytes(said))
    assert NOTICE_FIELDS.keys() == FIELDS.keys()
    for field in FIELDS.values():
        ours, theirs = field.take(coincidence), NOTICE_FIELDS[field.name].take(document)
        if field.kind is Kind.TIME:
            theirs = pytest.approx(theirs, abs=1e-6)
        assert ours == theirs, field.name


@pytest.mark.parametrize("name", presets())
def test_presets_choose_notices_as_they_choose_coincidences(name):
    tree = presets()[name].filter
    for coincidence, event in SOME.values():
        said = the_document(a_revision(body=coincidence), events=(event,))
        document = orjson.loads(to_bytes(said))
        assert predicate_of_notices(tree)(document) == predicate_of(tree)(coincidence)


def test_cones_are_of_the_place_of_the_object():
    document = orjson.loads(to_bytes(the_document(a_revision())))
    for radius_deg, is_inside in ((0.05, False), (0.2, True)):
        tree = read_filter(f"within(150.0, 20.0, {radius_deg})")
        assert predicate_of_notices(tree)(document) == is_inside
    lost = orjson.loads(to_bytes(the_document(a_revision(2, "retracted", "gone"), events=())))
    assert not predicate_of_notices(read_filter("within(150.0, 20.0, 180.0)"))(lost)


@pytest.mark.slow
async def test_a_reader_who_filters_has_what_a_subscription_would_be_sent():
    with Store.open("sqlite:///:memory:") as store:
        cluster = Cluster(store)
        await cluster.assign()
        for packet in PACKETS:
            cluster.produce(*packet)
            await cluster.finish()
        records = cluster.log.read(("coincidence.all", 0), 0, 1000)
        notices = [notice_of(r.value, "coincidence.all", 0, r.offset, 0.0) for r in records]
        for text in WANTED.values():
            choice, newest = Choice.of(text), Newest()
            judged = [choice.judged(n) for n in notices if newest.takes(n)]
            told = {(n.key, n.revision): n.passes for n in judged if n is not None}
            assert told == would_be_sent(store, text)


def test_what_is_gone_is_taken_back_though_it_is_the_first_that_is_heard_of_it():
    said = the_document(a_revision(2, "expired", "closed"), a_coincidence())
    notice = notice_of(to_bytes(said), "coincidence.all", 0, 0, 0.0)
    assert not Choice.of("rank = 1").judged(notice).passes
    assert Choice.of("rank = 2").judged(notice) is None
    assert Choice.of(None).judged(notice) == replace(notice, passes=False)


def test_what_is_no_filter_is_refused():
    with pytest.raises(FilterError, match="nonsense"):
        Choice.of("nonsense = 1")
