"""``correlator ingest optical``: a survey's alerts."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Literal

import click

from correlator.audience import audience_of
from correlator.errors import ConfigurationError
from correlator.service.commands.options import stream_audience_option
from correlator.service.edges import run_edge
from correlator.service.raw_archive import RawArchive
from correlator.service.settings import Settings
from correlator.service.telemetry import log_to_stderr
from ingest_optical.quality import DEFAULT_CUTS, PRESETS
from ingest_optical.registry import Registry
from storage.archive.parts import PartWriter
from streams.admin import declare, servers_of
from streams.edge import Edge, EdgeSettings
from streams.edge_outbox import Outbox
from streams.edge_source import Source
from streams.topics import DEAD_LETTER, EXPOSURES, HEARTBEAT, OPTICAL_ALERTS

_TOPICS = (OPTICAL_ALERTS, EXPOSURES, HEARTBEAT, DEAD_LETTER)


_PARQUET_COMMIT_S = 10.0
"""Time between two commits of an edge that writes Parquet [s]: each makes two files."""


@click.command("optical")
@click.option("--survey", type=click.Choice(sorted(DEFAULT_CUTS)), required=True)
@click.option(
    "--source",
    "source_url",
    required=True,
    metavar="URL",
    help="kafka://HOST:PORT[,HOST:PORT]/TOPIC; {date} in it is each night's, ^ begins a pattern.",
)
@click.option("--group", help="Consumer group; readers of one group share the work.")
@click.option(
    "--from",
    "begin",
    type=click.Choice(["earliest", "latest"]),
    default="earliest",
    show_default=True,
    help="Where a group begins that has never read.",
)
@click.option("--gate", type=click.Choice(sorted(PRESETS)), help="Quality cuts of the survey.")
@click.option(
    "--archive", type=click.Path(path_type=Path), help="Keep admitted packets below this folder."
)
@click.option(
    "--parquet",
    type=click.Path(path_type=Path),
    help="Keep every alert in the archive of nights in this folder.",
)
@stream_audience_option
@click.option("--registry", help="Schema registry of LSST; '' for none.")
@click.option("--name", help="Name of this process in heartbeats.")
@click.option(
    "--replication",
    type=click.IntRange(min=1),
    help="Copies of a topic that is missing.  [default: 3, or as many as there are brokers]",
)
def optical(
    survey: str,
    source_url: str,
    group: str | None,
    begin: Literal["earliest", "latest"],
    gate: str | None,
    archive: Path | None,
    parquet: Path | None,
    audience: tuple[str, ...],
    registry: str | None,
    name: str | None,
    replication: int | None,
) -> None:
    """Read a survey's alerts: gate them, and send the good ones on in slim form.

    The broker that receives them is CORRELATOR_BROKER. Credentials of the survey's broker come from
    CORRELATOR_SOURCE_USERNAME, _PASSWORD, _MECHANISM, _SECURITY and _CA_FILE.

    Example: correlator ingest optical --survey ztf --source
    "kafka://HOST:9092/ztf_{date}_programid1" --archive raw/
    """
    log_to_stderr(verbose=True)
    settings = Settings()
    if not settings.broker.startswith("kafka://"):
        raise ConfigurationError(f"broker {settings.broker}: an edge needs kafka://HOST:PORT")
    servers = servers_of(settings.broker)
    source = settings.source(survey, source_url, group, begin)
    schemas = Registry(
        (settings.source_registry if registry is None else registry) or None,
        settings.source_schemas,
    )
    declare(servers, _TOPICS, replication)
    kept = RawArchive(archive) if archive else None
    cuts = {survey: PRESETS[gate] if gate else DEFAULT_CUTS[survey]}
    edge_settings = EdgeSettings(
        name=name or f"edge-{survey}-{socket.gethostname()}-{os.getpid()}",
        survey=survey,
        cuts=cuts,
        audience=audience_of(audience),
    )
    if parquet is not None:
        edge_settings = replace(edge_settings, commit_interval_s=_PARQUET_COMMIT_S)
    edge = Edge(
        edge_settings,
        lambda finish: Source(source, finish),
        Outbox(servers),
        schemas.schema,
        kept,
        tag=settings.tagger().tagged,
        nights=PartWriter(parquet, {s: c.name for s, c in cuts.items()}) if parquet else None,
    )
    try:
        run_edge(edge)
    finally:
        if kept is not None:
            kept.close()
