"""``correlator filters``: the presets, the check of a filter, and what one would have sent."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import click
from rich.table import Table

from correlator.audience import Reader
from correlator.errors import ConfigurationError, FilterError
from correlator.filters import Filter, filter_id, read_filter, text_of
from correlator.filters.json_form import MAX_LENGTH
from correlator.filters.preset import presets
from correlator.service.commands.options import (
    UtcTime,
    columns_of,
    json_option,
    plain,
    print_json,
    reader_options,
    store_option,
    store_url_of,
)
from correlator.service.console import stdout_console
from correlator.service.filter_rows import Row, field_rows, filter_row, preset_rows, sent_row
from correlator.service.times import iso_utc
from storage.store import Store

_SHOWN = ("published_time", "passes", "case", "rank", "object_key", "event_key", "revision",
          "last_mag_ab", "credible_level", "log_lr", "reason")  # fmt: skip

_NAME = re.compile(r"[A-Za-z0-9_./~-]{1,100}")
"""What was meant to be a preset or a file."""

_MAX_BYTES = 4 * MAX_LENGTH
"""Longest file of a filter: of the longest JSON in UTF-8 [bytes]."""


@click.group("filters")
def filters() -> None:
    """Choose among published coincidences: one language for topics, queries and replays.

    Example: correlator filters run "log_lr >= 5 and last_mag_ab < 20" --since 2026-10-01
    """


@filters.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the presets with their cuts, and the fields that a filter can name.

    Example: correlator filters list --json
    """
    if as_json:
        print_json({"presets": preset_rows(), "fields": field_rows()})
        return
    for row in preset_rows():
        click.echo(f"{row['name']}: {row['meaning']}")
        for cut in row["cuts"]:
            click.echo(f"    {cut['text']}    ({cut['source']})")
        for cut in row["missing"]:
            click.echo(f"    not yet: {cut['cut']}, for {cut['why']}")
    table = Table("field", "kind", "meaning")
    for cells in columns_of(field_rows(), ("name", "kind", "meaning")):
        table.add_row(*plain(cells))
    stdout_console().print(table)


@filters.command("check")
@click.argument("filter_or_file", metavar="FILTER|FILE")
@json_option
def check_command(filter_or_file: str, as_json: bool) -> None:
    """Read a filter (text, JSON, a file of either, or a preset) and print it as it was understood.

    Exits 1 when it is none, and says where and why.

    Example: correlator filters check "case = 'kilonova' and prior_activity_days is null"
    """
    tree = filter_named(filter_or_file)
    row = filter_row(tree)
    if as_json:
        print_json(row)
    else:
        click.echo(row["text"])


@filters.command("run")
@click.argument("filter_or_file", metavar="FILTER|FILE|PRESET")
@click.option("--since", "since", type=UtcTime(), help="Published at this time or later.")
@click.option("--until", "until", type=UtcTime(), help="Published before this time.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="Rows at most."
)
@reader_options
@store_option
@json_option
def run_command(
    filter_or_file: str,
    since: float | None,
    until: float | None,
    limit: int,
    reader: Reader,
    store_url: str | None,
    as_json: bool,
) -> None:
    """Say what a filter would have sent: the revisions of that time that pass.

    What was sent and passes no longer, or is gone, is sent once more, with passes = false.

    Example: correlator filters run grandma-gw --since 2026-10-01 --until 2026-11-01
    """
    tree = filter_named(filter_or_file)
    with Store.open(store_url_of(store_url), migrate=False) as store:
        n_sent = store.coincidences.count_sent(tree, since, until, reader=reader)
        found = store.coincidences.sent(tree, since, until, limit, reader=reader)
    rows = [sent_row(one) for one in found]
    if as_json:
        print_json(
            {
                "filter_id": filter_id(tree),
                "text": text_of(tree),
                "since": iso_utc(since),
                "until": iso_utc(until),
                "n_sent": n_sent,
                "sent": rows,
            }
        )
        return
    show_sent(rows)
    click.echo(f"{n_sent} sent, {len(rows)} shown", err=True)


def show_sent(rows: list[Row]) -> None:
    """Print revisions that were, or would have been, sent."""
    table = Table(*_SHOWN)
    for cells in columns_of(rows, _SHOWN):
        table.add_row(*plain(cells))
    stdout_console().print(table)


def filter_named(said: str) -> Filter:
    """The filter of a preset's name, of a file, or of the words themselves."""
    if said in presets():
        return presets()[said].filter
    packet = _packet_of(said)
    if packet is not None:
        try:
            return read_filter(packet.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{said}: UTF-8 is expected: {error}") from None
    try:
        return read_filter(said)
    except FilterError as error:
        if not _NAME.fullmatch(said):
            raise
        known = ", ".join(presets())
        raise ConfigurationError(
            f"{said}: there is no preset ({known}) and no file of that name; {error}"
        ) from None


def _packet_of(said: str) -> bytes | None:
    """What a file of that name holds, or the begin of it; None if there is none."""
    try:
        path = Path(said)
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(_MAX_BYTES + 1)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # a filter, and no name
            return None
        raise ConfigurationError(f"{said}: {error.strerror}") from None
