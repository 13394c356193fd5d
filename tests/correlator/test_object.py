"""The object: a function of the set of its alerts."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.alert import Detection, ForcedMeasurement, Limit, Surroundings
from correlator.crossmatch import CatalogAnswer
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


forced = st.builds(
    ForcedMeasurement,
    st.sampled_from(["f", "g", "h", "i"]),
    times,
    st.sampled_from("gr"),
    fluxes,
    st.floats(1.0, 99.0),
)


@st.composite
def alerts(draw):
    return an_alert(
        alert_id=draw(st.sampled_from("1234")),
        ra_deg=draw(st.floats(10.0, 10.001)),
        detection=draw(detections()),
        history=tuple(draw(st.lists(detections(), max_size=3))),
        limits=tuple(Limit(t, "r", 20.0) for t in draw(st.lists(times, max_size=2))),
        forced=tuple(draw(st.lists(forced, max_size=3))),
        survey_first_unix_s=draw(st.none() | times),
        surroundings=Surroundings(star_score=draw(st.none() | st.floats(0.0, 1.0))),
        tags=tuple(
            CatalogAnswer.of(name, (), draw(st.sampled_from("ab")))
            for name in draw(st.sets(st.sampled_from(["gaia", "vsx"])))
        ),
        audience=tuple(sorted(draw(st.sets(st.sampled_from(["ep", "lsst"]))))),
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
def test_an_object_is_for_whoever_may_read_all_its_alerts(some):
    obj = folded(some)
    assert set(obj.audience) == {tag for alert in some for tag in alert.audience}
    assert obj.version == len({alert.alert_id for alert in some}) + len(obj.audience)


@given(st.lists(alerts(), min_size=1, max_size=6))
def test_the_tags_are_of_the_place(some):
    obj = folded(some)
    assert any((a.ra_deg, a.tags) == (obj.ra_deg, obj.tags) for a in some)


@given(st.lists(alerts(), min_size=1, max_size=6))
def test_the_light_curve_is_the_union_by_time(some):
    obj = folded(some)
    expected = {d.source_id for a in some for d in (a.detection, *a.history)}
    assert {d.source_id for d in obj.detections} == expected
    assert [d.time_unix_s for d in obj.detections] == sorted(d.time_unix_s for d in obj.detections)
    assert len(obj.alert_ids) == len({a.alert_id for a in some})


def merged(some):
    """The light curve and the limits restated: of each source the greatest by value, by time."""
    by_source = {}
    for d in (d for a in some for d in (a.detection, *a.history)):
        by_source.setdefault(d.source_id, []).append((d.time_unix_s, d.flux_njy, d.flux_err_njy, d))
    chosen = [max(known, key=lambda k: k[:3])[3] for known in by_source.values()]
    limits = {(x.time_unix_s, x.band, x.mag_ab, x.n_sigma): x for a in some for x in a.limits}
    return (
        tuple(sorted(chosen, key=lambda d: (d.time_unix_s, d.source_id))),
        tuple(limits[key] for key in sorted(limits)),
    )


@settings(max_examples=50)
@given(st.lists(alerts(), min_size=1, max_size=6))
def test_the_light_curve_holds_of_each_source_the_greatest(some):
    obj = folded(some)
    assert (obj.detections, obj.limits) == merged(some)


@given(st.lists(alerts(), min_size=1, max_size=6))
def test_the_forced_photometry_holds_of_each_id_the_greatest(some):
    by_id = {}
    for f in (f for alert in some for f in alert.forced):
        content = f.time_unix_s, f.flux_njy, f.flux_err_njy, f.band
        by_id.setdefault(f.forced_id, {})[content] = f
    chosen = [told[max(told)] for told in by_id.values()]
    expected = tuple(sorted(chosen, key=lambda f: (f.time_unix_s, f.forced_id)))
    assert folded(some).forced == expected


@st.composite
def a_survey_of_one_place(draw):
    """Alerts of one source that each tell what a window before them holds, as surveys do."""
    n = draw(st.integers(1, 20))
    bands = draw(st.lists(st.sampled_from("gr"), min_size=n, max_size=n))
    seen = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    step_s = draw(st.sampled_from([0.0, 1.0]))
    # Two exposures of one moment in a row, where step_s is 0.
    at = [(i // 2 * 2 + step_s * (i % 2)) for i in range(n)]
    points = [Detection(f"s{i}", at[i], bands[i], 5.0 + i, 1.0) for i in range(n)]
    limits = [Limit(at[i], bands[i], 20.0) for i in range(n)]
    told = []
    for i in (i for i in range(n) if seen[i]):
        first = draw(st.integers(0, i))
        lost = draw(st.sampled_from([None, None, None, first]))
        past = [j for j in range(first, i) if j != lost]
        told.append(
            an_alert(
                alert_id=f"a{i:02}",
                detection=points[i],
                history=tuple(points[j] for j in past if seen[j]),
                limits=tuple(limits[j] for j in past if not seen[j]),
            )
        )
    return told


@given(a_survey_of_one_place(), st.randoms(use_true_random=False))
def test_what_a_survey_tells_in_windows_becomes_one_light_curve(told, random):
    shuffled = random.sample(told, len(told))
    for some in (told, shuffled):
        if some:
            obj = folded(some)
            assert (obj.detections, obj.limits) == merged(some)
            assert obj.version == len(told)
            assert obj.latest_alert_id == told[-1].alert_id


def test_the_later_and_the_sharper_alert_speak_for_the_object():
    early = an_alert("1", ra_deg=10.0, surroundings=Surroundings(star_score=0.1))
    late = an_alert(
        "2",
        ra_deg=11.0,
        time_unix_s=early.time_unix_s + 1.0,
        detection=replace(early.detection, time_unix_s=early.time_unix_s + 1.0, flux_njy=1.0),
        surroundings=Surroundings(star_score=0.2),
    )
    for obj in (folded([early, late]), folded([late, early])):
        assert (obj.ra_deg, obj.position_alert_id) == (10.0, "1")
        assert (obj.latest_alert_id, obj.surroundings.star_score) == ("2", 0.2)
        assert obj.alert_ids == ("1", "2")


def test_an_alert_of_another_object_is_refused():
    with pytest.raises(ValueError, match="not"):
        apply_alert(object_of(an_alert()), an_alert(object_id="other"))
