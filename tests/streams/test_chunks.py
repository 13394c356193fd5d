"""Chunks: what may be committed is what is done from the beginning on, whatever the order."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from streams.chunks import Chunk, Progress, done, records_of
from streams.log import StoredRecord, open_log
from streams.topics import partition_of
from tests.streams.conftest import bytes_topic

CHUNKS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=8)


def placed(sizes):
    """Offsets of chunks one after the other, with what compaction left out between them."""
    at, chunks = 0, []
    for gap, size in sizes:
        begin, at = at + gap, at + gap + size
        chunks.append((begin, at))
    return chunks


@given(CHUNKS, st.randoms(use_true_random=False), st.integers(0, 8))
def test_the_committed_offset_is_the_end_of_the_unbroken_run_of_done_chunks(sizes, chance, n_done):
    chunks = placed(sizes)
    progress = Progress(1)
    for offset, end in chunks:
        progress.fetched(offset, end)
    handled = chance.sample(chunks, min(n_done, len(chunks)))
    committed = None
    for k, (offset, end) in enumerate(handled, start=1):
        progress.acknowledged(offset, end)
        said = progress.committable()
        committed = said if said is not None else committed
        run = [c for n, c in enumerate(chunks) if set(chunks[: n + 1]) <= set(handled[:k])]
        assert committed == (run[-1][1] if run else None)


@given(CHUNKS)
def test_what_is_fetched_again_after_a_seek_back_counts_once(sizes):
    chunks = placed(sizes)
    progress = Progress(1)
    for _ in range(2):
        for offset, end in chunks:
            progress.fetched(offset, end)
    for offset, end in reversed(chunks):
        progress.acknowledged(offset, end)
        progress.acknowledged(offset, end)
    assert progress.committable() == chunks[-1][1]
    assert progress.committable() is None


def test_a_chunk_knows_its_offsets():
    records = tuple(StoredRecord(n, 0, None, b"", ()) for n in (4, 5, 9))
    assert (Chunk(records).offset, Chunk(records).end) == (4, 10)


async def test_a_whole_app_takes_chunks_and_commits_what_it_has_acknowledged(
    make_app, broker_url, app_id
):
    app = make_app(broker_commit_interval=0.1)
    app.takes_chunks = True
    topic = bytes_topic(app, "chunked", 4)
    source = open_log(broker_url.removeprefix("memory://"))
    source.create_topic("chunked", 4)
    keys = [f"key-{n}".encode() for n in range(3000)]
    for key in keys:
        source.append("chunked", b"v", key, partition_of(key, 4))
    taken, n_messages = [], 0

    async def take(stream):
        nonlocal n_messages
        async for events in stream.noack_take(4, within=0.02):
            n_messages += len(events)
            taken.extend(r.key for event in events for r in records_of(event.message))
            for event in events:
                done(event.message)
                event.ack()

    app.agent(topic, name="take-chunks")(take)
    await app.start()
    async with asyncio.timeout(20):
        while source.lag(app_id):
            await asyncio.sleep(0.05)
    assert sorted(taken) == sorted(keys)
    assert n_messages < 20


async def test_a_chunk_that_is_acknowledged_before_it_is_handled_is_not_committed(
    make_app, broker_url, app_id
):
    """Faust's iterator in Python acknowledges what it skips in a rebalance."""
    app = make_app(broker_commit_interval=0.05)
    app.takes_chunks = True
    topic = bytes_topic(app, "skipped", 1)
    source = open_log(broker_url.removeprefix("memory://"))
    source.create_topic("skipped", 1)
    for n in range(10):
        source.append("skipped", b"v", f"key-{n}".encode(), 0)
    seen = asyncio.Event()

    async def skip(stream):
        async for events in stream.noack_take(4, within=0.02):
            for event in events:
                event.ack()
            seen.set()

    app.agent(topic, name="skip-chunks")(skip)
    await app.start()
    async with asyncio.timeout(60):
        await seen.wait()
    await app.consumer.commit()
    assert source.lag(app_id) == {("skipped", 0): 10}
