"""Heartbeats: what each source of records says of itself, once a second."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from correlator.errors import MalformedPacketError
from correlator.wire import of_json
from streams.moments import iso_utc
from streams.topic_reader import read_topic
from streams.topics import HEARTBEAT


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a worker or an edge says of itself.

    Attributes
    ----------
    source
        Which process: ``worker-HOST-PID``, ``edge-ztf-HOST-PID``.
    time_unix_s
        When it said so.
    last_record_unix_s
        When it took its latest record; None before the first.
    positions
        Next offset of each partition that it reads, by ``TOPIC/PARTITION``.
    pending
        Records that it has taken and not finished.
    is_idle
        Nothing is under way and nothing waits.
    complaint
        What it cannot do just now, in words; None when all is well.
    """

    source: str
    time_unix_s: float
    last_record_unix_s: float | None
    positions: dict[str, int]
    pending: int
    is_idle: bool
    complaint: str | None = None


def public_heartbeat(beat: Heartbeat) -> bytes:
    """What readers of notices are told once a second, as JSON: nothing of our hosts and topics."""
    last_unix_s = beat.last_record_unix_s
    said = {
        "alert_datetime": iso_utc(beat.time_unix_s),
        "last_record_datetime": None if last_unix_s is None else iso_utc(last_unix_s),
        "is_idle": beat.is_idle,
    }
    return orjson.dumps(said)


def latest_heartbeats(servers: str, within_s: float) -> dict[str, Heartbeat]:
    """The latest heartbeat of each source that had one lately, by source.

    Parameters
    ----------
    servers
        ``HOST:PORT[,HOST:PORT...]``.
    within_s
        How far back to look [s]: the broker's clock against ours.

    Raises
    ------
    BrokerError
        The broker does not answer, or has no such topic.
    """
    return latest_of(read_topic(servers, HEARTBEAT, within_s))


def latest_of(values: Iterable[bytes]) -> dict[str, Heartbeat]:
    """The latest heartbeat of each source among some records; what is none is passed over."""
    found: dict[str, Heartbeat] = {}
    for value in values:
        try:
            heartbeat = of_json(Heartbeat, value, HEARTBEAT.name)
        except MalformedPacketError:
            continue  # of another release: its source counts as silent, and that is seen
        known = found.get(heartbeat.source)
        if known is None or known.time_unix_s <= heartbeat.time_unix_s:
            found[heartbeat.source] = heartbeat
    return found
