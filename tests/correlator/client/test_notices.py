"""Notices as a reader has them: where to begin, what is new, what is refused, what is on disk."""

import orjson
import pytest

from correlator.client import Begin, ClientError, Connection, Newest, latest
from correlator.client.choice import Choice
from correlator.client.folder import NoticeFolder
from correlator.client.notice import notice_of
from streams.gcn_notice import to_bytes
from tests.builders import a_coincidence
from tests.streams.test_gcn_notice import a_revision, the_document
from tests.streams.test_notice_evolution import FROZEN, later


def a_notice(revision=1, state="active", key="ztf:one", topic="coincidence.all", offset=0, rank=1):
    body = a_coincidence(object_key=key, rank=rank)
    made = a_revision(revision, state, None if state == "active" else "why", body)
    return notice_of(to_bytes(the_document(made, body)), topic, 0, offset, 0.0)


@pytest.mark.parametrize(
    ("said", "begin"),
    [
        ("earliest", Begin(is_earliest=True)),
        ("latest", Begin()),
        ("17", Begin(offset=17)),
        ("2026-11-01", Begin(unix_s=1793491200.0)),
        ("2026-11-01T01:00:00+01:00", Begin(unix_s=1793491200.0)),
    ],
)
def test_a_begin_in_words(said, begin):
    assert Begin.of(said) == begin


@pytest.mark.parametrize("said", ["", "-1", "soon", "1e3", "9" * 19])
def test_what_is_no_begin_is_refused(said):
    with pytest.raises(ValueError, match="expected earliest, latest"):
        Begin.of(said)


def test_a_user_is_never_sent_in_the_clear_unless_told_so():
    said = Connection("broker:9093", "anna", "secret").configuration()
    assert said["security.protocol"] == "sasl_ssl"
    assert said["group.id"] == "anna.listen"
    assert "secret" not in repr(Connection("broker:9093", "anna", "secret"))
    assert Connection("broker:9092").configuration()["security.protocol"] == "plaintext"


def test_the_highest_revision_wins():
    newest = Newest(most_keys=2)
    seen = [a_notice(2), a_notice(2), a_notice(1), a_notice(3), a_notice(1, key="ztf:two")]
    assert [newest.takes(n) for n in seen] == [True, False, False, True, True]
    assert newest.takes(a_notice(1, topic="coincidence.grb")), "another topic is another story"
    gone = a_notice(4, "retracted")
    assert list(latest([*seen, gone]).values()) == [seen[4]]
    assert list(latest([gone, *seen], include_gone=True).values()) == [gone, seen[4]]


@pytest.mark.parametrize("document", FROZEN)
def test_notices_of_every_release_and_of_later_ones_are_read(document):
    for said in (document, later(document)):
        notice = notice_of(orjson.dumps(said), "t", 0, 0, 0.0)
        assert (notice.revision, notice.key) == (document["record_number"], document["id"][0])
        subscription = document["coincidence"].get("subscription")
        is_active = notice.state == "active"
        assert notice.passes == (is_active if subscription is None else subscription["passes"])


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\xff", b"[]", b"{}", b'{"$schema": "https://x/schema/v2.0.0/coincidence"}',
     b'{"$schema": "https://x/schema/v1.0.0/coincidence", "coincidence": null}'],
)  # fmt: skip
def test_what_is_no_notice_is_refused_by_its_place(value):
    with pytest.raises(ClientError, match=r"coincidence\.all/0@17: a notice"):
        notice_of(value, "coincidence.all", 0, 17, 0.0)


# -- on disk --------------------------------------------------------------------------------------


def lines(folder, topic="coincidence.all"):
    said = (folder / f"{topic}.jsonl").read_bytes().splitlines()
    return [orjson.loads(line)["record_number"] for line in said]


def test_a_run_goes_on_where_the_last_one_stopped_and_what_it_left_half_written_goes(tmp_path):
    first = NoticeFolder(tmp_path)
    first.write([a_notice(1)])
    first.save({("coincidence.all", 0): 5})
    first.write([a_notice(2), a_notice(3)])
    first.close()  # as at a crash: written and not saved
    with (tmp_path / "coincidence.all.jsonl").open("ab") as file:
        file.write(b'{"torn')
    second = NoticeFolder(tmp_path)
    assert second.positions == {("coincidence.all", 0): 5}
    assert lines(tmp_path) == [1]
    newest, choice = Newest(), Choice.of("rank = 1")
    second.remember(newest, choice)
    assert not newest.takes(a_notice(1))
    assert len(choice.passing) == 1
    second.write([a_notice(2)], with_passes=True)
    second.save({("coincidence.all", 0): 6, ("coincidence.gw", 0): 1})
    second.close()
    assert lines(tmp_path) == [1, 2]
    assert NoticeFolder(tmp_path).positions == {("coincidence.all", 0): 6, ("coincidence.gw", 0): 1}


def test_what_a_crash_leaves_of_a_new_file_goes(tmp_path):
    first = NoticeFolder(tmp_path)
    first.write([a_notice(1)])
    first.close()  # as at a crash: nothing was saved of it
    file = tmp_path / "coincidence.all.jsonl"
    file.write_bytes(file.read_bytes()[:500])
    second = NoticeFolder(tmp_path)
    newest = Newest()
    second.remember(newest, Choice.of(None))
    assert newest.takes(a_notice(1))
    assert lines(tmp_path) == []


@pytest.mark.parametrize("each", [False, True])
def test_what_passed_in_an_earlier_run_is_taken_back_by_a_later_one(tmp_path, each):
    first = NoticeFolder(tmp_path, one_file_each=each)
    first.write([a_notice(n) for n in (1, 2, 9, 10)])
    first.save({("coincidence.all", 0): 4})
    first.close()
    second = NoticeFolder(tmp_path, one_file_each=each)
    newest, choice = Newest(), Choice.of("rank = 1")
    second.remember(newest, choice)
    assert not newest.takes(a_notice(10))
    told = choice.judged(a_notice(11, rank=2))
    assert told is not None
    assert not told.passes


def test_a_file_a_notice_is_named_by_it_and_stays_in_its_folder(tmp_path):
    notice = a_notice(2)
    folder = NoticeFolder(tmp_path / "out", one_file_each=True)
    folder.write([notice, notice])
    bad = notice.document | {"id": ["../../evil/case"]}
    folder.write([notice_of(orjson.dumps(bad), "coincidence.all", 0, 0, 0.0)])
    folder.save({})
    name = notice.key.replace("/", "-")
    found = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*.json"))
    assert (tmp_path / f"out/coincidence.all/{name}-r2.json").exists()
    assert all(p.parts[0] == "out" for p in found)
    assert len(found) == 3


def test_a_folder_that_somebody_changed_is_refused(tmp_path):
    folder = NoticeFolder(tmp_path)
    folder.write([a_notice(1)])
    folder.save({("coincidence.all", 0): 1})
    folder.close()
    (tmp_path / "coincidence.all.jsonl").write_bytes(b"")
    with pytest.raises(ClientError, match="bytes that were written, got 0"):
        NoticeFolder(tmp_path)
    (tmp_path / "positions.json").write_bytes(b"[")
    with pytest.raises(ClientError, match="holds the positions"):
        NoticeFolder(tmp_path)
