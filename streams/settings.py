"""What the streaming layer needs to know; composed by the service's settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """Settings of the Faust app.

    Attributes
    ----------
    app_id
        Consumer group of the app.
    broker_url
        ``memory://NAME`` for the in-process transport, ``kafka://HOST:PORT`` for a cluster.
    alert_partitions, pair_partitions
        Partitions of the keyed topics.
    batch_size, batch_within_s
        An agent works on up to that many records, or on what came within that time [s].
    commit_interval_s
        How often acknowledged offsets are committed [s].
    ranking_interval_s
        How often changed events are ranked: the debounce [s].
    """

    app_id: str = "correlator"
    broker_url: str = "memory://correlator"
    alert_partitions: int = 4
    pair_partitions: int = 4
    batch_size: int = 500
    batch_within_s: float = 0.05
    commit_interval_s: float = 1.0
    ranking_interval_s: float = 1.0
