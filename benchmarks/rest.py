"""Whole lists over HTTP: how fast they come, and what memory the service takes for them."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event as Told
from threading import Thread

import httpx
import numpy as np
import pyarrow.parquet as pq
from sqlalchemy import insert, literal, select

from benchmarks.counterparts import counterpart
from benchmarks.live_events import event
from benchmarks.processes import Process, running
from benchmarks.timing import Row
from correlator.coincidence import correlate
from correlator.errors import ConfigurationError
from correlator.object import object_of
from correlator.pair import PairEvidence, coincidence_id
from correlator.policy import DAY_S, Policy
from correlator.ranking import Coincidence, rank_event
from skymaps.shapes import Circle
from storage.schema import coincidences
from storage.store import Store

SEED_ROWS = 1_000
"""Coincidences that are published one by one; the others are copies under other ids."""

LOOK_EVERY_S = 0.02
"""How often the memory of the service is looked at [s]."""

START_WITHIN_S = 60.0

SHARE = 4
"""How many times longer the long list is; the short one fills the caches of SQLite already."""

MEBIBYTE = 2**20

PUBLISHED_UNIX_S = 1_790_000_000.0


@dataclass(frozen=True, slots=True)
class Download:
    """One list as it came.

    Attributes
    ----------
    peak_bytes
        Most memory that the service had in use meanwhile.
    """

    n_rows: int
    n_bytes: int
    seconds: float
    peak_bytes: int


def fill_coincidences(store: Store, n: int) -> None:
    """Store so many current coincidences of one event: some published, the others copies."""
    template = a_coincidence()
    seeds = [_renamed(template, number) for number in range(min(n, SEED_ROWS))]
    store.coincidences.publish(template.pair.event_key, seeds, PUBLISHED_UNIX_S, "gone")
    n_made, times = len(seeds), 0
    while n_made < n:
        n_more, times = min(n - n_made, n_made), times + 1
        _copy(store, n_more, times)
        n_made += n_more


def a_coincidence() -> Coincidence:
    """A coincidence as the join and the ranking make it of a burst and its afterglow.

    Raises
    ------
    ConfigurationError
        The science cases of this release publish none of it.
    """
    burst = event(50, PUBLISHED_UNIX_S - DAY_S, Circle(150.0, 20.0, 0.05, 0.9, True))
    seen_unix_s = PUBLISHED_UNIX_S - 0.7 * DAY_S
    obj = object_of(counterpart(burst, 0, seen_unix_s, np.random.default_rng(1)))
    policy = Policy()
    pair = correlate(obj, burst, policy)
    if isinstance(pair, PairEvidence):
        found = rank_event(burst, [pair], policy, PUBLISHED_UNIX_S).coincidences
        if found:
            return found[0]
    raise ConfigurationError(f"the template of the benchmark is no coincidence any more: {pair}")


def _renamed(template: Coincidence, number: int) -> Coincidence:
    pair, object_key = template.pair, f"ztf:ZTF26{number:07d}"
    name = coincidence_id(pair.event_key, object_key)
    named = replace(pair, object_key=object_key, coincidence_id=name)
    return replace(template, pair=named, rank=number + 1)


def _copy(store: Store, n: int, times: int) -> None:
    """Copies of the first rows under other ids, within the database; what they say is the same."""
    c = coincidences.c
    renamed = {"coincidence_id": c.coincidence_id + literal(f"-{times}")}
    columns = [renamed.get(column.name, column).label(column.name) for column in c]
    found = select(*columns).order_by(c.coincidence_id).limit(n)
    with store.engine.begin() as connection:
        connection.execute(insert(coincidences).from_select([x.name for x in c], found))


@contextmanager
def served(store_url: str, folder: Path) -> Iterator[tuple[str, Process]]:
    """A `correlator serve` in a process of its own, and its address; ended with the context.

    Raises
    ------
    ConfigurationError
        It does not answer.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve", "--store", store_url, "--port", str(port)]
    command = [sys.executable, "-m", "correlator.service.cli", *words]
    address = f"http://127.0.0.1:{port}/api/v1"
    with running("serve", command, folder, "127.0.0.1:1", store_url, "rest") as process:
        give_up = time.monotonic() + START_WITHIN_S
        while not _answers(f"{address}/readyz"):
            process.check()
            if time.monotonic() > give_up:
                raise ConfigurationError(f"{address} does not answer:\n{process.said()}")
            time.sleep(0.1)
        yield address, process


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def download(process: Process, url: str, path: Path) -> Download:
    """A list as a file, with the memory of the service sampled until it has come."""
    peak, is_done = [process.rss_bytes()], Told()

    def look() -> None:
        while not is_done.wait(LOOK_EVERY_S):
            peak.append(max(peak.pop(), process.rss_bytes()))

    watcher = Thread(target=look)
    watcher.start()
    began = time.perf_counter()
    try:
        with httpx.stream("GET", url, timeout=60.0) as answer, path.open("wb") as file:
            answer.raise_for_status()
            n_bytes = sum(file.write(piece) for piece in answer.iter_bytes())
    finally:
        is_done.set()
        watcher.join()
    seconds = time.perf_counter() - began
    return Download(pq.ParquetFile(path).metadata.num_rows, n_bytes, seconds, peak[0])


def downloaded(n: int, folder: Path) -> Download:
    """So many coincidences of a new SQLite store, from a service of its own."""
    url = f"sqlite:///{folder / f'rest-{n}.sqlite'}"
    with Store.open(url) as store:
        fill_coincidences(store, n)
    with served(url, folder) as (address, process):
        path = folder / "coincidences.parquet"
        return download(process, f"{address}/coincidences?format=parquet", path)


def rest(n: int, folder: Path) -> Iterator[Row]:
    """Coincidences of a SQLite store as Parquet: a fourth of them, and all of them."""
    small, large = (downloaded(n_rows, folder) for n_rows in (n // SHARE, n))
    for name, one in (("few", small), ("all", large)):
        yield Row(f"rest.parquet.{name}.rows", one.n_rows, "rows")
        yield Row(f"rest.parquet.{name}.rate", one.n_rows / one.seconds, "rows/s")
        yield Row(f"rest.parquet.{name}.size", one.n_bytes / MEBIBYTE, "MiB")
        yield Row(f"rest.parquet.{name}.peak", one.peak_bytes / MEBIBYTE, "MiB")
    growth = (large.peak_bytes - small.peak_bytes) / MEBIBYTE
    yield Row("rest.parquet.growth", growth, "MiB")
