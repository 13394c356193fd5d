"""``correlator replay``: archived packets through the pipeline."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import click

from correlator.audience import Reader
from correlator.service.archive import archive_files, read_archive
from correlator.service.commands.options import (
    UtcTime,
    json_option,
    paths_argument,
    print_json,
    reader_options,
    site_of,
    site_option,
    store_option,
    store_url_of,
    writable_folder,
)
from correlator.service.lists import print_lists
from correlator.service.progress import tracked
from correlator.service.replay import ReplayOptions, write_replay
from correlator.service.replay import replay as replay_archive
from correlator.service.settings import Settings
from storage.store import Store

_PARTLY_DONE = 3


class Speed(click.ParamType):
    """A number of seconds of event time per second, or ``max``."""

    name = "speed"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | None:
        """The number; None for ``max``."""
        if value in (None, "max"):
            return None
        try:
            speed = float(str(value))
        except ValueError:
            self.fail(f"{value!r} is neither a number nor 'max'", param, ctx)
        if not speed > 0.0:
            self.fail(f"{value!r} must be positive", param, ctx)
        return speed


@click.command("replay")
@paths_argument
@store_option
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results (JSON lines).")
@click.option("--speed", type=Speed(), default="max", help="Event seconds per second, or max.")
@click.option("--shuffle", "shuffle_seed", type=int, help="Permute the delivery by this seed.")
@click.option("--as-of", "as_of", type=UtcTime(), help="Rank at this time; default: last packet.")
@click.option("--include-tests", is_flag=True, help="Let tests, mocks and drills reach the join.")
@site_option
@reader_options
@json_option
def replay_command(
    paths: tuple[Path, ...],
    store_url: str | None,
    out: Path | None,
    speed: float | None,
    shuffle_seed: int | None,
    as_of: float | None,
    include_tests: bool,
    site: str | None,
    reader: Reader,
    as_json: bool,
) -> None:
    """Stream archived packets (files or folders) through the pipeline in event-time order.

    Example: correlator replay night/ --out results --as-of 2024-01-16T00:00:00Z
    """
    settings = Settings()
    if out is not None:
        writable_folder(out)
    store = Store.open(store_url_of(store_url) if store_url else "sqlite:///:memory:")
    files = tracked(archive_files(paths), "Reading")
    archive = read_archive(files, settings.tagger().tagged, settings.source_audiences())
    options = ReplayOptions(as_of, shuffle_seed, speed, site_of(site or settings.site))
    policy = settings.policy()
    policy = replace(policy, include_tests=include_tests or policy.include_tests)
    result = asyncio.run(replay_archive(archive, store, policy, options))
    if out is not None:
        write_replay(result, store, out, reader)
    if as_json:
        print_json(result.report)
    else:
        print_lists(result, reader)
    if result.report["refused"]:
        sys.exit(_PARTLY_DONE)
