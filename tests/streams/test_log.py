"""The broker in memory, on its own."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from streams.log import Log, LogError, drop_log, open_log, partition_of_key
from streams.shutdown import NotDrainedError, drained_log

SLOT = ("a", 0)
KEYS = st.sampled_from([b"x", b"y", b"z"])


def a_log(partitions: int = 1, kept: int = 100, compacted: bool = False) -> Log:
    log = Log("test", kept)
    log.create_topic("a", partitions, compacted)
    return log


@given(st.lists(st.binary(max_size=5)), st.integers(0, 12), st.integers(1, 12))
def test_a_partition_reads_as_the_list_that_was_appended(values, offset, limit):
    log = a_log()
    for value in values:
        log.append("a", value)
    read = log.read(SLOT, offset, limit)
    assert [r.value for r in read] == values[offset : offset + limit]
    assert [r.offset for r in read] == list(range(len(values)))[offset : offset + limit]
    assert log.end(SLOT) == len(values)


@given(st.binary(max_size=40), st.integers(1, 64))
def test_a_key_goes_where_kafka_sends_it(key, count):
    everywhere = list(range(count))
    assert partition_of_key(key, count) == DefaultPartitioner()(key, everywhere, everywhere)


@pytest.mark.parametrize(
    ("key", "hashed"),
    # From the tests of the Java client (org.apache.kafka.common.utils.UtilsTest.testMurmur2).
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_the_hash_of_a_key_is_that_of_the_java_client(key, hashed):
    count = 2**20
    assert partition_of_key(key, count) == (hashed & 0x7FFFFFFF) % count


def test_records_without_a_key_take_the_partitions_in_turn():
    log = a_log(partitions=3)
    assert [log.append("a", b"")[0] for _ in range(5)] == [0, 1, 2, 0, 1]


def test_a_record_keeps_key_headers_and_time():
    log = a_log()
    log.append("a", b"v", b"k", headers=(("source", b"gcn"),), timestamp_ms=1_700_000_000_123)
    (record,) = log.read(SLOT, 0, 10)
    assert record == (0, 1_700_000_000_123, b"k", b"v", (("source", b"gcn"),))


@given(st.lists(KEYS, max_size=400), st.integers(0, 400))
def test_compaction_keeps_the_last_record_of_every_key_and_all_that_is_unread(keys, committed):
    log = a_log(compacted=True)
    log.begin("g", SLOT, "earliest")
    for n, key in enumerate(keys):
        log.append("a", b"%d" % n, key)
        log.commit("g", {SLOT: min(committed, n + 1)})
    kept = log.read(SLOT, 0, len(keys))
    offsets = [r.offset for r in kept]
    last = {key: n for n, key in enumerate(keys)}
    assert offsets == sorted(offsets)
    assert set(last.values()) <= set(offsets)
    assert set(range(committed, len(keys))) <= set(offsets)
    assert all(r.value == b"%d" % r.offset and r.key == keys[r.offset] for r in kept)


def test_compaction_leaves_no_gap_right_after_offset_0():
    """Faust does not see that gap, and would never commit again."""
    log = a_log(compacted=True)
    log.append("a", b"", b"rare")
    for _ in range(1_000):
        log.append("a", b"", b"often")
    offsets = [r.offset for r in log.read(SLOT, 0, 1_000)]
    assert offsets[:2] == [0, 1]
    assert offsets[2] > 2


def test_compaction_bounds_a_topic_of_few_keys():
    log = a_log(compacted=True)
    for n in range(10_000):
        log.append("a", b"%d" % n, b"key-%d" % (n % 10))
    assert len(log.read(SLOT, 0, 10_000)) < 200
    assert log.end(SLOT) == 10_000


def test_retention_keeps_its_count_of_what_every_group_has_committed():
    log = a_log(kept=100)
    log.begin("g", SLOT, "earliest")
    for _ in range(1_000):
        log.append("a", b"")
    assert log.earliest(SLOT) == 0
    log.commit("g", {SLOT: 950})
    assert log.earliest(SLOT) == 900
    log.commit("g", {SLOT: 1_000})
    assert [r.offset for r in log.read(SLOT, 0, 2_000)] == list(range(900, 1_000))


def test_a_record_that_one_group_has_not_committed_outlives_the_retention():
    log = a_log(kept=10)
    for group in ("fast", "slow"):
        log.begin(group, SLOT, "earliest")
    for n in range(500):
        log.append("a", b"")
        log.commit("fast", {SLOT: n + 1})
    assert log.earliest(SLOT) == 0
    log.commit("slow", {SLOT: 300})
    assert log.earliest(SLOT) == 300


def test_a_topic_that_nobody_reads_is_bounded():
    log = a_log(kept=100)
    for _ in range(1_000):
        log.append("a", b"")
    assert 100 <= log.end(SLOT) - log.earliest(SLOT) <= 125


@pytest.mark.parametrize(("reset", "begin", "behind"), [("earliest", 0, 5), ("latest", 3, 2)])
def test_a_new_group_begins_where_its_reset_says(reset, begin, behind):
    log = a_log()
    for _ in range(3):
        log.append("a", b"")
    assert log.begin("g", SLOT, reset) == begin
    for _ in range(2):
        log.append("a", b"")
    assert log.begin("g", SLOT, reset) == begin
    assert log.committed("g", SLOT) is None
    assert log.lag("g") == {SLOT: behind}


def test_lag_is_what_is_not_committed_per_partition():
    log = a_log(partitions=2)
    log.create_topic("b", 1)
    for slot in (SLOT, ("a", 1), ("b", 0)):
        log.begin("g", slot, "earliest")
        for _ in range(4):
            log.append(slot[0], b"", partition=slot[1])
    log.commit("g", {SLOT: 4, ("a", 1): 1})
    assert log.lag("g") == {("a", 1): 3, ("b", 0): 4}
    assert log.lag("g", ["b"]) == {("b", 0): 4}
    assert log.lag("nobody") == {}


def test_a_group_has_one_member_at_a_time():
    log, one, other = a_log(), object(), object()
    log.join("g", one)
    with pytest.raises(LogError, match="group g has a member already"):
        log.join("g", other)
    log.leave("g", other)
    log.join("g", one)
    log.leave("g", one)
    log.join("g", other)


@pytest.mark.parametrize(
    ("topic", "record", "said"),
    [
        ("b", {"value": b""}, "has no topic b"),
        ("a", {"value": b"", "partition": 1}, "has 1 partitions, no 1"),
        ("a", {"value": b"", "partition": -1}, "has 1 partitions, no -1"),
        ("a", {"value": "text"}, "value must be bytes, got str"),
        ("a", {"value": b"", "key": bytearray(b"k")}, "key must be bytes, got bytearray"),
        ("c", {"value": b""}, "is compacted, a record needs a key"),
    ],
)
def test_a_record_that_cannot_be_stored_is_refused(topic, record, said):
    log = a_log()
    log.create_topic("c", 1, compacted=True)
    with pytest.raises(LogError, match=said):
        log.append(topic, **record)
    assert log.end(SLOT) == 0


def test_a_topic_in_use_keeps_its_partitions():
    log = a_log(partitions=2)
    log.create_topic("a", 3)
    assert log.topics() == {"a": 3}
    log.append("a", b"")
    log.create_topic("a", 3, compacted=None)
    with pytest.raises(LogError, match="is in use with 3 partitions"):
        log.create_topic("a", 4)
    with pytest.raises(LogError, match="at least one partition, got 0"):
        log.create_topic("b", 0)


def test_declaring_again_without_a_word_leaves_compaction_on():
    log = a_log(compacted=True)
    log.create_topic("a", 1)
    with pytest.raises(LogError, match="needs a key"):
        log.append("a", b"")


def test_a_watcher_hears_of_every_record_until_it_leaves():
    log, heard = a_log(), []

    def hear() -> None:
        heard.append(log.end(SLOT))

    log.watch(hear)
    log.append("a", b"")
    log.append("a", b"")
    log.unwatch(hear)
    log.append("a", b"")
    assert heard == [1, 2]


def test_a_log_is_found_by_its_name_until_it_is_dropped():
    log = open_log("Some-Name")
    assert open_log("some-name") is log
    drop_log("some-name")
    assert open_log("some-name") is not log
    drop_log("some-name")
    drop_log("some-name")


async def test_a_log_can_be_waited_for_by_group():
    log = a_log()
    log.begin("g", SLOT, "earliest")
    log.append("a", b"")
    with pytest.raises(NotDrainedError, match=r"after 0\.05 s, records left: a/0 1"):
        await drained_log(log, "g", within_s=0.05)
    log.commit("g", {SLOT: 1})
    await drained_log(log, "g", within_s=1.0)
