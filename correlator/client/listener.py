"""Notices of some topics of a Kafka, from any place on, in no group."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from correlator.client.begin import EARLIEST, LATEST, Begin
from correlator.client.choice import Choice
from correlator.client.connection import Connection
from correlator.client.errors import ClientError
from correlator.client.newest import Newest, latest
from correlator.client.notice import Notice, notice_of

HEARTBEAT = "coincidence.heartbeat"
"""Topic with a record a second while notices are written."""

Slot = tuple[str, int]
"""Topic and partition."""

_ANSWER_WITHIN_S = 15.0
_LOOK_S = 1.0

_FOR_GOOD = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._AUTHENTICATION,
    }
)
"""What waiting does not mend."""


class Listener:
    """Reads topics; what was read is nobody's concern but the caller's, who keeps the positions.

    Parameters
    ----------
    begin
        Where topics begin of which no position is given.
    positions
        Next offsets of partitions that were read before.

    Attributes
    ----------
    positions
        Next offset of each partition.
    refused
        Records that are no notices, the latest hundred; they are passed over.
    heartbeat_unix_s
        When the service was last heard of [s since the Unix epoch]; None when it was not, or says
        nothing to us.

    Raises
    ------
    ClientError
        The broker does not answer, does not know the user, or shows no such topic.
    """

    def __init__(
        self,
        connection: Connection,
        topics: Sequence[str],
        begin: Begin = LATEST,
        positions: Mapping[Slot, int] | None = None,
    ) -> None:
        self._connection = connection
        self._errors: list[Any] = []
        said = connection.configuration() | {"error_cb": self._errors.append}
        self._consumer = Consumer(said)
        self.refused: list[ClientError] = []
        self.heartbeat_unix_s: float | None = None
        try:
            slots = self._slots(list(dict.fromkeys(topics)))
            self.positions = self._begun(slots, begin, positions or {})
            self.ends = {slot: self._end(slot) for slot in slots}
            assigned = [TopicPartition(*slot, offset) for slot, offset in self.positions.items()]
            self._consumer.assign([*assigned, *self._heartbeat()])
        except KafkaException as error:
            self.close()
            raise ClientError(connection.servers, "can be read", error.args[0].str()) from error
        except BaseException:
            self.close()
            raise

    def take(self, within_s: float = 1.0, most: int = 500) -> list[Notice]:
        """The next notices: as soon as there are some, and none when none come in that time.

        Raises
        ------
        ClientError
            They may not be read any more, or their topic is gone.
        """
        first = self._consumer.poll(within_s)
        if first is None:
            return []
        messages = [first, *self._consumer.consume(most - 1, timeout=0.0)]
        return [notice for each in messages if (notice := self._notice(each)) is not None]

    @property
    def lag(self) -> int:
        """Records that are there and not read yet, as far as is known."""
        return sum(map(self.behind, self.positions))

    def behind(self, slot: Slot) -> int:
        """Records of a partition that are there and not read yet, as far as is known."""
        known = self._consumer.get_watermark_offsets(TopicPartition(*slot), cached=True)
        end = max(known[1] if known else 0, self.ends[slot])
        return max(0, end - self.positions[slot])

    @property
    def is_at_first_end(self) -> bool:
        """Whether all that was there at the beginning is read."""
        return all(self.positions[slot] >= end for slot, end in self.ends.items())

    @property
    def complaint(self) -> str | None:
        """What the client said last of its connection; None when it said nothing."""
        return str(self._errors[-1].str()) if self._errors else None

    def close(self) -> None:
        """Read no more."""
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def _notice(self, message: Any) -> Notice | None:
        error = message.error()
        if error is not None:
            if error.code() in _FOR_GOOD:
                about = f"{self._connection.servers}, {message.topic() or 'the group'}"
                raise ClientError(about, "may be read by us", error.str())
            self._errors.append(error)
            return None
        time_unix_s = message.timestamp()[1] / 1000.0
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if (topic, partition) not in self.positions:
            self.heartbeat_unix_s = time_unix_s
            return None
        self.positions[topic, partition] = offset + 1
        try:
            return notice_of(message.value(), topic, partition, offset, time_unix_s)
        except ClientError as refusal:
            self.refused = [*self.refused[-99:], refusal]
            return None

    def _slots(self, topics: list[str]) -> list[Slot]:
        shown = self._topics()
        slots = []
        for topic in topics:
            if topic not in shown:
                known = ", ".join(sorted(n for n in shown if n != HEARTBEAT)) or "none at all"
                raise ClientError(self._connection.servers, f"there is {topic} for us", known)
            slots += [(topic, n) for n in range(shown[topic])]
        self._has_heartbeat = HEARTBEAT in shown and HEARTBEAT not in topics
        return slots

    def _topics(self) -> dict[str, int]:
        """Partitions of each topic that the broker shows us."""
        deadline = time.monotonic() + _ANSWER_WITHIN_S
        while True:
            try:
                found = self._consumer.list_topics(timeout=_LOOK_S).topics.items()
                return {name: len(t.partitions) for name, t in found if t.error is None}
            except KafkaException as error:
                self._consumer.poll(0.0)
                codes = {each.code() for each in self._errors}
                servers, user = self._connection.servers, self._connection.username
                if KafkaError._AUTHENTICATION in codes:
                    rule = f"knows user {user} by that password"
                    raise ClientError(servers, rule, self.complaint) from error
                if time.monotonic() > deadline:
                    rule = f"answers within {_ANSWER_WITHIN_S:.0f} s"
                    raise ClientError(servers, rule, self.complaint or error) from error

    def _begun(self, slots: list[Slot], begin: Begin, known: Mapping[Slot, int]) -> dict[Slot, int]:
        return {
            slot: self._kept(slot, known[slot]) if slot in known else self._first(slot, begin)
            for slot in slots
        }

    def _kept(self, slot: Slot, position: int) -> int:
        """A position of an earlier run; the first that is kept where it went, or the topic did."""
        low, high = self._range(slot)
        return position if low <= position <= high else low

    def _first(self, slot: Slot, begin: Begin) -> int:
        if begin.unix_s is not None:
            asked = [TopicPartition(*slot, max(0, int(begin.unix_s * 1000.0)))]
            (found,) = self._consumer.offsets_for_times(asked, timeout=_ANSWER_WITHIN_S)
            return int(found.offset) if found.offset >= 0 else self._end(slot)
        low, high = self._range(slot)
        if begin.offset is not None:
            return min(max(begin.offset, low), high)
        return low if begin.is_earliest else high

    def _range(self, slot: Slot) -> tuple[int, int]:
        """The first offset that is kept, and the one after the last."""
        low, high = self._consumer.get_watermark_offsets(
            TopicPartition(*slot), timeout=_ANSWER_WITHIN_S
        )
        return int(low), int(high)

    def _end(self, slot: Slot) -> int:
        return self._range(slot)[1]

    def _heartbeat(self) -> list[TopicPartition]:
        """The heartbeat from its last record on, where we may read it."""
        if not self._has_heartbeat:
            return []
        end = self._end((HEARTBEAT, 0))
        return [TopicPartition(HEARTBEAT, 0, end - 1 if end else OFFSET_BEGINNING)]


def listen(
    *topics: str,
    servers: str,
    begin: str = "latest",
    where: str | None = None,
    until_end: bool = False,
    **who: str | None,
) -> Iterator[Notice]:
    """Notices of some topics as they come, for ever or until the end as it is now.

    Of each key only what is newer than before: repeated and late ones are left out.

    Parameters
    ----------
    topics
        ``coincidence.all`` if none.
    servers
        ``HOST:PORT[,HOST:PORT...]``.
    begin
        ``earliest``, ``latest``, a time or an offset.
    where
        A filter; what passed and does no more, or is gone, comes once with ``passes`` false.
    who
        ``username``, ``password``, ``security`` and ``ca_file`` of a `Connection`.

    Raises
    ------
    ClientError
        The broker does not let us read them.
    FilterError
        The filter is none.
    ValueError
        The begin is none.
    """
    choice, newest = Choice.of(where), Newest()
    names = topics or ("coincidence.all",)
    with Listener(Connection(servers, **who), names, Begin.of(begin)) as listener:
        while not (until_end and listener.is_at_first_end):
            for notice in listener.take():
                chosen = choice.judged(notice) if newest.takes(notice) else None
                if chosen is not None:
                    yield chosen


def latest_state(topic: str = "coincidence.all", **how: Any) -> dict[str, Notice]:
    """What a topic says by now: the highest revision of each key that stands, as :func:`listen`."""
    return latest(listen(topic, begin="earliest", until_end=True, **how))


__all__ = ["EARLIEST", "HEARTBEAT", "LATEST", "Listener", "Slot", "latest_state", "listen"]
