"""What of a list is exported, as options and as the question that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

from correlator.audience import Reader
from correlator.errors import ConfigurationError
from correlator.service.api.problems import Problem
from correlator.service.api.regions import credible_region, event_key_of, event_of
from correlator.service.bulk import (
    FORMATS,
    Noun,
    chosen_columns,
    export_rows,
    manifest,
)
from correlator.service.commands.filters import filter_named
from correlator.service.commands.options import UtcTime
from correlator.service.progress import tracked
from correlator.service.times import iso_utc
from skymaps.errors import SkyMapError
from storage.search import Region
from storage.store import Store


class _Cone(click.ParamType):
    name = "RA,DEC,RADIUS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float, float]:
        if isinstance(value, tuple):
            return value
        try:
            ra_deg, dec_deg, radius_deg = map(float, str(value).split(","))
        except ValueError:
            self.fail(f"{value!r}: expected RA,DEC,RADIUS in degrees", param, ctx)
        return ra_deg, dec_deg, radius_deg


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of a list; None is not said."""

    since: float | None
    until: float | None
    event_since: float | None
    event_until: float | None
    event: str | None
    credible: float | None
    cone: tuple[float, float, float] | None
    moc: str | None
    object_key: str | None
    case: str | None
    mission: str | None
    where: str | None
    all_revisions: bool
    columns: str | None
    form: str | None

    @property
    def is_said(self) -> bool:
        """Whether anything is."""
        return any(getattr(self, field.name) not in (None, False) for field in fields(self))


_OPTIONS = (
    click.option("--since", type=UtcTime(), help="From this time on: of publication, of events..."),
    click.option("--until", type=UtcTime(), help="Before this time."),
    click.option("--event-since", type=UtcTime(), help="T0 of the event at this time or later."),
    click.option("--event-until", type=UtcTime(), help="T0 of the event before this time."),
    click.option("--event", help="Of this event: its key, or its mission's id."),
    click.option(
        "--credible",
        type=click.FloatRange(0.0, 1.0, min_open=True),
        help="Inside the region of that level of --event.",
    ),
    click.option("--cone", type=_Cone(), help="Within RADIUS of a place [deg]."),
    click.option("--moc", help="Inside a MOC, in ASCII or JSON."),
    click.option("--object", "object_key", help="Of this object: its key."),
    click.option("--case", help="Of this science case."),
    click.option("--mission", help="Of this mission."),
    click.option("--filter", "where", help="What a filter, or a preset, lets pass."),
    click.option("--revisions", "all_revisions", is_flag=True, help="Superseded ones, too."),
    click.option("--columns", help="These columns, with commas between."),
    click.option(
        "--format", "form", type=click.Choice(list(FORMATS)), help="Of the file.  [jsonl]"
    ),
)

_WORDS = {
    "tree": "--filter", "region": "--cone, --moc or --credible", "event_key": "--event",
    "object_key": "--object", "is_current": "--revisions", "case": "--case",
    "mission": "--mission", "since_unix_s": "--since", "until_unix_s": "--until",
    "event_since_unix_s": "--event-since", "event_until_unix_s": "--event-until",
}  # fmt: skip


def bulk_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of what is exported of a list; the command gets them as ``asked``."""

    @wraps(command)
    def with_asked(*args: Any, **kw: Any) -> Any:
        said = {field.name: kw.pop(field.name) for field in fields(Asked)}
        return command(*args, asked=Asked(**said), **kw)

    wrapped: Callable[..., Any] = with_asked
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def export_list(noun: Noun, asked: Asked, store: Store, reader: Reader, out: Path) -> None:
    """Write a list, and ``LIST.json`` that says what was asked and what was written."""
    try:
        question = _question(noun, asked, store, reader)
    except Problem as problem:
        raise ConfigurationError(problem.detail) from problem
    except SkyMapError as error:
        raise ConfigurationError(f"region: {error}") from error
    named = None if asked.columns is None else [n.strip() for n in asked.columns.split(",")]
    columns, form = chosen_columns(noun, named), asked.form or "jsonl"
    batches = iter(tracked(noun.rows(store, reader, question), noun.name))
    # In a region the order is that of the sky, and the days come and go.
    date = None if "region" in question else noun.date
    narrow = named is not None
    written = export_rows(noun, batches, columns, form, out, date=date, is_narrow=narrow)
    (out / f"{noun.name}.json").write_bytes(manifest(noun, written, _said(asked, reader), out))
    click.echo(f"{written.n_rows} {noun.name} in {len(written.files)} files", err=True)


def _question(noun: Noun, asked: Asked, store: Store, reader: Reader) -> dict[str, Any]:
    event_key = event_key_of(store, reader, asked.event)
    regions = [
        None if asked.cone is None else Region.cone(*asked.cone),
        None if asked.moc is None else Region.moc(asked.moc),
    ]
    if asked.credible is not None:
        if event_key is None:
            raise click.UsageError("--credible needs --event, of whose region it is")
        event = event_of(store, reader, event_key)
        regions.append(credible_region(store, event, asked.credible))
        if "event_key" not in noun.takes:
            event_key = None  # it named the region
    found = [region for region in regions if region is not None]
    if len(found) > 1:
        raise click.UsageError("one region at a time: --cone, --moc or --credible")
    question = {
        "since_unix_s": asked.since,
        "until_unix_s": asked.until,
        "event_since_unix_s": asked.event_since,
        "event_until_unix_s": asked.event_until,
        "event_key": event_key,
        "object_key": asked.object_key,
        "case": asked.case,
        "mission": asked.mission,
        "tree": None if asked.where is None else filter_named(asked.where),
        "region": found[0] if found else None,
    }
    if noun.name == "coincidences":
        question["is_current"] = None if asked.all_revisions else True
    elif asked.all_revisions:
        raise click.UsageError("--revisions is for coincidences")
    said = {name: value for name, value in question.items() if value is not None}
    if strange := sorted(_WORDS[name] for name in said.keys() - noun.takes):
        raise click.UsageError(f"{noun.name} cannot be chosen by {', '.join(strange)}")
    return said


def _said(asked: Asked, reader: Reader) -> dict[str, Any]:
    """The question for the manifest, in the words of the options."""
    said = {field.name: getattr(asked, field.name) for field in fields(asked)}
    for name in ("since", "until", "event_since", "event_until"):
        said[name] = iso_utc(said[name])
    kept = {name: value for name, value in said.items() if value not in (None, False)}
    return kept | {"audience": "all" if reader.reads_all else list(reader.tags)}
