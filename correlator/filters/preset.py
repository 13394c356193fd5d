"""Filters that come with the service, each cut with its source, and what they cannot say yet."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from correlator.filters.text_form import filter_of_text
from correlator.filters.tree import Filter, all_of


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut of a preset, and where it comes from."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class MissingCut:
    """A cut that the preset's source makes and that no filter can say yet, and why."""

    cut: str
    source: str
    why: str


@dataclass(frozen=True, slots=True)
class Preset:
    """A named filter.

    Attributes
    ----------
    cuts
        All of them must hold.
    missing
        So it lets more pass than its source would.
    """

    name: str
    meaning: str
    cuts: tuple[Cut, ...]
    missing: tuple[MissingCut, ...]

    @property
    def filter(self) -> Filter:
        """Its cuts as one filter."""
        return all_of(*(filter_of_text(cut.text) for cut in self.cuts))


@cache
def presets() -> dict[str, Preset]:
    """The presets by name, sorted; a file of ``correlator/filters/presets`` each."""
    folder = files("correlator.filters") / "presets"
    names = sorted(f.name for f in folder.iterdir() if f.name.endswith(".toml"))
    said = {name.removesuffix(".toml"): (folder / name).read_text("utf-8") for name in names}
    return {name: _preset(name, tomllib.loads(text)) for name, text in said.items()}


def _preset(name: str, said: dict[str, Any]) -> Preset:
    return Preset(
        name,
        said["meaning"],
        tuple(Cut(cut["filter"], cut["source"]) for cut in said["cuts"]),
        tuple(MissingCut(**cut) for cut in said.get("missing", ())),
    )
