"""Who is told what: on every topic what its readers may read, or that it is taken back."""

from random import Random

import orjson
import pytest

from correlator.audience import PUBLIC_READER, Reader
from correlator.filters import predicate_of, read_filter
from correlator.wire import record_of_event
from storage.coincidences import NOT_YOURS, Gone
from storage.store import Store
from streams.gcn_notices import GCNNoticeDesk
from streams.subscribers import SubscriberDesk
from streams.voevent import UNNAMED_AUTHOR
from streams.voevents import VOEventDesk
from tests.builders import a_coincidence, a_notice, a_summary, an_event

AUDIENCES = ((), (), ("lsst",), ("lsst", "svom"), ("svom",))
READERS = {"public": (), "lsst": ("lsst",), "both": ("lsst", "svom")}
FILTERS = {"all": "rank >= 1", "bright": "last_mag_ab < 20"}
KEY = "fermi-gbm:781692805"


def marker(audience):
    """A word that stands in what is of an audience, and nowhere else."""
    return f"band-{'-'.join(audience)}." if audience else "band-public."


def tags_said(text):
    """The audiences whose words stand in a text."""
    return {audience for audience in AUDIENCES if marker(audience) in text}


@pytest.fixture
def store():
    with Store.open("sqlite://") as opened:
        for reader, tags in READERS.items():
            for name, said in FILTERS.items():
                opened.subscriptions.put(f"{reader}-{name}", "tests", said, tags, 0.0)
        yield opened


def a_history(store, rng):
    """Revisions of one coincidence: seen by some, by others, gone, and back."""
    made = []
    for n in range(12):
        audience, mag_ab = rng.choice(AUDIENCES), rng.choice([18.0, 19.0, 21.0])
        event = an_event(a_notice(f"ivo://tests/{marker(audience)}#{n}", audience=audience))
        store.events.put(record_of_event(event))
        summary = a_summary(last_mag_ab=mag_ab, last_band=marker(audience), n_detections=n + 2)
        found = [a_coincidence(object=summary, audience=audience, object_version=n + 1)]
        gone = rng.random() < 0.25
        why = Gone(f"because of {marker(audience)}", audience=audience)
        made += store.coincidences.publish(KEY, [] if gone else found, 10.0 + n, why)
    return made


def by_definition(history, reader, tree):
    """What a filter sends a reader, revision after revision, as the words have it."""
    lets_pass, said, last = predicate_of(tree), {}, False
    for revision in history:
        body = revision.body
        may = reader.may_read(revision.audience)
        now = body is not None and may and lets_pass(body)
        if now or last:
            said[revision.revision] = now
        last = now
    return said


@pytest.mark.parametrize("seed", range(3))
def test_each_subscriber_is_sent_what_may_be_read_and_what_that_was_is_taken_back(store, seed):
    history = a_history(store, Random(seed))
    desk = SubscriberDesk(store, UNNAMED_AUTHOR, lambda _topics: None, lambda: 0.0)
    assert desk.refresh()
    documents = {}
    for record in desk.records_of(history):
        name = record.topic.removeprefix("coincidence.user.")
        documents.setdefault(name, []).append(orjson.loads(record.value))
    for who, tags in READERS.items():
        reader = Reader(tags)
        for name, text in FILTERS.items():
            tree, sent = read_filter(text), documents.get(f"{who}-{name}", [])
            told = {d["record_number"]: d["coincidence"]["subscription"]["passes"] for d in sent}
            assert told == by_definition(history, reader, tree)
            stored = store.coincidences.sent(tree, reader=reader)
            assert told == {s.revision.revision: s.passes for s in stored}
            assert store.coincidences.count_sent(tree, reader=reader) == len(told)
            assert store.by_key.sent(reader, tree, None, None, 100) == (len(told), stored)
            assert_may_read(reader, map(repr, stored))
            assert_may_read(reader, map(repr, sent))


def assert_may_read(reader, texts):
    for text in texts:
        assert all(reader.may_read(audience) for audience in tags_said(text)), text


@pytest.mark.parametrize("seed", range(3))
def test_everybody_is_told_what_is_public_and_no_more(store, seed):
    history = a_history(store, Random(seed))
    records = [
        *GCNNoticeDesk(store, UNNAMED_AUTHOR).records_of(history),
        *VOEventDesk(store, UNNAMED_AUTHOR).records_of(history),
    ]
    assert_may_read(PUBLIC_READER, (record.value.decode() for record in records))
    told, right, last = {}, {}, False
    for record in records:
        if record.topic == "coincidence.all":
            said = orjson.loads(record.value)
            told[said["record_number"]] = said["coincidence"]["state"]
    for revision in history:
        now = not revision.audience
        if now:
            state = "active" if revision.body else "retracted"
            right[revision.revision] = state
        elif last:
            right[revision.revision] = "retracted"
        last = now and revision.body is not None
    assert told == right


def test_what_is_private_by_now_says_so_and_what_it_was(store):
    first = store.coincidences.publish(KEY, [a_coincidence()], 10.0, "unused")
    secret = a_coincidence(audience=("lsst",), object_version=2)
    second = store.coincidences.publish(KEY, [secret], 20.0, "unused")
    last = [
        orjson.loads(r.value)
        for r in GCNNoticeDesk(store, UNNAMED_AUTHOR).records_of([*first, *second])
        if r.topic == "coincidence.all"
    ][-1]
    block = last["coincidence"]
    assert (last["alert_type"], block["state"]) == ("retraction", "retracted")
    assert (block["reason"], block["said_in_revision"]) == (NOT_YOURS, 1)
    assert block["evidence"]["object_version"] == 1
