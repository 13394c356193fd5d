"""Audiences on their way in: given at the edges, kept on the disk, and on what goes wrong."""

import sqlite3

import pytest

from correlator.alert import Alert
from correlator.errors import ConfigurationError, MalformedNoticeError
from correlator.wire import of_json
from ingest_vo.reader import MAX_PACKET_BYTES
from storage.store import Store
from streams.audiences import (
    audience_of_headers,
    audience_of_topic,
    check_topics,
    headers_of_audience,
)
from streams.spool import Arrival, Spool
from streams.spool_drain import letter_of
from streams.topics import DEAD_LETTER, NOTICES_RAW, OPTICAL_ALERTS
from streams.vtp.keeper import Keeper
from streams.vtp.seen import SeenPackets
from tests.ingest_vo.notice_factory import gbm
from tests.streams import gcn_fakes
from tests.streams.edge_fakes import Harness, Message, ztf_message
from tests.streams.workers import Cluster


@pytest.mark.parametrize("audience", [(), ("ep",), ("ep", "svom")])
def test_a_header_says_what_it_was_made_of(audience):
    headers = (("received", b"1.0"), *headers_of_audience(audience))
    assert audience_of_headers(headers, "x") == audience
    assert len(headers) == 1 + bool(audience)


@pytest.mark.parametrize("value", [b"", b" ", b"EP", b"a b'", b"\xff", b"x" * 33])
def test_a_header_that_names_nobody_is_refused(value):
    with pytest.raises(MalformedNoticeError, match="the audience is of tags"):
        audience_of_headers((("audience", value),), "x")


def test_a_topic_is_for_all_that_name_it_and_a_misspelt_one_is_refused():
    said = {"gcn.notices.ep": ("ep",), "^gcn[.]notices[.].*": ("gcn",)}
    assert audience_of_topic("gcn.notices.ep", said) == ("ep", "gcn")
    assert audience_of_topic("gcn.notices.epx", said) == ("gcn",)
    assert audience_of_topic("igwn.gwalert", said) == ()
    check_topics(said, ["igwn.gwalert", "^gcn[.]notices[.].*"])
    check_topics({"^gcn.*": ("ep",)}, ["gcn.notices.ep"])
    with pytest.raises(ConfigurationError, match=r"audience of .*: no such topic"):
        check_topics({"gcn.notice.ep": ("ep",)}, ["gcn.notices.ep"])


def test_alerts_of_an_edge_and_what_it_cannot_read_are_for_its_audience():
    harness = Harness(audience=("partners",))
    assert harness.run([ztf_message(0), Message(b"nonsense", 1)])
    (sent,) = harness.producer.values(OPTICAL_ALERTS.name)
    assert of_json(Alert, sent).audience == ("partners",)
    (letter,) = [r for r in harness.producer.sent if r.topic == DEAD_LETTER.name]
    assert letter.said["audience"] == "partners"
    assert b"partners" not in letter.value


def test_notices_of_gcn_are_for_the_audience_of_their_topic(tmp_path):
    audiences = {"^gcn[.]private[.].*": ("ep",)}
    harness = gcn_fakes.Harness(tmp_path, audiences=audiences)
    private = "gcn.private.ep"
    harness.assign((gcn_fakes.TOPIC, 0), (private, 0))
    empty = gcn_fakes.notice(1, b"", topic=private)
    harness.turn(gcn_fakes.notice(0), gcn_fakes.notice(0, topic=private), empty)
    harness.finish()
    said = {r.key.decode(): r.said.get("audience") for r in harness.records(NOTICES_RAW.name)}
    assert said == {f"{gcn_fakes.TOPIC}/0@0": None, f"{private}/0@0": "ep"}
    assert [letter.said["audience"] for letter in harness.letters] == ["ep"]
    harness.spool.close()


def test_a_spool_of_a_release_without_audiences_goes_on(tmp_path):
    path = tmp_path / "spool"
    old = sqlite3.connect(path)
    old.execute(
        "CREATE TABLE packets (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, "
        "packet BLOB NOT NULL, received_unix_s REAL NOT NULL)"
    )
    old.execute("INSERT INTO packets (name, packet, received_unix_s) VALUES ('old', x'00', 1.0)")
    old.commit()
    old.close()
    for _ in range(2):  # opened again it is as it was
        spool = Spool(path)
        known = [arrival.name for _, arrival in spool.after(0, 10, 10**6)]
        if "new" not in known:
            spool.put([Arrival("new", b"1", 2.0, ("ep", "svom"))])
        found = [arrival for _, arrival in spool.after(0, 10, 10**6)]
        assert [(a.name, a.audience) for a in found] == [("old", ()), ("new", ("ep", "svom"))]
        spool.close()


def test_what_a_broker_of_voevents_keeps_is_for_its_audience(tmp_path):
    spool, seen = Spool(tmp_path / "spool"), SeenPackets(tmp_path / "seen")
    Keeper(spool, seen, lambda: 1.0, ("svom",)).keep([("ivo://x/y#1", b"<VOEvent/>")])
    ((_, arrival),) = spool.after(0, 10, 10**6)
    assert dict(letter_of(arrival).headers)["audience"] == b"svom"
    too_large = Arrival("x", bytes(MAX_PACKET_BYTES + 1), 1.0, ("svom",))
    assert dict(letter_of(too_large).headers)["audience"] == b"svom"
    spool.close()
    seen.close()


async def test_a_notice_has_the_audience_of_its_record_and_so_has_its_dead_letter(store: Store):
    cluster = Cluster(store)
    await cluster.assign()
    headers = headers_of_audience(("svom",))
    cluster.produce(NOTICES_RAW.name, "fin", gbm("Fin_Pos", 115), headers)
    cluster.produce(NOTICES_RAW.name, "bad", b"<VOEvent", headers)
    cluster.produce(NOTICES_RAW.name, "whose", gbm("Flt_Pos", 111), (("audience", b"?"),))
    await cluster.finish()
    (event,) = store.events.all()
    assert (event.audience, len(event.notice_ids), event.version) == (("svom",), 1, 2)
    letters = {letter.record_key: letter for letter in store.dead_letters.list()}
    assert letters["bad"].audience == ("svom",)
    assert letters["whose"].rule == "the audience is of tags"
