"""The Comet process: Comet's receiver, subscribers and broadcaster, with our gates in them.

Run as ``python -m streams.vtp.broker`` by :mod:`streams.vtp.child`: the first line of its standard
input is its settings, the end of that input is its end, as when its parent was killed.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import structlog
from comet.protocol import (
    VOEventBroadcasterFactory,
    VOEventReceiverFactory,
    VOEventSubscriberFactory,
)
from comet.protocol.base import VOEVENT_ROLES
from comet.protocol.broadcaster import VOEventBroadcaster
from comet.protocol.subscriber import VOEventSubscriber
from comet.utility import ParseError, WhitelistingFactory, xml_document
from twisted.internet import reactor
from twisted.internet.defer import succeed
from twisted.internet.task import LoopingCall
from twisted.python.log import startLogging

from correlator.wire import of_json
from streams.spool import Spool
from streams.vtp.gates import AuthorGate, Batcher, FormCheck, OwnGate, RemoteGate, send_to_all
from streams.vtp.keeper import Keeper
from streams.vtp.seen import SeenPackets
from streams.vtp.settings import BrokerSettings

log = structlog.get_logger(__name__)

MOST_CONNECTIONS = 100
"""Connections to one port at a time: each may hold a message of 100 kB that is not complete."""

MOST_UNACKNOWLEDGED = 1000
"""Packets that a subscriber may leave without its ACK. With Comet's 10, one that is a moment behind
when its connection is looked at, once a minute, is cut off and misses what follows."""

SETTLE_S = 5.0
"""Wait before we broadcast packets of our own [s]: subscribers that lost us come back meanwhile."""

MOST_AHEAD = 100
"""With so many packets unacknowledged a subscriber is waited for before we send more of our own."""

STUCK_AFTER_S = 30.0
"""A subscriber that is behind and acknowledges nothing for so long is cut off [s]."""

_SAY_EVERY_S = 1.0
"""How often our parent hears that the reactor turns [s]."""

_END_WITHIN_S = 5.0
"""How long the reactor may take to end once our parent has gone [s]."""


class Door(WhitelistingFactory):  # type: ignore[misc]
    """Lets in who is on a list of networks, and not too many at once."""

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802
        """The protocol of a connection; None ends it."""
        if len(self.protocols) >= MOST_CONNECTIONS:
            log.warning("too_many_connections", kind=self.connection_type, peer=str(addr))
            return None
        return super().buildProtocol(addr)


class Subscriber(VOEventSubscriber):  # type: ignore[misc]
    """Comet's subscriber, which reads no more than the disk takes, and drops no packet unseen."""

    def stringReceived(self, data: bytes) -> None:  # noqa: N802
        """Take a message; what Comet does not take for one goes on, to be refused by name."""
        gate = self.factory.gate
        if _is_message(data):
            super().stringReceived(data)
        else:
            peer = self.transport.getPeer()
            log.warning("message_not_understood", peer=str(peer), n_bytes=len(data))
            gate.put(f"vtp://{peer.host}:{peer.port}", data)
        if gate.is_full:
            self.pauseProducing()
            gate.when_roomy(self.resumeProducing)


class Broadcaster(VOEventBroadcaster):  # type: ignore[misc]
    """Comet's broadcaster, which cuts off a subscriber that does not read.

    Comet waits until everything was sent before it ends such a connection, and goes on filling it.
    """

    MAX_OUTSTANDING_ACK = MOST_UNACKNOWLEDGED

    _acknowledged_at = 0.0

    def connectionMade(self) -> None:  # noqa: N802
        """Greet a subscriber."""
        self._acknowledged_at = time.monotonic()
        super().connectionMade()

    def stringReceived(self, data: bytes) -> None:  # noqa: N802
        """Take a message, and note when an ACK came."""
        before = self.outstanding_ack
        super().stringReceived(data)
        if self.outstanding_ack < before:
            self._acknowledged_at = time.monotonic()

    def send_event(self, event: Any) -> Any:
        """Send a packet if the subscriber wants it."""
        if self.outstanding_ack >= MOST_UNACKNOWLEDGED:
            self._cut_off()
            return succeed(None)
        if not self.outstanding_ack:
            self._acknowledged_at = time.monotonic()
        return super().send_event(event)

    def is_behind(self) -> bool:
        """Whether the subscriber should be waited for."""
        if self.outstanding_ack < MOST_AHEAD:
            return False
        if time.monotonic() - self._acknowledged_at < STUCK_AFTER_S:
            return True
        self._cut_off()
        return False

    def _cut_off(self) -> None:
        peer, n_left = str(self.transport.getPeer()), self.outstanding_ack
        log.warning("subscriber_cut_off", peer=peer, unacknowledged=n_left)
        self.transport.abortConnection()


def _is_message(data: bytes) -> bool:
    """Whether Comet's subscriber knows what to do with a message."""
    try:
        element = xml_document(data).element
    except ParseError:
        return False
    role = element.get("role")
    if role in VOEVENT_ROLES:
        return "ivorn" in element.attrib
    return role in ("iamalive", "authenticate") and element.find("Origin") is not None


def build(settings: BrokerSettings, reactor: Any, now: Callable[[], float] = time.time) -> None:
    """Open what the settings ask for.

    Parameters
    ----------
    reactor
        Twisted's.
    now
        The clock [s since the Unix epoch].

    Raises
    ------
    sqlite3.Error
        One of the files cannot be used.
    """
    seen = SeenPackets(Path(settings.seen))
    keeper = Keeper(Spool(Path(settings.spool)), seen, now, settings.audience)
    batcher = Batcher(keeper.keep)
    check = FormCheck()
    broadcast = VOEventBroadcasterFactory(settings.local_ivorn, 0)
    broadcast.protocol = Broadcaster
    others = broadcast.broadcasters if settings.is_relay else []

    def relay(event: Any) -> Any:
        return send_to_all(others, event)

    def receiver(gate: Any, handlers: list[Any]) -> Any:
        factory = VOEventReceiverFactory(settings.local_ivorn, [gate], handlers)
        factory.noisy = False
        return factory

    def listen(fd: int | None, factory: Any, networks: tuple[str, ...], kind: str) -> None:
        if fd is None:
            return
        door = Door(factory, [ip_network(each) for each in networks], kind)
        door.noisy = False
        with socket.socket(fileno=os.dup(fd)) as listening:
            listening.setblocking(False)  # as Twisted wants it
            reactor.adoptStreamPort(fd, listening.family, door)

    author_gate = AuthorGate(batcher, check, settings.author_ivorn)
    listen(settings.receive_fd, receiver(author_gate, [relay]), settings.authors, "submission")
    listen(settings.broadcast_fd, broadcast, settings.subscribers, "subscription")
    # A memory of its own: the other one is used by another thread.
    own_gate = OwnGate(
        SeenPackets(Path(settings.seen)),
        check,
        settings.author_ivorn,
        broadcast.broadcasters,
        now,
    )
    own = receiver(own_gate, [])
    reactor.callLater(
        SETTLE_S, listen, settings.own_fd, own, ("127.0.0.1/32",), "submission of our own"
    )
    remote_gate = RemoteGate(batcher, settings.author_ivorn, reactor.callLater)
    for host, port in settings.remotes:
        remote = VOEventSubscriberFactory(
            settings.local_ivorn, [remote_gate], [relay], list(settings.filters)
        )
        remote.protocol, remote.gate, remote.noisy = Subscriber, remote_gate, False
        reactor.connectTCP(host, port, remote)


def _end_with_parent() -> None:
    """Wait for the end of standard input, then end."""
    while sys.stdin.buffer.read(4096):
        pass
    reactor.callFromThread(reactor.stop)
    time.sleep(_END_WITHIN_S)
    os._exit(1)


def main() -> None:
    """Work until the parent closes our standard input, or is gone."""
    settings = of_json(BrokerSettings, sys.stdin.buffer.readline(), "settings of the broker")
    startLogging(sys.stderr, setStdout=False)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    build(settings, reactor)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    LoopingCall(os.write, sys.stdout.fileno(), b".").start(_SAY_EVERY_S)
    reactor.run()


if __name__ == "__main__":
    main()
