"""Faust transport for ``kafka://``: Faust's own on aiokafka, fetching in chunks."""

from __future__ import annotations

from typing import Any, ClassVar

from faust.transport.drivers import TRANSPORTS, aiokafka

from streams.chunks import ChunkedConsumer

FETCH_MIN_BYTES, FETCH_WAIT_MS = 2**17, 50
"""The broker answers when it has so much, or after so long. If it answers with whatever is there, a
worker spends a third of its time on fetches at 1,500 alerts a second (240 us an alert with 25 ms,
198 with 100); each wait comes several times on the way from a notice to its coincidences."""


def register() -> None:
    """Let ``kafka://`` name this transport."""
    TRANSPORTS.aliases["kafka"] = "streams.kafka:Transport"


class ConsumerThread(aiokafka.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's thread for aiokafka; the broker gathers records before it answers."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust has no settings for them, and aiokafka reads them when it starts.
        consumer._fetch_min_bytes = FETCH_MIN_BYTES
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def seek_to_committed(self) -> Any:
        """Seek every partition to where its group has come, or to its beginning.

        aiokafka leaves one alone of which nothing is committed: what was fetched of it before the
        flow was stopped, and dropped, would never come again.
        """
        return await self.call_thread(self._seek_to_committed)

    async def _seek_to_committed(self) -> Any:
        consumer = self._ensure_consumer()
        committed = await consumer.seek_to_committed()
        fresh = [slot for slot, offset in committed.items() if not offset]
        if fresh and self.app.conf.consumer_auto_offset_reset == "earliest":
            await consumer.seek_to_beginning(*fresh)
        return committed

    async def is_member(self) -> bool:
        """Whether the broker knows us as a member of our group, at this moment.

        False also while no broker answers. If it does not know us, we join again at once instead of
        after the next heartbeat.
        """
        return bool(await self.call_thread(self._has_heartbeat))

    async def _has_heartbeat(self) -> bool:
        # Nothing public of aiokafka asks the coordinator; its own task asks the same every 2 s.
        coordinator = self._ensure_consumer()._coordinator
        if not coordinator.member_id:
            return False  # it is joining
        return bool(await coordinator._do_heartbeat())


class Consumer(ChunkedConsumer, aiokafka.Consumer):  # type: ignore[misc]
    """Faust's consumer on aiokafka, its records in chunks."""

    def _new_consumer_thread(self) -> Any:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def is_member(self) -> bool:
        """Whether the broker knows us as a member of our group, at this moment."""
        return bool(await self._thread.is_member())


class Transport(aiokafka.Transport):  # type: ignore[misc]
    """Faust's transport on aiokafka, with the consumer above."""

    Consumer: ClassVar[Any] = Consumer
