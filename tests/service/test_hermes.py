"""Messages of Hermes: what it takes, what SkyPortal reads of them, and the command."""

import copy
import json

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

from correlator.audience import OPERATOR
from correlator.policy import DAY_S
from correlator.service.hermes_client import HermesRefusedError, submit
from correlator.service.hermes_message import message_of
from correlator.service.hermes_rules import HermesMessageError, check_message
from correlator.service.skyportal_told import told_of
from correlator.wire import record_of_event
from storage.store import Store
from streams.voevent import Author
from tests.builders import DEC_DEG, RA_DEG, T0_UNIX_S, a_coincidence, a_summary, an_alert, an_event
from tests.service.api.live import served
from tests.service.test_commands import correlator
from tests.storage.writers import put_alerts

EVENT = an_event()
AUTHOR = Author("ivo://tests/correlator", "Tests", None)


def publish(store, *found, reason="the event was retracted"):
    return store.coincidences.publish(EVENT.event_key, found, T0_UNIX_S, reason)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    said = f"sqlite:///{tmp_path_factory.mktemp('store')}/store.sqlite"
    with Store.open(said) as store:
        store.events.put(record_of_event(EVENT))
        put_alerts(store, an_alert())
        publish(store, a_coincidence())
        publish(store)
    return said


@pytest.fixture(scope="module")
def messages(url):
    """Of the active revision, and of the retraction."""
    with Store.open(url) as store:
        found = store.coincidences.history(a_coincidence().pair.coincidence_id)
        told = [told_of(store, OPERATOR, revision) for revision in found]
    return [message_of(one, AUTHOR, "grandma.counterparts") for one in told]


def test_the_message_of_a_coincidence_is_taken_by_the_rules_of_hermes(messages):
    active, retracted = messages
    check_message(active)
    check_message(retracted)
    assert active["data"]["targets"] == [
        {
            "name": "ZTF25aaaaaaa",
            "ra": RA_DEG,
            "dec": DEC_DEG + 0.1,
            "ra_error": 1.0 / 3600.0,
            "dec_error": 1.0 / 3600.0,
            "epoch": "2000.0",
            "aliases": [],
        }
    ]
    extra = active["data"]["extra_data"]
    assert (extra["p_assoc"], extra["far_per_year"]) == (None, None)
    assert "background" in extra["p_assoc_reason"]
    assert active["data"]["event_id"] == "781692805"


def test_the_points_are_those_since_the_event_and_the_last_limit_before(messages):
    points = messages[0]["data"]["photometry"]
    jd_0 = T0_UNIX_S / DAY_S + 2_440_587.5
    assert [p["date_obs"] for p in points] == pytest.approx([jd_0 - 0.8, jd_0 + 0.1, jd_0 + 0.2])
    assert points[0]["limiting_brightness"] == 20.5
    assert "brightness" not in points[0]
    assert [p["brightness"] for p in points[1:]] == pytest.approx([19.5, 19.5])
    assert points[1]["brightness_error"] == pytest.approx(1.0857 / 20.0, rel=1e-4)
    assert {(p["telescope"], p["instrument"], p["bandpass"]) for p in points} == {
        ("Palomar 1.2m Oschin", "ZTF", "ztfr")
    }


def sync_of_skyportal(message):
    """`services/hermes_skyportal_sync` in our words: sources made, and points kept of each."""
    made = {}
    for target in message.get("data", {}).get("targets", []):
        kept = []
        for point in message["data"].get("photometry", []):
            if point.get("target_name") != target["name"]:
                continue
            date, brightness, band = (
                point.get(name) for name in ("date_obs", "brightness", "bandpass")
            )
            if date is None or brightness is None or not band:
                continue
            mjd = round(float(date) - 2_400_000.5, 7)
            kept.append((mjd, band, 10.0 ** (-0.4 * (float(brightness) - 23.9))))
        made[target["name"]] = ((target["ra"], target["dec"]), kept)
    return made


def test_skyportal_makes_a_source_with_our_times_and_fluxes(messages):
    ((place, points),) = sync_of_skyportal(messages[0]).values()
    assert place == (RA_DEG, DEC_DEG + 0.1)
    mjd_0 = T0_UNIX_S / DAY_S + 40_587.0
    assert [p[0] for p in points] == pytest.approx([mjd_0 + 0.1, mjd_0 + 0.2], abs=1e-6)
    # 19.5 mag are 57.5 uJy.
    assert [p[2] for p in points] == pytest.approx([57.54, 57.54], rel=1e-4)


def test_what_is_taken_back_makes_no_source(messages):
    retracted = messages[1]
    assert sync_of_skyportal(retracted) == {}
    assert "retracted" in retracted["title"]
    assert "the event was retracted" in retracted["message_text"]
    assert retracted["data"]["extra_data"]["state"] == "retracted"


def test_an_object_that_is_not_stored_any_more_has_its_last_point():
    with Store.open("sqlite://") as store:
        (revision,) = publish(store, a_coincidence(object=a_summary(last_mag_ab=18.0)))
        message = message_of(told_of(store, OPERATOR, revision), AUTHOR)
    check_message(message)
    assert [p["brightness"] for p in message["data"]["photometry"]] == [18.0]


def test_a_negative_last_detection_is_no_point():
    with Store.open("sqlite://") as store:
        (revision,) = publish(store, a_coincidence(object=a_summary(last_mag_ab=None)))
        message = message_of(told_of(store, OPERATOR, revision), AUTHOR)
    check_message(message)
    assert message["data"]["photometry"] == []


BROKEN = [
    (("title",), "", "title"),
    (("topic",), None, "topic"),
    (("submitter",), "  ", "submitter"),
    (("message_text",), 5, "message_text"),
    (("data",), [], "data"),
    (("data", "targets"), {}, "data.targets"),
    (("data", "targets", 0), "ZTF", "data.targets[0]"),
    (("data", "targets", 0, "name"), "", "data.targets[0].name"),
    (("data", "targets", 0, "ra"), None, "data.targets[0]"),
    (("data", "targets", 0, "ra"), float("nan"), "data.targets[0].ra"),
    (("data", "targets", 0, "dec"), 90.5, "data.targets[0].dec"),
    (("data", "targets", 0, "epoch"), "J2000", "data.targets[0].epoch"),
    (("data", "targets", 0, "aliases"), [""], "data.targets[0].aliases"),
    (("data", "photometry", 1, "target_name"), "other", "data.photometry[1].target_name"),
    (("data", "photometry", 1, "date_obs"), "2025-10-09T08:53:20", "data.photometry[1].date_obs"),
    (("data", "photometry", 1, "date_obs"), 60957.5, "data.photometry[1].date_obs"),
    (("data", "photometry", 1, "bandpass"), None, "data.photometry[1].bandpass"),
    (("data", "photometry", 1, "brightness"), None, "data.photometry[1]"),
    (("data", "photometry", 1, "brightness"), 0.0, "data.photometry[1]"),
    (("data", "photometry", 1, "brightness"), "19.5", "data.photometry[1].brightness"),
    (("data", "photometry", 1, "brightness_unit"), "mag", "data.photometry[1].brightness_unit"),
]


@pytest.mark.parametrize(("path", "value", "place"), BROKEN)
def test_what_hermes_would_not_take_is_refused_with_its_place(messages, path, value, place):
    broken = copy.deepcopy(messages[0])
    at = broken
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    with pytest.raises(HermesMessageError) as refused:
        check_message(broken)
    assert refused.value.packet == place


def test_targets_have_names_of_their_own_and_points_an_instrument(messages):
    twice, bare = copy.deepcopy(messages[0]), copy.deepcopy(messages[0])
    twice["data"]["targets"] *= 2
    bare["data"]["photometry"][0] |= {"telescope": "", "instrument": None}
    for broken, rule in ((twice, "unique"), (bare, "telescope")):
        with pytest.raises(HermesMessageError, match=rule):
            check_message(broken)


class FakeHermes:
    """Two routes, a token, and refusals if wished."""

    def __init__(self, **refusals):
        self.asked = []
        app = self.app = FastAPI(openapi_url=None)

        @app.post("/api/v0/{path:path}")
        async def answer(path: str, request: Request):
            self.asked.append((path, request.headers["authorization"], await request.json()))
            status = refusals.get(path.strip("/").replace("/", "_"), 200)
            return PlainTextResponse('{"data": "said why"}', status)


async def test_a_message_is_validated_there_and_then_sent(messages):
    fake = FakeHermes()
    with served(fake.app) as at:
        await submit(messages[0], "secret", at)
    assert [a[:2] for a in fake.asked] == [
        ("submit_message/validate/", "Token secret"),
        ("submit_message/", "Token secret"),
    ]
    assert fake.asked[1][2] == json.loads(json.dumps(messages[0]))


async def test_what_hermes_refuses_is_not_sent(messages):
    fake = FakeHermes(submit_message_validate=400)
    with served(fake.app) as at, pytest.raises(HermesRefusedError, match="said why"):
        await submit(messages[0], "secret", at)
    assert len(fake.asked) == 1


@pytest.mark.slow
def test_the_command_prints_and_sends_only_when_asked_to(url, messages, monkeypatch):
    coincidence_id = a_coincidence().pair.coincidence_id
    words = ["hermes", coincidence_id, "--store", url, "--revision", "1"]
    printed = correlator(*words)
    assert printed.returncode == 0
    assert json.loads(printed.stdout)["topic"] == "hermes.test"
    fake = FakeHermes()
    with served(fake.app) as at:
        monkeypatch.delenv("CORRELATOR_HERMES_TOKEN", raising=False)
        assert correlator(*words, "--submit", "--url", at).returncode == 1
        assert fake.asked == []
        monkeypatch.setenv("CORRELATOR_HERMES_TOKEN", "secret")
        sent = correlator(*words, "--submit", "--url", at)
    assert sent.returncode == 0
    assert len(fake.asked) == 2
    assert correlator("hermes", "none", "--store", url).returncode == 1


@pytest.mark.slow
def test_what_is_not_for_everybody_is_not_printed_unless_asked_for(tmp_path):
    at = f"sqlite:///{tmp_path}/store.sqlite"
    with Store.open(at) as store:
        (revision,) = publish(store, a_coincidence(audience=("partners",)))
    words = ["hermes", revision.coincidence_id, "--store", at]
    assert correlator(*words).returncode == 1
    assert correlator(*words, "--audience", "partners").returncode == 0
