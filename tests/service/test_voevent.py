"""Coincidences as VOEvents: valid by the schema, read back by others and by ourselves."""

from dataclasses import replace

import voeventparse
from click.testing import CliRunner
from lxml import etree

from correlator.service.cli import correlator
from correlator.wire import record_of_event
from ingest_vo.voevent import read_voevent
from storage.coincidences import CoincidenceRevision, CoincidenceState
from storage.store import Store
from streams.voevent import Author, voevent_of
from tests.builders import T0_UNIX_S, a_coincidence, a_notice, an_event

AUTHOR = Author("ivo://tests.example/coincidences", "Tests", "somebody@tests.example")


def a_revision(number=1, state=CoincidenceState.ACTIVE, reason=None, **other):
    body = a_coincidence(**other)
    return CoincidenceRevision(
        coincidence_id=body.pair.coincidence_id,
        revision=number,
        state=state,
        case=body.case,
        event_key=body.pair.event_key,
        object_key=body.pair.object_key,
        published_unix_s=T0_UNIX_S + 3600.0,
        reason=reason,
        body=body if state is CoincidenceState.ACTIVE else None,
    )


def read(xml):
    packet = voeventparse.loads(xml)
    voeventparse.assert_valid_as_v2_0(packet)
    return packet


def params(xml):
    return {p.get("name"): p.get("value") for p in etree.fromstring(xml).iter("Param")}


def test_a_coincidence_is_a_valid_voevent_that_says_what_was_published():
    revision = a_revision()
    xml = voevent_of(revision, AUTHOR, ["ivo://nasa.gsfc.gcn/Fermi#1", "G298048-1-Initial"])
    packet = read(xml)
    assert packet.get("role") == "observation"
    name = f"{revision.coincidence_id}_{revision.case}_1"
    assert packet.get("ivorn") == f"{AUTHOR.ivorn}#{name}"
    pair = revision.body.pair
    place = voeventparse.get_event_position(packet)
    assert (place.ra, place.dec) == (pair.object.ra_deg, pair.object.dec_deg)
    assert place.system == "UTC-ICRS-GEO"
    seen = voeventparse.get_event_time_as_utc(packet)
    assert abs(seen.timestamp() - (pair.event_unix_s + pair.delta_t_s)) < 1e-3
    said = params(xml)
    assert float(said["log_lr"]) == pair.log_lr
    assert float(said["credible_level"]) == pair.credible_level
    assert said["state"] == "active"
    assert "s_joint" not in said, "what is not known is not said"
    cited = [(c.text, c.get("cite")) for c in packet.Citations.EventIVORN]
    assert cited == [("ivo://nasa.gsfc.gcn/Fermi#1", "followup")]


def test_a_later_revision_supersedes_and_a_last_one_retracts():
    later = read(voevent_of(a_revision(2), AUTHOR))
    (cited,) = later.Citations.EventIVORN
    assert (cited.text, cited.get("cite")) == (
        later.get("ivorn").removesuffix("_2") + "_1",
        "supersedes",
    )
    gone = a_revision(3, CoincidenceState.RETRACTED, "the event is retracted & <gone>")
    packet = read(voevent_of(gone, AUTHOR))
    (cited,) = packet.Citations.EventIVORN
    assert cited.get("cite") == "retraction"
    assert packet.Why.Description.text == gone.reason
    assert packet.find("WhereWhen") is None


def test_our_own_reader_reads_it_and_a_test_is_one():
    xml = voevent_of(a_revision(), AUTHOR, is_test=True)
    packet = read_voevent(xml, "ours")
    assert packet.role == "test"
    assert read(xml).get("role") == "test"


def test_the_command_prints_the_latest_revision_and_cites_the_notices(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    notice = a_notice("ivo://nasa.gsfc.gcn/Fermi#GBM_Fin_Pos_1")
    with Store.open(url) as store:
        event = an_event(notice, replace(notice, notice_id=f"{notice.notice_id}+map"))
        store.events.put(record_of_event(event))
        for n in (1, 2):
            found = [a_coincidence(rank=n, event_key=event.event_key)]
            store.coincidences.publish(event.event_key, found, T0_UNIX_S + n, "gone")
        coincidence_id = found[0].pair.coincidence_id
    run = CliRunner().invoke(correlator, ["voevent", coincidence_id, "--store", url])
    assert run.exit_code == 0, run.output
    packet = read(run.output.encode())
    assert packet.get("ivorn").endswith("_2")
    cited = {c.get("cite"): c.text for c in packet.Citations.EventIVORN}
    assert cited["followup"] == notice.notice_id
    assert cited["supersedes"].endswith("_1")
    unknown = CliRunner().invoke(correlator, ["voevent", "nothing", "--store", url])
    assert unknown.exit_code != 0
