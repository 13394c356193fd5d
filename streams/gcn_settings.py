"""Which of GCN's topics we read, and who we are there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import gcn_kafka

from correlator.errors import ConfigurationError
from streams.edge_source import careful_reader

GCN_HEARTBEAT = "gcn.heartbeat"
"""One record a second, which says only that the broker and our way to it are alive."""

_CIRCULARS = "gcn.circulars"
"""Prose, sent again at every edit; no notice, so a pattern never means it."""

RECOMMENDED = "recommended"
"""The word for :data:`RECOMMENDED_TOPICS` in a list of topics."""

_REFRESH_MS = 10_000
"""How often the client asks which topics there are [ms]: one comes into being with its first
notice, which is found so soon."""


def _classic(mission: str, *types: str) -> tuple[str, ...]:
    return tuple(f"gcn.classic.voevent.{mission}_{each}" for each in types)


RECOMMENDED_TOPICS = (
    "igwn.gwalert",
    "gcn.notices.svom.voevent.eclairs",
    "gcn.notices.svom.voevent.grm",
    "gcn.notices.svom.voevent.mxt",
    "gcn.notices.svom.voevent.vt",
    *_classic("FERMI_GBM", "ALERT", "FLT_POS", "GND_POS", "FIN_POS", "SUBTHRESH"),
    *_classic("FERMI_LAT", "POS_INI", "POS_UPD", "POS_DIAG", "GND", "OFFLINE", "TRANS"),
    *_classic("SWIFT", "BAT_QL_POS", "BAT_GRB_POS_ACK", "BAT_GRB_POS_NACK"),
    *_classic("SWIFT", "XRT_POSITION", "UVOT_POS"),
    "gcn.notices.swift.bat.guano",
    "gcn.notices.einstein_probe.wxt.alert",
    "gcn.notices.icecube.gold_bronze_track_alerts",
    "gcn.notices.icecube.lvk_nu_track_search",
    *_classic("ICECUBE", "ASTROTRACK_GOLD", "ASTROTRACK_BRONZE", "CASCADE"),
    "gcn.notices.km3net.alert",
    "gcn.notices.km3net.voevent",
)
"""What is live in 2026 and what we read (gcn.nasa.gov, Notices). Of the classic ones the VOEvent
form only; LVK's are no more since July 2026, INTEGRAL's since February 2025."""


@dataclass(frozen=True, slots=True)
class GcnSettings:
    """Where the notices come from, and who we are there.

    Attributes
    ----------
    group
        Consumer group. A fixed one is what makes the reading go on where it stopped.
    notice_topics
        Names, or regular expressions that begin with ``^``.
    client_id, client_secret, domain
        As GCN gave them to us, for its broker ``kafka.DOMAIN``.
    mirror
        ``HOST:PORT[,HOST:PORT...]`` of another broker, asked in plain text and without credentials.
    session_s
        After this silence of a reader its partitions go to the next one, as after a crash [s].
    has_heartbeat
        Whether the broker sends :data:`GCN_HEARTBEAT`.
    """

    group: str
    notice_topics: tuple[str, ...] = RECOMMENDED_TOPICS
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    domain: str = "gcn.nasa.gov"
    mirror: str | None = None
    session_s: float = 10.0
    has_heartbeat: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be read from.

        Raises
        ------
        ConfigurationError
            Neither credentials nor a mirror, or both; or a topic that cannot be meant.
        """
        if self.mirror is not None and (self.client_id or self.client_secret):
            raise ConfigurationError(
                "GCN: give the credentials or CORRELATOR_GCN_SERVERS, not both: "
                "a mirror is asked in plain text"
            )
        if self.mirror is None and not (self.client_id and self.client_secret):
            raise ConfigurationError(
                "GCN: set CORRELATOR_GCN_CLIENT_ID and CORRELATOR_GCN_CLIENT_SECRET "
                "(https://gcn.nasa.gov/user/credentials), or CORRELATOR_GCN_SERVERS=HOST:PORT "
                "for a broker without credentials"
            )
        for topic in self.notice_topics:
            _check_topic(topic)

    @property
    def servers(self) -> str:
        """Whom we ask, for messages."""
        return self.mirror or f"kafka.{self.domain}"

    def topics(self, now_unix_s: float) -> list[str]:
        """What to subscribe to; the same at all times."""
        del now_unix_s
        return [*self.notice_topics, *([GCN_HEARTBEAT] if self.has_heartbeat else [])]

    def client(self) -> dict[str, Any]:
        """Settings of the Kafka client, less the credentials.

        No static membership: who rejoins by its name gets what it had, and no topic that has come
        into being meanwhile (docs/adr/0013).
        """
        config = careful_reader(self.group) | {
            # A group whose commit is older than the broker's records must not skip those.
            "auto.offset.reset": "earliest",
            "session.timeout.ms": round(self.session_s * 1000.0),
            "heartbeat.interval.ms": round(self.session_s * 300.0),
            "topic.metadata.refresh.interval.ms": _REFRESH_MS,
            "topic.blacklist": f"^{re.escape(_CIRCULARS)}$",
        }
        if self.mirror is not None:
            config |= {"bootstrap.servers": self.mirror, "security.protocol": "plaintext"}
        return config

    def consumer(self, config: dict[str, Any]) -> Any:
        """GCN's own client."""
        if self.mirror is not None:
            return gcn_kafka.Consumer(config)
        # It takes any domain, though it names only three.
        domain: Any = self.domain
        return gcn_kafka.Consumer(config, self.client_id, self.client_secret, domain)


def topics_named(names: Iterable[str]) -> tuple[str, ...]:
    """The topics of a list in which the word ``recommended`` stands for many; none is those."""
    named = tuple(names) or (RECOMMENDED,)
    every = [t for name in named for t in (RECOMMENDED_TOPICS if name == RECOMMENDED else (name,))]
    return tuple(dict.fromkeys(every))


def _check_topic(topic: str) -> None:
    if topic in (GCN_HEARTBEAT, _CIRCULARS):
        raise ConfigurationError(f"topic {topic}: has no notices")
    if not topic.startswith("^"):
        return
    try:
        re.compile(topic)
    except re.error as error:
        raise ConfigurationError(f"topic {topic}: must be a pattern: {error}") from error
