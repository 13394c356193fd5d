"""A cluster for tests: the real workers as processes, on a real broker and a real store.

What a test asks of it ends in bounded time: with the answer, or with an error that shows the last
lines of every worker's log. No process outlives the test that started it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient
from sqlalchemy import func, select

from correlator.policy import Policy
from correlator.service.archive import Delivery
from storage.schema import objects
from storage.store import Store
from streams.admin import BrokerError, declare, lag_of, left_of
from streams.heartbeat import Heartbeat, latest_heartbeats
from streams.topics import GROUP_TOPICS, OPTICAL_ALERTS, all_topics
from tests.cluster.feed import produce

ROOT = Path(__file__).parents[2]

CONSUMED = tuple(t.name for t in GROUP_TOPICS)
"""Topics that the group of the workers reads and commits."""

RESULTS = ("events", "pairs", "rankings", "coincidences", "targets", "joint_events")

_LOOK_S = 0.3
_ANSWER_S = 5.0
_RECENT_S = 15.0
_TAIL_LINES = 25
_STOPS_WITHIN_S = 90.0
_EXPORTS_WITHIN_S = 600.0


class ClusterError(AssertionError):
    """The cluster did not do what it should; says what, and what the workers said last."""


@dataclass
class Worker:
    """One `correlator worker` process; a restarted one is another worker with another name.

    Attributes
    ----------
    is_told
        Whether it was killed or told to end.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    is_told: bool = False

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """End as by a power cut."""
        self.is_told = True
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=30.0)

    @property
    def had_started(self) -> bool:
        return b"worker_started" in self.log.read_bytes()

    def tail(self) -> str:
        """What it said last."""
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        state = "alive" if self.is_alive else f"exit state {self.process.returncode}"
        return "\n".join([f"--- {self.name} ({state})", *lines])


@dataclass(frozen=True, slots=True)
class Share:
    """What the group has given to a worker.

    Attributes
    ----------
    partitions
        Of the alerts.
    uncommitted
        Records of all its partitions, of every topic, that it has not committed.
    """

    partitions: frozenset[int]
    uncommitted: int


class Cluster(AbstractContextManager["Cluster"]):
    """Workers, a broker and a store; left by its context, all its processes are ended.

    Parameters
    ----------
    servers
        Bootstrap servers of a broker that no other cluster uses: the topics' names are fixed.
    store_url
        An event store of its own.
    folder
        For logs and results.

    Attributes
    ----------
    workers
        Those that run or ran.
    refused
        Those that could not start, because a server was away; each was started again.
    """

    def __init__(
        self, servers: str, store_url: str, folder: Path, app_id: str = "correlator"
    ) -> None:
        self.servers, self.store_url, self.app_id = servers, store_url, app_id
        self.workers: list[Worker] = []
        self.refused: list[Worker] = []
        self._folder = folder
        self._started = 0
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Cluster:
        """Make the tables and the topics."""
        Store.open(self.store_url).close()
        declare(self.servers, all_topics(Policy()), replication=1)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            if worker.is_alive:
                worker.kill()

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.is_alive]

    # -- processes -------------------------------------------------------------------------------

    def start(self, n: int = 1) -> list[Worker]:
        """Start workers; they are ready when their heartbeats say so."""
        return [self._start() for _ in range(n)]

    def terminate(self, *workers: Worker) -> None:
        """Ask workers to end in order, and wait until they have.

        Raises
        ------
        ClusterError
            One does not end in time, or not with success.
        """
        for worker in workers:
            worker.is_told = True
            worker.process.terminate()
        deadline = time.monotonic() + _STOPS_WITHIN_S
        for worker in workers:
            try:
                state = worker.process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise self._error(f"{worker.name} has not ended {_STOPS_WITHIN_S} s on") from None
            if state != 0:
                raise self._error(f"{worker.name} ended in order, but with state {state}")

    def _start(self) -> Worker:
        self._started += 1
        name = f"worker-{self._started}"
        log = self._folder / f"{name}.log"
        with log.open("wb") as file:
            process = self._run(["--verbose", "worker", "--name", name], file)
        worker = Worker(name, process, log)
        self.workers.append(worker)
        return worker

    def _run(self, words: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
        ours = {key: v for key, v in os.environ.items() if not key.startswith("CORRELATOR_")}
        chosen = {
            "CORRELATOR_FETCH_MAPS": "false",
            "CORRELATOR_BROKER": f"kafka://{self.servers}",
            "CORRELATOR_STORE": self.store_url,
            "CORRELATOR_APP_ID": self.app_id,
            "PYTHONUNBUFFERED": "1",
        }
        return subprocess.Popen(
            [*_dies_with_us(), sys.executable, "-m", "correlator.service.cli", *words],
            cwd=ROOT,
            env=ours | chosen,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    # -- records ---------------------------------------------------------------------------------

    def produce(self, deliveries: Iterable[Delivery]) -> int:
        """Produce records and wait until the broker has them all; how many there were."""
        return produce(self.servers, deliveries)

    def lag(self) -> int:
        """Records that the workers have not committed."""
        return sum(lag_of(self.servers, self.app_id, CONSUMED).values())

    def share_of(self, worker: Worker) -> Share | None:
        """What is a worker's just now; None while the group is being made anew."""
        admin = AdminClient({"bootstrap.servers": self.servers, "log_level": 2})
        try:
            asked = admin.describe_consumer_groups([self.app_id], request_timeout=_ANSWER_S)
            group = asked[self.app_id].result()
            mine = [
                (slot.topic, slot.partition)
                for member in group.members
                if member.client_id == worker.name
                for slot in member.assignment.topic_partitions
            ]
            if group.state != ConsumerGroupState.STABLE or not mine:
                return None
            left = left_of(self.servers, self.app_id, mine)
        except (KafkaException, BrokerError):
            return None
        alerts = (n for topic, n in mine if topic == OPTICAL_ALERTS.name)
        return Share(frozenset(alerts), sum(left.values()))

    def handled(self, share: Share) -> int:
        """Alerts in the store that are of a share's objects."""
        place = objects.c.key_hash % OPTICAL_ALERTS.partitions
        asked = select(func.coalesce(func.sum(objects.c.version), 0)).where(
            place.in_(sorted(share.partitions))
        )
        with Store.open(self.store_url, migrate=False) as store, store.engine.connect() as c:
            return int(c.execute(asked).scalar_one())

    def heartbeats(self, recent_s: float = _RECENT_S) -> dict[str, Heartbeat]:
        """The newest heartbeat of each worker that is alive, by name."""
        names = {worker.name for worker in self.alive}
        found = latest_heartbeats(self.servers, recent_s)
        return {name: beat for name, beat in found.items() if name in names}

    # -- waiting ---------------------------------------------------------------------------------

    def wait_until(self, holds: Callable[[], bool], what: str, within_s: float) -> None:
        """Look until something holds; a broker that is away counts as "not yet".

        Raises
        ------
        ClusterError
            It does not hold in time, or a worker that nobody stopped has died.
        """
        deadline = time.monotonic() + within_s
        last = ""
        while time.monotonic() < deadline:
            self.check_workers()
            try:
                if holds():
                    return
            except BrokerError as error:
                last = f"; {error}"
            time.sleep(_LOOK_S)
        raise self._error(f"not within {within_s:.0f} s: {what}{last}; {self._standing()}")

    def wait_until_ready(self, within_s: float = 120.0) -> None:
        """Wait until every living worker owns its share."""

        def ready() -> bool:
            beats = self.heartbeats()
            return all(w.name in beats and beats[w.name].is_idle for w in self.alive)

        self.wait_until(ready, "every worker idle and ready", within_s)

    def wait_until_done(self, within_s: float) -> None:
        """Wait until nothing is left: no lag, and twice in a row every worker idle after that.

        Idle by a heartbeat that is younger than the moment at which the lag was seen to be none.
        """
        counted = 0
        seen_unix_s = 0.0

        def done() -> bool:
            nonlocal counted, seen_unix_s
            if self.lag():
                counted, seen_unix_s = 0, 0.0
                return False
            if not seen_unix_s:
                seen_unix_s = time.time()
            beats = self.heartbeats()
            young = [beats.get(w.name) for w in self.alive]
            if not young or any(b is None or b.time_unix_s <= seen_unix_s for b in young):
                return False
            idle = all(b is not None and b.is_idle and b.pending == 0 for b in young)
            counted, seen_unix_s = (counted + 1, time.time()) if idle else (0, 0.0)
            return counted == 2

        self.wait_until(done, "all records handled and every worker idle", within_s)

    def check_workers(self) -> None:
        """Start a worker again that could not start, as a supervisor would.

        Raises
        ------
        ClusterError
            A worker has ended of itself after it had started.
        """
        for worker in [w for w in self.workers if not w.is_alive and not w.is_told]:
            if worker.had_started:
                raise self._error(f"{worker.name} ended of itself")
            self.workers.remove(worker)
            self.refused.append(worker)
            self._start()

    # -- results ---------------------------------------------------------------------------------

    def results(self, as_of_unix_s: float) -> dict[str, bytes]:
        """What `correlator export` writes for a moment, by file.

        Raises
        ------
        ClusterError
            The command fails or does not end.
        """
        out = self._folder / "results"
        when = datetime.fromtimestamp(as_of_unix_s, UTC).isoformat()
        said = self._folder / "export.log"
        with said.open("wb") as file:
            process = self._run(["export", "--as-of", when, "--out", str(out)], file)
        try:
            state = process.wait(timeout=_EXPORTS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            state = None
        if state != 0:
            raise self._error(f"export ended with {state}: {said.read_text(errors='replace')}")
        return read_results(out)

    def _standing(self) -> str:
        try:
            lag, beats = lag_of(self.servers, self.app_id, CONSUMED), self.heartbeats()
        except BrokerError as error:
            return f"the broker does not answer: {error}"
        said = [f"{b.source} pending {b.pending} idle {b.is_idle}" for b in beats.values()]
        return f"lag {lag}; {', '.join(said) or 'no heartbeat'}"

    def _error(self, what: str) -> ClusterError:
        last = self.workers[-6:]
        shown = [w for w in self.workers if w in last or w.is_alive]
        return ClusterError("\n".join([what, *(w.tail() for w in shown)]))


def read_results(folder: Path) -> dict[str, bytes]:
    """The files of an export or of a replay, by name."""
    return {name: (folder / f"{name}.jsonl").read_bytes() for name in RESULTS}


def _dies_with_us() -> list[str]:
    """Words before a command that end it when the test run is killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []
