"""How an edge runs as a process: until a signal tells it to stop."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)


class Runs(Protocol):
    """What works until it is told to stop."""

    def run(self, is_told_to_stop: Callable[[], bool]) -> bool:
        """Work; whether everything that was read is safe."""


def run_edge(edge: Runs) -> None:
    """Run an edge until SIGTERM or SIGINT; leave with status 1 where something is not safe."""
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda signum, _: told.append(signum))
    gc.freeze()  # what the imports made is no garbage: not to be looked through for ever
    log.info("edge_started")
    is_done = edge.run(lambda: bool(told))
    log.info("edge_stopped", is_done=is_done)
    if not is_done:
        sys.exit(1)
