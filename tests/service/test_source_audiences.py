"""Audiences of files, by settings: on what is read, what is refused, and what is put back."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from correlator.alert import Alert
from correlator.service.archive import archive_files, read_alerts, read_archive
from correlator.service.commands.ingest_gcn import gcn
from correlator.service.commands.ingest_vtp import vtp
from correlator.service.letters import delivery_of
from correlator.service.settings import Settings
from correlator.service.source_audiences import SourceAudiences
from correlator.wire import of_json
from ingest_optical.lsst_schemas import schema_of_id
from storage.store import Store
from streams.topics import NOTICES_RAW, OPTICAL_ALERTS
from tests.builders import a_notice, an_alert
from tests.ingest_optical.packet_factory import ztf_packet
from tests.ingest_vo.notice_factory import gbm, svom
from tests.service.test_commands import correlator

SAID = {"ztf": ["partners"], "SVOM": ["svom", "partners"], "fermi-gbm": ["gbm"]}


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.setenv("CORRELATOR_AUDIENCES", json.dumps(SAID))
    return Settings()


def test_the_setting_names_surveys_missions_and_series(settings):
    audiences = settings.source_audiences()
    assert audiences.of_alert(an_alert()).audience == ("partners",)
    assert audiences.of_alert(an_alert(audience=("ep",))).audience == ("ep", "partners")
    assert audiences.of_alert(replace(an_alert(), survey="lsst")).audience == ()
    assert audiences.of_notice(a_notice()) == ("gbm",)
    assert audiences.of_notice(a_notice(mission="SVOM", stream="x")) == ("partners", "svom")
    assert audiences.of_notice(a_notice(mission="Swift", stream="swift")) == ()
    assert audiences.of_any == ("gbm", "partners", "svom")


@pytest.mark.parametrize("said", ['{"ztf": ["No"]}', '{"ztf": "partners"}', "ztf=partners"])
def test_a_setting_that_names_nobody_is_refused(monkeypatch, said):
    monkeypatch.setenv("CORRELATOR_AUDIENCES", said)
    with pytest.raises((ValidationError, ValueError)):
        Settings()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.avro").write_bytes(ztf_packet().data)
    (tmp_path / "gbm.xml").write_bytes(gbm("Fin_Pos", 115))
    (tmp_path / "none.xml").write_bytes(b"<VOEvent")
    (tmp_path / "none.avro").write_bytes(b"nonsense")
    return tmp_path


def test_what_is_read_of_files_has_the_audience_of_its_source(folder):
    audiences = SourceAudiences({"ztf": ("partners",), "fermi": ("gbm",)})
    archive = read_archive(archive_files([folder]), audiences=audiences)
    found = {d.key: dict(d.headers).get("audience") for d in archive.deliveries}
    assert found["gbm.xml"] == b"gbm"
    assert found["none.xml"] == b"gbm partners", "it may be anybody's"
    (alert,) = [
        of_json(Alert, d.value) for d in archive.deliveries if d.topic == OPTICAL_ALERTS.name
    ]
    assert alert.audience == ("partners",)
    assert {refusal.audience for refusal in archive.refusals} == {("gbm", "partners")}
    (again,) = read_alerts([folder / "a.avro"], archive)
    assert again.audience == ("partners",)


def test_a_dead_letter_goes_back_for_the_audience_that_it_came_for():
    with Store.open("sqlite:///:memory:") as store:
        put = store.dead_letters.put
        packet = ztf_packet().data
        for audience in ((), ("partners",), ("ep",)):
            key = put("ztf_20260511", "p", packet, "r", 1.0, audience=audience)
        notice = put(NOTICES_RAW.name, "n", gbm("Fin_Pos", 115), "r", 1.0, audience=("gbm",))
        letter = store.dead_letters.get(key)
        assert letter.audience == ("ep", "partners")
        delivery = delivery_of(letter, packet, schema_of_id)
        assert of_json(Alert, delivery.value).audience == ("ep", "partners")
        back = delivery_of(store.dead_letters.get(notice), gbm("Fin_Pos", 115), schema_of_id)
        assert back.headers == (("audience", b"gbm"),)


@pytest.mark.slow
def test_a_replay_prints_and_writes_what_is_public_unless_asked(tmp_path, monkeypatch):
    night = tmp_path / "night"
    night.mkdir()
    (night / "gbm.xml").write_bytes(gbm("Fin_Pos", 115))
    (night / "svom.xml").write_bytes(svom("eclairs-wakeup", 202))
    monkeypatch.setenv("CORRELATOR_AUDIENCES", json.dumps(SAID))
    url, out = f"sqlite:///{tmp_path}/store.sqlite", tmp_path / "out"
    done = correlator("replay", night, "--store", url, "--out", out, "--audience", "gbm")
    assert done.returncode == 0
    assert n_events(out) == 1
    expected = {(): 0, ("gbm",): 1, ("svom",): 0, ("svom", "partners"): 1}
    for tags, n in expected.items():
        out = tmp_path / "-".join(["out", *tags])
        exported(url, out, *(word for tag in tags for word in ("--audience", tag)))
        assert n_events(out) == n
    exported(url, tmp_path / "whole", "--all-audiences")
    assert n_events(tmp_path / "whole") == 2


def exported(url, out, *asked):
    words = ("--store", url, "--as-of", "2026-05-12", "--out", out, *asked)
    assert correlator("export", *words).returncode == 0


def n_events(out):
    return len((out / "events.jsonl").read_bytes().splitlines())


def test_options_that_would_leak_are_refused():
    environment = {"CORRELATOR_BROKER": "kafka://127.0.0.1:1"}
    words = ["--receive", "0", "--relay", "--audience", "svom"]
    done = CliRunner().invoke(vtp, words, env=environment)
    assert "--relay sends on" in done.output
    environment["CORRELATOR_GCN_SERVERS"] = "127.0.0.1:2"
    done = CliRunner().invoke(gcn, ["--audience", "igwn.gwalerts=lvk"], env=environment)
    assert "audience of igwn.gwalerts: no such topic is read" in str(done.exception)
    for wrong in ("igwn.gwalert", "igwn.gwalert=LVK", "^(=lvk"):
        assert CliRunner().invoke(gcn, ["--audience", wrong], env=environment).exit_code == 2
