"""What the Comet process needs to know; the parent sends it as one line of JSON."""

from __future__ import annotations

from dataclasses import dataclass

LOOPBACK = ("127.0.0.0/8", "::1/128")
"""Networks of this machine: who may send and subscribe when nobody else is named."""

SEEN = "Previously seen by this broker"
"""Why a packet that came before is refused, in Comet's words."""

BUSY = "Subscribers are behind"
"""Why a packet of our own is refused for now: it is sent again a moment later."""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """How Comet works for us.

    Attributes
    ----------
    local_ivorn
        Who we are to other brokers.
    author_ivorn
        Who sends our own VOEvents: what is sent in that name by others is not taken.
    spool, seen
        Files of the packets that wait for Kafka, and of the digests of those that came.
    remotes
        Brokers that we subscribe to: host and port of each.
    filters
        XPath expressions: a broker sends what one of them is true of; all if there is none.
    authors, subscribers
        Networks that may send to us, and subscribe.
    receive_fd, broadcast_fd, own_fd
        Listening sockets for authors, for subscribers, and for our own VOEvents, by which the
        child inherits them; None for none.
    is_relay
        Whether subscribers get what others sent too.
    audience
        Who may read what others send to us.
    """

    local_ivorn: str
    author_ivorn: str
    spool: str
    seen: str
    remotes: tuple[tuple[str, int], ...] = ()
    filters: tuple[str, ...] = ()
    authors: tuple[str, ...] = LOOPBACK
    subscribers: tuple[str, ...] = LOOPBACK
    receive_fd: int | None = None
    broadcast_fd: int | None = None
    own_fd: int | None = None
    is_relay: bool = False
    audience: tuple[str, ...] = ()


def is_of(ivorn: str, author_ivorn: str) -> bool:
    """Whether a packet of that IVORN is an author's; case does not matter in an IVORN."""
    return ivorn.lower().startswith(f"{author_ivorn.lower()}#")
