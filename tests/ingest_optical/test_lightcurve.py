from hypothesis import given
from hypothesis import strategies as st

from correlator.alert import Detection, Limit
from ingest_optical.lightcurve import (
    first_positive_unix_s,
    ordered_history,
    ordered_limits,
    trimmed_history,
    trimmed_limits,
)

times = st.integers(0, 10_000).map(float)
detections = st.lists(
    st.builds(
        Detection,
        source_id=st.integers(0, 60).map(str),
        time_unix_s=times,
        band=st.sampled_from("gr"),
        flux_njy=st.sampled_from([-5.0, 5.0]),
        flux_err_njy=st.none(),
    ),
    max_size=80,
)
limits = st.lists(
    st.builds(Limit, time_unix_s=times, band=st.just("g"), mag_ab=st.just(20.0)), max_size=80
)


@given(detections)
def test_a_history_is_in_time_order_with_each_source_once_and_never_the_own(some):
    history = ordered_history(some, own_id="7")
    assert [d.time_unix_s for d in history] == sorted(d.time_unix_s for d in history)
    assert {d.source_id for d in history} == {d.source_id for d in some} - {"7"}
    assert len({d.source_id for d in history}) == len(history)


@given(detections, st.randoms())
def test_a_history_does_not_depend_on_the_order_of_its_rows(some, random):
    shuffled = list(some)
    random.shuffle(shuffled)
    assert ordered_history(some, "7") == ordered_history(shuffled, "7")


@given(detections, limits)
def test_rows_that_come_in_order_are_taken_as_those_that_do_not(some, some_limits):
    some = sorted(some, key=lambda d: d.time_unix_s)
    some_limits = sorted(some_limits, key=lambda x: x.time_unix_s)
    assert ordered_history(some, "7") == ordered_history(some[::-1], "7")
    assert ordered_limits(some_limits) == ordered_limits(some_limits[::-1])


@given(detections, st.integers(4, 40))
def test_trimming_keeps_the_first_the_latest_and_the_first_positive_detection(some, most):
    history = ordered_history(some, own_id="7")
    kept = trimmed_history(history, most)
    assert len(kept) == min(most, len(history))
    assert first_positive_unix_s(kept) == first_positive_unix_s(history)
    assert kept[:1] == history[:1]
    assert kept[-1:] == history[-1:]
    assert list(kept) == [d for d in history if d in kept]


@given(limits, times, st.integers(3, 40))
def test_trimming_keeps_the_last_limit_before_the_onset(some, onset_unix_s, most):
    every = ordered_limits(some)
    kept = trimmed_limits(every, onset_unix_s, most)
    assert len(kept) == min(most, len(every))
    before = [limit for limit in every if limit.time_unix_s < onset_unix_s]
    assert [limit for limit in kept if limit.time_unix_s < onset_unix_s][-1:] == before[-1:]


@given(detections, limits)
def test_nothing_is_trimmed_when_all_is_wanted(some, bounds):
    history, every = ordered_history(some, "7"), ordered_limits(bounds)
    assert trimmed_history(history, None) == history
    assert trimmed_limits(every, None, None) == every
