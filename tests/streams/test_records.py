"""The agent loop: bury what fails for good, and never let an exception out."""

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from faust.exceptions import ProducerSendError
from sqlalchemy.exc import OperationalError

from streams.records import Record, handle_batch

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
