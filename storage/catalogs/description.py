"""What a catalogue on disk is: its version, where it came from, what was left out, its files."""

from __future__ import annotations

from pathlib import Path

import msgspec
import orjson

from storage.catalogs.errors import CatalogError
from storage.sky_runs import Partition

FILE = "catalog.json"


class Refusal(msgspec.Struct, frozen=True):
    """Rows that broke a rule, and the first of them."""

    rule: str
    n_rows: int
    first: str


class Description(msgspec.Struct, frozen=True):
    """What a catalogue is.

    Attributes
    ----------
    name
        As it was named when it was built.
    version
        First 12 hex digits of the SHA-256 of its entries: the same entries, the same version.
    title, licence, mapping, epoch_year, radius_arcsec
        Of the mapping that read it.
    release
        What the person who built it says that it is; None when nothing was said.
    sources
        Names and SHA-256 of the files that it was read from.
    n_rows, memory_bytes
        Entries, and what all of them take in memory [bytes].
    refused
        Rows of the files that are no entries, and numbers that could not be read.
    values
        Names of the numbers that an entry may have.
    partitions
        Its files, by place.
    """

    name: str
    version: str
    title: str
    licence: str
    mapping: str
    epoch_year: float | None
    radius_arcsec: float
    release: str | None
    sources: list[tuple[str, str]]
    n_rows: int
    memory_bytes: int
    refused: list[Refusal]
    values: list[str]
    partitions: list[Partition]

    @property
    def key(self) -> str:
        """Name that stands for exactly these entries: ``gaia@3f9a60c1d2e4``."""
        return f"{self.name}@{self.version}"


def write_description(folder: Path, description: Description) -> None:
    """Put a description into the folder of its catalogue."""
    said = orjson.dumps(msgspec.to_builtins(description), option=orjson.OPT_INDENT_2)
    (folder / FILE).write_bytes(said)


def read_description(folder: Path) -> Description:
    """The description of the catalogue in a folder.

    Raises
    ------
    CatalogError
        There is none, or it is none.
    """
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Description)
    except (OSError, msgspec.MsgspecError) as error:
        raise CatalogError(folder, f"a catalogue has its {FILE}", error) from error
