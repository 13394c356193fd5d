"""Apps on a broker of their own, for the contract that every broker must keep.

The fixture `broker_url` names the broker; the contract's own one names a Kafka too.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import faust
import pytest

from storage.store import Store
from streams import records
from streams.log import drop_log
from streams.memory import register
from streams.shutdown import stop_gracefully

MakeApp = Callable[..., Any]


@pytest.fixture(params=["memory"])
def broker_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a broker; in memory, of a log that only this test knows."""
    register()
    name = f"test-{uuid.uuid4().hex}"
    yield f"{request.param}://{name}"
    drop_log(name)


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once."""
    monkeypatch.setattr(records, "_FIRST_PAUSE_S", 0.0)


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty store in memory."""
    with Store.open("sqlite:///:memory:") as opened:
        yield opened


@pytest.fixture
def app_id() -> str:
    """A consumer group of this test."""
    return f"group-{uuid.uuid4().hex}"


@pytest.fixture
async def make_app(broker_url: str, app_id: str, tmp_path: Path) -> AsyncIterator[MakeApp]:
    """Makes apps on the broker; whatever the test left running is stopped."""
    made = []

    def make(**settings: Any) -> Any:
        chosen = {
            "id": app_id,
            "broker": broker_url,
            "store": "memory://",
            "web_enabled": False,
            "topic_disable_leader": True,
            "autodiscover": False,
            "datadir": str(tmp_path),
            "broker_commit_interval": 0.5,
        }
        app = faust.App(**(chosen | settings))
        made.append(app)
        return app

    yield make
    for app in made:
        await stop_gracefully(app, drain=False, stop_within_s=2.0)


def bytes_topic(app: Any, name: str, partitions: int = 4, **settings: Any) -> Any:
    """A topic of raw keys and values."""
    return app.topic(
        name,
        partitions=partitions,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        **settings,
    )


def add_agent(app: Any, topic: Any, handle: Callable[[list[Any]], Any], size: int = 500) -> None:
    """An agent that awaits ``handle`` on each batch, then acknowledges it."""

    async def take(stream: Any) -> None:
        async for events in stream.noack_take(size, within=0.05):
            await handle(events)
            for event in events:
                event.ack()

    app.agent(topic, name=f"take-{topic.get_topic_name()}")(take)


class Seen:
    """What an agent was given, and in which order per partition."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.events: list[Any] = []
        self.by_partition: dict[int, list[int]] = defaultdict(list)

    async def __call__(self, events: list[Any]) -> None:
        for event in events:
            self.values.append(event.value)
            self.events.append(event)
            self.by_partition[event.message.partition].append(int(event.value))

    @property
    def is_in_order(self) -> bool:
        return all(numbers == sorted(numbers) for numbers in self.by_partition.values())


def numbered(n: int, first: int = 0) -> list[bytes]:
    return [b"%d" % i for i in range(first, first + n)]


async def send_all(topic: Any, values: list[bytes]) -> None:
    """Send, and wait until the broker has it all."""
    sent = [
        await topic.send(key=b"key-%d" % (n % 97), value=value) for n, value in enumerate(values)
    ]
    for record in sent:
        await record
