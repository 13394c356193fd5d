"""``correlator joint``: events of different missions that are one burst, from the store."""

from __future__ import annotations

import click
from rich.table import Table

from correlator.audience import Reader
from correlator.service.commands.options import (
    json_option,
    print_json,
    reader_options,
    store_option,
    store_url_of,
)
from correlator.service.console import stdout_console
from correlator.service.results import stored_joint_events
from correlator.service.rows import Row, joint_row
from correlator.service.settings import Settings
from storage.store import Store


@click.command("joint")
@json_option
@reader_options
@store_option
def joint(as_json: bool, reader: Reader, store_url: str | None) -> None:
    """List the joint events: members, overlap of their places, false-alarm rate.

    Example: correlator joint --json
    """
    with Store.open(store_url_of(store_url), migrate=False) as store:
        known = stored_joint_events(store, Settings().policy())
    rows = [joint_row(found) for found in known if reader.may_read(found.audience)]
    if as_json:
        print_json(rows)
    else:
        _print_table(rows)


def _print_table(rows: list[Row]) -> None:
    table = Table("joint_id", "with", "event_time", "delta_t_s", "i_omega", "far_per_year")
    for row in rows:
        others = "\n".join(key for key in row["event_keys"][1:])
        deltas = "\n".join(f"{link['delta_t_s']:.1f}" for link in row["links"])
        overlaps = "\n".join(
            "" if link["i_omega"] is None else f"{link['i_omega']:.3g}" for link in row["links"]
        )
        far = f"{row['far_per_year']:.2g}"
        table.add_row(row["joint_id"], others, row["event_time"], deltas, overlaps, far)
    stdout_console().print(table)
