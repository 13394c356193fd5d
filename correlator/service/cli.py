"""The command line: ``correlator COMMAND``."""

from __future__ import annotations

import sys

import click

from correlator.errors import CorrelatorError
from correlator.service.commands.check import check
from correlator.service.commands.db import db
from correlator.service.commands.demo import demo
from correlator.service.commands.join import join_command
from correlator.service.commands.packets import alert_command, notice_command
from correlator.service.commands.replay import replay_command
from correlator.service.commands.simulate import simulate
from correlator.service.commands.targets import targets
from correlator.service.commands.up import up
from correlator.service.telemetry import log_to_stderr

FAILED, BAD_USAGE, PARTLY_DONE = 1, 2, 3
"""Exit states of the command contract; 0 is done."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="multimessenger-correlator")
@click.option("-v", "--verbose", is_flag=True, help="Log every decision, not only warnings.")
def correlator(verbose: bool) -> None:
    """Join optical alert streams with gamma-ray, X-ray, neutrino and gravitational-wave notices."""
    log_to_stderr(verbose)


for command in (
    demo,
    up,
    replay_command,
    join_command,
    notice_command,
    alert_command,
    targets,
    simulate,
    db,
    check,
):
    correlator.add_command(command)


def main() -> None:
    """Run the command line; an error that we raise on purpose is one line, not a traceback."""
    try:
        correlator.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(BAD_USAGE if isinstance(error, click.UsageError) else FAILED)
    except click.Abort:
        sys.exit(130)
    except CorrelatorError as error:
        click.echo(f"correlator: {error}", err=True)
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
