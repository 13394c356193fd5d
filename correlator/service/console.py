"""Where tables go: a terminal as wide as it is, or a pipe that cuts no column."""

from __future__ import annotations

from rich.console import Console

_PIPE_WIDTH = 200


def stdout_console() -> Console:
    """A console on standard output."""
    console = Console()
    return console if console.is_terminal else Console(width=_PIPE_WIDTH)
