"""Notices that the correlator wrote, through the AlertStream into targets."""

import json
from types import SimpleNamespace

import pytest
from confluent_kafka import Producer, TopicPartition
from django.contrib.auth.models import Group, User
from django.db import OperationalError
from tom_alertstreams.alertstreams.alertstream import get_alert_streams
from tom_targets.models import Target, TargetList

from tom_correlator import alert_stream, handlers, targets
from tom_correlator.handlers import save_target

pytestmark = pytest.mark.django_db


def message(value, topic="coincidence.gw", offset=0):
    return SimpleNamespace(
        topic=lambda: topic, partition=lambda: 0, offset=lambda: offset, value=lambda: value
    )


def extras(name):
    target = Target.objects.get(name=name)
    return dict(target.targetextra_set.values_list("key", "value"))


@pytest.fixture(scope="session")
def revisions(retracted_night):
    """Every revision of the merger's coincidence, the last one a retraction."""
    return retracted_night.notices()


def test_a_notice_becomes_a_target_that_the_groups_see(revisions, settings):
    settings.DATA_SERVICES = {"Correlator": {"groups": ["observers", "nobody"]}}
    observer = User.objects.create(username="observer")
    observer.groups.add(Group.objects.create(name="observers"))
    save_target(message(revisions[0]))
    said = json.loads(revisions[0])
    target = Target.objects.get()
    assert target.name == said["event_name"][0]
    assert (target.ra, target.dec) == (said["ra"], said["dec"])
    assert target.type == "SIDEREAL"
    held = extras(target.name)
    assert held["status"] == "active"
    assert float(held["priority"]) == said["coincidence"]["place"]["priority"]
    assert held["event_id"] == said["ref_ID"]
    assert float(held["far_hz"]) == said["coincidence"]["events"][0]["far_hz"]
    assert "viability_reason" not in held
    assert list(target.aliases.all()) == []
    assert observer.has_perm("tom_targets.change_target", target)
    names = {each.name for each in TargetList.objects.filter(targets=target)}
    assert names == {"correlator kilonova", f"correlator {said['coincidence']['event_key']}"}


def test_revisions_bring_priority_and_position_and_the_last_one_takes_it_back(revisions):
    priorities = set()
    for revision in revisions[:-1]:
        save_target(message(revision))
        held = extras(json.loads(revision)["event_name"][0])
        assert held["status"] == "active"
        assert float(held["priority"]) == json.loads(revision)["coincidence"]["place"]["priority"]
        priorities.add(held["priority"])
    assert len(priorities) > 1
    save_target(message(revisions[-1]))
    (target,) = Target.objects.all()
    held = extras(target.name)
    assert held["status"] == "retracted"
    assert held["viable"] == "False"
    assert held["viability_reason"] == "the event is retracted"
    assert target.targetextra_set.get(key="viable").bool_value is False
    assert not TargetList.objects.filter(targets=target).exists()


def test_a_revision_that_comes_late_changes_nothing(revisions):
    for revision in (revisions[0], revisions[-1]):
        save_target(message(revision))
    before = extras(Target.objects.get().name)
    save_target(message(revisions[0]))
    assert extras(Target.objects.get().name) == before
    assert not TargetList.objects.filter(targets__isnull=False).exists()


def test_what_was_never_active_here_makes_no_target(revisions):
    save_target(message(revisions[-1]))
    assert not Target.objects.exists()


def test_the_position_moves_only_where_the_plug_in_gave_it(revisions):
    said = json.loads(revisions[0])
    name = said["event_name"][0]
    Target.objects.create(name=name, type="SIDEREAL", ra=1.0, dec=2.0)
    save_target(message(revisions[0]))
    target = Target.objects.get(name=name)
    assert (target.ra, target.dec) == (1.0, 2.0)
    assert extras(name)["status"] == "active"


def test_the_position_follows_where_the_plug_in_gave_it(revisions):
    save_target(message(revisions[0]))
    moved = json.loads(revisions[1])
    moved["coincidence"]["light"]["ra_deg"] += 0.001
    save_target(message(json.dumps(moved).encode()))
    assert Target.objects.get().ra == moved["coincidence"]["light"]["ra_deg"]


def test_a_target_that_people_know_by_another_name_is_the_same(revisions):
    name = json.loads(revisions[0])["event_name"][0]
    target = Target.objects.create(name="AT 2026abc", type="SIDEREAL", ra=1.0, dec=2.0)
    target.aliases.create(name=name)
    save_target(message(revisions[0]))
    assert Target.objects.get().name == "AT 2026abc"
    assert extras("AT 2026abc")["status"] == "active"


def test_of_two_processes_that_make_a_target_at_once_both_are_right(revisions, monkeypatch):
    name = json.loads(revisions[0])["event_name"][0]
    found = targets.find_target
    calls = []

    def too_early(wanted):
        calls.append(wanted)
        if len(calls) == 1:
            Target.objects.create(name=name, type="SIDEREAL", ra=1.0, dec=2.0)
            return None
        return found(wanted)

    monkeypatch.setattr(targets, "find_target", too_early)
    save_target(message(revisions[0]))
    assert extras(name)["status"] == "active"
    assert Target.objects.count() == 1


def test_the_better_of_two_coincidences_has_the_extras(revisions):
    better = json.loads(revisions[0])
    better["coincidence"] |= {"coincidence_id": "other", "event_key": "fermi-gbm:1"}
    better["coincidence"]["place"]["priority"] += 5.0
    name = better["event_name"][0]
    for said in (revisions[0], json.dumps(better).encode(), revisions[1]):
        save_target(message(said))
    assert extras(name)["coincidence_id"] == "other"
    gone = better | {"coincidence": better["coincidence"] | {"revision": 2, "state": "expired"}}
    save_target(message(json.dumps(gone).encode()))
    assert extras(name)["status"] == "expired"
    save_target(message(revisions[1]))
    assert extras(name)["status"] == "active"
    known = json.loads(revisions[1])["coincidence"]["coincidence_id"]
    assert extras(name)["coincidence_id"] == known


def test_what_a_subscription_takes_back_is_out_of_its_list_and_not_retracted(revisions):
    save_target(message(revisions[0], "coincidence.user.tom"))
    said = json.loads(revisions[1])
    why = "it passes the filter of the subscription no longer"
    said["alert_type"] = "retraction"
    said["data"]["targets"][0] |= {"viable": False, "viability_reason": why}
    save_target(message(json.dumps(said).encode(), "coincidence.user.tom"))
    held = extras(said["event_name"][0])
    assert (held["status"], held["viable"], held["viability_reason"]) == ("retired", "False", why)


@pytest.mark.parametrize(
    ("arcsec", "aliases"), [((0.3, 9.0), ["AT2026abc"]), ((9.0,), []), ((), [])]
)
def test_a_name_of_tns_becomes_an_alias_and_none_is_made_up(revisions, arcsec, aliases):
    said = json.loads(revisions[0])
    names = ("AT2026abc", "AT2026xyz")
    entries = [
        {"object_id": name, "separation_arcsec": s} for name, s in zip(names, arcsec, strict=False)
    ]
    said["coincidence"]["surroundings"]["catalogs"] = [
        {"catalog": "gaia", "entries": [{"object_id": "123", "separation_arcsec": 0.1}]},
        {"catalog": "tns", "entries": entries},
    ]
    for _ in range(2):
        save_target(message(json.dumps(said).encode()))
    assert [alias.name for alias in Target.objects.get().aliases.all()] == aliases


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda n: b"<xml/>", "Expecting value"),
        (lambda n: b"[]", "is a JSON object"),
        (lambda n: b"\xff\xff\xff", "invalid start byte"),
        (lambda n: json.dumps(n | {"coincidence": None}).encode(), "a block `coincidence`"),
        (lambda n: json.dumps(n | {"$schema": "https://x/schema/v2.0.0/y"}).encode(), "version 1"),
        (lambda n: _with(n, "object", "object_key", "ZTF"), "a key is SURVEY:ID"),
        (lambda n: _with(n, "object", "object_key", "ztf:" + "x" * 101), "at most 100"),
        (lambda n: _with(n, "light", "ra_deg", 360.5), "ra is of"),
        (lambda n: _with(n, "light", "dec_deg", "12"), "dec is of"),
        (lambda n: _with(n, "place", "priority_terms", [3]), "of another kind than documented"),
        (lambda n: _with(n, "surroundings", "catalogs", ["tns"]), "of another kind"),
        (lambda n: _with(n, "place", "priority", {}), "priority is a text or a number"),
        (
            lambda n: json.dumps(
                n | {"coincidence": n["coincidence"] | {"revision": "2"}}
            ).encode(),
            "counts revisions",
        ),
        (
            lambda n: json.dumps(n | {"coincidence": n["coincidence"] | {"state": None}}).encode(),
            "has a state",
        ),
        (lambda n: None, "NoneType"),
    ],
)
def test_a_notice_that_cannot_be_read_is_told_and_passed_over(revisions, caplog, change, rule):
    save_target(message(change(json.loads(revisions[0])), offset=41))
    assert not Target.objects.exists()
    (record,) = caplog.records
    assert "coincidence.gw/0/41" in record.message
    assert rule in record.message


def _with(notice, part, name, value):
    block = notice["coincidence"]
    changed = block | {part: block[part] | {name: value}}
    return json.dumps(notice | {"coincidence": changed}).encode()


class Cluster:
    """A broker of librdkafka's own, in this process."""

    def __init__(self) -> None:
        self._producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": ""})
        (broker,) = self._producer.list_topics(timeout=10).brokers.values()
        self.servers = f"{broker.host}:{broker.port}"

    def send(self, topic, *values, key):
        for value in values:
            self._producer.produce(topic, value, key)
        assert self._producer.flush(10) == 0


@pytest.fixture
def cluster():
    return Cluster()


SEEN = []


def see(message):
    """A handler of a TOM's own."""
    SEEN.append((message.topic(), message.value()))


def fail(message):
    """A handler that cannot."""
    SEEN.append((message.topic(), message.value()))
    raise RuntimeError("not today")


def stream_of(servers, handlers_of_topics):
    (stream,) = get_alert_streams(
        [
            {
                "NAME": "tom_correlator.alert_stream.CorrelatorAlertStream",
                "OPTIONS": {
                    "KAFKA": {"bootstrap.servers": servers, "group.id": "tom"},
                    "TOPIC_HANDLERS": handlers_of_topics,
                },
            }
        ]
    )
    return stream


def handle(stream, topic, count):
    """Handle so many notices, with an end to the waiting; how many of a topic are committed."""
    consumer = stream.subscribed()
    done = 0
    for _ in range(300):
        done += stream.handle_next(consumer, 0.2)
        if done == count:
            break
    assert done == count
    partitions = [TopicPartition(topic, number) for number in range(4)]
    committed = consumer.committed(partitions, 10)
    consumer.close()
    return sum(max(each.offset, 0) for each in committed)


def test_the_stream_reads_several_topics_each_by_its_handler(cluster, revisions):
    SEEN.clear()
    cluster.send("coincidence.gw", *revisions, key="id of the coincidence/case")
    cluster.send("coincidence.user.tom", b"for us", key="another")
    stream = stream_of(
        cluster.servers,
        {
            "coincidence.gw": "tom_correlator.handlers.save_target",
            "coincidence.user.tom": "test_notices.see",
        },
    )
    count = len(revisions)
    assert handle(stream, "coincidence.gw", count + 1) == count
    assert SEEN == [("coincidence.user.tom", b"for us")]
    assert extras(Target.objects.get().name)["status"] == "retracted"


def test_what_was_handled_is_committed_and_a_failure_stops_nothing(cluster):
    SEEN.clear()
    cluster.send("coincidence.all", b"1", b"2", key="one")
    stream = stream_of(cluster.servers, {"coincidence.all": "test_notices.fail"})
    assert handle(stream, "coincidence.all", 2) == 2
    assert [value for _, value in SEEN] == [b"1", b"2"]


def test_a_database_that_is_away_is_waited_for(revisions, monkeypatch, cluster):
    tries = []

    def away_once(row, origin, groups):
        tries.append(row["name"])
        if len(tries) == 1:
            raise OperationalError("the database is away")

    monkeypatch.setattr(handlers, "save_row", away_once)
    monkeypatch.setattr(alert_stream, "RETRY_S", 0.0)
    stream = stream_of(cluster.servers, {"coincidence.gw": "tom_correlator.handlers.save_target"})
    stream._handle(message(revisions[0]))
    assert len(tries) == 2
