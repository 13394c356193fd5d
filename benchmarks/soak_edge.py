"""``python -m benchmarks.soak_edge``: an edge that gets so many packets a second, until stopped."""

from __future__ import annotations

import gc
import signal
import threading
import time
import uuid
from types import FrameType
from typing import Any

import click

from benchmarks.ingest_loops import AgainConsumer
from correlator.service.telemetry import log_to_stderr
from streams.edge import Edge, EdgeSettings
from streams.edge_outbox import Outbox
from streams.edge_source import Source, SourceSettings

_WAIT_S = 0.02
"""So many seconds' packets come together, as a survey's do."""


class PacedConsumer(AgainConsumer):
    """A consumer of rings that gives no more than its rate, whatever is there."""

    def __init__(self, config: dict[str, Any], rate: float) -> None:
        super().__init__(config)
        self._rate = rate
        self._n_given = 0
        self._began: float | None = None

    def consume(self, most: int, timeout: float) -> list[Any]:
        """The next messages, those whose time has come."""
        if self._began is None:
            self._began = time.monotonic()
        due = int((time.monotonic() - self._began) * self._rate) - self._n_given
        if due <= 0:
            time.sleep(min(timeout, _WAIT_S))
            return []
        messages = super().consume(min(most, due), timeout)
        self._n_given += len(messages)
        return messages


@click.command()
@click.option("--broker", required=True, help="HOST:PORT")
@click.option("--topic", required=True)
@click.option("--rate", type=float, required=True)
def main(broker: str, topic: str, rate: float) -> None:
    """Take packets of ZTF's from a topic, again and again, as `correlator ingest optical` does."""
    log_to_stderr(verbose=True)
    told = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        told.set()

    signal.signal(signal.SIGTERM, stop)
    gc.freeze()  # as correlator ingest does
    settings = SourceSettings(broker, topic, f"bench-{uuid.uuid4().hex}")
    edge = Edge(
        EdgeSettings(name="edge-soak", survey="ztf"),
        lambda finish: Source(settings, finish, lambda config: PacedConsumer(config, rate)),
        Outbox(broker),
    )
    edge.run(told.is_set)


if __name__ == "__main__":
    main()
