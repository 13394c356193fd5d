"""``correlator bench``: measurements against named peers, from a checkout of the source."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

import click

from correlator.errors import ConfigurationError

_COMMANDS = {
    "decode": "decode_command:decode_command",
    "features": "features_command:features_command",
    "crossmatch": "crossmatch_command:crossmatch_command",
    "injections": "injections_command:injections_command",
    "orbits": "orbits_command:orbits_command",
    "archive": "archive_command:archive_command",
    "ingest": "ingest_command:ingest_command",
    "stream": "stream_command:stream_command",
    "latency": "latency_command:latency_command",
    "lookback": "lookback_command:lookback_command",
    "store": "store_command:store_command",
    "rest": "rest_command:rest_command",
    "soak": "soak_command:soak_command",
    "sky": "sky_command:sky_command",
    "notices": "notices_command:notices_command",
}
"""Each benchmark with the module of ``benchmarks`` that has its command; loaded when asked for."""

Command = TypeVar("Command", bound=Callable[..., Any])


class _Benchmarks(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        if find_spec("benchmarks") is None:
            raise ConfigurationError("benchmarks/ is beside the source: run from a checkout of it")
        module, name = _COMMANDS[cmd_name].split(":")
        command: Any = getattr(import_module(f"benchmarks.{module}"), name)
        return command if isinstance(command, click.Command) else None


@click.group("bench", cls=_Benchmarks)
def bench() -> None:
    """Measure us against named peers, and print the ratios."""
