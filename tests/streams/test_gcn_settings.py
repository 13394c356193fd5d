"""Which of GCN's topics we read, and who we are there."""

from __future__ import annotations

import re

import pytest
from gcn_kafka.core import get_config
from pydantic import SecretStr, ValidationError

from correlator.errors import ConfigurationError
from correlator.service.settings import Settings
from streams import gcn_settings as module
from streams.gcn_settings import GCN_HEARTBEAT, RECOMMENDED_TOPICS, GcnSettings, topics_named

OURS = {"gcn_client_id": "us", "gcn_client_secret": SecretStr("hush")}


def test_credentials_go_to_gcn_and_are_shown_nowhere():
    settings = Settings(**OURS, gcn_domain="test.gcn.nasa.gov")
    gcn = settings.gcn((), None)
    assert "hush" not in repr(settings) + repr(gcn) + str(gcn.client())
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.gcn_kafka, "Consumer", lambda *said: made.append(said))
        gcn.consumer(gcn.client())
    ((config, client_id, secret, domain),) = made
    full = get_config("consumer", config, client_id=client_id, client_secret=secret, domain=domain)
    assert full["bootstrap.servers"] == "kafka.test.gcn.nasa.gov"
    assert full["security.protocol"] == "sasl_ssl"
    assert full["sasl.oauthbearer.client.secret"] == "hush"
    assert full["sasl.oauthbearer.token.endpoint.url"].startswith("https://auth.test.gcn.nasa.gov/")
    assert gcn.servers == full["bootstrap.servers"]


def test_the_group_is_a_fixed_one_and_commits_only_what_we_say():
    config = Settings(**OURS, app_id="night").gcn((), None).client()
    full = get_config("consumer", config)
    assert full["group.id"] == "night-gcn"
    assert Settings(**OURS).gcn((), "other").client()["group.id"] == "other"
    assert full["enable.auto.commit"] is False
    assert full["allow.auto.create.topics"] is False
    # A broker that has dropped what the group stood at must not make us skip the rest.
    assert full["auto.offset.reset"] == "earliest"
    assert full["heartbeat.interval.ms"] * 3 < full["session.timeout.ms"] == 10_000
    # Rejoining by name gives back the topics of before, without those that came meanwhile.
    assert "group.instance.id" not in full


def test_a_mirror_is_asked_in_plain_text_and_gets_no_credentials():
    gcn = Settings(gcn_servers="127.0.0.1:9").gcn((), None)
    full = get_config("consumer", gcn.client())
    assert full["bootstrap.servers"] == gcn.servers == "127.0.0.1:9"
    assert full["security.protocol"] == "plaintext"
    assert not [name for name in full if name.startswith("sasl")]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "set CORRELATOR_GCN_CLIENT_ID"),
        ({"gcn_client_id": "us"}, "set CORRELATOR_GCN_CLIENT_ID"),
        ({"gcn_client_secret": SecretStr("hush")}, "set CORRELATOR_GCN_CLIENT_ID"),
        ({"gcn_client_id": "", "gcn_client_secret": SecretStr("")}, "CORRELATOR_GCN_SERVERS="),
        ({"gcn_client_id": "us", "gcn_servers": "a:1"}, "not both"),
        ({"gcn_client_secret": SecretStr("hush"), "gcn_servers": "a:1"}, "not both"),
    ],
)
def test_neither_or_both_ways_in_are_refused_in_words(given, said):
    with pytest.raises(ConfigurationError, match=re.escape(said)) as caught:
        Settings(**given).gcn((), None)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("domain", ["gcn.nasa.gov/x", "a b", "GCN", ""])
def test_a_domain_that_is_none_is_refused(domain):
    with pytest.raises(ValidationError, match="gcn_domain"):
        Settings(gcn_domain=domain)


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        (GCN_HEARTBEAT, "has no notices"),
        ("gcn.circulars", "has no notices"),
        ("^gcn(", "must be a pattern"),
    ],
)
def test_a_topic_that_cannot_be_meant_is_refused_by_name(topic, said):
    with pytest.raises(ConfigurationError, match=re.escape(f"topic {topic}: {said}")):
        GcnSettings("group", (topic,), mirror="a:1")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), RECOMMENDED_TOPICS),
        (("a", "^b"), ("a", "^b")),
        (("recommended", "a"), (*RECOMMENDED_TOPICS, "a")),
        (("igwn.gwalert", "recommended"), RECOMMENDED_TOPICS),
    ],
)
def test_topics_replace_the_recommended_ones_unless_these_are_named(names, expected):
    assert sorted(topics_named(names)) == sorted(expected)
    assert len(topics_named(names)) == len(set(topics_named(names)))


def test_the_recommended_topics_are_notices_that_we_read():
    assert len(RECOMMENDED_TOPICS) == len(set(RECOMMENDED_TOPICS)) == 30
    assert not [t for t in RECOMMENDED_TOPICS if "LVC" in t or ".text." in t or ".binary." in t]
    for topic in ("igwn.gwalert", "gcn.classic.voevent.FERMI_GBM_FIN_POS"):
        assert topic in RECOMMENDED_TOPICS


def test_a_pattern_never_means_the_circulars():
    (pattern,) = GcnSettings("g", ("^gcn.*",), mirror="a:1").client()["topic.blacklist"].split(",")
    assert re.match(pattern, "gcn.circulars")
    assert not re.match(pattern, "gcn.circulars.more")


def test_the_heartbeat_is_read_too_where_there_is_one():
    assert GcnSettings("g", ("a",), mirror="a:1").topics(0.0) == ["a", GCN_HEARTBEAT]
    assert Settings(gcn_servers="a:1", gcn_silent_s=0.0).gcn(("a",), None).topics(0.0) == ["a"]
