"""Joint events in the store: one that stands for each member, revisions, and who has to look."""

import pytest

from correlator.joint import joint_events
from correlator.policy import Policy
from correlator.wire import record_of_event, record_of_joint
from storage.joint_events import BehindError, JointState
from tests.builders import T0_UNIX_S, an_event

NOW = T0_UNIX_S + 60.0


def burst(event_id, mission="Fermi", at=0.0, **other):
    stream = mission.lower()
    more = {"mission": mission, "stream": stream, "event_id": event_id} | other
    return an_event(event_unix_s=T0_UNIX_S + at, **more)


FERMI, SWIFT, SVOM = burst("1"), burst("2", "Swift", 1.0), burst("3", "SVOM", -1.0)


@pytest.fixture
def joint_store(store):
    for event in (FERMI, SWIFT, SVOM):
        store.events.put(record_of_event(event))
    return store.joint_events


def record(*events):
    (joint,) = joint_events(events, Policy())
    return record_of_joint(joint)


def versions(*events):
    return {event.event_key: event.version for event in events}


def put(joint_store, *events, changed=None, now=NOW):
    found = [record(*events)] if len(events) > 1 else []
    keys = [(changed or events[-1]).event_key]
    return joint_store.replace(found, versions(*events), keys, now)


def test_what_is_put_is_found_by_id_by_member_and_by_time(joint_store):
    (made,) = put(joint_store, FERMI, SWIFT)
    assert made.revision == 1
    assert made.state is JointState.LIVE
    assert made.body == record(FERMI, SWIFT)
    assert joint_store.get(made.joint_id) == made
    assert joint_store.of_events([SWIFT.event_key, "another"]) == [made]
    assert joint_store.of_events(["another"]) == []
    assert joint_store.live() == [made]
    assert joint_store.ids_since(T0_UNIX_S) == [made.joint_id]
    assert joint_store.ids_since(T0_UNIX_S + 1.0) == []


def test_the_same_again_is_no_new_revision(joint_store):
    (made,) = put(joint_store, FERMI, SWIFT)
    assert put(joint_store, FERMI, SWIFT, now=NOW + 60.0) == [made]
    assert joint_store.get(made.joint_id).published_unix_s == NOW


def test_an_earlier_member_takes_the_name_along(joint_store):
    (two,) = put(joint_store, FERMI, SWIFT)
    three, old = sorted(put(joint_store, FERMI, SWIFT, SVOM), key=lambda r: r.state, reverse=True)
    assert three.joint_id == f"joint:{SVOM.event_key}"
    assert (old.joint_id, old.revision, old.state) == (two.joint_id, 2, JointState.DISSOLVED)
    assert old.reason == f"it is {three.joint_id} now"
    assert old.body == two.body
    assert set(joint_store.of_events([FERMI.event_key])) == {three, old}
    assert joint_store.of_events([SVOM.event_key]) == joint_store.live() == [three]
    # Whoever comes later tells both.
    assert set(put(joint_store, FERMI, SWIFT, SVOM)) == {three, old}


def test_a_joint_event_is_for_those_who_may_read_its_members_and_its_heirs(store, joint_store):
    secret = burst("3", "SVOM", -1.0, audience=("svom",))
    store.events.put(record_of_event(secret))
    (two,) = put(joint_store, FERMI, SWIFT)
    assert two.audience == ()
    three, old = sorted(put(joint_store, FERMI, SWIFT, secret), key=lambda r: r.state, reverse=True)
    assert three.audience == old.audience == ("svom",)
    assert joint_store.get(old.joint_id).audience == ("svom",)


def test_what_is_no_burst_any_more_is_dissolved_and_may_come_back(joint_store):
    (made,) = put(joint_store, FERMI, SWIFT)
    (gone,) = joint_store.replace([], versions(FERMI, SWIFT), [SWIFT.event_key], NOW)
    assert (gone.revision, gone.state) == (2, JointState.DISSOLVED)
    assert joint_store.live() == []
    assert joint_store.of_events([FERMI.event_key]) == [gone]
    assert joint_store.replace([], versions(FERMI), [FERMI.event_key], NOW) == [gone]
    assert joint_store.other_than([made]) == [gone]
    assert joint_store.other_than([gone]) == []
    (again,) = put(joint_store, FERMI, SWIFT)
    assert (again.joint_id, again.revision, again.state) == (made.joint_id, 3, JointState.LIVE)


def test_who_worked_from_other_versions_than_are_stored_writes_nothing(joint_store):
    found = [record(FERMI, SWIFT)]
    stale = versions(FERMI, SWIFT) | {SWIFT.event_key: 7}
    with pytest.raises(BehindError) as caught:
        joint_store.replace(found, stale, [SWIFT.event_key], NOW)
    assert caught.value.event_keys == set()
    assert joint_store.live() == []
    put(joint_store, FERMI, SWIFT, SVOM)
    # One who does not know of SVOM's event must not take it out.
    with pytest.raises(BehindError) as caught:
        put(joint_store, FERMI, SWIFT)
    assert caught.value.event_keys == {SVOM.event_key}
    assert len(joint_store.live()[0].body.event_keys) == 3


def test_whoever_ranks_hears_of_each_change_once(joint_store):
    before = joint_store.last_touch()
    (made,) = put(joint_store, FERMI, SWIFT)
    ids, count = joint_store.touched_after(before)
    assert ids == [made.joint_id]
    assert joint_store.touched_after(count) == ([], count)
    joint_store.touch(["another"])
    assert joint_store.touched_after(count) == ([], count)
    joint_store.touch([SWIFT.event_key])
    ids, later = joint_store.touched_after(count)
    assert ids == [made.joint_id]
    assert later > count
    assert joint_store.last_touch() == later
