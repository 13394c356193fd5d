"""``correlator notice`` and ``correlator alert``: what we understood of each packet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from correlator.alert import Alert
from correlator.errors import MalformedPacketError
from correlator.service.alert_row import alert_row
from correlator.service.archive import read_notice_file
from correlator.service.commands.options import (
    columns_of,
    json_option,
    paths_argument,
    plain,
    print_json,
)
from correlator.service.console import stdout_console
from correlator.service.notice_row import notice_row
from correlator.service.progress import tracked
from correlator.service.score_row import score_rows
from ingest_optical.decoder import decode
from ingest_optical.packets import read_packets
from ingest_vo.reader import to_notice

Row = dict[str, Any]

_PARTLY_DONE = 3

_BATCH = 1000
"""Alerts that are scored together."""


@click.command("notice")
@paths_argument
@json_option
def notice_command(paths: tuple[Path, ...], as_json: bool) -> None:
    """Say what is understood of notice packets (VOEvent XML, GCN and IGWN JSON).

    Example: correlator notice --json S240115k.json GBM_Fin_Pos.xml
    """
    columns = ("file", "mission", "notice_type", "event_id", "event_time", "radius_deg", "error")
    _report(paths, _notice_rows, columns, as_json)


@click.command("alert")
@paths_argument
@json_option
def alert_command(paths: tuple[Path, ...], as_json: bool) -> None:
    """Say what is understood of optical packets (ZTF and LSST Avro, Fink Parquet).

    Example: correlator alert --json night/*.avro
    """
    columns = ("file", "survey", "object_id", "alert_id", "time", "band", "mag_ab", "error")
    _report(paths, _alert_rows, columns, as_json)


def _report(
    paths: tuple[Path, ...],
    rows_of: Callable[[Path], Iterator[Row]],
    columns: tuple[str, ...],
    as_json: bool,
) -> None:
    files = [f for p in paths for f in (sorted(p.rglob("*")) if p.is_dir() else [p]) if f.is_file()]
    rows = [row for file in tracked(files, "Reading", len(files)) for row in rows_of(file)]
    if as_json:
        print_json(rows)
    else:
        table = Table(*columns)
        for cells in columns_of(rows, columns):
            table.add_row(*plain(cells))
        stdout_console().print(table)
    if any(row.get("error") for row in rows):
        sys.exit(_PARTLY_DONE)


def _notice_rows(file: Path) -> Iterator[Row]:
    try:
        yield {"file": str(file)} | notice_row(to_notice(read_notice_file(file), file.name))
    except MalformedPacketError as error:
        yield {"file": str(file), "error": str(error)}


def _alert_rows(file: Path) -> Iterator[Row]:
    decoded = _decoded(file)
    while some := list(islice(decoded, _BATCH)):
        scores = iter(score_rows([alert for alert in some if isinstance(alert, Alert)]))
        for alert in some:
            if isinstance(alert, Alert):
                yield {"file": str(file)} | alert_row(alert) | next(scores)
            else:
                yield {"file": str(file), "error": str(alert)}


def _decoded(file: Path) -> Iterator[Alert | MalformedPacketError]:
    for packet in read_packets(file):
        try:
            yield decode(packet, max_points=None)
        except MalformedPacketError as error:
            yield error
