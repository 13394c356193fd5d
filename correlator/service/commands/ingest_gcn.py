"""``correlator ingest gcn``: the notices of NASA's General Coordinates Network."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import structlog

from correlator.audience import PUBLIC, Audience, union
from correlator.errors import ConfigurationError
from correlator.service.commands.options import TagType, UtcTime
from correlator.service.edges import run_edge
from correlator.service.settings import Settings
from correlator.service.telemetry import log_to_stderr
from streams.admin import BrokerError, declare, servers_of
from streams.audiences import check_topics
from streams.edge_outbox import Outbox
from streams.gcn_beginning import Begin, Beginning
from streams.gcn_edge import GcnEdge, GcnEdgeSettings
from streams.gcn_source import GcnSource
from streams.spool import Spool, SpoolError
from streams.topics import DEAD_LETTER, HEARTBEAT, NOTICES_RAW

log = structlog.get_logger(__name__)

_TOPICS = (NOTICES_RAW, HEARTBEAT, DEAD_LETTER)


class BeginType(click.ParamType):
    """``earliest``, ``latest`` or a time that has been, as seconds since the Unix epoch."""

    name = "begin"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Begin:
        """Where to begin, by the word."""
        words: dict[Any, Begin] = {"earliest": "earliest", "latest": "latest"}
        if value in words:
            return words[value]
        begin = UtcTime().convert(value, param, ctx)
        if begin > time.time():
            self.fail(f"{value!r} must not lie in the future", param, ctx)
        return begin


class TopicAudience(click.ParamType):
    """``TOPIC=TAG``."""

    name = "topic=tag"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """The topic, or a pattern of topics, and the tag."""
        if isinstance(value, tuple):
            return value
        topic, _, tag = str(value).rpartition("=")
        if not topic:
            self.fail(f"{value}: must be TOPIC=TAG", param, ctx)
        try:
            re.compile(topic)
        except re.error as error:
            self.fail(f"{topic}: {error}", param, ctx)
        return topic, TagType().convert(tag, param, ctx)


def _by_topic(said: Iterable[tuple[str, str]]) -> dict[str, Audience]:
    found: dict[str, Audience] = {}
    for topic, tag in said:
        found[topic] = union((found.get(topic, PUBLIC), (tag,)))
    return found


@click.command("gcn")
@click.option(
    "--topics",
    multiple=True,
    metavar="NAME",
    help="A topic, or a pattern that begins with ^, in place of the recommended ones; again for "
    "more. The word `recommended` stands for those.  [default: recommended]",
)
@click.option(
    "--group",
    help="Consumer group. GCN remembers by it what we have: with a fixed one, no notice is missed "
    "over a restart.  [default: APP_ID-gcn]",
)
@click.option(
    "--from",
    "begin",
    type=BeginType(),
    metavar="earliest|latest|TIME",
    default="earliest",
    show_default=True,
    help="Where a group begins that has never read. A time is a replay: it moves the group there, "
    "once for each start of this command.",
)
@click.option(
    "--audience",
    "audiences",
    type=TopicAudience(),
    multiple=True,
    metavar="TOPIC=TAG",
    help="Who may read the notices of a topic, and all that is made of them; again for more.  "
    "[default: everybody]",
)
@click.option("--spool", type=click.Path(path_type=Path), help="File of notices on their way.")
@click.option("--name", help="Name of this process in heartbeats.")
@click.option(
    "--replication",
    type=click.IntRange(min=1),
    help="Copies of a topic that is missing.  [default: 3, or as many as there are brokers]",
)
def gcn(
    topics: tuple[str, ...],
    group: str | None,
    begin: Begin,
    audiences: tuple[tuple[str, str], ...],
    spool: Path | None,
    name: str | None,
    replication: int | None,
) -> None:
    """Read GCN's notices: each is on the disk before GCN hears that we have it.

    The broker that receives them is CORRELATOR_BROKER. Credentials are CORRELATOR_GCN_CLIENT_ID and
    CORRELATOR_GCN_CLIENT_SECRET; or CORRELATOR_GCN_SERVERS names a broker that asks for none.

    Delivery is at least once, and a repeated notice changes nothing in the store.

    Example: correlator ingest gcn --topics recommended --topics gcn.notices.chime.frb
    """
    log_to_stderr(verbose=True)
    settings = Settings()
    if not settings.broker.startswith("kafka://"):
        raise ConfigurationError(f"broker {settings.broker}: an edge needs kafka://HOST:PORT")
    servers = servers_of(settings.broker)
    source = settings.gcn(topics, group)
    readers = _by_topic(audiences)
    check_topics(readers, source.notice_topics)
    kept = _opened(spool or settings.gcn_spool)
    try:
        _declare(servers, replication)
        beginning = Beginning(begin)
        edge = GcnEdge(
            GcnEdgeSettings(
                name=name or f"edge-gcn-{socket.gethostname()}-{os.getpid()}",
                most_spool_bytes=settings.gcn_spool_bytes,
                silent_after_s=settings.gcn_silent_s or None,
                renew_after_s=settings.gcn_renew_s,
                audiences=readers,
            ),
            lambda finish: GcnSource(source, beginning, finish),
            kept,
            Outbox(servers),
        )
        run_edge(edge)
    finally:
        kept.close()


def _opened(path: Path) -> Spool:
    try:
        return Spool(path)
    except (sqlite3.Error, OSError) as error:
        raise SpoolError(path, error) from error


def _declare(servers: str, replication: int | None) -> None:
    """Make our topics; while our broker is away, notices can be spooled all the same."""
    try:
        declare(servers, _TOPICS, replication)
    except BrokerError as error:
        if error.topic is not None:  # it is there, and does not want a topic of ours
            raise
        log.warning("broker_away", error=str(error))
