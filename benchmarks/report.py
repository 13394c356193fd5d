"""Rows as they are reported: with the machine and the versions, as JSON or as a table."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.timing import Row
from correlator.service.commands.options import columns_of
from correlator.service.console import stdout_console

_PACKAGES = (
    *("numpy", "fastavro", "astropy", "healpy", "ligo.skymap", "lxml", "voevent-parse"),
    *("faust-streaming", "sqlalchemy", "confluent-kafka"),
    *("mocpy", "ligo-raven", "numba", "gcn-notice-parser"),
)


def whole_rows(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows with the machine, how busy it was before the first, and the versions."""
    where = {"machine": _machine(), "versions": {p: _version(p) for p in _PACKAGES}}
    return [{**asdict(row), **where} for row in rows]


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print rows for people."""
    machine = rows[0]["machine"]
    names = [name for name in rows[0] if name not in ("machine", "versions")]
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
