"""``python -m benchmarks``: measure, print, and keep the latest result."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import orjson

from benchmarks.report import print_table, whole_rows
from benchmarks.subjects import BENCHMARKS, Setting
from correlator.errors import CorrelatorError
from correlator.service.commands.options import json_option, print_json
from correlator.service.progress import tracked
from correlator.service.telemetry import log_to_stderr

RESULTS = Path(__file__).parent / "results" / "latest.json"


def measured(names: Iterable[str], setting: Setting) -> list[dict[str, Any]]:
    """Rows of some benchmarks, each with the machine and the versions."""
    chosen = tracked(list(names), "Measuring")
    return whole_rows(row for name in chosen for row in BENCHMARKS[name](setting))


@click.command("benchmarks")
@click.option("--only", type=click.Choice(list(BENCHMARKS)), help="One benchmark.")
@click.option(
    "--real-data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="CORRELATOR_REAL_DATA",
    help="Folder of real packets.",
)
@json_option
def main(only: str | None, real_data: Path | None, as_json: bool) -> None:
    """Measure us against named peers, in turn, in one process.

    Example: python -m benchmarks --only map-match --json
    """
    log_to_stderr(verbose=False)
    try:
        rows = measured([only] if only else BENCHMARKS, Setting(real_data=real_data))
    except CorrelatorError as error:
        raise click.ClickException(str(error)) from error
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
    if as_json:
        print_json(rows)
    else:
        print_table(rows)


if __name__ == "__main__":
    main()
