"""Options that several commands share, and how their words become values."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar

import click
import orjson
from rich.text import Text

from correlator.audience import Reader, audience_of
from correlator.errors import ConfigurationError
from correlator.service.settings import Settings
from correlator.visibility import SITES, Site

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document, no more.")
paths_argument = click.argument(
    "paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path)
)


_FIRST_YEAR, _LAST_YEAR = 1990, 2100
"""No packet is older than BATSE or newer than we can know."""


class UtcTime(click.ParamType):
    """A time in ISO 8601, UTC unless it says otherwise, as seconds since the Unix epoch."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Unix seconds of the words."""
        if isinstance(value, float):
            return value
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no ISO 8601 time such as 2024-01-16T00:00:00Z", param, ctx)
        if not _FIRST_YEAR <= when.year <= _LAST_YEAR:
            self.fail(f"{value!r} must lie between {_FIRST_YEAR} and {_LAST_YEAR}", param, ctx)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


class Duration(click.ParamType):
    """A number with a unit as in ``180d``, ``36h``, ``90m`` or ``30s``, in seconds."""

    name = "duration"

    _UNITS_S: ClassVar = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds of the words, above 0."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)([dhms])", value)
        seconds = float(match[1]) * self._UNITS_S[match[2]] if match else 0.0
        if seconds <= 0.0:
            self.fail(f"{value!r} is no duration above 0 such as 180d or 36h", param, ctx)
        return seconds


site_option = click.option(
    "--site", type=click.Choice(sorted(SITES)), help="Weigh by the coming night at this site."
)
store_option = click.option("--store", "store_url", help="URL of the event store.")


class TagType(click.ParamType):
    """A tag of an audience."""

    name = "tag"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The tag as it is."""
        try:
            (tag,) = audience_of([str(value)])
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return tag


stream_audience_option = click.option(
    "--audience",
    "audience",
    type=TagType(),
    multiple=True,
    metavar="TAG",
    help="Who may read what comes in, and all that is made of it; again for more.  "
    "[default: everybody]",
)

_audience_option = click.option(
    "--audience",
    "audience",
    type=TagType(),
    multiple=True,
    metavar="TAG",
    help="Also what is for this audience; again for more.  [default: what is public]",
)
_all_option = click.option("--all-audiences", is_flag=True, help="All that there is.")


def reader_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say on whose behalf a command reads; it gets them as ``reader``."""

    @wraps(command)
    def with_reader(*args: Any, audience: tuple[str, ...], all_audiences: bool, **kw: Any) -> Any:
        return command(*args, reader=reader_of(audience, all_audiences), **kw)

    return _audience_option(_all_option(with_reader))


def reader_of(tags: Iterable[str], reads_all: bool = False) -> Reader:
    """The reader of some tags.

    Raises
    ------
    ConfigurationError
        More tags than a reader may hold.
    """
    try:
        return Reader(audience_of(tags), reads_all)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


def site_of(name: str | None) -> Site | None:
    """The site of a name."""
    return SITES[name] if name else None


def store_url_of(given: str | None) -> str:
    """The store that was asked for, else the configured one; its folder is made."""
    url = given or Settings().store
    if url.startswith("sqlite:///") and url != "sqlite:///:memory:":
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    return url


def writable_folder(folder: Path) -> None:
    """Make a folder for results, before the work and not after it.

    Raises
    ------
    ConfigurationError
        It cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (probe := folder / ".writable").touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error.strerror}") from error


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")
    sys.stdout.buffer.flush()


def said(value: Any) -> str:
    """A cell of a table: short numbers, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def plain(cells: Iterable[str]) -> list[Text]:
    """Cells of a table as they are: what a packet says must not act as markup."""
    return [Text(cell) for cell in cells]


def columns_of(rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> list[list[str]]:
    """Cells of some columns of some rows."""
    return [[said(row.get(name)) for name in names] for row in rows]
