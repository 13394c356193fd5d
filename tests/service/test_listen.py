"""``correlator listen`` on a real broker: as a user, with what stops, resumes and is refused."""

import json
import time

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from correlator.client import ClientError, Connection, Listener, latest_state, listen
from correlator.client.begin import EARLIEST, LATEST, Begin
from correlator.client.choice import Choice
from correlator.client.folder import NoticeFolder
from correlator.client.newest import Newest
from correlator.client.notice import notice_of
from correlator.policy import Policy
from correlator.service import listening
from correlator.service.cli import correlator
from correlator.service.commands.listen import _Run
from correlator.service.listening import Progress, what_was_heard
from storage.coincidences import CoincidenceState
from streams.admin import declare
from streams.gcn_notice import to_bytes
from streams.kafka_users import set_password, set_rights
from streams.topics import all_topics
from tests.builders import a_coincidence
from tests.servers import KafkaOfUsers, temporary
from tests.streams.map_server import certificates
from tests.streams.test_gcn_notice import a_revision, the_document

PASSWORD = "correct horse battery"
RETRACTED = CoincidenceState.RETRACTED


def test_the_state_of_the_service_in_words():
    said = what_was_heard(100.0, 100.4, None)
    assert said == "the service is alive, heartbeat 0 s ago"
    assert "silent, last heartbeat 340 s ago" in what_was_heard(100.0, 440.0, None)
    assert "none is sent, or not to us" in what_was_heard(None, 440.0, None)
    assert "Connection refused" in what_was_heard(None, 440.0, "Connection refused")


class Quiet:
    heartbeat_unix_s, complaint, lag = None, None, 0


def test_on_a_pipe_it_is_said_once_that_nothing_comes(monkeypatch, capsys):
    monkeypatch.setattr(listening, "SILENT_S", 0.0)
    with Progress(["coincidence.all"]) as progress:
        progress.show(Quiet(), 0)
        progress.show(Quiet(), 0)
        progress.show(Quiet(), 1)
        progress.show(Quiet(), 1)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("coincidence.all: nothing for 0 s; no heartbeat") == 2


SLOT = ("coincidence.all", 0)


class Full:
    """A listener with one notice."""

    def __init__(self):
        self.positions, self.refused = {SLOT: 0}, []

    def take(self):
        self.positions[SLOT] = 1
        return [notice_of(record(1), *SLOT, 0, 0.0)]


def test_what_an_interrupt_keeps_from_the_folder_is_read_again(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    folder = NoticeFolder(tmp_path, one_file_each=True)
    run = _Run(Full(), Choice.of(None), Newest(), folder, Progress([]), None, None)
    monkeypatch.setattr(folder, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.until_done()
    run.save()
    assert NoticeFolder(tmp_path).positions == {SLOT: 0}


GRB = ("coincidence.grb", 0)


class Two:
    """A listener of two topics, of which the first has a notice that is too late."""

    def __init__(self):
        self.positions, self.refused = {SLOT: 0, GRB: 0}, []
        self.batches = [(SLOT, 50.0), (SLOT, 150.0), (GRB, 60.0)]
        self.heartbeat_unix_s, self.complaint, self.lag = None, None, 0

    def take(self):
        slot, time_unix_s = self.batches.pop(0)
        self.positions[slot] += 1
        return [notice_of(record(1), *slot, self.positions[slot] - 1, time_unix_s)]

    def behind(self, slot):
        return sum(1 for other, _ in self.batches if other == slot)


def test_a_time_ends_each_topic_by_itself(tmp_path):
    folder = NoticeFolder(tmp_path)
    run = _Run(Two(), Choice.of(None), Newest(), folder, Progress([]), None, 100.0)
    run.until_done()
    run.save()
    folder.close()
    assert run.n_notices == 2
    assert NoticeFolder(tmp_path).positions == {SLOT: 1, GRB: 1}


class Kept:
    """A consumer of a topic that keeps some offsets."""

    def get_watermark_offsets(self, *_, **__):
        return 500, 700


@pytest.mark.parametrize(
    ("known", "begin", "at"),
    [
        ({SLOT: 600}, LATEST, 600),
        ({SLOT: 700}, LATEST, 700),
        ({SLOT: 100}, LATEST, 500),
        ({SLOT: 900}, LATEST, 500),
        ({}, Begin(offset=600), 600),
        ({}, Begin(offset=0), 500),
        ({}, Begin(offset=900), 700),
    ],
)
def test_a_listener_begins_at_what_is_kept(known, begin, at):
    listener = object.__new__(Listener)
    listener._consumer = Kept()
    assert listener._begun([SLOT], begin, known) == {SLOT: at}


def test_a_broker_that_is_not_there_and_words_that_are_wrong_are_refused(monkeypatch):
    monkeypatch.setattr("correlator.client.listener._ANSWER_WITHIN_S", 0.1)
    monkeypatch.setattr("correlator.client.listener._LOOK_S", 0.1)
    with pytest.raises(ClientError, match=r"127\.0\.0\.1:1: answers within"):
        Listener(Connection("127.0.0.1:1"), ["coincidence.all"])
    for words in (["--from", "soon"], ["--each"], ["--until", "soon"], ["--count", "0"]):
        assert CliRunner().invoke(correlator, ["listen", *words]).exit_code == 2


def record(revision, key="ztf:one", state=CoincidenceState.ACTIVE, rank=1):
    body = a_coincidence(object_key=key, rank=rank)
    why = None if state is CoincidenceState.ACTIVE else "the event is retracted"
    return to_bytes(the_document(a_revision(revision, state, why, body), body))


class Service:
    """What a service sends, by hand."""

    def __init__(self, server):
        self._producer = Producer({"bootstrap.servers": server.bootstrap})

    def say(self, *values, topic="coincidence.all"):
        for value in values:
            self._producer.produce(topic, value, b"key")
        assert self._producer.flush(30.0) == 0


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """A broker whose users come in through TLS, with one of them."""
    folder = tmp_path_factory.mktemp("tls")
    pem, _ = certificates(folder, addresses=("127.0.0.1",))
    with temporary(lambda home: KafkaOfUsers(home, pem)) as server:
        declare(server.bootstrap, all_topics(Policy()), 1)
        set_password(server.bootstrap, "anna", PASSWORD)
        set_rights(server.bootstrap, "anna", ())
        server.ca_file = str(pem)
        yield server


@pytest.fixture
def run(door, monkeypatch):
    monkeypatch.setenv("CORRELATOR_READER_SERVERS", door.users_address)
    monkeypatch.setenv("CORRELATOR_READER_USERNAME", "anna")
    monkeypatch.setenv("CORRELATOR_READER_PASSWORD", PASSWORD)
    monkeypatch.setenv("CORRELATOR_READER_CA_FILE", door.ca_file)

    def run_it(*words):
        done = CliRunner().invoke(correlator, ["listen", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done

    return run_it


def revisions(text):
    return [json.loads(line)["record_number"] for line in text.splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_user_listens_stops_and_goes_on(door, run, tmp_path):
    service = Service(door)
    service.say(record(1), record(1), record(2), b"no notice", record(1, "ztf:two", rank=2))
    all_of_it = run("--from", "earliest", "--until", "end")
    assert revisions(all_of_it.stdout) == [1, 2, 1]
    assert "passed over" in all_of_it.stderr
    assert "coincidence.all/0@3" in all_of_it.stderr
    assert all_of_it.stderr.endswith("3 notices\n")
    assert revisions(run("--from", "2", "--until", "end").stdout) == [2, 1]
    assert revisions(run("--from", "latest", "--until", "end").stdout) == []

    # In a folder: after two notices, and from there on, each once.
    out = tmp_path / "notices"
    file = out / "coincidence.all.jsonl"
    run("--from", "earliest", "--count", "2", "--out", str(out))
    assert revisions(file.read_text()) == [1, 2]
    service.say(record(2), record(3, state=RETRACTED))
    run("--until", "end", "--out", str(out))
    assert revisions(file.read_text()) == [1, 2, 1, 3]
    run("--until", "end", "--out", str(out))
    assert revisions(file.read_text()) == [1, 2, 1, 3]

    # With a filter, and what it takes back.
    chosen = run("--from", "earliest", "--until", "end", "--filter", "rank = 1")
    said = [json.loads(line) for line in chosen.stdout.splitlines()]
    assert [(d["record_number"], d["passes"]) for d in said] == [(1, True), (2, True), (3, False)]

    # By time: what came from now on, until a time that is over.
    now = time.time()
    time.sleep(0.05)
    service.say(record(2, "ztf:two", rank=2))
    at = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1e6):06}Z"
    assert revisions(run("--from", at, "--until", "end").stdout) == [2]
    assert revisions(run("--from", "earliest", "--until", at).stdout) == [1, 2, 1, 3]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_client_in_python_reads_states_the_heartbeat_and_says_what_is_refused(door):
    topic = "coincidence.grb"
    service = Service(door)
    service.say(record(1), record(1, "ztf:two"), record(2, state=RETRACTED), topic=topic)
    who = {"username": "anna", "password": PASSWORD, "ca_file": door.ca_file}
    servers = door.users_address
    state = latest_state(topic, servers=servers, **who)
    (notice,) = state.values()
    assert (notice.revision, notice.document["event_name"]) == (1, ["two"])
    heard = listen(
        topic, servers=servers, begin="earliest", until_end=True, where="rank = 1", **who
    )
    assert [n.passes for n in heard] == [True, True, False]

    service.say(b"{}", topic="coincidence.heartbeat")
    with Listener(Connection(servers, **who), [topic], EARLIEST) as listener:
        assert listener.lag == 3
        deadline = time.monotonic() + 30.0
        while listener.heartbeat_unix_s is None or listener.lag:
            listener.take(0.2)
            assert time.monotonic() < deadline
        assert abs(listener.heartbeat_unix_s - time.time()) < 600.0
    with pytest.raises(ClientError, match="there is coincidences for us, got coincidence"):
        Listener(Connection(servers, **who), ["coincidences"])
    with pytest.raises(ClientError, match="knows user anna by that password"):
        Listener(Connection(servers, **(who | {"password": "correct horse batterz"})), [topic])
    with pytest.raises(ClientError, match="knows user mallory"):
        Listener(Connection(servers, **(who | {"username": "mallory"})), [topic])
