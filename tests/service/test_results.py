"""What a store implies is what its events imply, whatever is left unread on the way."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.joint import joint_events
from correlator.policy import Policy
from correlator.service.results import stored_joint_events
from correlator.wire import record_of_event
from storage.store import Store
from tests.builders import T0_UNIX_S, a_circle, an_event

POLICY = Policy()
MISSIONS = (("Fermi", "fermi-gbm"), ("Swift", "swift"), ("SVOM", "svom"))


@st.composite
def bursts(draw):
    mission, stream = draw(st.sampled_from(MISSIONS))
    begin = T0_UNIX_S + draw(st.integers(0, 40)) * 50.0
    return an_event(
        mission=mission,
        stream=stream,
        event_id=str(draw(st.integers(0, 10**9))),
        event_unix_s=begin,
        event_end_unix_s=begin + draw(st.sampled_from([0.0, 0.0, 300.0, 1500.0])),
        localization=draw(st.sampled_from([None, a_circle()])),
    )


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.lists(bursts(), max_size=8, unique_by=lambda event: event.event_key))
def test_joint_events_of_a_store_are_those_of_all_its_events(events):
    with Store.open("sqlite:///:memory:") as store:
        for event in events:
            if event.localization is not None:
                store.localizations.put(event.localization)
            store.events.put(record_of_event(event))
        assert stored_joint_events(store, POLICY) == joint_events(events, POLICY)
