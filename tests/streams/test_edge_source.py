"""A survey's topics: their names, who we are there, and what the client is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from correlator.errors import ConfigurationError
from correlator.service.settings import Settings
from streams.edge_source import Source, servers_and_topic
from tests.streams.edge_fakes import SETTINGS, TOPIC, FakeConsumer, Message, Slot, the_end


@pytest.mark.parametrize(
    ("url", "servers", "topic"),
    [
        ("kafka://a:9092/t", "a:9092", "t"),
        ("kafka://a:9092,b:9093/ztf_{date}_programid1", "a:9092,b:9093", "ztf_{date}_programid1"),
        ("kafka://a:9092/^ztf_2024.*_programid1$", "a:9092", "^ztf_2024.*_programid1$"),
    ],
)
def test_a_source_is_servers_and_a_topic(url, servers, topic):
    assert servers_and_topic(url) == (servers, topic)


@pytest.mark.parametrize("url", ["kafka://a:9092", "kafka:///t", "http://a/t", "a:9092/t", ""])
def test_a_source_of_another_form_is_refused_by_name(url):
    with pytest.raises(ConfigurationError, match="must be kafka://HOST:PORT"):
        servers_and_topic(url)


def test_a_pattern_that_is_none_is_refused():
    with pytest.raises(ConfigurationError, match="must be a pattern"):
        servers_and_topic("kafka://a:1/^ztf_(")


@pytest.mark.parametrize(
    ("topic", "nights", "expected"),
    [
        ("lsst-alerts-v11", 1, ["lsst-alerts-v11"]),
        ("^ztf_.*", 1, ["^ztf_.*"]),
        ("ztf_{date}_p1", 0, ["ztf_20240301_p1"]),
        ("ztf_{date}_p1", 1, ["ztf_20240301_p1", "ztf_20240229_p1"]),
    ],
)
def test_a_dated_topic_is_that_of_each_of_the_last_nights(topic, nights, expected):
    now = datetime(2024, 3, 1, 0, 0, 1, tzinfo=UTC).timestamp()
    assert replace(SETTINGS, topic=topic, nights=nights).topics(now) == expected


def test_a_new_night_is_followed_when_it_begins_and_not_before():
    source, consumer = a_source(replace(SETTINGS, topic="ztf_{date}_p1"))
    midnight = datetime(2024, 3, 1, tzinfo=UTC).timestamp()
    for now in (midnight - 2.0, midnight - 1.0, midnight, midnight + 1.0):
        source.follow(now)
    subscribed = [topics for name, topics in consumer.calls if name == "subscribe"]
    assert subscribed == [
        ["ztf_20240229_p1", "ztf_20240228_p1"],
        ["ztf_20240301_p1", "ztf_20240229_p1"],
    ]


def a_source(settings=SETTINGS):
    made = []

    def client(config):
        made.append(FakeConsumer(config))
        return made[0]

    source = Source(settings, lambda: None, client)
    return source, made[0]


def test_the_client_commits_nothing_by_itself_and_makes_no_topic():
    config = SETTINGS.client()
    assert config["enable.auto.commit"] is False
    assert config["allow.auto.create.topics"] is False
    assert config["group.id"] == "edge"
    assert "sasl.username" not in config


def test_credentials_come_from_the_environment_and_rubin_wants_the_name_in_the_group():
    settings = Settings(
        source_username="us", source_password=SecretStr("hush"), source_ca_file="ca.pem"
    )
    source = settings.source("lsst", "kafka://a:9094/lsst-alerts-v11", None, "latest")
    assert source.group == "us-correlator-edge-lsst"
    config = source.client()
    assert {name: config[name] for name in config if name.startswith(("sasl", "sec", "ssl"))} == {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "us",
        "sasl.password": "hush",
        "ssl.ca.location": "ca.pem",
    }
    assert config["auto.offset.reset"] == "latest"
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("survey", "group", "expected"),
    [("ztf", None, "correlator-edge-ztf"), ("lsst", "us-night", "us-night"), ("ztf", "g", "g")],
)
def test_a_group_is_the_given_one_or_made_of_the_survey(survey, group, expected):
    settings = Settings(source_username="us")
    assert settings.source(survey, "kafka://a:1/t", group, "earliest").group == expected


def test_the_end_is_reached_when_every_partition_of_ours_is_and_left_by_a_new_record():
    source, consumer = a_source()
    source.follow(0.0)
    assert not source.is_at_end
    consumer.on_assign(None, [Slot(TOPIC, 0), Slot(TOPIC, 1)])
    steps = [
        ([Message(b"x", 0, 0), the_end(0)], False),
        ([the_end(1)], True),
        ([Message(b"x", 1, 0)], False),
        ([the_end(0), Message(b"x", 2, 0)], False),
        ([Message(b"x", 3, 0), the_end(0)], True),
    ]
    for batch, is_at_end in steps:
        consumer.batches.append(batch)
        source.read(10, 0.0)
        assert source.is_at_end == is_at_end
    consumer.on_revoke(None, [Slot(TOPIC, 0), Slot(TOPIC, 1)])
    assert not source.is_at_end
