"""``python -m benchmarks``: measure, print, and keep the latest result."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
import orjson
from rich.table import Table

from benchmarks.subjects import BENCHMARKS, Setting
from benchmarks.timing import Row
from correlator.errors import CorrelatorError
from correlator.service.commands.options import columns_of, json_option, print_json
from correlator.service.console import stdout_console
from correlator.service.progress import tracked
from correlator.service.telemetry import log_to_stderr

RESULTS = Path(__file__).parent / "results" / "latest.json"

_PACKAGES = (
    *("numpy", "fastavro", "astropy", "healpy", "ligo.skymap", "lxml", "voevent-parse"),
    *("faust-streaming", "sqlalchemy"),
)


def measured(names: Iterable[str], setting: Setting) -> list[dict[str, Any]]:
    """Rows of some benchmarks, each with the machine and the versions."""
    where = {"machine": _machine(), "versions": {p: _version(p) for p in _PACKAGES}}
    return [
        {**asdict(row), **where}
        for name in tracked(list(names), "Measuring")
        for row in BENCHMARKS[name](setting)
    ]


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
        _print_table(rows)


def _print_table(rows: list[dict[str, Any]]) -> None:
    names = [field.name for field in fields(Row)]
    machine = rows[0]["machine"]
    table = Table(*names, caption=" · ".join(f"{key} {value}" for key, value in machine.items()))
    for cells in columns_of(rows, names):
        table.add_row(*cells)
    stdout_console().print(table)


def _machine() -> dict[str, Any]:
    """The processor, and how busy it was before we began."""
    return {
        "cpu": _cpu(),
        "n_cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_1min": round(os.getloadavg()[0], 2),
    }


def _cpu() -> str:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
