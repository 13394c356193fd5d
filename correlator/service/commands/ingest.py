"""``correlator ingest``: the edges, which read the outside world's streams."""

from __future__ import annotations

import click

from correlator.service.commands.ingest_gcn import gcn
from correlator.service.commands.ingest_optical import optical
from correlator.service.commands.ingest_vtp import vtp


@click.group("ingest")
def ingest() -> None:
    """Read a survey's or a network's stream, and feed our own topics with it."""


ingest.add_command(gcn)
ingest.add_command(optical)
ingest.add_command(vtp)
