"""``correlator check``: configuration and connections."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from correlator.errors import CorrelatorError
from correlator.service.commands.db import check_schema
from correlator.service.commands.options import json_option, print_json, store_option, store_url_of
from correlator.service.settings import Settings
from correlator.visibility import SITES
from storage import migrations
from storage.engine import open_engine


@click.command("check")
@store_option
@json_option
def check(store_url: str | None, as_json: bool) -> None:
    """Check settings, store and broker, and say what is wrong in words.

    Example: correlator check --json
    """
    settings = Settings()
    checks: dict[str, Callable[[], str]] = {
        "settings": lambda: _settings(settings),
        "store": lambda: _store(store_url_of(store_url)),
        "broker": lambda: _broker(settings.broker),
    }
    rows = [_run(name, look) for name, look in checks.items()]
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            click.echo(f"{'ok  ' if row['ok'] else 'FAIL'} {row['check']}: {row['said']}")
    if not all(row["ok"] for row in rows):
        sys.exit(1)


def _run(name: str, look: Callable[[], str]) -> dict[str, str | bool]:
    try:
        return {"check": name, "ok": True, "said": look()}
    except CorrelatorError as error:
        return {"check": name, "ok": False, "said": str(error)}


def _settings(settings: Settings) -> str:
    if settings.site is not None and settings.site not in SITES:
        raise CorrelatorError(f"site {settings.site!r} is unknown; there are {', '.join(SITES)}")
    settings.policy()
    return f"page at {settings.host}:{settings.port}, site {settings.site or 'not set'}"


def _store(url: str) -> str:
    engine = open_engine(url)
    check_schema(engine)
    return f"schema at {migrations.current(engine)}"


def _broker(url: str) -> str:
    if url.startswith("memory://"):
        return "in-process, nothing to connect to"
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    servers = url.removeprefix("kafka://").replace(";", ",")
    try:
        found = AdminClient({"bootstrap.servers": servers}).list_topics(timeout=5)
    except KafkaException as error:
        raise CorrelatorError(f"broker {url}: {error}") from error
    return f"{len(found.brokers)} brokers, {len(found.topics)} topics"
