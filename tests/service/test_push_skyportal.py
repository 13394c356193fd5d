"""Coincidences pushed to a SkyPortal, again and again, and what people there decided."""

import math
import shutil
import socket
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from click.testing import CliRunner

from correlator.errors import ConfigurationError
from correlator.policy import DAY_S
from correlator.service.commands.push import push
from correlator.service.skyportal_client import (
    MAX_TRIES,
    MAX_WAIT_S,
    SkyPortal,
    SkyPortalError,
    checked_url,
    wait_s,
)
from correlator.service.skyportal_posts import dateobs_of
from correlator.wire import record_of_event
from storage.coincidences import CoincidenceState, Gone
from storage.store import Store
from tests.builders import (
    DEC_DEG,
    RA_DEG,
    T0_UNIX_S,
    a_coincidence,
    a_summary,
    an_alert,
    an_event,
)
from tests.service.api.live import served
from tests.service.fake_skyportal import TOKEN, FakeSkyPortal
from tests.storage.writers import put_alerts

OBJECT, OTHER = "ZTF25aaaaaaa", "ZTF25aaaaaab"
EVENT = an_event()
NAME, DATEOBS = "781692805", dateobs_of(T0_UNIX_S)


def a_found(object_id=OBJECT, **other):
    """A coincidence of our event whose evidence names its localization."""
    sha256 = EVENT.localization.sha256
    fields = {"object_key": f"ztf:{object_id}", "localization_sha256": sha256} | other
    return a_coincidence(**fields)


class Pushing:
    """A store, a SkyPortal, and the command between them."""

    def __init__(self, folder, filled, standing):
        shutil.copy(filled, folder / "events.sqlite")
        self.store_url = f"sqlite:///{folder / 'events.sqlite'}"
        self.state = folder / "pushed.json"
        self.portal = FakeSkyPortal({DATEOBS: ["old.fits", "bayestar.fits"]})
        self.url, standing.portal = standing.url, self.portal

    def publish(self, *found, why="the event was retracted", days=0.0):
        with Store.open(self.store_url) as store:
            at_unix_s = T0_UNIX_S + days * DAY_S
            return store.coincidences.publish(EVENT.event_key, found, at_unix_s, why)

    def run(self, *options, token=TOKEN, exit_code=0):
        args = ["skyportal", "--store", self.store_url, "--filter-id", "42", "--group", "7"]
        args += ["--url", f"{self.url}/sky", "--rate", "100"]
        if token:
            args += ["--token", token]
        result = CliRunner().invoke(push, [*args, *options])
        assert result.exit_code == exit_code, result.output
        self.said = result.stderr
        return [orjson.loads(line) for line in result.stdout.splitlines()]

    @property
    def entry(self):
        return self.portal.annotations[OBJECT]["GCN-crossmatch"]["data"][NAME]

    @property
    def link(self):
        return self.portal.links[DATEOBS, OBJECT]


class Standing:
    """One server for all tests, each with a SkyPortal of its own behind it."""

    url = ""
    portal = FakeSkyPortal({})

    async def __call__(self, scope, receive, send):
        await self.portal.app(scope, receive, send)


@pytest.fixture(scope="module")
def standing():
    one = Standing()
    with served(one) as one.url:
        yield one


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    file = tmp_path_factory.mktemp("store") / "events.sqlite"
    with Store.open(f"sqlite:///{file}") as store:
        store.localizations.put(EVENT.localization)
        store.events.put(record_of_event(EVENT))
        for n, name in enumerate((OBJECT, OTHER)):
            put_alerts(store, an_alert(f"200000000000000000{n}", name))
    return file


@pytest.fixture
def pushing(tmp_path, filled, standing):
    return Pushing(tmp_path, filled, standing)


@pytest.fixture
def behind(standing):
    """Puts a SkyPortal behind the server, and tells its URL."""

    def put(portal):
        standing.portal = portal
        return standing.url

    return put


def test_a_coincidence_becomes_a_candidate_with_its_annotation_and_a_pending_link(pushing):
    pushing.publish(a_found())
    (outcome,) = pushing.run()
    assert outcome["done"] == ["candidate", "annotation", f"link: {NAME} pending"]
    portal = pushing.portal
    ((name, filter_id, passed_at, alert_id),) = portal.candidates
    assert (name, filter_id, alert_id) == (OBJECT, 42, 2000000000000000000)
    seen = datetime.fromisoformat(passed_at).replace(tzinfo=UTC).timestamp()
    assert seen == pytest.approx(T0_UNIX_S + 0.2 * DAY_S, abs=1e-4)
    obj = portal.objs[OBJECT]
    assert (obj["ra"], obj["dec"], obj["origin"]) == (RA_DEG, DEC_DEG + 0.1, "ZTF")
    assert portal.annotations[OBJECT]["GCN-crossmatch"]["groups"] == [7]
    entry = pushing.entry
    assert entry["dateobs"] == DATEOBS == "2025-10-09T08:53:20"
    assert (entry["delta_t"], entry["distance_arcmin"]) == (0.1, 6.0)
    assert (entry["distance_ratio"], entry["age"], entry["ndethist"]) == (0.05, 0.1, 2)
    # What is unknown, and that nothing was seen before, is left out as SkyPortal does.
    assert {"drb", "dist_mean", "ssmagnr", "prior_activity"}.isdisjoint(entry)
    assert None not in entry.values()
    assert (pushing.link["status"], pushing.link["explanation"]) == ("pending", None)


@pytest.mark.slow
def test_a_second_run_changes_nothing_with_and_without_the_file(pushing):
    pushing.publish(a_found(), a_found(OTHER, rank=2))
    assert [len(o["done"]) for o in pushing.run("--state", str(pushing.state))] == [3, 3]
    n_requests = len(pushing.portal.requests)
    before = list(pushing.portal.candidates), pushing.entry, dict(pushing.portal.links)

    again = pushing.run("--state", str(pushing.state))
    assert [o["kept"] for o in again] == [["told before"]] * 2
    assert len(pushing.portal.requests) == n_requests

    forgetful = pushing.run()
    assert [o["done"] for o in forgetful] == [[], []]
    assert forgetful[0]["kept"] == [
        "candidate: there already",
        "annotation: says so already",
        f"link: {NAME} is pending already",
    ]
    assert before == (pushing.portal.candidates, pushing.entry, pushing.portal.links)
    assert "2 as before" in pushing.said


@pytest.mark.slow
def test_a_revision_refreshes_the_annotation_and_leaves_other_entries(pushing):
    pushing.publish(a_found())
    pushing.run("--state", str(pushing.state))
    theirs = {"delta_t": 3.0, "prior_activity": True}
    pushing.portal.annotations[OBJECT]["GCN-crossmatch"]["data"]["S251009x"] = theirs
    pushing.publish(a_found(priority=9.0, log_lr=9.5))
    (outcome,) = pushing.run("--state", str(pushing.state))
    assert (outcome["revision"], outcome["done"]) == (2, ["annotation"])
    data = pushing.portal.annotations[OBJECT]["GCN-crossmatch"]["data"]
    assert (data[NAME]["log_lr"], data[NAME]["revision"]) == (9.5, 2)
    assert data["S251009x"] == theirs


@pytest.mark.slow
def test_what_skyportal_found_active_before_the_event_stays_so(pushing):
    pushing.publish(a_found())
    pushing.run()
    pushing.entry["prior_activity"] = True
    pushing.publish(a_found(log_lr=9.5))
    pushing.run()
    assert pushing.entry["prior_activity"] is True
    assert pushing.entry["log_lr"] == 9.5


@pytest.mark.parametrize("has_file", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_retraction_rejects_the_link_and_says_why(pushing, has_file):
    options = ["--state", str(pushing.state)] if has_file else []
    pushing.publish(a_found())
    pushing.run(*options)
    pushing.publish(why="the event was retracted")
    (outcome,) = pushing.run(*options)
    assert (outcome["state"], outcome["done"]) == (
        "retracted",
        ["annotation", f"link: {NAME} rejected"],
    )
    assert (pushing.link["status"], pushing.link["explanation"]) == (
        "rejected",
        "the event was retracted",
    )
    assert (pushing.entry["state"], pushing.entry["reason"]) == (
        "retracted",
        "the event was retracted",
    )
    assert [o["done"] for o in pushing.run(*options)] == [[]]


@pytest.mark.slow
def test_what_expired_is_not_rejected(pushing):
    pushing.publish(a_found())
    pushing.run()
    pushing.publish(why=Gone("the event closed", CoincidenceState.EXPIRED))
    (outcome,) = pushing.run()
    assert outcome["done"] == ["annotation"]
    assert (pushing.link["status"], pushing.entry["state"]) == ("pending", "expired")


@pytest.mark.slow
@pytest.mark.parametrize("verdict", ["confirmed", "ambiguous", "rejected"])
def test_what_somebody_decided_there_stays(pushing, verdict):
    options = ["--state", str(pushing.state)]
    pushing.publish(a_found())
    pushing.run(*options)
    pushing.link["status"] = verdict
    pushing.publish(a_found(log_lr=9.5))
    (outcome,) = pushing.run(*options)
    assert f"link: {NAME} is {verdict} by somebody there" in outcome["kept"]
    pushing.publish()
    pushing.run(*options)
    assert pushing.link["status"] == verdict


@pytest.mark.slow
def test_a_rejection_of_ours_is_taken_back_when_the_coincidence_returns(pushing):
    options = ["--state", str(pushing.state)]
    for found in ([a_found()], [], [a_found()]):
        pushing.publish(*found)
        pushing.run(*options)
    assert (pushing.link["status"], pushing.entry["state"]) == ("pending", "active")
    # Without the file nobody knows whose rejection it was.
    pushing.publish()
    pushing.run(*options)
    pushing.publish(a_found())
    (outcome,) = pushing.run()
    assert f"link: {NAME} is rejected by somebody there" in outcome["kept"]


@pytest.mark.slow
def test_what_was_gone_before_it_was_told_is_not_told(pushing):
    pushing.publish(a_found())
    pushing.publish()
    (outcome,) = pushing.run("--state", str(pushing.state))
    assert outcome["kept"] == ["never told"]
    assert pushing.portal.changes == []


@pytest.mark.slow
def test_an_event_that_is_not_there_costs_only_the_link(pushing):
    pushing.portal.events.clear()
    pushing.publish(a_found())
    (outcome,) = pushing.run()
    assert outcome["done"] == ["candidate", "annotation"]
    assert outcome["kept"] == [f"link: {NAME} is not there"]


@pytest.mark.slow
def test_the_newest_localization_is_named(pushing, monkeypatch):
    pushing.portal.events[DATEOBS] = ["newest-first-in-name.fits", "b.fits", "a.fits"]
    posted = []
    link = FakeSkyPortal._link
    monkeypatch.setattr(
        FakeSkyPortal, "_link", lambda self, at, body: posted.append(body) or link(self, at, body)
    )
    pushing.publish(a_found())
    pushing.run()
    assert [b["localization_name"] for b in posted] == ["a.fits"]
    assert posted[0]["localization_cumprob"] == 0.95


@pytest.mark.slow
def test_a_coincidence_of_two_cases_is_told_once_as_it_stands(pushing):
    low, high = a_found(), replace(a_found(priority=9.0), case="kilonova")
    pushing.publish(low, high)
    (outcome,) = pushing.run()
    assert outcome["key"].endswith("/kilonova")
    pushing.publish(low)  # gone in the one, and still standing in the other
    (outcome,) = pushing.run()
    assert outcome["key"].endswith("/grb-afterglow")
    assert (pushing.link["status"], pushing.entry["case"]) == ("pending", "grb-afterglow")


@pytest.mark.slow
def test_one_failure_costs_nothing_else_and_is_tried_again(pushing):
    pushing.publish(a_found(), a_found(OTHER, rank=2))
    pushing.portal.broken.add(OBJECT)
    failed = pushing.run("--state", str(pushing.state), exit_code=3)
    assert sorted(bool(o["error"]) for o in failed) == [False, True]
    assert [c[0] for c in pushing.portal.candidates] == [OTHER]
    pushing.portal.broken.clear()
    again = pushing.run("--state", str(pushing.state))
    assert sorted(len(o["done"]) for o in again) == [0, 3]


@pytest.mark.slow
def test_a_token_that_is_not_taken_ends_the_run_at_once(pushing):
    pushing.publish(a_found(), a_found(OTHER, rank=2))
    pushing.run(token="wrong", exit_code=1)
    assert len(pushing.portal.requests) == 1


@pytest.mark.slow
def test_without_a_token_nothing_is_asked(pushing, monkeypatch):
    monkeypatch.delenv("CORRELATOR_SKYPORTAL_TOKEN", raising=False)
    pushing.publish(a_found())
    pushing.run(token=None, exit_code=1)
    assert pushing.portal.requests == []
    monkeypatch.setenv("CORRELATOR_SKYPORTAL_TOKEN", TOKEN)
    assert len(pushing.run(token=None)[0]["done"]) == 3


def test_a_dry_run_prints_and_asks_nobody(pushing):
    pushing.publish(a_found())
    (draft,) = pushing.run("--dry-run", token=None)
    assert draft["candidate"]["filter_ids"] == [42]
    assert draft["annotation"]["data"][NAME]["delta_t"] == 0.1
    assert pushing.portal.requests == []


@pytest.mark.slow
def test_a_filter_chooses_what_is_told_and_what_was_told_is_kept_up_to_date(pushing):
    options = ["--state", str(pushing.state), "--filter", "log_lr > 5"]
    pushing.publish(a_found(log_lr=8.0), a_found(OTHER, rank=2, log_lr=3.0))
    assert [o["done"][0] for o in pushing.run(*options)] == ["candidate"]
    pushing.publish(a_found(log_lr=4.0), a_found(OTHER, rank=2, log_lr=3.5))
    (outcome,) = pushing.run(*options)
    assert (outcome["done"], pushing.entry["log_lr"]) == (["annotation"], 4.0)
    assert [c[0] for c in pushing.portal.candidates] == [OBJECT]


@pytest.mark.slow
def test_tests_and_what_is_not_for_everybody_stay_at_home(pushing):
    pushing.publish(a_found(audience=("partners",)))
    assert pushing.run() == []
    assert len(pushing.run("--audience", "partners")) == 1
    drill = an_event(is_test=True).event_key
    with Store.open(pushing.store_url) as store:
        store.coincidences.publish(drill, [a_found(event_key=drill)], T0_UNIX_S, "gone")
    assert pushing.run() == []
    (outcome,) = pushing.run("--include-tests")
    assert outcome["done"] == ["annotation"]
    assert set(pushing.portal.annotations[OBJECT]["GCN-crossmatch"]["data"]) == {NAME, drill}


@pytest.mark.slow
def test_a_file_of_another_skyportal_is_refused(pushing):
    pushing.state.write_text('{"url": "https://other.example", "told": {}}')
    pushing.run("--state", str(pushing.state), exit_code=1)
    pushing.state.write_text("[]")
    pushing.run("--state", str(pushing.state), exit_code=1)
    assert pushing.portal.requests == []


@pytest.mark.slow
def test_an_object_that_is_not_stored_any_more_is_told_from_the_evidence(pushing):
    pushing.publish(
        a_found(
            "ZTF25agone", object=a_summary(real_bogus=0.8, last_mag_ab=None), separation_deg=None
        )
    )
    (outcome,) = pushing.run()
    assert outcome["error"] is None
    assert pushing.portal.candidates[0][3] is None
    assert pushing.portal.objs["ZTF25agone"]["score"] == 0.8


async def paused(waits, seconds):
    waits.append(seconds)


def portal_at(url, waits, clock=lambda: 0.0, **other):
    return SkyPortal(f"{url}/sky", TOKEN, pause=lambda s: paused(waits, s), clock_s=clock, **other)


async def test_429_is_survived_as_it_asks_for(behind):
    fake = FakeSkyPortal({})
    fake.refusals = [(429, {"Retry-After": "7"}), (503, {}), (429, {"Retry-After": "nonsense"})]
    waits: list[float] = []
    async with portal_at(behind(fake), waits, clock=hurried()) as portal:
        with pytest.raises(SkyPortalError) as failed:
            await portal.get("gcn_event", DATEOBS)
    assert failed.value.status == 400  # the answer after the refusals
    assert waits == [7.0, 4.0, 8.0]
    assert len(fake.requests) == 4


async def test_whoever_is_always_refused_gives_up(behind):
    fake = FakeSkyPortal({})
    fake.refusals = [(429, {"Retry-After": "1"})] * 100
    waits: list[float] = []
    async with portal_at(behind(fake), waits, clock=hurried()) as portal:
        with pytest.raises(SkyPortalError, match="refused"):
            await portal.get("gcn_event", DATEOBS)
    assert len(fake.requests) == MAX_TRIES
    assert waits == [1.0] * (MAX_TRIES - 1)


async def test_five_requests_a_second_are_asked_and_no_more(behind):
    waits: list[float] = []
    url = behind(FakeSkyPortal({DATEOBS: ["a"]}))
    async with portal_at(url, waits) as portal:  # a clock that stands still
        for _ in range(4):
            await portal.get("gcn_event", DATEOBS)
    assert waits == pytest.approx([0.2, 0.4, 0.6])


async def test_what_is_no_skyportal_is_told(behind):
    async with SkyPortal(behind(FakeSkyPortal({})) + "/elsewhere", TOKEN) as portal:
        with pytest.raises(SkyPortalError, match="no envelope") as failed:
            await portal.get("gcn_event", DATEOBS)
    assert failed.value.status == 404
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with SkyPortal(f"http://127.0.0.1:{port}", TOKEN) as portal:
        with pytest.raises(SkyPortalError) as failed:
            await portal.get("gcn_event", DATEOBS)
    assert failed.value.status is None


def hurried():
    """A clock by which long passes between two looks at it."""
    return iter(range(0, 10_000, 100)).__next__


@pytest.mark.parametrize(
    "url",
    ["http://icare.example", "ftp://icare.example", "icare.example", "https://u:p@icare.example",
     "https://", "https://icare.example/?a=b", "http://[::1"],
)  # fmt: skip
def test_tokens_go_nowhere_in_the_clear(url):
    with pytest.raises(ConfigurationError):
        checked_url(url)


@pytest.mark.parametrize("url", ["https://icare.example/x", "http://127.0.0.1:5", "http://[::1]:5"])
def test_tokens_go_by_https_and_to_this_machine(url):
    assert str(checked_url(url)) == url


def test_how_long_to_wait():
    now = datetime(2026, 11, 1, tzinfo=UTC)
    said = {
        None: 2.0, "3": 3.0, "0": 0.0, "-5": 0.0, "1e9": MAX_WAIT_S, "nan": 2.0, "soon": 2.0,
        "Sun, 01 Nov 2026 00:00:30 GMT": 30.0, "Sat, 31 Oct 2026 00:00:00 GMT": 0.0,
    }  # fmt: skip
    assert {one: wait_s(one, 1, now) for one in said} == said
    assert [wait_s(None, n, now) for n in (1, 2, 3)] == [2.0, 4.0, 8.0]
    assert math.isfinite(wait_s("inf", 1, now))


def test_events_are_known_to_the_nearest_second():
    assert dateobs_of(1_760_000_000.49) == "2025-10-09T08:53:20"
    assert dateobs_of(1_760_000_000.5) == "2025-10-09T08:53:21"
