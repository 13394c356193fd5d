"""The command line: ``correlator COMMAND``."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from correlator.errors import CorrelatorError
from correlator.service.telemetry import log_to_stderr

FAILED, BAD_USAGE, PARTLY_DONE = 1, 2, 3
"""Exit states of the command contract; 0 is done."""


_COMMANDS = {
    "demo": "demo:demo",
    "up": "up:up",
    "serve": "serve:serve",
    "worker": "worker:worker",
    "ingest": "ingest:ingest",
    "replay": "replay:replay_command",
    "join": "join:join_command",
    "notice": "packets:notice_command",
    "alert": "packets:alert_command",
    "map": "sky_map:map_command",
    "targets": "targets:targets",
    "filters": "filters:filters",
    "subscriptions": "subscriptions:subscriptions",
    "listen": "listen:listen",
    "joint": "joint:joint",
    "voevent": "voevent:voevent",
    "coincidence": "coincidence:coincidence",
    "schema": "schema:schema",
    "export": "export:export",
    "push": "push:push",
    "hermes": "hermes:hermes",
    "catalogs": "catalogs:catalogs",
    "orbits": "orbits:orbits",
    "simulate": "simulate:simulate",
    "archive": "archive:archive",
    "models": "models:models",
    "db": "db:db",
    "tokens": "tokens:tokens",
    "check": "check:check",
    "bench": "bench:bench",
    "topics": "topics:topics",
    "kafka-users": "kafka_users:kafka_users",
    "dead-letter": "dead_letter:dead_letter",
}
"""Each command with the module below ``commands`` that has it: only the one asked for is loaded."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name].split(":")
        command: Any = getattr(import_module(f"correlator.service.commands.{module}"), name)
        return command if isinstance(command, click.Command) else None


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="multimessenger-correlator")
@click.option("-v", "--verbose", is_flag=True, help="Log every decision, not only warnings.")
def correlator(verbose: bool) -> None:
    """Join optical alert streams with gamma-ray, X-ray, neutrino and gravitational-wave notices."""
    log_to_stderr(verbose)


def main() -> None:
    """Run the command line; an error that we raise on purpose is one line, not a traceback."""
    try:
        correlator.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(BAD_USAGE if isinstance(error, click.UsageError) else FAILED)
    except click.Abort:
        sys.exit(130)
    except (CorrelatorError, ValidationError, OSError, SQLAlchemyError) as error:
        click.echo(f"correlator: {_said(error)}", err=True)
        sys.exit(FAILED)


def _said(error: Exception) -> str:
    """What an error says, in one line that a person can act on."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        return f"setting CORRELATOR_{name.upper()}: {first['msg']}, got {first['input']!r}"
    if isinstance(error, SQLAlchemyError):
        return f"event store: {str(error).splitlines()[0]}"
    return str(error)


if __name__ == "__main__":
    main()
