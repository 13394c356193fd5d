"""A coincidence as a notice: every field there, every null with its reason, the same bytes."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.alert import Surroundings
from correlator.audience import PUBLIC_READER
from correlator.crossmatch import CatalogAnswer, CatalogTag, SkyClass
from correlator.light import Rate
from correlator.notice import Messenger
from correlator.ranking import NOT_MEASURED
from correlator.scorers.appearance import appearances_of
from correlator.wire import of_json, record_of_event, to_json
from storage.coincidences import CoincidenceRevision, CoincidenceState
from storage.store import Store
from streams.coincidence_block import CoincidenceBlock
from streams.gcn_notice import SCHEMA_URL, boom_form, document_of, to_bytes
from streams.gcn_notices import GCNNoticeDesk, topics_of
from streams.notice_reader import read_notice
from streams.notice_schema import published_schema
from streams.published import NoCoincidenceError
from streams.told import told_to
from streams.voevent import Author
from tests.builders import (
    T0_UNIX_S,
    a_coincidence,
    a_notice,
    a_summary,
    an_event,
    an_object,
)
from tests.gcn_schemas import CORE, closed, validators, without_gcn

AUTHOR = Author("ivo://tests.example/coincidences", "Tests")
ACTIVE, SUPERSEDED = CoincidenceState.ACTIVE, CoincidenceState.SUPERSEDED
RETRACTED, EXPIRED = CoincidenceState.RETRACTED, CoincidenceState.EXPIRED

BURST = record_of_event(an_event())
MERGER = record_of_event(
    an_event(
        notice_id="S251009a-1-Initial",
        mission="LVK",
        stream="lvk",
        event_id="S251009a",
        messenger=Messenger.GRAVITATIONAL_WAVE,
        classification=(("BNS", 0.9), ("Terrestrial", None)),
        far_hz=1e-9,
    )
)

GALAXY = CatalogTag(
    "glade", "v1", "PGC 1", 150.0, 20.1, 2.0, SkyClass.GALAXY, "G", (("distance_mpc", 40.0),)
)
MAYBE = ("prior_activity_days", "separation_deg", "s_joint", "s_distance", "s_light", "s_context")
"""What evidence can be without."""

TAGS = (
    CatalogAnswer.of("glade", [GALAXY], "v1"),
    CatalogAnswer.of("gaia", [], "v2"),
    CatalogAnswer.unknown("cds", "no answer within 5 s"),
)


def a_full_coincidence(**other):
    """One of which everything is known that can be."""
    summary = a_summary(rate=Rate("r", 0.5, 0.1, 2), tags=TAGS)
    (appearance,) = appearances_of([an_object()])
    known = {
        "object": summary,
        "appearance": appearance,
        "prior_activity_days": 3.0,
        "s_joint": 1.5,
    }
    return a_coincidence(**(known | other))


def a_revision(number=1, state=ACTIVE, reason=None, body=None):
    body = body or a_coincidence()
    pair = body.pair
    return CoincidenceRevision(
        pair.coincidence_id, number, state, body.case, pair.event_key, pair.object_key,
        T0_UNIX_S + 3600.0, reason, body if state in (ACTIVE, SUPERSEDED) else None,
    )  # fmt: skip


def the_document(revision, body=None, events=(BURST,)):
    return document_of(revision, revision.body or body, events, AUTHOR)


def as_read(document):
    """What a consumer has of it."""
    return orjson.loads(to_bytes(document))


CASES = {
    "first": lambda: the_document(a_revision()),
    "full": lambda: the_document(a_revision(2, body=a_full_coincidence())),
    "joint": lambda: the_document(a_revision(body=a_full_coincidence()), events=(MERGER, BURST)),
    "retracted": lambda: the_document(
        a_revision(3, RETRACTED, "the event is retracted"), a_full_coincidence()
    ),
    "expired": lambda: the_document(a_revision(2, EXPIRED, "the event closed"), a_coincidence()),
    "lost": lambda: the_document(a_revision(2, RETRACTED, "the event is retracted"), events=()),
    "no magnitude": lambda: the_document(
        a_revision(body=a_coincidence(object=a_summary(last_mag_ab=None)))
    ),
    "of another survey": lambda: the_document(a_revision(body=a_coincidence(object_key="new:1"))),
    "of Rubin": lambda: the_document(a_revision(body=a_coincidence(object_key="lsst:170028"))),
}


@pytest.fixture(params=CASES)
def document(request):
    return as_read(CASES[request.param]())


# -- what is said ---------------------------------------------------------------------------------


def test_it_says_what_was_published_in_the_words_of_the_core():
    revision = a_revision()
    pair = revision.body.pair
    said = as_read(the_document(revision))
    assert next(iter(said)) == "$schema"
    assert said["$schema"] == SCHEMA_URL
    assert (said["ra"], said["dec"]) == (pair.object.ra_deg, pair.object.dec_deg)
    assert said["id"] == [f"{pair.coincidence_id}/grb-afterglow"]
    assert said["event_name"] == ["ZTF25aaaaaaa"]
    assert (said["ref_type"], said["ref_instrument"], said["ref_ID"]) == (
        "GRB", "Fermi", "781692805",
    )  # fmt: skip
    assert said["trigger_time"] == "2025-10-09T08:53:20.000000Z"
    assert said["observation_start"] == "2025-10-09T11:17:20.000000Z"
    assert (said["mission"], said["instrument"], said["messenger"]) == ("Tests", "ZTF", "EM")
    ours = said["coincidence"]
    assert ours["evidence"]["log_lr"] == pair.log_lr == 8.0
    assert ours["evidence"]["terms"]["s_sky"] == pair.s_sky
    assert ours["place"]["priority_terms"] == [
        {"name": "evidence", "ln_factor": 7.5, "reason": "as the test wants it"}
    ]
    assert ours["events"][0]["notice_ids"] == ["ivo://tests/gbm#1"]
    (point,) = said["data"]["photometry"]
    assert point["date_obs"] == pytest.approx(pair.object.last_unix_s / 86400.0 + 2440587.5)
    assert (point["filter"], point["mag"]) == ("ztfr", 19.5)


@pytest.mark.parametrize(
    ("revision", "kind", "state"),
    [
        (a_revision(1), "initial", "active"),
        (a_revision(2), "update", "active"),
        (a_revision(3, RETRACTED, "gone"), "retraction", "retracted"),
        (a_revision(3, EXPIRED, "closed"), "update", "expired"),
    ],
    ids=lambda value: getattr(value, "state", value),
)
def test_an_expiry_takes_nothing_back(revision, kind, state):
    said = the_document(revision, a_coincidence())
    assert (said["alert_type"], said["coincidence"].state) == (kind, state)
    assert said["record_number"] == said["coincidence"].revision == revision.revision
    assert said["data"]["targets"][0]["viable"] is (state == "active")


def test_what_is_gone_says_what_was_last_published_of_it():
    body = a_full_coincidence()
    last, gone = the_document(a_revision(2, body=body)), a_revision(3, RETRACTED, "gone")
    said = the_document(gone, body)
    assert (said["coincidence"].said_in_revision, said["coincidence"].supersedes) == (2, 2)
    for part in ("evidence", "light", "place", "looks", "surroundings", "object"):
        assert getattr(said["coincidence"], part) == getattr(last["coincidence"], part)
    for name in ("ra", "dec", "trigger_time", "event_name", "id"):
        assert said[name] == last[name]


def test_significance_that_is_not_measured_is_null_and_says_so(document):
    said = document["coincidence"]["significance"]
    for name in ("p_assoc", "far_per_year", "background_version"):
        assert said[name] is None
        assert said[f"{name}_reason"] == NOT_MEASURED
    assert "far" not in document
    assert "p_astro" not in document


def nulls(value, above=""):
    """Paths of the nulls of a block, but where they mean what the fields say."""
    for name, each in value.items():
        path = f"{above}{name}"
        if each is None:
            yield path
        elif isinstance(each, dict) and path not in ("null_reasons", "looks"):
            yield from nulls(each, f"{path}.")


def test_every_null_has_its_reason_and_nothing_else_has(document):
    ours = document["coincidence"]
    assert sorted(nulls(ours)) == sorted(ours["null_reasons"])
    assert all(ours["null_reasons"].values())


def test_the_same_revision_gives_the_same_bytes_also_when_it_is_read_again_later():
    body = a_full_coincidence()
    told = to_bytes(the_document(a_revision(2, body=body)))
    stored = of_json(type(body), to_json(body))
    assert to_bytes(the_document(a_revision(2, body=stored))) == told
    assert to_bytes(the_document(a_revision(2, SUPERSEDED, body=stored))) == told


def test_what_only_time_would_change_is_in_the_events_and_named_by_their_version():
    revision = a_revision()
    later = replace(BURST, version=4, far_hz=1e-6)
    one, other = as_read(the_document(revision)), as_read(the_document(revision, events=(later,)))
    assert one["coincidence"].pop("events")[0]["version"] == BURST.version
    assert other["coincidence"].pop("events")[0]["version"] == 4
    assert one == other


def maybe(strategy):
    return st.none() | strategy


NUMBERS = st.floats(-1e6, 1e6)
SUMMARIES = st.builds(
    a_summary,
    last_mag_ab=maybe(NUMBERS),
    last_band=st.text(max_size=5),
    rate=maybe(st.builds(Rate, st.text(max_size=5), NUMBERS, NUMBERS, st.integers(2, 9))),
    real_bogus=maybe(NUMBERS),
    surroundings=st.builds(
        Surroundings, maybe(st.text(max_size=9)), *[maybe(NUMBERS) for _ in range(4)]
    ),
    tags=st.sampled_from([(), TAGS]),
)
BODIES = st.builds(
    a_full_coincidence,
    case=st.text(min_size=1, max_size=9),
    object_key=st.text(min_size=1, max_size=9),
    object=SUMMARIES,
    **{name: maybe(NUMBERS) for name in MAYBE},
)


@settings(deadline=None, max_examples=15)
@given(BODIES, st.sampled_from(CoincidenceState), st.integers(2, 9), st.booleans())
def test_whatever_is_published_is_a_notice_with_a_reason_for_each_null(
    ours, body, state, number, is_lost
):
    revision = a_revision(number, state, None if state is ACTIVE else "said", body)
    document = as_read(the_document(revision, None if is_lost else body))
    ours[1].validate(document)
    said = document["coincidence"]
    assert sorted(nulls(said)) == sorted(said["null_reasons"])
    notice = read_notice(to_bytes(document))
    assert orjson.loads(orjson.dumps(notice.coincidence)) == said


# -- the schemas ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ours():
    """Our schema as a judge, and the same when it refuses what it does not name."""
    schema = orjson.loads(published_schema())
    return without_gcn(schema), without_gcn(closed(schema))


@pytest.fixture(scope="module")
def judges(real_data):
    return validators(real_data)


def test_it_keeps_to_our_schema_which_names_all_of_it(document, ours):
    usual, strict = ours
    usual.validate(document)
    strict.validate(document)
    for inner in (document, document["coincidence"]["significance"], document["data"]):
        inner["unnamed"] = 1
        assert not strict.is_valid(document)
        del inner["unnamed"]


@pytest.mark.parametrize("path", ["coincidence.significance.p_assoc", "alert_type", "data.targets"])
def test_our_schema_refuses_one_without_a_field(path, ours):
    said = as_read(CASES["full"]())
    *above, name = path.split(".")
    inner = said
    for each in above:
        inner = inner[each]
    del inner[name]
    assert not ours[0].is_valid(said)


@pytest.mark.real_data
def test_it_keeps_to_the_core_schemas_and_in_its_form_to_that_of_boom(document, judges):
    boom = judges["boom"]
    for name in CORE:
        judges[name].validate(document)
    said = boom_form(document)
    boom.validate(said)
    assert said["data"]["targets"][0]["coincidence"] == document["coincidence"]
    # They are no judges that let everything pass.
    assert not boom.is_valid(document)
    assert not judges["Alert"].is_valid(document | {"alert_type": "retracted"})


def test_it_is_read_as_it_was_written(document):
    notice = read_notice(orjson.dumps(document))
    assert orjson.loads(orjson.dumps(notice.coincidence)) == document["coincidence"]
    assert isinstance(notice.coincidence, CoincidenceBlock)
    assert (notice.ra, notice.schema_url) == (document.get("ra"), SCHEMA_URL)


SKYPORTAL_FILTERS = {f"ztf{band}" for band in "gri"} | {f"lsst{band}" for band in "ugrizy"}


@pytest.mark.parametrize("name", ["first", "full", "retracted", "of Rubin"])
def test_skyportals_reader_of_hermes_finds_what_it_reads(name):
    """What its Hermes service reads of a record: by name, and in these units."""
    data = as_read(CASES[name]())["data"]
    (target,), (point,) = data["targets"], data["photometry"]
    assert point["target_name"] == target["name"]
    assert (target["ra"], target["dec"]) == (150.0, 20.1)
    # Its MJD is this less 2,400,000.5, and its filter a word that it knows.
    mjd = float(point["date_obs"]) - 2_400_000.5
    assert mjd == pytest.approx((T0_UNIX_S + 0.2 * 86_400.0) / 86_400.0 + 40_587.0, abs=1e-8)
    assert float(point["brightness"]) == 19.5
    assert point["bandpass"] in SKYPORTAL_FILTERS


# -- where it goes --------------------------------------------------------------------------------


def names_of(*events):
    return [topic.name for topic in topics_of(list(events))]


def test_each_messenger_has_its_topic_and_tests_have_one_of_their_own():
    assert names_of(BURST) == ["coincidence.all", "coincidence.grb"]
    assert names_of(MERGER, BURST, BURST) == [
        "coincidence.all", "coincidence.gw", "coincidence.grb",
    ]  # fmt: skip
    assert names_of() == ["coincidence.all"]
    test = record_of_event(an_event(a_notice(is_test=True)))
    assert names_of(test) == names_of(BURST, test) == ["coincidence.test"]
    said = the_document(a_revision(), events=(test,))
    assert (said["alert_tense"], said["coincidence"].events[0].event_id) == ("test", test.event_id)


@pytest.mark.parametrize("members", [[BURST], [BURST, replace(MERGER, audience=("lvk",))]])
def test_what_was_told_of_a_joint_event_is_taken_back_wherever_that_was(members):
    """A member left, or is not for everybody any more."""
    key = f"joint:{BURST.event_key}"
    before = replace(a_revision(1), event_key=key)
    told = told_to(PUBLIC_READER, before, None, [BURST, MERGER])
    known = {topic.name for topic in topics_of([BURST, MERGER], told)}
    gone = replace(a_revision(2, RETRACTED, "why"), event_key=key)
    private = replace(a_revision(2), event_key=key, audience=("lvk",))
    for revision in (gone, private):
        told = told_to(PUBLIC_READER, revision, before, members)
        assert known <= {topic.name for topic in topics_of(members, told)}


@pytest.fixture
def told():
    """A desk over a store in which something was published, changed and taken back."""
    with Store.open("sqlite:///:memory:") as store:
        store.events.put(BURST)
        desk, records = GCNNoticeDesk(store, AUTHOR), []
        for found in ([a_coincidence()], [a_coincidence(rank=2)], []):
            key, when = BURST.event_key, T0_UNIX_S + 60.0 * len(records)
            made = store.coincidences.publish(key, found, when, "the event is retracted")
            records += desk.records_of(made)
        yield desk, records


def test_the_desk_tells_revisions_in_order_under_one_key_with_headers(told):
    _, records = told
    ours = [r for r in records if r.topic == "coincidence.all"]
    headers = [dict(r.headers) for r in ours]
    assert [h["alert_type"] for h in headers] == [b"initial", b"update", b"retraction"]
    assert [h["revision"] for h in headers] == [b"1", b"2", b"3"]
    assert {h["schema"] for h in headers} == {SCHEMA_URL.encode()}
    assert len({r.key for r in ours}) == 1
    notices = [read_notice(r.value) for r in ours]
    assert [n.record_number for n in notices] == [1, 2, 3]
    assert notices[2].coincidence.evidence == notices[1].coincidence.evidence
    assert [r.value for r in ours] == [r.value for r in records if r.topic == "coincidence.grb"]


def test_what_was_told_is_found_again_byte_for_byte(told):
    desk, records = told
    told_values = [r.value for r in records if r.topic == "coincidence.all"]
    coincidence_id = read_notice(told_values[0]).coincidence.coincidence_id
    found = [to_bytes(desk.find(coincidence_id, revision=n)) for n in (1, 2, 3)]
    assert found == told_values
    assert to_bytes(desk.find(coincidence_id)) == told_values[-1]
    with pytest.raises(NoCoincidenceError, match="no coincidence"):
        desk.find(coincidence_id, revision=4)
