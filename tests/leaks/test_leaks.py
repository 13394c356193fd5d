"""Nothing of a proprietary stream reaches who may not read it: topics, files, page and REST.

A night in which a survey and a mission are private goes through the pipeline. Then everything that
somebody gets is searched for every id, name and number of the private rows.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from urllib.parse import quote, unquote

import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from correlator.audience import OPERATOR, PUBLIC_READER, Reader
from correlator.policy import Policy
from correlator.service.bulk import NOUNS
from correlator.service.cli import correlator
from correlator.service.results import results_of, write_results
from correlator.service.serving import create_service
from correlator.service.settings import Settings
from storage.schema import alerts, coincidences, events, notices, objects, targets
from storage.store import Store
from storage.tokens import Scope
from streams.published import NoCoincidenceError
from streams.topics import INTERNAL_TOPICS, USER_PREFIX, all_topics
from tests.leaks.night import SUBSCRIBERS, stream, the_archive
from tests.leaks.secrets import Secrets
from tests.service.api.test_authorisation import ROUTES

pytestmark = [pytest.mark.slow, pytest.mark.real_data]

AS_OF = datetime(2024, 1, 16, tzinfo=UTC).timestamp()
READERS = {name: Reader(tags) for name, tags in SUBSCRIBERS.items()}
AUDIENCES = [("gbm",), ("rubin",), ("gbm", "rubin")]
_ALL_FORMATS = (None,)
FORMATS = ("json", "ndjson", "csv", "ecsv", "votable", "parquet", "tom-csv")


class World:
    """The store after the night, what was sent, and what is secret."""

    def __init__(self, url, night, store, folder):
        self.url, self.night, self.store, self.folder = url, night, store, folder
        self.service = create_service(
            store, Settings(api_anonymous_rate_hz=1e6, api_token_rate_hz=1e6)
        )
        documents = asyncio.run(self.documents())
        self.secrets = Secrets(store, documents)
        now = datetime.now(UTC).timestamp()
        make = store.tokens.create
        scopes = [Scope.READ, Scope.SUBSCRIBE]
        self.tokens = {name: make(name, scopes, SUBSCRIBERS[name], now) for name in SUBSCRIBERS}

    async def documents(self):
        async with self.client() as client:
            paths = ("/api/v1/openapi.json", "/api/v1/schemas", "/api/v1/filters")
            return [(await client.get(path)).text for path in paths]

    def client(self, reader=None):
        headers = {} if reader is None else {"Authorization": f"Bearer {self.tokens[reader]}"}
        transport = httpx.ASGITransport(app=self.service)
        return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)

    def rows(self, columns, audience, most=3):
        """Some rows of an audience."""
        text = " ".join(audience) or None
        c = columns[0].table.c
        wanted = c.audience.is_(None) if text is None else c.audience == text
        found = select(*columns).where(wanted).order_by(*columns).distinct().limit(most)
        with self.store.engine.connect() as connection:
            return connection.execute(found).all()

    def ids(self, column, audience, most=3):
        """Ids of some rows of an audience."""
        return [row[0] for row in self.rows([column], audience, most)]


@pytest.fixture(scope="module")
def world(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaks")
    url = f"sqlite:///{folder}/store.sqlite"
    with Store.open(url) as store:
        night = asyncio.run(stream(the_archive(real_data / "nights" / "2024-01-15"), store, AS_OF))
        yield World(url, night, store, folder)


def test_there_is_much_to_leak_and_it_is_found(world):
    """What the workers tell each other holds it all: so the search finds what is there."""
    counts = {audience: len(world.secrets.of(audience)) for audience in AUDIENCES}
    assert min(counts.values()) > 100, counts
    for topic in ("optical.alerts", "notices.raw", "events", "pairs", "revisions"):
        assert world.secrets.leaked(world.night.bytes_of(topic), PUBLIC_READER), topic
    public = [world.ids(t.c.audience.table.primary_key.columns[0], ()) for t in (objects, events)]
    assert all(public), "something is public, too"
    assert world.ids(coincidences.c.coincidence_id, ())


def test_topics_for_everybody_hold_nothing_private(world):
    outward = {t.name for t in all_topics(Policy())} - INTERNAL_TOPICS
    told = {topic for topic in outward if world.night.bytes_of(topic)}
    assert told >= {"coincidences", "coincidences.state", "voevents", "coincidence.all"}
    assert "targets.kilonova" in told
    for topic in outward:
        assert not world.secrets.leaked(world.night.bytes_of(topic), PUBLIC_READER), topic
    known = outward | INTERNAL_TOPICS | {f"{USER_PREFIX}{name}" for name in SUBSCRIBERS}
    assert world.night.sent.keys() <= known


@pytest.mark.parametrize("name", READERS)
def test_a_subscriber_is_sent_what_is_theirs(world, name):
    said = world.night.bytes_of(f"{USER_PREFIX}{name}")
    assert said
    assert not world.secrets.leaked(said, READERS[name])
    assert_sees(world, said, name)


@pytest.mark.parametrize("name", READERS)
def test_files_hold_what_is_the_readers(world, name):
    results = results_of(world.store, Policy(), AS_OF)
    out = world.folder / name
    write_results(results, world.store, out, READERS[name])
    said = b"".join(file.read_bytes() for file in sorted(out.iterdir()))
    assert not world.secrets.leaked(said, READERS[name])
    assert_sees(world, said, name)


@pytest.mark.parametrize("name", READERS)
def test_commands_print_what_is_the_readers(world, name):
    tags = [word for tag in SUBSCRIBERS[name] for word in ("--audience", tag)]
    out = world.folder / f"{name}-exports"
    some = [i for a in [(), *AUDIENCES] for i in world.ids(coincidences.c.coincidence_id, a)]
    forms = ("json", "csv", "tom-csv", "ecsv", "votable", "table")
    commands = [
        *(["targets", "--format", form] for form in forms),
        ["joint", "--json"],
        ["filters", "run", "rank >= 1", "--json"],
        ["export", "--out", str(out / "all")],
        *(["export", noun, "--out", str(out / noun)] for noun in NOUNS),
        *([what, one] for what in ("coincidence", "voevent", "hermes") for one in some),
    ]
    said = ""
    for words in commands:
        result = CliRunner().invoke(correlator, [*words, *tags, "--store", world.url])
        own = " ".join(words)
        assert result.exception is None or isinstance(result.exception, NoCoincidenceError), words
        leaked = world.secrets.leaked(f"{result.output} {result.exception}", READERS[name])
        assert {word for word in leaked if word not in own} == set(), words
        said += result.output
    exported = [file for file in sorted(out.rglob("*")) if file.is_file()]
    assert len(exported) >= 6 + 2 * len(NOUNS)
    for file in exported:
        assert not world.secrets.leaked(file.read_bytes(), READERS[name]), file
    assert_sees(world, said.encode(), name)


@pytest.mark.parametrize("name", [None, "wrong", "one", "all"])
async def test_nothing_served_is_for_others(world, name):
    reader, said = READERS[name] if name else PUBLIC_READER, []
    async with world.client(name) as client:
        for url in urls_of(world, FORMATS if name in _ALL_FORMATS else ("json", "parquet")):
            answer = await client.get(url)
            assert answer.status_code < 500, url
            leaked = world.secrets.leaked(answer.content, reader)
            leaked |= world.secrets.leaked(repr(answer.headers), reader)
            # An error may repeat what was asked for, and nothing more.
            own = unquote(url) if answer.status_code >= 400 else ""
            assert {word for word in leaked if word not in own} == set(), url
            said.append(answer.content if answer.status_code == 200 else b"")
    assert_sees(world, b"\n".join(s for s in said if not s.startswith(b"PAR1")), name or "public")


@pytest.mark.parametrize("name", [None, "wrong", "one"])
async def test_what_is_of_others_is_as_if_it_were_not_there(world, name):
    """An id of somebody else's is answered as one that nothing has."""
    async with world.client(name) as client:
        for path in ROUTES:
            if path[0] != "GET" or "{" not in path[1] or any(w in path[1] for w in _OTHERS):
                continue
            if name == "one" and any(w in path[1] for w in _OF_OBJECTS):
                continue
            form = path[1].replace(":path}", "}")
            for parts in parts_of(world, ("gbm", "rubin"), 1):
                nobody = dict.fromkeys(parts, "nobody") | {"sha256": "0" * 64, "survey": "ztf"}
                for part in with_queries(form, "", FORMATS):
                    there = await client.get(form.format(**parts) + part)
                    nowhere = await client.get(form.format(**nobody) + part)
                    assert there.status_code == nowhere.status_code >= 400, form + part


_OTHERS = ("{name}", "{token_id}", "/feedback", "/skyportal")
_OF_OBJECTS = ("{object_key", "{survey}")


def assert_sees(world, said, name):
    """A reader gets what is theirs: without that the search would prove nothing."""
    found = world.secrets.found(said)
    for audience in AUDIENCES:
        mine = bool(found & world.secrets.of(audience))
        assert mine == READERS[name].may_read(audience), (name, audience)


def urls_of(world, forms):
    """Every address that is served, in some formats, with ids of every audience."""
    for method, path in ROUTES:
        if method != "GET" or path == "/api/v1/tokens":
            continue
        every = list(filled(world, path, forms))
        assert every, path
        yield from every


def filled(world, path, forms):
    path = path.replace(":path}", "}")
    every = [parts for audience in [(), *AUDIENCES] for parts in parts_of(world, audience, 1)]
    if "{" in path:
        for parts in every:
            yield from with_queries(path, path.format(**parts), forms[:1])
        return
    yield from with_queries(path, path, forms)
    for parts in every:
        yield from (f"{path}?{query.format(**parts)}" for query in _ASKED.get(path, ()))


def with_queries(path, url, forms):
    lists = ("/coincidences", "/targets", "/pairs", "/events", "/notices", "/objects", "/alerts",
             "/revisions", "/lightcurve")  # fmt: skip
    if path.startswith("/api/v1") and path.endswith(lists):
        yield from (f"{url}?format={form}&limit=1000" for form in forms)
    elif path.endswith("/localizations/{sha256}"):
        yield from (f"{url}?format={form}" for form in ("fits", "moc", "json"))
    elif path.startswith("/skyportal") and path.endswith("/alerts"):
        return
    elif path.startswith("/scs"):
        yield from (f"{url}?RA={ra}&DEC=0&SR=90&VERB=3" for ra in (0, 180))
    elif path.endswith("/filters/sent"):
        yield f"{url}?filter=rank>=1&limit=1000&since=2025-10-01&until=2025-11-30"
    else:
        yield url


_ASKED = {
    "/api/v1/coincidences": ["event={event_key}&credible=0.9", "object={object_key}"],
    "/api/v1/pairs": ["event={event_key}", "object={object_key}", "withdrawn=true"],
    "/api/v1/objects": ["event={event_key}&credible=0.9"],
    "/api/v1/alerts": ["object={object_key}", "event={event_key}&credible=0.5"],
    "/api/v1/notices": ["event={event_key}"],
    "/api/v1/targets": ["object={object_key}", "site=palomar"],
    **{
        f"/skyportal/v1{survey}/alerts": [
            "objectId={object_id}",
            "ra={ra}&dec={dec}&radius=3&radius_units=deg",
        ]
        for survey in ("", "/ztf", "/lsst")
    },
    **{path: ["RA={ra}&DEC={dec}&SR=2"] for path in ("/scs", "/scs/coincidences", "/scs/objects")},
}


def parts_of(world, audience, most):
    """What paths and queries are filled in with: ids of an audience."""
    # An object is of the survey, or public, and an event of the mission: of both are only pairs.
    alone = tuple(tag for tag in audience if tag == "rubin")
    told = tuple(tag for tag in audience if tag == "gbm")
    found = {
        "coincidence_id": world.ids(coincidences.c.coincidence_id, audience, most),
        "target_id": world.ids(targets.c.target_id, audience, most),
        "event_key": world.ids(events.c.event_key, told, most),
        "notice_id": world.ids(notices.c.notice_id, told, most),
        "sha256": world.ids(events.c.localization_sha256, told, most),
        "object_key": world.ids(objects.c.object_key, alone, most),
        "name": ["grandma-gw", *SUBSCRIBERS],
    }
    of_alert = ("survey", "object_id", "alert_id", "ra_deg", "dec_deg")
    some = world.rows([alerts.c[name] for name in of_alert], alone, most)
    for n in range(most):
        said = {what: ids[n % len(ids)] if ids else "none" for what, ids in found.items()}
        said |= dict(zip(("survey", "object_id", "alert_id", "ra", "dec"), some[n], strict=True))
        yield {what: quote(str(one), safe="") for what, one in said.items()}


def test_the_operator_reads_all(world):
    out = world.folder / "operator"
    write_results(results_of(world.store, Policy(), AS_OF), world.store, out, OPERATOR)
    found = world.secrets.found((out / "pairs.jsonl").read_bytes())
    assert all(found & world.secrets.of(audience) for audience in AUDIENCES)
