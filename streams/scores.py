"""What models said: the records of ``scores`` and of ``models.state``, and how they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from correlator.errors import MalformedPacketError
from correlator.wire import of_json
from streams.topics import MODELS_STATE, SCORES


@dataclass(frozen=True, slots=True)
class ScoreRecord:
    """What the models said of one object as it stood.

    Attributes
    ----------
    object_version, latest_alert_id, latest_unix_s
        Number of alerts behind it, and its latest one with its time [s since the Unix epoch].
    scores
        Value by name and version: ``scores["fast-rise"]["1.0"]``; None where the object has not
        all that the model needs.
    stages
        ``shadow`` or ``live``, by name and version.
    """

    object_key: str
    object_version: int
    latest_alert_id: str
    latest_unix_s: float
    scores: dict[str, dict[str, float | None]]
    stages: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class ModelState:
    """How a model stands in one worker.

    Attributes
    ----------
    folder
        Where it lies, below the folder of models.
    name, version, stage, sha256
        As its card says, and the hash of its content; None where the card cannot be read.
    state
        ``running``; ``refused``: never ran as it lies there; ``off``: it ran and was switched off.
    problem
        Why it is not running, or runs in shadow though its card says live.
    n_scored
        Objects that it gave a score since it was started.
    """

    folder: str
    name: str | None
    version: str | None
    stage: str | None
    sha256: str | None
    state: str
    problem: str | None = None
    n_scored: int = 0


@dataclass(frozen=True, slots=True)
class ModelStates:
    """All models of one worker.

    Attributes
    ----------
    n_told, n_dropped
        Objects whose scores were told since its start, and objects that were passed over because
        more came than could be scored.
    """

    source: str
    time_unix_s: float
    models: tuple[ModelState, ...]
    n_told: int = 0
    n_dropped: int = 0


def scores_of(values: Iterable[bytes]) -> Iterator[ScoreRecord]:
    """The records among some values; what is none is passed over."""
    for value in values:
        try:
            yield of_json(ScoreRecord, value, SCORES.name)
        except MalformedPacketError:
            continue


def latest_states(values: Iterable[bytes]) -> list[ModelStates]:
    """The latest of each worker among some values, by worker."""
    found: dict[str, ModelStates] = {}
    for value in values:
        try:
            states = of_json(ModelStates, value, MODELS_STATE.name)
        except MalformedPacketError:
            continue
        known = found.get(states.source)
        if known is None or known.time_unix_s <= states.time_unix_s:
            found[states.source] = states
    return [found[source] for source in sorted(found)]
