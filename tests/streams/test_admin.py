"""The topics of a cluster: the comparison with our table, and real brokers that are told of it."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from correlator.errors import CorrelatorError
from correlator.policy import DAY_S
from streams.admin import (
    BrokerError,
    FoundTopic,
    brokers,
    compared,
    configuration_of,
    declare,
    differences,
    lag_of,
    partitions_of,
    servers_of,
)
from streams.topics import EVENTS, PAIRS, Topic, partition_of

NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("kafka://a:9092", "a:9092"),
        ("kafka://a:9092,b:9093", "a:9092,b:9093"),
        ("kafka://a:9092;kafka://b:9093", "a:9092,b:9093"),
        ("kafka://a:9092; b:9093", "a:9092,b:9093"),
    ],
)
def test_a_url_names_its_servers(url, servers):
    assert servers_of(url) == servers


def as_declared(topic):
    return FoundTopic(topic.partitions, configuration_of(topic) | {"segment.ms": "1"})


@pytest.mark.parametrize("topic", [EVENTS, PAIRS], ids=lambda t: t.name)
def test_a_topic_as_declared_differs_in_nothing(topic):
    assert compared(topic, as_declared(topic)) == []


def test_a_missing_topic_is_one_difference():
    (difference,) = compared(PAIRS, None)
    assert (difference.topic, difference.found) == ("pairs", None)
    assert str(difference) == "pairs: the topic is missing"


@pytest.mark.parametrize(
    ("topic", "change", "what", "wanted", "found"),
    [
        (PAIRS, {"partitions": 4}, "partitions", "8", "4"),
        (PAIRS, {"cleanup.policy": "compact"}, "cleanup.policy", "delete", "compact"),
        (EVENTS, {"cleanup.policy": "delete"}, "cleanup.policy", "compact", "delete"),
        (PAIRS, {"retention.ms": "-1"}, "retention.ms", "1296000000", "-1"),
        (PAIRS, {"max.message.bytes": "9"}, "max.message.bytes", "1048576", "9"),
        (
            PAIRS,
            {"message.timestamp.type": "CreateTime"},
            "message.timestamp.type",
            "LogAppendTime",
            "CreateTime",
        ),
    ],
)
def test_each_difference_says_what_is_wanted_and_what_is(topic, change, what, wanted, found):
    declared = as_declared(topic)
    has = FoundTopic(
        change.get("partitions", declared.partitions), {**declared.configuration, **change}
    )
    (difference,) = compared(topic, has)
    assert (difference.topic, difference.what) == (topic.name, what)
    assert (difference.wanted, difference.found) == (wanted, found)
    assert str(difference) == f"{topic.name}: {what} must be {wanted}, is {found}"


def test_the_retention_of_a_compacted_topic_does_not_matter():
    declared = as_declared(EVENTS)
    has = FoundTopic(declared.partitions, {**declared.configuration, "retention.ms": "604800000"})
    assert compared(EVENTS, has) == []


def test_an_error_names_broker_topic_rule_and_value():
    refused = KafkaException(KafkaError(KafkaError.INVALID_PARTITIONS, "too many"))
    error = BrokerError("a:9092", "pairs", "can be made with 3 copies", refused)
    assert str(error) == "broker a:9092: topic pairs: can be made with 3 copies, got too many"
    assert isinstance(error, CorrelatorError)


# -- on real brokers -------------------------------------------------------------------------------


@pytest.fixture
def servers(kafka_server):
    return kafka_server.bootstrap


@pytest.fixture
def topics():
    """Two topics of this test: one that is deleted by age, one that is compacted."""
    name = f"test.{uuid.uuid4().hex}"
    aged = Topic(f"{name}.aged", "k", "v", 5, 2 * DAY_S, 200_000)
    return aged, Topic(f"{name}.compacted", "k", "v", 2, None)


def produced(servers, topic, *values, key=b"key", **settings):
    """Offsets of some records; raises what the broker said of the first that it refused."""
    done, errors = [], []
    producer = Producer({"bootstrap.servers": servers, "message.max.bytes": 10**8, **settings})
    for value in values:
        producer.produce(
            topic, value, key, on_delivery=lambda e, m: errors.append(e) if e else done.append(m)
        )
    producer.flush(30)
    if errors:
        raise KafkaException(errors[0])
    return [(m.partition(), m.offset(), m.timestamp()) for m in done]


@pytest.mark.slow
def test_declared_topics_are_there_as_in_the_table(servers, topics):
    assert [d.found for d in differences(servers, topics)] == [None, None]
    assert sorted(declare(servers, topics, 1)) == [topic.name for topic in topics]
    assert differences(servers, topics) == []
    assert declare(servers, topics, 1) == []
    assert brokers(servers) == 1
    found = partitions_of(servers)
    assert [found[topic.name] for topic in topics] == [5, 2]


@pytest.mark.slow
def test_declared_topics_can_be_written_and_asked_at_once(servers, topics):
    declare(servers, topics, 1)
    assert lag_of(servers, "nobody", [topic.name for topic in topics]) == dict.fromkeys(
        (topic.name for topic in topics), 0
    )
    assert produced(servers, topics[0].name, b"value")


@pytest.mark.slow
def test_of_several_that_declare_at_once_each_topic_is_made_by_one(servers, topics):
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: declare(servers, topics, 1), range(4)))
    assert sorted(name for names in made for name in names) == [topic.name for topic in topics]
    assert differences(servers, topics) == []


@pytest.mark.slow
def test_what_was_changed_on_the_cluster_is_found(servers, topics):
    aged, compacted = topics
    declare(servers, topics, 1)
    entry = ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    changed = ConfigResource(ResourceType.TOPIC, aged.name, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": servers})
    for future in admin.incremental_alter_configs([changed]).values():
        future.result()
    found = differences(servers, [aged, replace(compacted, partitions=3)])
    assert {(d.topic, d.what, d.wanted, d.found) for d in found} == {
        (aged.name, "retention.ms", "172800000", "1000"),
        (compacted.name, "partitions", "3", "2"),
    }


@pytest.mark.slow
def test_a_topic_refuses_what_is_over_its_limit_and_takes_what_is_under(servers, topics):
    aged, _ = topics
    declare(servers, topics, 1)
    assert produced(servers, aged.name, bytes(190_000))
    with pytest.raises(KafkaException) as refused:
        produced(servers, aged.name, bytes(210_000))
    assert refused.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE


@pytest.mark.slow
def test_the_default_producer_agrees_on_the_partition(servers, topics):
    aged, _ = topics
    declare(servers, topics, 1)
    for n in range(20):
        key = f"ZTF24aa{n}".encode()
        ((partition, _, _),) = produced(servers, aged.name, b"value", key=key)
        assert partition == partition_of(key, aged.partitions)


@pytest.mark.slow
def test_the_lag_is_what_a_group_has_not_committed(servers, topics):
    aged, compacted = topics
    declare(servers, topics, 1)
    names, group = [aged.name, compacted.name, "test.no-such-topic"], f"group-{uuid.uuid4().hex}"
    ((partition, _, _), *_) = produced(servers, aged.name, b"1", b"2", b"3")
    produced(servers, compacted.name, b"1", b"2")
    assert lag_of(servers, group, names) == {aged.name: 3, compacted.name: 2}
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group})
    consumer.commit(offsets=[TopicPartition(aged.name, partition, 2)], asynchronous=False)
    consumer.close()
    assert lag_of(servers, group, names) == {aged.name: 1, compacted.name: 2}
    assert lag_of(servers, group, ["test.no-such-topic"]) == {}


@pytest.mark.slow
def test_more_copies_than_brokers_are_refused_in_words(servers, topics):
    with pytest.raises(BrokerError, match="can be made with 3 copies") as refused:
        declare(servers, topics, 3)
    assert refused.value.topic in {topic.name for topic in topics}
    assert servers in str(refused.value)


@pytest.mark.slow
def test_a_cluster_that_does_not_answer_is_an_error_in_words():
    with pytest.raises(BrokerError, match=r"broker 127\.0\.0\.1:1: answers within 10 s"):
        declare(NOBODY, [PAIRS], 1)
