"""``correlator worker``: one of the cluster's workers, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import click
import structlog
from aiokafka.errors import KafkaError
from sqlalchemy.exc import OperationalError

from correlator.errors import ConfigurationError
from correlator.policy import Policy
from correlator.service.arenas import bound_arenas
from correlator.service.commands.options import store_option, store_url_of
from correlator.service.settings import Settings
from correlator.service.wiring import running
from storage.errors import StoreAwayError
from storage.store import Store
from streams.admin import BrokerError, declare
from streams.settings import StreamSettings
from streams.topics import all_topics

log = structlog.get_logger(__name__)

T = TypeVar("T")

_LOOK_S = 0.2
_RESTART_AFTER_S = 1.0
_GARBAGE_OBJECTS = 2_000_000
"""Containers made and not freed by their counts, after which cycles among them are looked for.

Alerts and objects have none: in 100,000 alerts not one was found, and the search, through a full
cache of objects, took a tenth of the worker's time and stopped it for 0.8 s. So it is left for the
day on which something does leak, at most some 200 MB.
"""

_WAIT_S = 120.0
"""How long a worker waits at its start for a broker or a store that is away [s]."""


@click.command("worker")
@store_option
@click.option("--name", help="Name of this worker; default: host and process.")
@click.option(
    "--replication",
    type=click.IntRange(min=1),
    help="Copies of a topic that is missing.  [default: 3, or as many as there are brokers]",
)
def worker(store_url: str | None, name: str | None, replication: int | None) -> None:
    """Run one worker on a Kafka cluster; start as many as there is work for.

    Example: CORRELATOR_BROKER=kafka://127.0.0.1:9092 correlator worker --store postgresql+psycopg://correlator@127.0.0.1/correlator
    """
    bound_arenas()
    settings = Settings()
    if not settings.broker.startswith("kafka://"):
        raise ConfigurationError(
            f"broker {settings.broker}: a worker needs kafka://HOST:PORT; `correlator up` runs "
            "everything in one process without a broker"
        )
    policy = settings.policy()
    servers = settings.broker.removeprefix("kafka://").replace(";", ",")
    worker_name = name or f"worker-{socket.gethostname()}-{os.getpid()}"
    streams = replace(settings.stream_settings(), worker_name=worker_name)
    url = store_url_of(store_url)
    _patiently(lambda: declare(servers, all_topics(policy), replication))
    with _patiently(lambda: Store.open(url)) as store:
        _run(_until_told(streams, store, policy))


def _patiently(act: Callable[[], T]) -> T:
    """Do something, again and again for a while: what we need may be starting just now.

    Raises
    ------
    BrokerError, StoreAwayError
        It was away all the time.
    """
    give_up = time.monotonic() + _WAIT_S
    while True:
        try:
            return act()
        except (BrokerError, StoreAwayError, OperationalError) as error:
            if time.monotonic() >= give_up:
                raise
            log.warning("worker_waits", error=str(error))
            time.sleep(_RESTART_AFTER_S)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where there is one: a fifth less time per record (feasibility 3)."""
    gc.freeze()
    gc.set_threshold(_GARBAGE_OBJECTS, 10, 10)
    if sys.platform == "win32":
        asyncio.run(work)
        return
    import uvloop

    uvloop.run(work)


async def _until_told(settings: StreamSettings, store: Store, policy: Policy) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    while not told.is_set():
        # A Faust app that crashed cannot be started again: a new one takes its place.
        try:
            await _work(settings, store, policy, told)
        except (KafkaError, OSError) as error:
            log.error("worker_fails", worker=settings.worker_name, error=str(error))
        if not told.is_set():
            log.error("worker_restarts", worker=settings.worker_name)
            await asyncio.sleep(_RESTART_AFTER_S)


async def _work(
    settings: StreamSettings, store: Store, policy: Policy, told: asyncio.Event
) -> None:
    async with running(settings, store, policy, time.time) as pipeline:
        log.info("worker_started", worker=settings.worker_name)
        while not pipeline.has_failed:
            with suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), _LOOK_S)
                return
