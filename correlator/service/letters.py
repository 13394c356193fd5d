"""Dead letters put back: what can be understood now goes to the topic that it belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from correlator.alert import Alert
from correlator.errors import MalformedPacketError
from correlator.service.archive import Delivery
from correlator.service.outlets import Outlet
from correlator.wire import EventRecord, PairRecord, of_json, to_json
from ingest_optical.decoder import Rejected, SchemaOfId, admit_looked_at, look_at
from ingest_optical.packets import RawPacket
from ingest_optical.quality import DEFAULT_CUTS, rejections
from ingest_vo.reader import to_notice
from storage.catalogs.tagger import Tag, untagged
from storage.dead_letters import DeadLetter
from storage.store import Store
from streams.audiences import headers_of_audience
from streams.topics import EVENTS, NOTICES_RAW, OPTICAL_ALERTS, PAIRS, TOPICS

_AT_ONCE, _BYTES_AT_ONCE = 25, 32 * 2**20
"""Letters under way at a time, and how many bytes of them until no further one is fetched.

Few, so that they are marked before a worker can refuse one again: that takes the mark away.
"""

_OURS = frozenset(topic.name for topic in TOPICS)


class Outcome(StrEnum):
    """What became of a dead letter.

    Attributes
    ----------
    REPLAYED
        It was put back.
    REJECTED
        It is understood now, and the quality gate turns it away: nothing is left to do.
    REFUSED
        As before: it stays a dead letter.
    """

    REPLAYED = "replayed"
    REJECTED = "rejected"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Return:
    """What became of one dead letter: where it went, or why it went nowhere."""

    letter: DeadLetter
    outcome: Outcome
    topic: str | None = None
    reason: str | None = None


async def put_back(
    letters: Iterable[DeadLetter],
    store: Store,
    outlet: Outlet,
    schema_of_id: SchemaOfId,
    now: Callable[[], float],
    tag: Tag = untagged,
) -> AsyncIterator[Return]:
    """Put dead letters back, and mark those that need no further try.

    A letter is marked once its delivery is acknowledged: after a crash it is put back again, and a
    repeated record changes nothing.

    Parameters
    ----------
    schema_of_id
        Where the schemas of Confluent-framed packets come from.
    tag
        Gives alerts what catalogues have near them.
    """
    portions = _portions(letters, store, schema_of_id, tag)
    while looks := await asyncio.to_thread(next, portions, None):
        deliveries = [delivery for _, delivery in looks if delivery is not None]
        when = now()  # before the delivery: what is refused after it counts as refused again
        reasons = iter(await outlet.deliver(deliveries))
        returns = [
            back
            if delivery is None or (reason := next(reasons)) is None
            else replace(back, outcome=Outcome.REFUSED, reason=reason)
            for back, delivery in looks
        ]
        await asyncio.to_thread(_mark, returns, store, when)
        for back in returns:
            yield back


def delivery_of(
    letter: DeadLetter, packet: bytes, schema_of_id: SchemaOfId, tag: Tag = untagged
) -> Delivery | Rejected:
    """The record that a dead letter becomes, read once more as its receiver would.

    What came from a topic of ours goes back there, its bytes as they are. What an edge could not
    read (its source is a survey's topic, or an archive) becomes the slim alert that the edge would
    have sent.

    Raises
    ------
    MalformedPacketError
        It cannot be understood now either.
    """
    if letter.source in _OURS:
        key = _key_of(letter)
        if letter.source in _READERS:
            read_key = _READERS[letter.source](packet, key)
            key = read_key if letter.record_key is None else key
        headers = headers_of_audience(letter.audience)
        return Delivery(letter.received_unix_s, letter.source, key, packet, headers)
    # A survey's topics begin with its name: a packet of another one stays refused.
    survey = next((name for name in DEFAULT_CUTS if letter.source.startswith(name)), None)
    alert = _admitted(RawPacket(letter.packet_name, survey, packet), schema_of_id)
    if isinstance(alert, Rejected):
        return alert
    (alert,) = tag([replace(alert, audience=letter.audience)])
    return Delivery(alert.time_unix_s, OPTICAL_ALERTS.name, alert.object_id, to_json(alert))


def _admitted(packet: RawPacket, schema_of_id: SchemaOfId) -> Alert | Rejected:
    first_look = look_at(packet, schema_of_id)
    if reasons := rejections(first_look, DEFAULT_CUTS[first_look.survey]):
        return Rejected(reasons, first_look.to_alert())
    return admit_looked_at(packet, first_look, schema_of_id=schema_of_id)


_Look = tuple[Return, Delivery | None]


def _second_look(letter: DeadLetter, packet: bytes, schema_of_id: SchemaOfId, tag: Tag) -> _Look:
    try:
        found = delivery_of(letter, packet, schema_of_id, tag)
    except MalformedPacketError as error:
        return Return(letter, Outcome.REFUSED, None, str(error)), None
    if isinstance(found, Rejected):
        reason = f"the quality gate turns it away: {', '.join(found.reasons)}"
        return Return(letter, Outcome.REJECTED, None, reason), None
    return Return(letter, Outcome.REPLAYED, found.topic), found


def _portions(
    letters: Iterable[DeadLetter], store: Store, schema_of_id: SchemaOfId, tag: Tag
) -> Iterator[list[_Look]]:
    """A second look at each letter, as many at a time as memory allows."""
    looks: list[_Look] = []
    n_bytes = 0
    for letter in letters:
        packet = store.dead_letters.packet(letter.dead_letter_id) or b""
        looks.append(_second_look(letter, packet, schema_of_id, tag))
        n_bytes += len(packet)
        if len(looks) == _AT_ONCE or n_bytes >= _BYTES_AT_ONCE:
            yield looks
            looks, n_bytes = [], 0
    if looks:
        yield looks


def _mark(returns: Iterable[Return], store: Store, when_unix_s: float) -> None:
    for back in returns:
        if back.outcome is not Outcome.REFUSED:
            store.dead_letters.mark_replayed(back.letter.dead_letter_id, when_unix_s)


def _key_of(letter: DeadLetter) -> str:
    """A letter's key; one of an older release has it in its name alone: ``KEY [TOPIC/0@1]``."""
    if letter.record_key is not None:
        return letter.record_key
    return letter.packet_name.rsplit(" [", 1)[0]


def _notice_key(packet: bytes, key: str) -> str:
    to_notice(packet, key)
    return key


_READERS: dict[str, Callable[[bytes, str], str]] = {
    NOTICES_RAW.name: _notice_key,
    OPTICAL_ALERTS.name: lambda packet, name: of_json(Alert, packet, name).object_id,
    EVENTS.name: lambda packet, name: of_json(EventRecord, packet, name).event_key,
    PAIRS.name: lambda packet, name: of_json(PairRecord, packet, name).event_key,
}
"""How each topic's receiver reads a record: raises what it would raise, and returns the key."""
