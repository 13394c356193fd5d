"""Users of a real broker: each reads the public topics and those of its subscriptions, no other."""

import time

import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from correlator.errors import RefusedError
from correlator.policy import Policy
from correlator.service.cli import correlator
from storage.store import Store
from streams.admin import BrokerError, declare
from streams.kafka_users import checked_name, set_password
from streams.topics import PUBLIC_TOPICS, all_topics, user_topic
from tests.servers import KafkaOfUsers, temporary

INSIDE = ("coincidences", "coincidences.state", "notices.raw", "heartbeat", "targets.kilonova")
PASSWORD = "correct horse battery"
WITHIN_S = 30.0


@pytest.mark.parametrize("name", ["", "Anna", "anna.b", "-a", "a" * 64, "anna\n", "*", "User:x"])
def test_a_name_that_could_stand_for_others_is_refused(name):
    with pytest.raises(RefusedError, match="a name has up to 63"):
        checked_name(name)


def test_a_short_password_is_refused_before_anybody_is_asked():
    with pytest.raises(RefusedError, match="at least 12 characters"):
        set_password("127.0.0.1:1", "anna", "secret")


class User:
    """A reader at the users' door of a broker."""

    def __init__(self, server, name="anna", password=PASSWORD):
        self.errors = []
        self.said = {
            "bootstrap.servers": server.users_address,
            "security.protocol": "sasl_plaintext",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": name,
            "sasl.password": password,
            "log_level": 0,
            "error_cb": self.errors.append,
        }

    def first_of(self, topic, group="anna.one"):
        """The first record of a topic, or the error that is said instead."""
        consumer = Consumer(self.said | {"group.id": group, "auto.offset.reset": "earliest"})
        try:
            consumer.subscribe([topic])
            message = consumer.poll(WITHIN_S)
            assert message is not None, f"{topic}: neither a record nor an error came"
            error = message.error()
            return message.value() if error is None else error.code()
        finally:
            consumer.close()

    def topics(self):
        consumer = Consumer(self.said | {"group.id": "anna.none"})
        try:
            return set(consumer.list_topics(timeout=WITHIN_S).topics)
        finally:
            consumer.close()

    def is_refused(self):
        """Whether the broker does not know the user by that password."""
        consumer = Consumer(self.said | {"group.id": "anna.none"})
        try:
            with pytest.raises(KafkaException):
                consumer.list_topics(timeout=3.0)
            consumer.poll(1.0)
            return KafkaError._AUTHENTICATION in {error.code() for error in self.errors}
        finally:
            consumer.close()

    def sends(self, topic):
        """The error of a record that is sent."""
        told = []
        producer = Producer(self.said | {"message.timeout.ms": 5000})
        producer.produce(topic, b"forged", on_delivery=lambda error, _: told.append(error))
        producer.flush(WITHIN_S)
        return told[0] and told[0].code()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_user_reads_what_is_public_and_its_own_and_nothing_else(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/store.sqlite"
    with Store.open(url) as store, temporary(KafkaOfUsers) as server:
        monkeypatch.setenv("CORRELATOR_BROKER", server.url)
        monkeypatch.setenv("CORRELATOR_STORE", url)
        for name, owner in (("anna-bright", "anna"), ("bert-grbs", "bert")):
            store.subscriptions.put(name, owner, "rank = 1", (), time.time())
        topics = [*all_topics(Policy()), user_topic("anna-bright"), user_topic("bert-grbs")]
        declare(server.bootstrap, topics, 1)
        producer = Producer({"bootstrap.servers": server.bootstrap})
        for topic in topics:
            producer.produce(topic.name, topic.name.encode(), b"key")
        assert producer.flush(WITHIN_S) == 0

        run("kafka-users", "add", "anna", "--password", PASSWORD)
        run("kafka-users", "add", "annabel", "--password", PASSWORD)
        anna, public = User(server), {topic.name for topic in PUBLIC_TOPICS}
        mine = public | {"coincidence.user.anna-bright"}
        assert anna.topics() == mine
        for topic in sorted(mine):
            assert anna.first_of(topic) == topic.encode()
        denied = KafkaError.TOPIC_AUTHORIZATION_FAILED
        for topic in (*INSIDE, "coincidence.user.bert-grbs"):
            assert anna.first_of(topic) == denied, topic
        assert anna.sends("coincidence.all") == denied
        # Groups: her own only, and not those of whose name begins as hers does.
        no_group = KafkaError.GROUP_AUTHORIZATION_FAILED
        for group in ("correlator", "annabel.one", "anna"):
            assert anna.first_of("coincidence.all", group) == no_group
        assert User(server, "annabel").topics() == public

        assert User(server, password="correct horse batterz").is_refused()
        assert User(server, "mallory").is_refused()
        assert not User(server).errors

        # A subscription that is gone, and a user.
        store.subscriptions.remove("anna-bright")
        run("kafka-users", "grant", "anna")
        assert User(server).topics() == public
        listed = run("kafka-users", "list").stdout
        assert listed == "anna: public topics only\nannabel: public topics only\n"
        run("kafka-users", "remove", "anna")
        assert User(server).is_refused()
        assert "anna:" not in run("kafka-users", "list").stdout
        with pytest.raises(BrokerError, match="user anna: can be removed"):
            CliRunner().invoke(
                correlator, ["kafka-users", "remove", "anna"], catch_exceptions=False
            )


def run(*words):
    done = CliRunner().invoke(correlator, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done
