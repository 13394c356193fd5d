"""The score desk: what the models say of the objects that were joined, told beside the stream.

It holds the join up in nothing: what comes while it is busy waits in a bounded queue, in which the
later version of an object replaces the earlier one. Objects with pairs come first; beyond the
bound, what waits longest is passed over and counted. Nothing is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

import structlog

from correlator.features import Features, as_matrix
from correlator.object import OpticalObject
from correlator.wire import to_json
from streams.model_registry import ModelRegistry, Scores
from streams.outgoing import Outgoing, Send
from streams.records import persisting
from streams.scores import ModelStates, ScoreRecord
from streams.topics import MODELS_STATE, SCORES

log = structlog.get_logger(__name__)

LONGEST_REST_S = 5.0
"""A broker that lets us wait is no work of ours [s]."""

FeaturesOf = Callable[[Sequence[OpticalObject]], Sequence[Features]]


class Keeps(Protocol):
    """Keeps what was told, where no topic outlives the process."""

    def scores(self, values: Sequence[bytes]) -> None: ...  # noqa: D102

    def states(self, value: bytes) -> None: ...  # noqa: D102


@dataclass
class ScoreDesk:
    """Scores the objects that one worker joins.

    Parameters
    ----------
    source
        Name of the worker.
    now
        The clock [s since the Unix epoch].
    keeps
        Where records are kept too, if anywhere.

    Attributes
    ----------
    n_told, n_dropped
        Objects whose scores were told, and objects that were passed over.
    """

    registry: ModelRegistry
    features_of: FeaturesOf
    send: Send
    now: Callable[[], float]
    source: str
    keeps: Keeps | None = None
    n_told: int = 0
    n_dropped: int = 0
    _paired: OrderedDict[str, OpticalObject] = field(default_factory=OrderedDict)
    _others: OrderedDict[str, OpticalObject] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)
    _comes: asyncio.Event = field(default_factory=asyncio.Event)
    _stands_otherwise: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None

    def __post_init__(self) -> None:
        self.registry.changed = self._stands_otherwise.set

    @property
    def n_waiting(self) -> int:
        """Objects that wait."""
        return len(self._paired) + len(self._others)

    def heard(self, objects: Sequence[OpticalObject], paired: Container[str]) -> None:
        """Objects were joined as they stand. Any thread may say so; it returns at once.

        Parameters
        ----------
        paired
            Keys of those among them that have pairs.
        """
        loop = self._loop
        if loop is None or self.registry.is_empty:
            return
        with self._lock:
            for obj in objects:
                key = obj.object_key
                known = self._paired.pop(key, None)
                self._others.pop(key, None)
                comes_first = known is not None or key in paired
                (self._paired if comes_first else self._others)[key] = obj
            while self.n_waiting > self.registry.settings.most_waiting:
                (self._others or self._paired).popitem(last=False)
                self.n_dropped += 1
        with contextlib.suppress(RuntimeError):  # the loop was closed just now
            loop.call_soon_threadsafe(self._comes.set)

    async def run(self) -> None:
        """Look after the folder, score what comes, tell how the models stand, for ever."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as works:
                works.create_task(self._look_for_ever())
                works.create_task(self._score_for_ever())
                works.create_task(self._tell_states_for_ever())
        finally:
            self._loop = None
            await self.registry.stop()

    async def _look_for_ever(self) -> None:
        while True:
            await persisting(self.registry.look, whatever=True)
            await asyncio.sleep(self.registry.settings.look_s)

    async def _score_for_ever(self) -> None:
        while True:
            await self._comes.wait()
            self._comes.clear()
            while batch := self._batch():
                busy_s = await self._score(batch)
                await asyncio.sleep(min(self.registry.settings.rest * busy_s, LONGEST_REST_S))

    def _batch(self) -> list[OpticalObject]:
        with self._lock:
            n = min(self.n_waiting, self.registry.settings.batch_size)
            return [(self._paired or self._others).popitem(last=False)[1] for _ in range(n)]

    async def _score(self, objects: list[OpticalObject]) -> float:
        """Score a batch and tell; how long that took us, apart from the models [s]."""
        begin_s, asked_s = time.perf_counter(), 0.0
        try:
            names = self.registry.inputs
            features = await asyncio.to_thread(self.features_of, objects)
            matrix = as_matrix(features, names)
            asked_s -= time.perf_counter()
            scores = await self.registry.scores(matrix, names)
            asked_s += time.perf_counter()
            values = [to_json(each) for each in self._records(objects, scores)]
            await self._tell(objects, values)
        except Exception as error:
            self.n_dropped += len(objects)
            log.error("scores_not_told", n=len(objects), exc_info=error)
        return time.perf_counter() - begin_s - max(asked_s, 0.0)

    def _records(self, objects: list[OpticalObject], scores: Scores) -> list[ScoreRecord]:
        found, stages = [], self.registry.stages()
        cards = [card for card in scores if card.key in stages]
        if not cards:
            return []
        said: dict[str, dict[str, str]] = {}
        for card in cards:
            said.setdefault(card.name, {})[card.version] = stages[card.key]
        for n, obj in enumerate(objects):
            values: dict[str, dict[str, float | None]] = {}
            for card in cards:
                values.setdefault(card.name, {})[card.version] = scores[card][n]
            record = ScoreRecord(
                obj.object_key, obj.version, obj.latest_alert_id, obj.latest_unix_s, values, said
            )
            found.append(record)
        return found

    async def _tell(self, objects: list[OpticalObject], values: list[bytes]) -> None:
        if not values:  # each model that there was has failed
            self.n_dropped += len(objects)
            return
        pairs = zip(objects, values, strict=True)
        await self.send([Outgoing(SCORES.name, obj.object_key, value) for obj, value in pairs])
        self.n_told += len(values)
        if self.keeps is not None:
            await asyncio.to_thread(self.keeps.scores, values)

    async def _tell_states_for_ever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                wait = self._stands_otherwise.wait()
                await asyncio.wait_for(wait, self.registry.settings.tell_s)
            self._stands_otherwise.clear()
            await persisting(self._tell_states, whatever=True)

    async def _tell_states(self) -> None:
        models = self.registry.states()
        states = ModelStates(self.source, self.now(), models, self.n_told, self.n_dropped)
        value = to_json(states)
        await self.send([Outgoing(MODELS_STATE.name, self.source, value)])
        if self.keeps is not None:
            await asyncio.to_thread(self.keeps.states, value)
