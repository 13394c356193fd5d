"""What the streaming layer needs to know; composed by the service's settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from correlator.policy import DAY_S
from streams.map_url import MAP_HOSTS
from streams.topics import (
    COINCIDENCES,
    COINCIDENCES_STATE,
    OPTICAL_ALERTS,
    PAIRS,
    REVISIONS,
    Topic,
)
from streams.voevent import UNNAMED_AUTHOR, Author


@dataclass(frozen=True, slots=True)
class MapSettings:
    """How sky maps that notices name by URL are fetched.

    Attributes
    ----------
    hosts
        Names of the hosts that may be asked, to the letter.
    cache
        Folder of what was fetched.
    first_pause_s, longest_pause_s, given_up_after_s
        The first try comes that long after the notice, the pauses after it double up to the longest
        one, and nothing is tried for after the last time [s].
    at_once
        Most fetches at a time; of one host there is one at a time.
    """

    hosts: tuple[str, ...] = MAP_HOSTS
    cache: Path = Path("data/maps")
    first_pause_s: float = 15.0
    longest_pause_s: float = 1800.0
    given_up_after_s: float = DAY_S
    at_once: int = 2


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How the models in a folder are run.

    Attributes
    ----------
    folder
        Folder of their folders; it may be missing.
    look_s
        How often it is looked at [s].
    start_within_s, answer_within_s
        How long a model may take to be loaded, and to answer one batch [s].
    memory_bytes
        How much more memory a model's process may take than it has before the model [bytes].
    most_models
        Most models that run at once: each is a process of 60 to 100 MB.
    batch_size, most_waiting
        Objects of one batch, and the most that wait; then those that wait longest are passed over.
    rest
        After each batch the scoring rests for so many times the time that it took, apart from
        the models' own: features, records and sending keep the interpreter from the join.
    tell_s
        How often the state of the models is told when it does not change [s].
    """

    folder: Path = Path("data/models")
    look_s: float = 1.0
    start_within_s: float = 30.0
    answer_within_s: float = 2.0
    memory_bytes: int = 2**30
    most_models: int = 16
    batch_size: int = 250
    most_waiting: int = 5_000
    rest: float = 9.0
    tell_s: float = 60.0


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """Settings of the Faust app.

    Attributes
    ----------
    app_id
        Consumer group of the app.
    worker_name
        Name of this process in heartbeats, in the store and to the broker.
    broker_url
        ``memory://NAME`` for the in-process transport, ``kafka://HOST:PORT`` for a cluster.
    alert_partitions, pair_partitions
        Partitions of the keyed topics.
    batch_size, batch_chunks, batch_within_s
        Most records of one fetch; an agent works on so many chunks of them at once, or on what
        came within that time [s].
    buffered_chunks, fetch_bytes
        Chunks that wait for an agent before the fetching pauses, and the most that is fetched of
        one partition at once [bytes]: the two bounds of the memory that waiting takes.
    commit_interval_s
        How often acknowledged offsets are committed [s].
    ranking_interval_s
        How often one event is ranked at most: the debounce [s]. An event that was quiet for so
        long is ranked at once. With a second, as the design has it, the debounce alone was the
        99th percentile of the latency. The lists are made half as often.
    session_timeout_s
        After this silence of a worker its partitions go to the others [s].
    rebalance_timeout_s
        How long a rebalance waits for a worker to finish what it has begun [s].
    longest_batch_s
        Longest time between two fetches before a worker counts as stuck [s]. A week, as an outage
        of the store holds a batch back: aiokafka lets a worker that waited longer in a rebalance
        never join its group again, and it goes on beating.
    request_timeout_s
        Longest wait for the broker's answer to a produced record [s].
    author
        Who sends our VOEvents.
    maps
        How sky maps are fetched; None for not at all, as in a replay.
    models
        How models score the objects that are joined; None for not at all, as in a replay.
    """

    app_id: str = "correlator"
    worker_name: str = "correlator"
    broker_url: str = "memory://correlator"
    alert_partitions: int = OPTICAL_ALERTS.partitions
    pair_partitions: int = PAIRS.partitions
    batch_size: int = 2000
    batch_chunks: int = 16
    batch_within_s: float = 0.02
    buffered_chunks: int = 16
    fetch_bytes: int = 2**20
    commit_interval_s: float = 1.0
    ranking_interval_s: float = 0.5
    session_timeout_s: float = 10.0
    rebalance_timeout_s: float = 30.0
    longest_batch_s: float = 604_800.0
    request_timeout_s: float = 1200.0
    author: Author = UNNAMED_AUTHOR
    maps: MapSettings | None = None
    models: ModelSettings | None = None

    def partitions_of(self, topic: Topic) -> int:
        """Number of partitions of a topic."""
        chosen = {
            OPTICAL_ALERTS: self.alert_partitions,
            PAIRS: self.pair_partitions,
            REVISIONS: self.pair_partitions,
            COINCIDENCES: self.pair_partitions,
            COINCIDENCES_STATE: self.pair_partitions,
        }
        return chosen.get(topic, topic.partitions)
