"""``correlator schema``: the JSON Schema of our notices, and whether a file keeps to it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from correlator.service.commands.options import json_option, print_json
from correlator.service.notice_check import NoticeChecker, documents_of
from streams.notice_schema import published_schema

_PARTLY_DONE = 3


@click.group("schema")
def schema() -> None:
    """Show the JSON Schema of the topics `coincidence.*`, or check documents by it."""


@schema.command("show")
def show() -> None:
    """Print the schema of this release.

    Example: correlator schema show > coincidence.schema.json
    """
    click.echo(published_schema().decode(), nl=False)


@schema.command("check")
@click.argument(
    "path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--gcn",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of GCN's schemas (its gcn/notices); without it only our part is checked.",
)
@json_option
def check(path: Path, gcn: Path | None, as_json: bool) -> None:
    """Check the documents of a file, one or JSON lines, by the schema; no network is asked.

    Exits 3 when one does not keep to it.

    Example: correlator schema check notices.jsonl --gcn gcn-schema/gcn/notices
    """
    checker = NoticeChecker(gcn)
    rows = [
        {"document": name, "errors": checker.errors_of(document)}
        for name, document in documents_of(path)
    ]
    n_wrong = sum(bool(row["errors"]) for row in rows)
    if as_json:
        print_json({"checked": len(rows), "wrong": n_wrong, "gcn": gcn is not None, "rows": rows})
    else:
        for row in rows:
            for error in row["errors"]:
                click.echo(f"{row['document']}: {error}", err=True)
        by = "the schema and GCN's core" if gcn else "the schema, without GCN's core (see --gcn)"
        click.echo(f"{len(rows) - n_wrong} of {len(rows)} documents keep to {by}")
    if n_wrong:
        sys.exit(_PARTLY_DONE)
