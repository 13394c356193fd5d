"""``correlator bench ingest``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from benchmarks.brokers import own_broker
from benchmarks.ingest import IngestSetting, ingest
from benchmarks.report import print_table, whole_rows
from correlator.service.commands.options import json_option, print_json


@click.command("ingest")
@click.option("--survey", type=click.Choice(["ztf", "lsst"]), default="ztf", show_default=True)
@click.option(
    "--gate",
    "share",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=0.1,
    show_default=True,
    help="Share of the packets that the quality gate lets through.",
)
@click.option("--seconds", type=float, default=60.0, show_default=True, help="Length of each run.")
@click.option("--rounds", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--edges", "n_edges", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--archive", is_flag=True, help="Keep the packets that pass, as in production.")
@click.option("--no-worker", is_flag=True, help="The edge alone.")
@click.option("--broker", help="HOST:PORT of an empty Kafka; default: one of its own.")
@click.option(
    "--real-data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="CORRELATOR_REAL_DATA",
    required=True,
    help="Folder of real packets.",
)
@json_option
def ingest_command(
    survey: str,
    share: float,
    seconds: float,
    rounds: int,
    n_edges: int,
    archive: bool,
    no_worker: bool,
    broker: str | None,
    real_data: Path,
    as_json: bool,
) -> None:
    """Packets of real size from Kafka through the edge (and a worker), against a bare consumer.

    Example: correlator bench ingest --gate 0.1 --json
    """
    setting = IngestSetting(
        real_data=real_data,
        survey=survey,
        share=share,
        seconds=seconds,
        rounds=rounds,
        n_edges=n_edges,
        archive=archive,
        with_worker=not no_worker,
    )
    with nullcontext(broker) if broker else own_broker() as servers:
        rows = whole_rows(ingest(servers, setting))
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
