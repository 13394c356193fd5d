"""Joint events on the stream: three missions and an object, in any order, updated and retracted."""

import itertools
import math

import orjson
import pytest
from aiokafka.errors import KafkaTimeoutError
from sqlalchemy import delete, update

from correlator.event import EventState
from correlator.notice import Messenger
from correlator.policy import DAY_S, EventClass
from correlator.ranking import RankedCandidate
from correlator.service.results import results_of
from correlator.service.site_view import seen_from
from correlator.visibility import SITES
from correlator.wire import of_json, to_json
from storage.joint_events import JointRevision, JointState
from storage.schema import events, localizations
from streams.joint import JointDesk
from tests.builders import a_circle, a_notice, an_alert
from tests.ingest_vo.notice_factory import GCN, T0_UNIX_S, gbm, svom, voevent
from tests.streams.workers import NOW, POLICY, Cluster, Crash

pytestmark = pytest.mark.usefixtures("no_pause")

PLACE = (120.5, -30.2)
FERMI, SVOM = "fermi-gbm:800190036", "svom:sb26051102"
JOINT = f"joint:{FERMI}"
NAME = "ZTF26joint"

CITES = {"ivo://org.svom/fsc#sb26051102_eclairs-wakeup": "retraction"}
GBM_PACKET = gbm("Fin_Pos", 115, place=(*PLACE, 2.0), params={"Human_generated": "true"})
SVOM_PACKET = svom("eclairs-wakeup", 202, place=(PLACE[0], PLACE[1] + 0.1, 0.3))
RETRACTION = svom("retraction", 219, place=(*PLACE, 0.3), cites=CITES)


def notice(cluster, name, packet):
    cluster.produce("notices.raw", name, packet)


def alerts(cluster, name=NAME, dec_deg=PLACE[1] + 0.05):
    for n, day in enumerate((0.2, 0.4)):
        alert = an_alert(f"{n}{name}", name, PLACE[0], dec_deg, T0_UNIX_S + day * DAY_S, history=())
        cluster.tell_alert(alert)


ACTS = {
    "fermi": lambda cluster: notice(cluster, "fermi", GBM_PACKET),
    "svom": lambda cluster: notice(cluster, "svom", SVOM_PACKET),
    "alerts": alerts,
}


def active(store):
    """Log-likelihood ratio of what is published of our object, by event."""
    current = store.coincidences.current(object_key=f"ztf:{NAME}")
    return {c.event_key: c.body.pair.log_lr for c in current}


def on_topic(cluster):
    """The last record of each joint event."""
    return {
        key.decode(): of_json(JointRevision, value)
        for key, value in cluster.last_of_keys("joint.events").items()
    }


@pytest.mark.parametrize("order", list(itertools.permutations(ACTS)))
@pytest.mark.parametrize("n_workers", [1, 3])
async def test_in_any_order_three_outrank_two(store, order, n_workers):
    cluster = Cluster(store, n_workers=n_workers)
    await cluster.assign()
    for name in order:
        ACTS[name](cluster)
        await cluster.finish()
    found = active(store)
    assert set(found) == {FERMI, SVOM, JOINT}
    assert found[JOINT] > max(found[FERMI], found[SVOM])
    (target,) = store.targets.list("grb-afterglow")
    assert target.coincidence.pair.event_key == JOINT
    told = on_topic(cluster)[JOINT]
    assert told == store.joint_events.get(JOINT)
    assert told.state is JointState.LIVE
    assert told.body.event_keys == (FERMI, SVOM)
    assert store.localizations.get(told.body.localization_sha256).area_deg2(0.9) < 0.3


async def test_a_retraction_takes_the_joint_event_and_its_coincidence_back(store):
    cluster = Cluster(store, n_workers=2)
    await cluster.assign()
    for act in ACTS.values():
        act(cluster)
    await cluster.finish()
    notice(cluster, "gone", RETRACTION)
    await cluster.finish()
    assert set(active(store)) == {FERMI}
    assert store.events.get(SVOM).state is EventState.RETRACTED
    told = on_topic(cluster)[JOINT]
    assert told.state is JointState.DISSOLVED
    assert told.reason == "its members are one burst no longer"
    gone = [
        c
        for c in store.coincidences.current(event_key=JOINT, include_gone=True)
        if c.object_key == f"ztf:{NAME}"
    ]
    assert [c.reason for c in gone] == ["its members are one burst no longer, or under another id"]


async def test_an_earlier_member_renames_it_and_its_coincidence_goes_along(store):
    cluster = Cluster(store, n_workers=2)
    await cluster.assign()
    for act in ACTS.values():
        act(cluster)
    await cluster.finish()
    params = {"Packet_Type": 61, "TrigID": 1208389}
    earlier = voevent(
        f"{GCN}SWIFT#BAT_GRB_Pos_1208389-262",
        params=params,
        place=(*PLACE, 0.05),
        time="2026-05-11T11:00:29.00",
    )
    notice(cluster, "swift", earlier)
    await cluster.finish()
    (standing,) = store.joint_events.live()
    assert standing.joint_id == "joint:swift:1208389"
    assert standing.body.event_keys == ("swift:1208389", FERMI, SVOM)
    assert standing.body.aliases == (JOINT, f"joint:{SVOM}")
    assert {"joint:swift:1208389"} == {key for key in active(store) if key.startswith("joint:")}
    assert on_topic(cluster)[JOINT].reason == "it is joint:swift:1208389 now"


async def test_an_object_that_only_one_member_pairs_with_is_no_three_way_coincidence(store):
    cluster = Cluster(store, n_workers=1)
    await cluster.assign()
    ACTS["fermi"](cluster)
    ACTS["svom"](cluster)
    alerts(cluster, dec_deg=PLACE[1] + 1.5)  # inside Fermi's circle, far outside SVOM's
    await cluster.finish()
    assert set(active(store)) == {FERMI}


async def test_a_redelivered_notice_tells_the_joint_event_again_and_changes_nothing(store):
    cluster = Cluster(store, n_workers=1)
    await cluster.assign()
    for act in ACTS.values():
        act(cluster)
    await cluster.finish()
    before, end = store.joint_events.get(JOINT), cluster.log.end(("joint.events", 0))
    ACTS["svom"](cluster)
    await cluster.finish()
    assert store.joint_events.get(JOINT) == before
    assert cluster.log.end(("joint.events", 0)) == end + 1
    assert to_json(on_topic(cluster)[JOINT]) == to_json(before)


async def tell_merger_and_burst(cluster):
    """A neutron star merger and its gamma-ray burst."""
    merger = a_notice(
        "merger",
        mission="LVK",
        instrument=None,
        stream="lvk",
        event_id="S260511a",
        messenger=Messenger.GRAVITATIONAL_WAVE,
        is_burst=None,
        is_significant=True,
        classification=(("BNS", 1.0),),
        event_unix_s=T0_UNIX_S - 1.7,
        localization=a_circle(*PLACE, 8.0),
    )
    burst = a_notice("burst", event_unix_s=T0_UNIX_S, localization=a_circle(*PLACE, 3.0))
    for told in (merger, burst):
        key = cluster.tell_event(told)
        JointDesk(cluster.store, POLICY, lambda: cluster.now_unix_s).refresh(key)
    await cluster.finish()


async def test_alerts_after_a_member_has_closed_still_count_while_the_lead_is_open(store):
    """Fermi's burst closes with its window; a merger's is longer, and leads."""
    cluster = Cluster(store, n_workers=2)
    await cluster.assign()
    await tell_merger_and_burst(cluster)
    alerts(cluster)
    await cluster.finish()
    joint = "joint:lvk:S260511a"
    before = active(store)
    assert set(before) == {"lvk:S260511a", "fermi-gbm:781692805", joint}
    cluster.now_unix_s = T0_UNIX_S + 18.5 * DAY_S  # 3 + 14 d on the burst is closed, 5 + 14 not
    late = an_alert(f"9{NAME}", NAME, PLACE[0], PLACE[1] + 0.05, T0_UNIX_S + 18.0 * DAY_S)
    cluster.tell_alert(late)
    await cluster.finish()
    after = store.coincidences.current(event_key=joint)
    assert [c.body.pair.object_version for c in after] == [3]
    assert {r.event_key: r.candidates for r in results_of(store, POLICY, NOW).rankings}[joint] == (
        RankedCandidate(after[0].coincidence_id, f"ztf:{NAME}", 1, after[0].body.pair.log_lr, ()),
    )


async def test_a_site_weighs_a_joint_target_by_its_night_alone(store):
    cluster = Cluster(store)
    await cluster.assign()
    await tell_merger_and_burst(cluster)
    alerts(cluster)
    await cluster.finish()
    (target,) = store.targets.list("kilonova")
    (seen,) = seen_from(store, (target,), SITES["palomar"])
    before, after = (
        {t.name: t.ln_factor for t in x.coincidence.priority.terms} for x in (target, seen)
    )
    assert before.pop("visibility") != after.pop("visibility")
    assert before == after
    assert before["value"] > math.log(POLICY.values[EventClass.GW_CBC]), "a neutron star"


# -- what goes wrong in between -------------------------------------------------------------------


async def all_said(store, n_workers=1):
    cluster = Cluster(store, n_workers=n_workers)
    await cluster.assign()
    for act in ACTS.values():
        act(cluster)
    await cluster.finish()
    return cluster


def fails_once(worker, error, is_it):
    """Let the first records that are it be lost on their way to the broker."""
    send, failed = worker.agents.send, []

    async def failing(outgoing):
        records = list(outgoing)
        if not failed and any(map(is_it, records)):
            failed.append(True)
            raise error
        await send(records)

    worker.agents.send = failing
    return failed


async def finish_anew(cluster):
    try:
        await cluster.finish()
    except Crash:
        cluster.workers = [None]
        await cluster.assign()
        await cluster.finish()


@pytest.mark.parametrize("error", [KafkaTimeoutError(), Crash()], ids=["away", "crash"])
async def test_a_dissolution_is_told_although_telling_failed(store, error):
    cluster = await all_said(store)
    failed = fails_once(cluster.workers[0], error, lambda r: r.topic == "joint.events")
    notice(cluster, "gone", RETRACTION)
    await finish_anew(cluster)
    assert failed
    assert on_topic(cluster)[JOINT] == store.joint_events.get(JOINT)
    assert on_topic(cluster)[JOINT].state is JointState.DISSOLVED


async def test_its_coincidences_end_is_told_although_its_teller_died(store):
    cluster = await all_said(store)

    def is_it(record):
        return record.topic == "coincidences.state" and b'"retracted"' in record.value

    failed = fails_once(cluster.workers[0], Crash(), is_it)
    notice(cluster, "gone", RETRACTION)
    await finish_anew(cluster)
    assert failed
    values = map(orjson.loads, cluster.last_of_keys("coincidences.state").values())
    assert {v["event_key"]: v["state"] for v in values} == {
        FERMI: "active",
        SVOM: "retracted",
        JOINT: "retracted",
    }


async def test_a_worker_that_was_held_up_does_not_have_the_last_word(store):
    """It goes on with an old revision after another has dissolved the joint event."""
    cluster = Cluster(store, n_workers=2)
    await cluster.assign()
    ACTS["fermi"](cluster)
    await cluster.finish()
    late = cluster.owner_of(("notices.raw", 0))
    send = late.agents.send

    async def held_up(outgoing):
        records = list(outgoing)
        if any(r.topic == "joint.events" for r in records) and late in cluster.workers:
            cluster.workers[cluster.workers.index(late)] = None
            await cluster.assign(shift=1)
            notice(cluster, "gone", RETRACTION)
            await cluster.finish()
        await send(records)

    late.agents.send = held_up
    ACTS["svom"](cluster)
    await late.work(("notices.raw", 0), 10, commit=False)
    assert store.joint_events.get(JOINT).state is JointState.DISSOLVED
    assert on_topic(cluster)[JOINT] == store.joint_events.get(JOINT)


async def test_what_is_dissolved_and_not_yet_ranked_is_gone_after_ranking_all(store):
    cluster = await all_said(store)
    (worker,) = cluster.workers
    notice(cluster, "gone", RETRACTION)
    for _ in range(5):
        for slot in list(worker.owned):
            await worker.work(slot, 1000)
        await worker.follow(1000)
    await worker.agents.find_joint()
    assert JOINT in active(store)
    await worker.agents.rank_all()
    assert set(active(store)) == {FERMI}


@pytest.mark.parametrize("how", ["moved", "deleted"])
def test_a_member_that_is_gone_does_not_keep_the_others_waiting(store, how):
    def tell(stream, unix_s, n_notices=1):
        told = [
            a_notice(
                f"ivo://{stream}#{n}",
                mission=stream,
                stream=stream,
                event_id="1",
                event_unix_s=unix_s,
                notice_unix_s=unix_s + 60.0 + n,
            )
            for n in range(n_notices)
        ]
        return Cluster(store).tell_event(*told)

    desk = JointDesk(store, POLICY, lambda: NOW)
    tell("b", T0_UNIX_S)
    gone = tell("c", T0_UNIX_S + 10.0)
    desk.refresh(gone)
    if how == "moved":
        tell("c", T0_UNIX_S + 5000.0, n_notices=2)  # and its own joint events are not found yet
    else:
        with store.engine.begin() as connection:
            connection.execute(delete(events).where(events.c.event_key == gone))
    made = desk.refresh(tell("a", T0_UNIX_S - 5.0))
    (standing,) = store.joint_events.live()
    assert standing.body.event_keys == ("a:1", "b:1")
    assert {r.joint_id: str(r.state) for r in made} == {
        "joint:a:1": "live",
        "joint:b:1": "dissolved",
    }


def damage(store, event_key):
    sha = store.events.get(event_key).localization_sha256
    with store.engine.begin() as connection:
        damaged = update(localizations).where(localizations.c.sha256 == sha)
        connection.execute(damaged.values(body=b"nonsense"))
    store.localizations._cache.clear()


async def test_one_that_is_damaged_takes_neither_notices_nor_rankings_with_it(store):
    cluster = Cluster(store)
    await cluster.assign()
    ACTS["fermi"](cluster)
    await cluster.finish()
    damage(store, FERMI)
    cluster.workers = [None]
    await cluster.assign()
    before = cluster.log.end(("events", 0))
    ACTS["svom"](cluster)
    alerts(cluster)
    (worker,) = cluster.workers
    for _ in range(6):  # the look back of the damaged one is tried again without end
        for slot in list(worker.owned):
            await worker.work(slot, 1000)
        await worker.follow(1000)
        await worker.rank()
    assert cluster.log.end(("events", 0)) == before + 1
    assert cluster.log.end(("dead_letter", 0)) == 0
    assert set(active(store)) == {SVOM}
