"""The models that run: started as they come into the folder, switched off when they fail."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray

from streams.model_card import ModelCard, ModelError, Stage
from streams.model_folder import Change, Model, ModelFolder
from streams.model_process import COMMAND, ModelProcess
from streams.scores import ModelState
from streams.settings import ModelSettings

log = structlog.get_logger(__name__)

Matrix = NDArray[np.float64]
Scores = dict[ModelCard, list[float | None]]
"""What each model says of each object of a batch."""


@dataclass(slots=True)
class _Running:
    """A model with its process."""

    model: Model
    card: ModelCard
    process: ModelProcess
    n_scored: int = 0


@dataclass
class ModelRegistry:
    """Keeps the models of a folder running, each in a process of its own.

    A model that fails is switched off and stays so until the files in its folder are touched, or
    the worker is started anew. What one version means never changes: other content under a version
    that ever ran is refused, and what runs goes on.

    Parameters
    ----------
    units
        The unit of each feature that there is.
    command
        How a model's process is started.
    """

    settings: ModelSettings
    units: Mapping[str, str]
    command: Sequence[str] = COMMAND
    changed: Callable[[], None] = lambda: None
    """Is called when a state has changed."""
    _running: dict[str, _Running] = field(default_factory=dict)
    _not_running: dict[str, ModelState] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._folder = ModelFolder(self.settings.folder, self.units)

    @property
    def is_empty(self) -> bool:
        """Whether no model runs."""
        return not self._running

    @property
    def inputs(self) -> list[str]:
        """Names of the features that some model is given."""
        return sorted({name for each in self._running.values() for name in each.card.inputs})

    def stages(self) -> dict[str, Stage]:
        """Stage by name and version: of several versions that say live, the lowest is it."""
        live: dict[str, ModelCard] = {}
        for each in self._running.values():
            card = each.card
            first = live.get(card.name, card)
            if card.stage == "live" and _in_order(card.version) <= _in_order(first.version):
                live[card.name] = card
        return {
            key: "live" if live.get(each.card.name) is each.card else "shadow"
            for key, each in self._running.items()
        }

    def states(self) -> tuple[ModelState, ...]:
        """How each model stands, by folder."""
        stages = self.stages()
        found = list(self._not_running.values())
        for key, each in self._running.items():
            outdone = stages[key] != each.card.stage
            problem = "another version is live" if outdone else None
            state = _state(each.model, each.card, "running", problem, each.n_scored)
            found.append(state)
        return tuple(sorted(found, key=lambda s: (s.folder, s.state)))

    async def look(self) -> None:
        """Start, stop or refuse what has changed in the folder."""
        for change in await asyncio.to_thread(self._folder.look):
            try:
                await self._take(change)
            except ModelError as error:
                self._refuse(change, error)
            self.changed()

    async def scores(self, matrix: Matrix, names: Sequence[str]) -> Scores:
        """What each model says of some objects; one that fails is switched off and says nothing.

        Parameters
        ----------
        matrix
            Features, one row an object and one column a name; NaN for what is not known.
        """
        asked = list(self._running.values())
        place = {name: n for n, name in enumerate(names)}
        able = [each for each in asked if all(name in place for name in each.card.inputs)]
        columns = [matrix[:, [place[name] for name in each.card.inputs]] for each in able]
        answers = await asyncio.gather(
            *(self._ask(each, given) for each, given in zip(able, columns, strict=True))
        )
        found = zip(able, answers, strict=True)
        return {each.card: answer for each, answer in found if answer is not None}

    async def stop(self) -> None:
        """End all processes."""
        running, self._running = self._running, {}
        await asyncio.gather(*(each.process.stop() for each in running.values()))

    async def _take(self, change: Change) -> None:
        if change.error is not None:
            raise change.error
        keeps = change.model.card.key if change.model else None
        for key, each in list(self._running.items()):
            if each.model.folder == change.folder and key != keeps:
                del self._running[key]
                await each.process.stop()
                log.info("model_gone", model=key, folder=change.folder)
        if change.model is not None:
            await self._start(change.model)
        self._not_running.pop(change.folder, None)

    async def _start(self, model: Model) -> None:
        card, key = model.card, model.card.key
        running = self._running.get(key)
        if running is not None and running.model.folder != model.folder:
            raise ModelError(key, "a version has one folder", running.model.folder)
        known = await asyncio.to_thread(self._folder.known_sha256, key)
        if known not in (None, model.sha256):
            rule = f"a version keeps its content, {known[:12] if known else known}"
            raise ModelError(key, rule, model.sha256[:12])
        if running is not None:
            running.card = card  # its stage, its owner or its words have changed
            return
        if len(self._running) >= self.settings.most_models:
            raise ModelError(key, f"at most {self.settings.most_models} models run")
        process = ModelProcess(card, self.settings)
        await process.start(model.onnx, self.command)
        self._running[key] = _Running(model, card, process)
        first = await asyncio.to_thread(self._folder.remember, key, model.sha256)
        log.info("model_runs", model=key, stage=card.stage, sha256=first, owner=card.owner)

    async def _ask(self, running: _Running, matrix: Matrix) -> list[float | None] | None:
        card, n = running.card, len(matrix)
        rows = np.arange(n)
        if not card.takes_unknown:
            rows = np.flatnonzero(~np.isnan(matrix).any(axis=1))
        answer: list[float | None] = [None] * n
        if not len(rows):
            return answer
        try:
            values = await running.process.scores(matrix[rows])
        except ModelError as error:
            await self._switch_off(running, error)
            return None
        for row, value in zip(rows.tolist(), values.tolist(), strict=True):
            answer[row] = value
        running.n_scored += len(rows)
        return answer

    async def _switch_off(self, running: _Running, error: ModelError) -> None:
        model, key = running.model, running.card.key
        if self._running.get(key) is not running:
            return  # it was taken out of the folder meanwhile
        del self._running[key]
        state = _state(model, running.card, "off", error.problem, running.n_scored)
        self._not_running[model.folder] = state
        log.error("model_off", model=key, folder=model.folder, problem=error.problem)
        self.changed()

    def _refuse(self, change: Change, error: ModelError) -> None:
        model = change.model
        if model is None:
            state = ModelState(change.folder, None, None, None, None, "refused", error.problem)
        else:
            state = _state(model, model.card, "refused", error.problem)
        self._not_running[change.folder] = state
        log.error("model_refused", folder=change.folder, problem=error.problem)


def _state(
    model: Model, card: ModelCard, state: str, problem: str | None, n_scored: int = 0
) -> ModelState:
    return ModelState(
        model.folder, card.name, card.version, card.stage, model.sha256, state, problem, n_scored
    )


def _in_order(version: str) -> tuple[tuple[int, int, str], ...]:
    """A version as people order them: 1.9 before 1.10."""
    parts = re.findall(r"\d+|[^\d.]+", version)
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts)
