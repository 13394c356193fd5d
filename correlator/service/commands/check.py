"""``correlator check``: configuration and connections."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import click

from correlator.errors import CorrelatorError
from correlator.service.commands.db import check_schema
from correlator.service.commands.options import json_option, print_json, store_option, store_url_of
from correlator.service.settings import Settings
from correlator.service.times import iso_utc
from correlator.visibility import SITES
from storage import migrations
from storage.engine import open_engine

SILENT_AFTER_S = 10.0
"""A source has a heartbeat a second: one that missed ten is reported [s]."""

_LOOK_BACK_S = 600.0
"""A source that was last heard longer ago has gone, and is not named [s]."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, in words and in rows; a warning does not fail it."""

    said: str
    is_ok: bool = True
    is_warning: bool = False
    details: tuple[dict[str, Any], ...] = ()


Check = Callable[[], Finding]


@click.command("check")
@store_option
@json_option
def check(store_url: str | None, as_json: bool) -> None:
    """Check settings, store and broker, and say what is wrong in words.

    Of a Kafka cluster also its topics, the sources' heartbeats, and how far the workers are behind.

    Example: correlator check --json
    """
    settings = Settings()
    rows = [
        _run("settings", lambda: _settings(settings)),
        _run("store", lambda: _store(store_url_of(store_url))),
        _run("broker", lambda: _broker(settings.broker)),
    ]
    if rows[1]["ok"]:
        rows.append(_run("maps", lambda: _maps(settings, store_url_of(store_url))))
    if settings.broker.startswith("kafka://") and rows[-1]["ok"]:
        rows += [_run(name, look) for name, look in _cluster(settings).items()]
    if as_json:
        print_json(rows)
    else:
        _print(rows)
    if not all(row["ok"] for row in rows):
        sys.exit(1)


def _print(rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        said = "FAIL" if not row["ok"] else "warn" if row["warning"] else "ok  "
        click.echo(f"{said} {row['check']}: {row['said']}")


def _run(name: str, look: Check) -> dict[str, Any]:
    try:
        found = look()
    except CorrelatorError as error:
        found = Finding(str(error), is_ok=False)
    return {
        "check": name,
        "ok": found.is_ok,
        "warning": found.is_warning,
        "said": found.said,
        "details": list(found.details),
    }


def _settings(settings: Settings) -> Finding:
    if settings.site is not None and settings.site not in SITES:
        raise CorrelatorError(f"site {settings.site!r} is unknown; there are {', '.join(SITES)}")
    settings.policy()
    return Finding(f"page at {settings.host}:{settings.port}, site {settings.site or 'not set'}")


def _store(url: str) -> Finding:
    engine = open_engine(url)
    check_schema(engine)
    return Finding(f"schema at {migrations.current(engine)}")


def _maps(settings: Settings, url: str) -> Finding:
    if not settings.fetch_maps:
        return Finding("sky maps are not fetched")
    from storage.store import Store
    from streams.map_desk import still_wanted_maps

    with Store.open(url, migrate=False) as store:
        wanted = still_wanted_maps(store, time.time(), settings.policy().include_tests)
    details = tuple(
        {"notice_id": w.notice_id, "url": w.url, "received": iso_utc(w.received_unix_s)}
        for w in wanted
    )
    return Finding(f"{len(wanted)} sky maps are waited for", details=details)


def _broker(url: str) -> Finding:
    if url.startswith("memory://"):
        return Finding("in-process, nothing to connect to")
    from streams.admin import brokers, partitions_of, servers_of

    servers = servers_of(url)
    return Finding(f"{brokers(servers)} brokers, {len(partitions_of(servers))} topics")


def _cluster(settings: Settings) -> dict[str, Check]:
    from streams.admin import servers_of

    servers = servers_of(settings.broker)
    return {
        "topics": lambda: _topics(servers, settings),
        "heartbeats": lambda: _heartbeats(servers),
        "lag": lambda: _lag(servers, settings.app_id),
    }


def _topics(servers: str, settings: Settings) -> Finding:
    from streams.admin import differences
    from streams.topics import all_topics

    wanted = all_topics(settings.policy())
    if found := differences(servers, wanted):
        said = "; ".join(map(str, found))
        hint = "`correlator topics declare` makes what is missing"
        return Finding(f"{said} ({hint})", False, details=tuple(asdict(d) for d in found))
    return Finding(f"{len(wanted)} topics as they must be")


def _heartbeats(servers: str) -> Finding:
    from streams.heartbeat import latest_heartbeats

    now = time.time()
    latest = latest_heartbeats(servers, _LOOK_BACK_S)
    complaints = {name: beat.complaint for name, beat in latest.items() if beat.complaint}
    ages_s = {name: now - beat.time_unix_s for name, beat in latest.items()}
    return heartbeats_found(ages_s, complaints)


def heartbeats_found(
    age_s: Mapping[str, float], complaints: Mapping[str, str] = MappingProxyType({})
) -> Finding:
    """What to say of the sources' latest heartbeats, by their age [s] and what they complain of."""
    if not age_s:
        said = f"no worker and no edge was heard in the last {_LOOK_BACK_S:.0f} s"
        return Finding(said, is_warning=True)
    details = tuple(
        {"source": name, "age_s": round(age, 3), "complaint": complaints.get(name)}
        for name, age in sorted(age_s.items())
    )
    silent = [name for name, age in sorted(age_s.items()) if age > SILENT_AFTER_S]
    wrong = []
    if silent:
        wrong.append(f"silent: {', '.join(f'{name} for {age_s[name]:.0f} s' for name in silent)}")
    # What a silent one complained of last may be over.
    wrong += [f"{name}: {said}" for name, said in sorted(complaints.items()) if name not in silent]
    if wrong:
        return Finding("; ".join(wrong), is_warning=True, details=details)
    oldest_s = max(age_s.values())
    return Finding(f"{len(age_s)} sources, the oldest {oldest_s:.1f} s ago", details=details)


def _lag(servers: str, group: str) -> Finding:
    from streams.admin import lag_of
    from streams.topics import GROUP_TOPICS

    behind = lag_of(servers, group, [topic.name for topic in GROUP_TOPICS])
    said = ", ".join(f"{topic} {n}" for topic, n in behind.items())
    details = tuple({"topic": topic, "records": n} for topic, n in behind.items())
    said = f"records that group {group} has not done: {said or 'no topics'}"
    return Finding(said, details=details)
