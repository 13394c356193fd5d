"""What Comet asks before it says ACK: a packet that passes a gate is on the disk.

Comet acknowledges as soon as its validators are content and calls its handlers afterwards, so what
must not be lost is kept by a validator (ADR 0014).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import comet
import structlog
from comet.icomet import IValidator
from comet.validator import CheckIVOID, CheckSchema
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.threads import deferToThread
from zope.interface import implementer

from correlator.errors import CorrelatorError
from streams.vtp.seen import SeenPackets, digest_of
from streams.vtp.settings import BUSY, SEEN, is_of

log = structlog.get_logger(__name__)

RETRY_AFTER_S = 1.0
"""Wait before a packet that the disk did not take is put again [s]."""

MOST_WAITING = 500
"""Packets that may wait for the disk before we read no more of other brokers."""

_MOST_AT_ONCE = 500
"""Packets that are put together."""

Later = Callable[..., Any]
"""Calls a function after some seconds: the reactor's ``callLater``."""


class RefusedError(CorrelatorError):
    """A packet is not taken; the sender is told why."""


class Batcher:
    """Puts what comes at the same time to the disk together, outside the reactor's thread.

    Parameters
    ----------
    keep
        Keeps packets and says of each whether it is new.
    in_thread
        Runs a function in a thread.
    """

    def __init__(
        self,
        keep: Callable[[Sequence[tuple[str, bytes]]], list[bool]],
        in_thread: Callable[..., Any] = deferToThread,
    ) -> None:
        self._keep = keep
        self._in_thread = in_thread
        self._waiting: list[tuple[tuple[str, bytes], Any]] = []
        self._is_busy = False

    def put(self, name: str, packet: bytes) -> Any:
        """A deferred of whether the packet is new; it is on the disk when that comes."""
        said: Any = Deferred()
        self._waiting.append(((name, packet), said))
        self._begin()
        return said

    def _begin(self) -> None:
        if self._is_busy or not self._waiting:
            return
        self._is_busy = True
        batch, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
        told = [said for _, said in batch]
        running = self._in_thread(self._keep, [packet for packet, _ in batch])
        running.addBoth(self._next)
        running.addCallbacks(_tell_each, _fail_each, callbackArgs=(told,), errbackArgs=(told,))

    def _next(self, result: Any) -> Any:
        self._is_busy = False
        self._begin()
        return result


def _tell_each(news: Iterable[bool], told: Iterable[Any]) -> None:
    for said, is_new in zip(told, news, strict=True):
        said.callback(is_new)


def _fail_each(failure: Any, told: Iterable[Any]) -> None:
    for said in told:
        said.errback(failure)


class FormCheck:
    """Whether a packet is a VOEvent 2.0 with an IVORN of its own, as Comet asks of authors."""

    def __init__(self) -> None:
        schema = Path(comet.__path__[0]) / "schema" / "VOEvent-v2.0.xsd"
        self._schema = CheckSchema(str(schema))
        self._ivorn = CheckIVOID()

    def __call__(self, event: Any) -> Any:
        """A deferred that fails with the rule that the packet breaks."""
        checking = maybeDeferred(self._schema, event)
        checking.addCallback(lambda _: self._ivorn(event))
        return checking


@implementer(IValidator)
class AuthorGate:
    """Asks of a packet from an author: it is well-formed, new, not in our name, and on the disk.

    An author is told when the disk does not take it, and sends it again.

    Parameters
    ----------
    batcher
        The way to the disk.
    check
        Whether it is well-formed.
    author_ivorn
        Our own name.
    """

    def __init__(self, batcher: Batcher, check: Callable[[Any], Any], author_ivorn: str) -> None:
        self._batcher = batcher
        self._check = check
        self._author_ivorn = author_ivorn

    def __call__(self, event: Any) -> Any:
        """A deferred; it fails with why the packet is not taken."""
        ivorn = event.element.attrib["ivorn"]
        if is_of(ivorn, self._author_ivorn):
            raise RefusedError(f"{ivorn}: only we send in that name")
        _refuse_dtd(event)
        taking = self._check(event)
        taking.addCallback(lambda _: self._put(ivorn, event.raw_bytes))
        taking.addCallback(_refuse_known)
        return taking

    def _put(self, ivorn: str, packet: bytes) -> Any:
        return self._batcher.put(ivorn, packet).addErrback(_log_failure, ivorn)


@implementer(IValidator)
class RemoteGate:
    """Takes what other brokers send: what is new and not our own is on the disk.

    No broker sends a packet twice, so what the disk does not take is put again until it does.

    Parameters
    ----------
    batcher
        The way to the disk.
    author_ivorn
        Our own name: what we sent ourselves comes back from other brokers.
    later
        The reactor's ``callLater``.
    """

    def __init__(self, batcher: Batcher, author_ivorn: str, later: Later) -> None:
        self._batcher = batcher
        self._author_ivorn = author_ivorn
        self._later = later
        self._n_waiting = 0
        self._when_roomy: list[Callable[[], object]] = []

    def __call__(self, event: Any) -> Any:
        """A deferred; it fails if the packet came before or is our own."""
        ivorn = event.element.attrib["ivorn"]
        if is_of(ivorn, self._author_ivorn):
            raise RefusedError(f"{ivorn}: it is our own")
        taking = self.put(ivorn, event.raw_bytes).addCallback(_refuse_known)
        # It is kept, to be refused by name; it does not go to subscribers.
        return taking.addCallback(lambda _: _refuse_dtd(event))

    def put(self, name: str, packet: bytes) -> Any:
        """A deferred of whether the packet is new, which comes once it is on the disk."""
        said: Any = Deferred()
        self._n_waiting += 1
        self._try(name, packet, said)
        return said.addCallback(self._done)

    @property
    def is_full(self) -> bool:
        """Whether no more should be read."""
        return self._n_waiting >= MOST_WAITING

    def when_roomy(self, go_on: Callable[[], object]) -> None:
        """Call that as soon as more may be read."""
        self._when_roomy.append(go_on)

    def _try(self, name: str, packet: bytes, said: Any) -> None:
        self._batcher.put(name, packet).addCallbacks(
            said.callback, self._again, errbackArgs=(name, packet, said)
        )

    def _again(self, failure: Any, name: str, packet: bytes, said: Any) -> None:
        log.error("packet_not_kept", ivorn=name, error=failure.getErrorMessage(), again=True)
        self._later(RETRY_AFTER_S, self._try, name, packet, said)

    def _done(self, is_new: bool) -> bool:
        self._n_waiting -= 1
        if self._when_roomy and not self.is_full:
            waiting, self._when_roomy = self._when_roomy, []
            for go_on in waiting:
                go_on()
        return is_new


@implementer(IValidator)
class OwnGate:
    """Broadcasts our own packets, and remembers them, before they count as taken.

    Parameters
    ----------
    seen
        What was broadcast before.
    check
        Whether a packet is well-formed.
    author_ivorn
        Our own name.
    broadcasters
        Those who are subscribed now, a list that changes. While one of them ``is_behind()``, no
        packet is taken: ours can wait where they are.
    now
        The clock [s since the Unix epoch].
    """

    def __init__(
        self,
        seen: SeenPackets,
        check: Callable[[Any], Any],
        author_ivorn: str,
        broadcasters: list[Any],
        now: Callable[[], float],
    ) -> None:
        self._seen = seen
        self._check = check
        self._author_ivorn = author_ivorn
        self._broadcasters = broadcasters
        self._now = now

    def __call__(self, event: Any) -> Any:
        """A deferred; it fails with why the packet is not broadcast."""
        ivorn = event.element.attrib["ivorn"]
        if not is_of(ivorn, self._author_ivorn):
            raise RefusedError(f"{ivorn}: our VOEvents begin with {self._author_ivorn}#")
        if any(each.is_behind() for each in self._broadcasters.copy()):
            raise RefusedError(BUSY)
        digest = digest_of(event.raw_bytes)
        sending = self._check(event)
        sending.addCallback(lambda _: _refuse_known(not self._seen.known([digest])))
        sending.addCallback(lambda _: send_to_all(self._broadcasters, event))
        sending.addCallback(lambda _: self._seen.add([digest], self._now()))
        return sending


def send_to_all(broadcasters: Iterable[Any], event: Any) -> Any:
    """A deferred that comes when a packet is on its way to each subscriber that wants it."""
    sending = [maybeDeferred(each.send_event, event) for each in list(broadcasters)]
    return DeferredList(sending, consumeErrors=True)


def _refuse_known(is_new: bool) -> None:
    if not is_new:
        raise RefusedError(SEEN)


def _refuse_dtd(event: Any) -> None:
    if event.element.getroottree().docinfo.internalDTD is not None:
        raise RefusedError("XML must not hold a DTD or an entity")


def _log_failure(failure: Any, ivorn: str) -> Any:
    log.error("packet_not_kept", ivorn=ivorn, error=failure.getErrorMessage(), again=False)
    return failure
