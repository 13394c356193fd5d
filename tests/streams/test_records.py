"""The agent loop: bury what fails for good, and never let an exception out."""

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from faust.exceptions import ProducerSendError
from faust.types import TP
from sqlalchemy.exc import OperationalError

from streams.chunks import Chunk, ChunkMessage
from streams.records import GivenUpError, Record, consume, handle_batch

pytestmark = pytest.mark.usefixtures("no_pause")


def some(*values):
    return [Record(v, b"k", "topic", 0, n) for n, v in enumerate(values)]


async def test_a_poisonous_record_does_not_take_its_batch_with_it():
    handled, buried = [], []

    async def handle(batch):
        if any(r.value == b"bad" for r in batch):
            raise KeyError("bad")
        handled.extend(r.value for r in batch)

    async def bury(record, reason, rule):
        buried.append((record.value, reason, rule))

    await handle_batch(some(b"a", b"bad", b"b"), handle, bury)
    assert handled == [b"a", b"b"]
    assert buried == [(b"bad", "unexpected KeyError: 'bad'", "unexpected KeyError")]


async def test_an_absent_store_is_waited_for_and_a_broken_dead_letter_too():
    left = {"handle": 2, "bury": 2}
    buried = []

    async def handle(batch):
        if left["handle"]:
            left["handle"] -= 1
            raise OperationalError("INSERT", {}, Exception("away"))
        raise ValueError("never understood")

    async def bury(record, reason, rule):
        if left["bury"]:
            left["bury"] -= 1
            raise RuntimeError("dead letter broken")
        buried.append(record.value)

    await handle_batch(some(b"a"), handle, bury)
    assert buried == [b"a"]
    assert left == {"handle": 0, "bury": 0}


def of_faust(cause):
    """What Faust's producer makes of an error that it meets before a record is under way."""
    error = ProducerSendError("cannot send")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "is_waited_for"),
    [
        (of_faust(KafkaTimeoutError()), True),
        (of_faust(MessageSizeTooLargeError()), False),
        (of_faust(None), False),
    ],
)
async def test_a_broker_that_is_away_is_waited_for_in_whichever_words_it_is_said(
    error, is_waited_for
):
    errors, handled, buried = [error], [], []

    async def handle(batch):
        if errors and (is_waited_for or batch):
            raise errors.pop() if is_waited_for else errors[0]
        handled.extend(batch)

    async def bury(record, reason, rule):
        buried.append(record)

    await handle_batch(some(b"a"), handle, bury)
    assert bool(handled) == is_waited_for
    assert bool(buried) != is_waited_for


async def test_what_waits_for_a_server_is_given_up_when_the_group_calls():
    tried, buried = [], []

    async def handle(batch):
        tried.append(len(batch))
        raise OperationalError("INSERT", {}, Exception("away"))

    async def bury(record, reason, rule):
        buried.append(record)

    with pytest.raises(GivenUpError):
        await handle_batch(some(b"a", b"b"), handle, bury, lambda: len(tried) == 3)
    assert tried == [2, 2, 2]
    assert buried == []


class Said:
    """An event of a Faust stream that writes down what becomes of its message."""

    def __init__(self, value, said):
        chunk = Chunk((some(value)[0],))
        self.message = ChunkMessage(
            "topic", 0, 0, 0.0, 0, None, None, None, None, tp=TP("topic", 0), generation_id=1
        )
        self.message.chunk, self.message.is_done = chunk, False
        self._said = said

    def ack(self):
        (record,) = self.message.chunk.records
        self._said[record.value] = self.message.is_done


async def test_a_batch_that_is_given_up_is_let_go_and_not_done():
    said = {}

    class Stream:
        async def noack_take(self, size, within):
            for value in (b"a", b"given up", b"b"):
                yield [Said(value, said)]

    async def handle(batch):
        if batch[0].value == b"given up":
            raise GivenUpError

    async def bury(record, reason, rule):
        raise AssertionError(reason)

    await consume(Stream(), handle, bury, 10, 0.1)
    assert said == {b"a": True, b"given up": False, b"b": True}
