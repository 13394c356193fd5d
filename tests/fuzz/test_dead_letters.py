"""End to end: what cannot be read is in the dead letter with its bytes, the rest goes through."""

from __future__ import annotations

import json

import pytest

from correlator.alert import Alert
from correlator.errors import MalformedPacketError
from correlator.policy import DAY_S, Policy
from correlator.service.archive import archive_files, read_archive
from correlator.wire import PairRecord, of_json, record_of_event, to_json
from ingest_optical.decoder import admit
from ingest_vo.reader import to_notice
from storage.share import Share
from storage.store import Store
from streams.app import agents_of
from streams.records import Record, handle_batch
from streams.settings import StreamSettings
from streams.topics import DEAD_LETTER, EVENTS, NOTICES_RAW, OPTICAL_ALERTS, PAIRS
from tests import builders
from tests.fuzz import bombs, mutations, readers, seeds
from tests.ingest_vo import notice_factory

SEED = 20_261_122

MUTANTS = 60
"""Mutants of a kind among the good packets."""

NOTICE_KINDS = {"voevent": ".xml", "igwn": ".json", "gcn": ".json"}
OPTICAL_KINDS = {
    "ztf": ".avro",
    "lsst": ".avro",
    "avro_file": ".avro",
    "parquet_file": ".parquet",
    "tar_file": ".tar.gz",
}

NOTICE_BOMBS = ("billion laughs", "external entity", "deep XML", "deep JSON in a text")
LARGE_NOTICE_BOMBS = ("text of 100 MB", "a number of 8 MB", "a gzip bomb in an alert")


@pytest.fixture
def store():
    with Store.open("sqlite:///:memory:") as opened:
        yield opened


@pytest.fixture
def sent():
    return []


@pytest.fixture
async def agents(store, sent):
    async def send(records):
        for r in records:
            sent.append((r.topic, r.key, r.value))
            if r.topic == DEAD_LETTER.name:
                letter = Record(r.value, r.key.encode(), r.topic, 0, 0, r.headers)
                await made.keep_dead_letters([letter])

    now = notice_factory.T0_UNIX_S + DAY_S
    settings = StreamSettings(alert_partitions=1)
    made = agents_of(settings, store, Policy(), send, lambda: now, lambda topics: None)
    await made.own(Share.everything(), range(StreamSettings().pair_partitions))
    return made


def mutants(kind):
    return [mutations.mutant(seeds.made(kind), kind, SEED, index) for index in range(MUTANTS)]


def mixed(bad, good):
    """Records of one topic: three bad ones, one good one, and so on."""
    every = max(len(bad) // max(len(good), 1), 1)
    for n, packet in enumerate(good):
        bad.insert(n * (every + 1), packet)
    return bad


def records_of(topic, packets):
    return [Record(packet, b"key-%d" % n, topic.name, 0, n) for n, packet in enumerate(packets)]


def buried(store):
    """Bytes and rule of everything in the dead letter."""
    letters = store.dead_letters.list(limit=100_000)
    return {(store.dead_letters.packet(x.dead_letter_id), x.rule) for x in letters}


def refused(packets, read):
    """Bytes and rule of the packets that a reader refuses, read one by one."""
    found = set()
    for packet in packets:
        try:
            read(packet)
        except MalformedPacketError as error:
            found.add((packet, error.rule))
    return found


@pytest.mark.slow
async def test_bad_notices_are_buried_with_their_bytes_and_the_others_become_events(
    agents, store, sent
):
    bad = [packet for kind in NOTICE_KINDS for packet in mutants(kind)]
    bad += [bombs.BOMBS[name][1]() for name in NOTICE_BOMBS]
    good = [
        notice_factory.gbm("Fin_Pos", 115),
        notice_factory.igwn(),
        notice_factory.svom("x", 202),
    ]
    packets = mixed(bad, good)
    records = records_of(NOTICES_RAW, packets)
    await handle_batch(records, agents.admit_notices, agents.bury)
    expected = refused(packets, lambda packet: to_notice(packet, "any"))
    assert len(expected) > MUTANTS
    assert buried(store) == expected
    events = {event.event_key for event in store.events.all()}
    assert {"fermi-gbm:800190036", "lvk:S240115k", "svom:sb26051102"} <= events
    assert {key for topic, key, _ in sent if topic == EVENTS.name} == events
    for packet in good:
        stored = store.notices.packets_of_event(to_notice(packet, "any").event_key)
        assert packet in [content for _, content, _ in stored]


@pytest.mark.slow
async def test_a_notice_of_100_mb_is_buried_whole(agents, store):
    packets = [bombs.BOMBS[name][1]() for name in LARGE_NOTICE_BOMBS]
    await handle_batch(records_of(NOTICES_RAW, packets), agents.admit_notices, agents.bury)
    assert {packet for packet, _ in buried(store)} == set(packets)


@pytest.mark.parametrize(
    ("topic", "kind", "noun", "handler"),
    [
        (OPTICAL_ALERTS, "alert_record", Alert, "join_alerts"),
        (PAIRS, "pair_record", PairRecord, "take_pairs"),
    ],
)
async def test_bad_records_are_buried_with_their_bytes_and_the_rule(
    agents, store, topic, kind, noun, handler
):
    packets = mixed(mutants(kind), seeds.made(kind))
    await handle_batch(records_of(topic, packets), getattr(agents, handler), agents.bury)
    expected = refused(packets, lambda packet: of_json(noun, packet))
    assert len(expected) > MUTANTS / 3
    assert buried(store) == expected


async def test_good_alerts_among_bad_ones_still_find_their_event(agents, store, sent):
    event = builders.an_event()
    store.localizations.put(event.localization)
    store.events.put(record_of_event(event))
    await agents.notice_event(event.event_key.encode())
    await agents.look_back_waiting()
    good = [
        to_json(builders.an_alert(f"30000000000{n}", f"ZTF25good{n}", dec_deg=20.0 + 0.1 * n))
        for n in range(10)
    ]
    bad = [packet.replace(b"ZTF25aaaaaaa", b"ZTF25bad") for packet in mutants("alert_record")]
    packets = mixed(bad, good)
    await handle_batch(records_of(OPTICAL_ALERTS, packets), agents.join_alerts, agents.bury)
    for n in range(10):
        assert len(store.alerts.of_object("ztf", f"ZTF25good{n}")) == 1
    told = [of_json(PairRecord, value) for topic, _, value in sent if topic == PAIRS.name]
    assert {f"ztf:ZTF25good{n}" for n in range(10)} <= {pair.object_key for pair in told}


async def test_files_of_a_folder_end_in_the_stream_or_in_the_dead_letter(agents, store, tmp_path):
    lost = _written(tmp_path)
    archive = read_archive(archive_files([tmp_path]))
    for refusal in archive.refusals:
        said = refusal.packet_name, refusal.packet, refusal.reason
        store.dead_letters.put("archive", *said, 1.0, rule=refusal.rule)
    for topic, handler in (
        (NOTICES_RAW, agents.admit_notices),
        (OPTICAL_ALERTS, agents.join_alerts),
    ):
        packets = [d.value for d in archive.in_order() if d.topic == topic.name]
        await handle_batch(records_of(topic, packets), handler, agents.bury)
    letters = store.dead_letters.list(limit=100_000)
    assert not [x.reason for x in letters if x.reason.startswith("unexpected")]
    assert all(0 < len(x.reason) <= readers.MAX_SAID and x.rule for x in letters)
    kept = {packet for packet, _ in buried(store)}
    assert lost <= kept
    # The good file is in the store, whatever lay beside it.
    assert store.alerts.of_object("ztf", "ZTF24aaaaaaa")
    assert store.events.get("lvk:S240115k") is not None


def _written(folder):
    """Write mutants and good packets as files; the bytes of single packets that are refused."""
    lost = set()
    for kind, ending in {**NOTICE_KINDS, **OPTICAL_KINDS}.items():
        for n, packet in enumerate(mutants(kind)[:25]):
            (folder / f"{kind}-{n}{ending}").write_bytes(packet)
            if kind in NOTICE_KINDS:
                lost |= {p for p, _ in refused([packet], lambda p: to_notice(p, "any"))}
            elif kind in ("ztf", "lsst"):
                lost |= _single_and_refused(packet)
    (folder / "good.avro").write_bytes(seeds.made("ztf")[0])
    (folder / "good.json").write_bytes(notice_factory.igwn())
    return lost


def _single_and_refused(packet):
    from ingest_optical.packets import RawPacket

    try:
        admit(RawPacket("any", None, packet))
    except MalformedPacketError as error:
        # A container of several records, or a broken one, is told by its beginning.
        return {packet} if "one record" not in error.rule else set()
    return set()


def test_json_rows_of_a_table_are_kept_as_they_were_decoded(tmp_path):
    rows = [json.loads(seeds.made("optical_json")[1]) for _ in "ab"]
    rows[1]["candidate"]["dec"] = 91.0
    path = tmp_path / "rows.parquet"
    path.write_bytes(seeds.parquet_bytes(rows))
    archive = read_archive([path])
    (refusal,) = archive.refusals
    assert refusal.packet_name == f"{path}#1"
    assert refusal.rule == "ra must lie in [0, 360] and dec in [-90, 90] deg"
    assert json.loads(refusal.packet)["candidate"]["dec"] == 91.0
    assert len(archive.deliveries) == 1
