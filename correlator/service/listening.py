"""How far a listener is, and whether the service is alive while nothing comes."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

from correlator.client.listener import Listener

SILENT_S = 30.0
"""After so long without a notice it is said why on a pipe, once [s]."""

_ALIVE_S = 10.0
"""A heartbeat of that age is one: there is one a second [s]."""


class Progress:
    """Notices, lag and heartbeat in a line of the terminal; silence on a pipe.

    Parameters
    ----------
    topics
        What is listened to.
    """

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = ", ".join(topics)
        console = Console(file=sys.stderr)
        self._status = Status("", console=console) if console.is_terminal else None
        self._quiet_since_s, self._n = time.monotonic(), 0
        self._is_said = False

    def show(self, listener: Listener, n_notices: int) -> None:
        """Say how far it is."""
        now_s = time.monotonic()
        if n_notices > self._n:
            self._n, self._quiet_since_s, self._is_said = n_notices, now_s, False
        quiet_s = now_s - self._quiet_since_s
        heard = what_was_heard(listener.heartbeat_unix_s, time.time(), listener.complaint)
        if self._status is not None:
            said = f"{self._topics}: {n_notices} notices, {listener.lag} behind; {heard}"
            self._status.update(Text(said))
        elif quiet_s >= SILENT_S and not self._is_said:
            self._is_said = True
            print(f"{self._topics}: nothing for {quiet_s:.0f} s; {heard}", file=sys.stderr)

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()


def what_was_heard(heartbeat_unix_s: float | None, now_unix_s: float, complaint: str | None) -> str:
    """Whether the service is alive, in words.

    Parameters
    ----------
    heartbeat_unix_s
        The last heartbeat [s since the Unix epoch]; None when there was none.
    complaint
        What the connection said last.
    """
    if heartbeat_unix_s is None:
        return (
            f"no heartbeat of the service was heard ({complaint or 'none is sent, or not to us'})"
        )
    age_s = max(0.0, now_unix_s - heartbeat_unix_s)
    if age_s <= _ALIVE_S:
        return f"the service is alive, heartbeat {age_s:.0f} s ago"
    return f"the service is silent, last heartbeat {age_s:.0f} s ago ({complaint or 'it is down'})"
