"""Where records are put back: a cluster, or a pipeline of its own in this process."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol

from correlator.service.archive import Delivery
from correlator.service.settings import Settings
from correlator.service.wiring import running
from storage.store import Store
from streams.app import Pipeline
from streams.topics import OVERHEAD_BYTES, TOPICS, partition_of

_ACKNOWLEDGED_WITHIN_S = 60.0
"""How long a cluster may take to acknowledge a record [s]."""


class Outlet(Protocol):
    """Where deliveries go."""

    async def deliver(self, deliveries: list[Delivery]) -> list[str | None]:
        """Deliver, and say of each why it was refused; None where it was taken."""


@asynccontextmanager
async def open_outlet(settings: Settings, store: Store) -> AsyncIterator[Outlet]:
    """The outlet of an installation."""
    if settings.broker.startswith("kafka://"):
        from streams.admin import servers_of

        yield KafkaOutlet(servers_of(settings.broker))
        return
    # A log of its own: another pipeline in this process must not see it.
    url = f"memory://letters-{uuid.uuid4().hex}"
    streams = replace(settings.stream_settings(), broker_url=url, maps=None, models=None)
    async with running(streams, store, settings.policy(), time.time) as pipeline:
        yield EmbeddedOutlet(pipeline)


class EmbeddedOutlet:
    """Deliveries go through a pipeline in this process, and are done when it is idle."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def deliver(self, deliveries: list[Delivery]) -> list[str | None]:
        """Deliver, and say of each why it was refused; None where it was taken."""
        if not await self._are_buried(deliveries):
            return [None] * len(deliveries)
        # Which one? A repeated record changes nothing, so each may go once more on its own.
        said = "the pipeline refuses it; the log and `correlator dead-letter list` say why"
        return [said if await self._are_buried([each]) else None for each in deliveries]

    async def _are_buried(self, deliveries: list[Delivery]) -> bool:
        """Whether any of them comes back as a dead letter."""
        counts = self._pipeline.agents.tally.counts
        before = counts.get("dead_letters", 0)
        for each in deliveries:
            await self._pipeline.send(each.topic, each.key, each.value, each.headers)
        await self._pipeline.idle()
        return counts.get("dead_letters", 0) > before


class KafkaOutlet:
    """Deliveries go to the topics of a cluster, and are done when it has them.

    Raises
    ------
    BrokerError
        The cluster does not answer.
    """

    def __init__(self, servers: str) -> None:
        from confluent_kafka import Producer

        from streams.admin import partitions_of

        self._servers = servers
        self._partitions = partitions_of(servers)
        self._producer: Any = Producer(
            {
                "bootstrap.servers": servers,
                "enable.idempotence": True,
                "compression.type": "lz4",
                # As large as any topic has it: what this one takes is for the cluster to say.
                "message.max.bytes": max(t.max_message_bytes for t in TOPICS) + OVERHEAD_BYTES,
                # A batch with one that is too large would be refused as a whole.
                "batch.num.messages": 1,
                "message.timeout.ms": round(_ACKNOWLEDGED_WITHIN_S * 1000.0),
                "log_level": 2,
            }
        )

    async def deliver(self, deliveries: list[Delivery]) -> list[str | None]:
        """Deliver, and say of each why it was refused; None where it was taken.

        Raises
        ------
        BrokerError
            The cluster has no such topic, or does not acknowledge a record.
        """
        return await asyncio.to_thread(self._deliver, deliveries)

    def _deliver(self, deliveries: list[Delivery]) -> list[str | None]:
        from confluent_kafka import KafkaError, KafkaException

        from streams.admin import BrokerError

        refusals: list[str | None] = []
        for each, error in zip(deliveries, self._errors(deliveries), strict=True):
            if error is not None and error.code() != KafkaError.MSG_SIZE_TOO_LARGE:
                rule = f"acknowledges a record within {_ACKNOWLEDGED_WITHIN_S:.0f} s"
                raise BrokerError(self._servers, each.topic, rule, KafkaException(error))
            too_large = f"{len(each.value)} bytes are too large for topic {each.topic}"
            refusals.append(too_large if error is not None else None)
        return refusals

    def _errors(self, deliveries: list[Delivery]) -> list[Any]:
        """What the cluster said of each record; None for those that it has."""
        from confluent_kafka import KafkaException

        errors: list[Any] = [None] * len(deliveries)
        for n, each in enumerate(deliveries):

            def acknowledged(error: Any, _record: Any, n: int = n) -> None:
                errors[n] = error

            key = each.key.encode()
            try:
                self._producer.produce(
                    each.topic,
                    each.value,
                    key,
                    partition=partition_of(key, self._partitions_of(each.topic)),
                    headers=list(each.headers) or None,
                    on_delivery=acknowledged,
                )
            except KafkaException as error:
                errors[n] = error.args[0]
        self._producer.flush()
        return errors

    def _partitions_of(self, topic: str) -> int:
        from streams.admin import BrokerError

        if topic not in self._partitions:
            rule = "exists: `correlator topics declare` makes it"
            raise BrokerError(self._servers, topic, rule, "no such topic")
        return self._partitions[topic]
