"""The object: a function of the set of its alerts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.alert import Detection, Limit, Surroundings
from correlator.object import apply_alert, object_of
from tests.builders import an_alert

times = st.floats(0.0, 1e6)
fluxes = st.floats(-1e4, 1e4).filter(lambda f: f != 0.0)


@st.composite
def detections(draw):
    return Detection(
        draw(st.sampled_from("abcdefgh")),
        draw(times),
        "g",
        draw(fluxes),
        draw(st.floats(1.0, 99.0)),
    )


@st.composite
def alerts(draw):
    return an_alert(
        alert_id=draw(st.sampled_from("1234")),
        ra_deg=draw(st.floats(10.0, 10.001)),
        detection=draw(detections()),
        history=tuple(draw(st.lists(detections(), max_size=3))),
        limits=tuple(Limit(t, "r", 20.0) for t in draw(st.lists(times, max_size=2))),
        survey_first_unix_s=draw(st.none() | times),
        surroundings=Surroundings(star_score=draw(st.none() | st.floats(0.0, 1.0))),
    )


def folded(some):
    obj = None
    for alert in some:
        obj = apply_alert(obj, alert)
    return obj


@given(st.lists(alerts(), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_order_and_repeats_do_not_count(some, random):
    shuffled = [*some, *random.sample(some, k=random.randint(0, len(some)))]
    random.shuffle(shuffled)
    assert folded(shuffled) == folded(some)


@given(st.lists(alerts(), min_size=1, max_size=6))
def test_the_light_curve_is_the_union_by_time(some):
    obj = folded(some)
    expected = {d.source_id for a in some for d in (a.detection, *a.history)}
    assert {d.source_id for d in obj.detections} == expected
    assert [d.time_unix_s for d in obj.detections] == sorted(d.time_unix_s for d in obj.detections)
    assert obj.version == len({a.alert_id for a in some})


def test_an_alert_of_another_object_is_refused():
    with pytest.raises(ValueError, match="not"):
        apply_alert(object_of(an_alert()), an_alert(object_id="other"))
