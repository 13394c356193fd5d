"""Nights for the cluster, and what one process makes of them in memory and SQLite."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from correlator.policy import Policy
from correlator.service.archive import Archive, Delivery
from correlator.service.load_night import LoadNight
from correlator.service.replay import ReplayOptions, replay, write_replay
from correlator.simulation.load import LoadConfig, write_load
from storage.store import Store
from tests.cluster.cluster import read_results
from tests.cluster.contents import Content, content_of

LOAD_ALERTS = int(os.environ.get("CORRELATOR_LOAD_ALERTS", "20000"))
"""Size of the load night; 200000 for the full form."""

IS_FULL = LOAD_ALERTS >= 200_000


@dataclass(frozen=True, slots=True)
class Night:
    """Deliveries in their order, and the moment at which the results are asked for."""

    name: str
    deliveries: Iterable[Delivery]
    n_deliveries: int
    archive: Archive
    as_of_unix_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a night leaves behind: the files, and what the store holds."""

    files: dict[str, bytes]
    content: Content


def answer_in_memory(night: Night, folder: Path, shuffle_seed: int | None = None) -> Answer:
    """The night through `memory://` into SQLite, in one process."""
    folder.mkdir(parents=True)
    url = f"sqlite:///{folder / 'store.sqlite'}"
    with Store.open(url) as store:
        options = ReplayOptions(night.as_of_unix_s, shuffle_seed)
        write_replay(asyncio.run(replay(night.archive, store, Policy(), options)), store, folder)
    return Answer(read_results(folder), content_of(url))


@pytest.fixture(scope="session")
def load_night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """A simulated night with everything that may happen to a record."""
    folder = tmp_path_factory.mktemp("load") / "night"
    write_load(LoadConfig(n_alerts=LOAD_ALERTS, n_notices=40), folder)
    night = LoadNight(folder)
    return Night("load", night, len(night), night.archive(), night.as_of_unix_s)


@pytest.fixture(scope="session")
def load_answer(load_night: Night, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    """What nothing disturbs: the load night in one process."""
    return answer_in_memory(load_night, tmp_path_factory.mktemp("load-answer") / "memory")
