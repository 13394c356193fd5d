"""Disasters for a cluster at work: seeded, one after the other, each written down with its time."""

from __future__ import annotations

import random
import signal
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from correlator.service.archive import Delivery
from streams.admin import BrokerError
from streams.settings import StreamSettings
from tests.cluster.cluster import Cluster, Worker
from tests.servers import KafkaServer, PostgresServer

N_WORKERS = 3

_LOOK_S = 0.05
_HITS_WITHIN_S = 90.0
"""How long to wait for a worker to have begun on the records that wait for it."""

_FEW = 500
"""With fewer records than that on the broker more are produced, lest nobody is at work."""

_LONGEST_DELAY_S = 0.4
"""A worker dies up to that long after it was seen to have work: anywhere in a batch."""

_KEPT_PARTS = 3

_PAUSE_S = StreamSettings().session_timeout_s + 4.0
"""A worker that is silent for so long has lost its partitions when it goes on."""

_BACK_WITHIN_S = 180.0
"""A worker that goes on is of the group again by then: it takes seconds, and on a machine that
other suites keep busy several rebalances of 30 s each. One that never comes back is found all the
same."""


@dataclass(frozen=True, slots=True)
class DisasterPlan:
    """What befalls a cluster; the seed gives the order, the victims and the delays."""

    seed: int
    n_kills: int
    n_broker_restarts: int
    n_pauses: int
    store_away_s: float

    def steps(self, rng: random.Random) -> list[str]:
        """Disasters in their order, the first and the last of them a kill."""
        between = ["kill"] * (self.n_kills - 2) + ["broker"] * self.n_broker_restarts + ["store"]
        between += ["pause"] * self.n_pauses
        rng.shuffle(between)
        return ["kill", *between, "kill"]


class Parts:
    """The parts of a night in their order; after the last one again, which changes nothing."""

    def __init__(self, night: Iterator[list[Delivery]]) -> None:
        self._night = night
        self._latest: deque[list[Delivery]] = deque(maxlen=_KEPT_PARTS)

    def next_new(self) -> list[Delivery] | None:
        """The next part; None after the last one."""
        part = next(self._night, None)
        if part is not None:
            self._latest.append(part)
        return part

    def next(self) -> list[Delivery]:
        """The next part; after the last one the latest ones in turn."""
        part = self.next_new()
        if part is None:
            part = self._latest[0]
            self._latest.rotate(-1)
        return part


@dataclass
class Disasters:
    """Lets a plan befall a cluster while the night is produced, a part before each disaster.

    Attributes
    ----------
    n_hits
        Workers that were killed at work: between what they had handled and what they had not.
    log
        What was done, with seconds since the beginning.
    """

    cluster: Cluster
    kafka: KafkaServer
    postgres: PostgresServer
    plan: DisasterPlan
    n_hits: int = 0
    n_kills: int = 0
    log: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def run(self, night: Iterator[list[Delivery]]) -> None:
        """Produce the parts of a night, and do a step of the plan after each; then the rest."""
        parts = Parts(night)
        rng = random.Random(self.plan.seed)
        steps = self.plan.steps(rng)
        self._note(f"seed {self.plan.seed}: {' '.join(steps)}")
        for step in steps:
            self._produce(parts.next())
            if step == "kill":
                self._kill(rng, parts)
            elif step == "pause":
                self._pause(rng, parts)
            elif step == "broker":
                self._restart_broker(rng)
            else:
                self._stop_store()
        while (rest := parts.next_new()) is not None:
            self._produce(rest)
        for worker in self.cluster.refused:
            self._note(f"could not start: {worker.tail()}")

    def _produce(self, deliveries: list[Delivery]) -> None:
        n = self.cluster.produce(deliveries)
        self._note(f"produced {n} records, {self._lag()} wait")

    def _lag(self) -> int | None:
        """Records that wait; None while the broker does not tell."""
        try:
            return self.cluster.lag()
        except BrokerError:
            return None

    def _pause(self, rng: random.Random, parts: Parts) -> None:
        """Stop a worker's process in the middle of its work until others have its share; go on."""
        victims = rng.sample(self.cluster.alive, k=len(self.cluster.alive))
        victim = self._at_work(victims, rng.uniform(0.0, _LONGEST_DELAY_S), parts) or victims[0]
        victim.process.send_signal(signal.SIGSTOP)
        self._note(f"paused {victim.name}")
        time.sleep(_PAUSE_S)
        victim.process.send_signal(signal.SIGCONT)
        self._note(f"{victim.name} goes on")
        self.cluster.wait_until(
            lambda: self.cluster.share_of(victim) is not None,
            f"{victim.name} has a share again",
            _BACK_WITHIN_S,
        )
        self._note(f"{victim.name} has a share again")

    def _kill(self, rng: random.Random, parts: Parts) -> None:
        """Kill a worker in the middle of its work, and start another in its place."""
        victims = rng.sample(self.cluster.alive, k=len(self.cluster.alive))
        victim = self._at_work(victims, rng.uniform(0.0, _LONGEST_DELAY_S), parts)
        (victim or victims[0]).kill()
        self.n_kills += 1
        self.n_hits += victim is not None
        (replacement,) = self.cluster.start()
        how = "at work" if victim else "WITHOUT work"
        self._note(f"killed {(victim or victims[0]).name} {how}; started {replacement.name}")

    def _at_work(self, workers: list[Worker], delay_s: float, parts: Parts) -> Worker | None:
        """The first of some workers that handles records and has more of them; None if none does.

        It has stored alerts of its share since we began to look, and then, after the delay, has
        records of the same share that are not committed.
        """
        deadline = time.monotonic() + _HITS_WITHIN_S
        first: dict[tuple[str, frozenset[int]], int] = {}
        while time.monotonic() < deadline:
            self.cluster.check_workers()
            for worker in workers:
                share = self.cluster.share_of(worker)
                if share is None or not share.uncommitted:
                    continue
                handled = self.cluster.handled(share)
                if handled > first.setdefault((worker.name, share.partitions), handled):
                    time.sleep(delay_s)
                    later = self.cluster.share_of(worker)
                    if later and later.partitions == share.partitions and later.uncommitted:
                        left = f"{later.uncommitted} of its own left"
                        self._note(f"{worker.name} is at work: {handled} handled, {left}")
                        return worker
            waiting = self._lag()
            if waiting is not None and waiting < _FEW:
                self._produce(parts.next())
            time.sleep(_LOOK_S)
        return None

    def _restart_broker(self, rng: random.Random) -> None:
        how = rng.choice(["stop", "kill"])
        getattr(self.kafka, how)()
        self._note(f"broker: {how}")
        time.sleep(rng.uniform(0.0, 2.0))
        self.kafka.start()
        self._note("broker: started")

    def _stop_store(self) -> None:
        self.postgres.stop()
        self._note("store: stopped")
        time.sleep(self.plan.store_away_s)
        self.postgres.start()
        self._note("store: started")

    def _note(self, what: str) -> None:
        line = f"{time.monotonic() - self._began:7.1f} s  {what}"
        self.log.append(line)
        print(line, flush=True)
