"""``correlator demo``: a simulated night through the pipeline, and its lists."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import click
import orjson

from correlator.errors import ConfigurationError
from correlator.policy import Policy
from correlator.service.archive import archive_files, read_archive
from correlator.service.lists import print_lists
from correlator.service.progress import tracked
from correlator.service.replay import ReplayOptions, ReplayResult, replay, write_replay
from correlator.service.serving import serve_http
from correlator.service.settings import Settings
from correlator.simulation.archive import write_night
from correlator.simulation.night import NightConfig
from storage.store import Store

_MARK = ".correlator-demo"
"""Marks a folder as one that a demo made and may empty again."""


@click.command("demo")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--alerts", "n_alerts", type=click.IntRange(min=1), default=20_000, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
@click.option("--exit", "exit_at_once", is_flag=True, help="Do not serve the page.")
def demo(seed: int, n_alerts: int, folder: Path, exit_at_once: bool) -> None:
    """Simulate a night, stream it through the pipeline, print the ranked lists, serve the page.

    Example: correlator demo --seed 7 --exit
    """
    _make_room(folder)
    night = folder / "night"
    click.echo(f"Simulating a night of {n_alerts} alerts (seed {seed}) into {night}/ ...")
    write_night(NightConfig(seed=seed, n_alerts=n_alerts), night)
    archive = read_archive(tracked(archive_files([night / "alerts", night / "notices"]), "Reading"))
    click.echo(f"Streaming {len(archive.deliveries)} records through the pipeline ...")
    store = Store.open(f"sqlite:///{folder / 'correlator.sqlite'}")
    result = asyncio.run(replay(archive, store, Policy(), ReplayOptions()))
    write_replay(result, store, folder / "results")
    print_lists(result)
    found = _print_truth(result, night / "truth.json")
    if not exit_at_once:
        settings = Settings()
        click.echo(f"Page at http://{settings.host}:{settings.port} (interrupt to end)")
        asyncio.run(serve_http(store, settings, settings.host, settings.port))
    if not found:
        sys.exit(1)


def _make_room(folder: Path) -> None:
    """Empty the folder of an earlier demo; never one that holds anything else."""
    mark = folder / _MARK
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise ConfigurationError(f"--folder {folder}: not empty, and not of an earlier demo")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.touch()


def _print_truth(result: ReplayResult, truth_file: Path) -> bool:
    """Say where the injected counterparts stand; whether each is first in its list."""
    lists = result.results.targets.values()
    ranks = {(t.case, t.object_key): t.rank for targets in lists for t in targets}
    first = True
    for injected in orjson.loads(truth_file.read_bytes())["counterparts"]:
        case, key = injected["case"], f"ztf:{injected['object_id']}"
        rank = ranks.get((case, key))
        place = f"number {rank} of its list" if rank else "missing from its list"
        click.echo(
            f"Injected {injected['kind']} {key} of {injected['event_id']}: {place} ({case})."
        )
        first = first and rank == 1
    return first
