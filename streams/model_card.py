"""The card of a model: what it is called, what it is given, what it says."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from correlator.errors import CorrelatorError

CARD_NAME = "model.toml"
"""Name of a card in its model's folder."""

MAX_CARD_BYTES = 2**16
"""Largest card [bytes]."""

MAX_INPUTS = 200
"""Most features that a model is given."""

Stage = Literal["shadow", "live"]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,31}")
_FILE = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z._-]{0,99}\.onnx")
_KEYS = frozenset({"name", "version", "owner", "stage", "file", "unknown", "inputs", "output"})
_INPUT_KEYS = frozenset({"name", "unit"})
_OUTPUT_KEYS = frozenset({"meaning", "name", "column"})
_MAX_TEXT = 500


class ModelError(CorrelatorError):
    """A model cannot be used, or not any longer; the others go on.

    Parameters
    ----------
    model
        Its folder, or its name and version.
    rule
        The rule that it breaks, in words.
    value
        The offending value.
    """

    def __init__(self, model: str, rule: str, value: object = None) -> None:
        self.model = model
        self.rule = rule
        said = "" if value is None else f", got {str(value)[:300]}"
        self.problem = f"{rule}{said}"
        super().__init__(f"{model}: {self.problem}")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model's author says of it.

    Attributes
    ----------
    name, version
        Together its key; what one key means never changes.
    owner
        Whom to ask.
    stage
        ``shadow``: published and nothing more; ``live``: the one version of its name that counts.
    file
        Name of the ONNX file beside the card.
    inputs, units
        Names of the features in the order of the columns, and their units.
    takes_unknown
        Whether a feature that is not known comes as NaN; if not, an object of which one is not
        known gets no score.
    meaning
        What the output says.
    output, column
        Name and column of the output; None where there is only one.
    """

    name: str
    version: str
    owner: str
    stage: Stage
    file: str
    inputs: tuple[str, ...]
    units: tuple[str, ...]
    takes_unknown: bool
    meaning: str
    output: str | None = None
    column: int | None = None

    @property
    def key(self) -> str:
        """Name and version: ``fast-rise.1.0``, as in ``scores.fast-rise.1.0``."""
        return f"{self.name}.{self.version}"


def read_card(text: bytes, folder: str, units: Mapping[str, str]) -> ModelCard:
    """The card of the bytes of a ``model.toml``.

    Parameters
    ----------
    folder
        Name of the model's folder, for the messages.
    units
        The unit of each feature that there is.

    Raises
    ------
    ModelError
        It is no card, or asks for a feature that we do not have, or have in another unit.
    """
    card = _Table(folder, "", _parsed(text, folder), _KEYS)
    names, said_units = _inputs(card, units)
    output = _Table(folder, "output.", card.of("output", dict), _OUTPUT_KEYS)
    column = output.of("column", int, None)
    if column is not None and column < 0:
        raise ModelError(folder, "output.column is 0 or more", column)
    return ModelCard(
        name=card.matching("name", _NAME),
        version=card.matching("version", _VERSION),
        owner=card.text("owner"),
        stage=cast(Stage, card.one_of("stage", ("shadow", "live"))),
        file=card.matching("file", _FILE, "model.onnx"),
        inputs=names,
        units=said_units,
        takes_unknown=card.one_of("unknown", ("skip", "nan"), "skip") == "nan",
        meaning=output.text("meaning"),
        output=output.text("name", None),
        column=column,
    )


def content_sha256(card: ModelCard, onnx: bytes) -> str:
    """Hash of what a version means: the file, and what the card says of inputs and output.

    Not of the stage, the owner and the words, which may change.
    """
    said = [card.inputs, card.units, card.takes_unknown, card.output, card.column]
    digest = hashlib.sha256(json.dumps(said).encode())
    digest.update(b"\0")
    digest.update(onnx)
    return digest.hexdigest()


def _parsed(text: bytes, folder: str) -> dict[str, Any]:
    if len(text) > MAX_CARD_BYTES:
        raise ModelError(folder, f"a card has at most {MAX_CARD_BYTES} bytes", len(text))
    try:
        return tomllib.loads(text.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ModelError(folder, f"{CARD_NAME} is TOML", error) from None


def _inputs(card: _Table, units: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    listed = card.of("inputs", list)
    if not 1 <= len(listed) <= MAX_INPUTS:
        raise ModelError(card.folder, f"a model has 1 to {MAX_INPUTS} inputs", len(listed))
    names, said = [], []
    for n, entry in enumerate(listed):
        if not isinstance(entry, dict):
            raise ModelError(card.folder, f"inputs[{n}] is a table", entry)
        table = _Table(card.folder, f"inputs[{n}].", entry, _INPUT_KEYS)
        name, unit = table.text("name"), table.of("unit", str)
        if name not in units:
            raise ModelError(card.folder, f"inputs[{n}].name is one of our features", name)
        if unit != units[name]:
            rule = f"the unit of {name} is {units[name]!r}"
            raise ModelError(card.folder, rule, repr(unit))
        names.append(name)
        said.append(unit)
    if len(set(names)) < len(names):
        raise ModelError(card.folder, "no input comes twice", ", ".join(names))
    return tuple(names), tuple(said)


_NEEDED: Any = object()


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of the card, whose entries are asked for with what they must be."""

    folder: str
    prefix: str
    entries: dict[str, Any]
    keys: frozenset[str]

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.entries) - self.keys):
            known = ", ".join(sorted(self.keys))
            rule = f"{CARD_NAME} has no entry but {known} {f'in {self.prefix}' * bool(self.prefix)}"
            raise ModelError(self.folder, rule.strip(), self.prefix + unknown[0])

    def of(self, key: str, kind: type, default: Any = _NEEDED) -> Any:
        value = self.entries.get(key, default)
        if value is _NEEDED:
            raise ModelError(self.folder, f"{CARD_NAME} says {self.prefix}{key}")
        if value is not default and type(value) is not kind:
            raise ModelError(self.folder, f"{self.prefix}{key} is a {kind.__name__}", value)
        return value

    def text(self, key: str, default: Any = _NEEDED) -> Any:
        value = self.of(key, str, default)
        if value is not default and not 1 <= len(value.strip()) <= len(value) <= _MAX_TEXT:
            rule = f"{self.prefix}{key} has 1 to {_MAX_TEXT} characters"
            raise ModelError(self.folder, rule, repr(value))
        return value

    def matching(self, key: str, pattern: re.Pattern[str], default: Any = _NEEDED) -> str:
        value: str = self.of(key, str, default)
        if not pattern.fullmatch(value):
            rule = f"{self.prefix}{key} is like {pattern.pattern}"
            raise ModelError(self.folder, rule, repr(value))
        return value

    def one_of(self, key: str, words: tuple[str, ...], default: Any = _NEEDED) -> str:
        value: str = self.of(key, str, default)
        if value not in words:
            rule = f"{self.prefix}{key} is one of {', '.join(words)}"
            raise ModelError(self.folder, rule, repr(value))
        return value
