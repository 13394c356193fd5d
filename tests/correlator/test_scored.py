"""Which pairs are scored, and that a score is the object's own."""

from dataclasses import replace

import orjson
import pytest

from correlator import scored as module
from correlator.coincidence import compare_many, correlate
from correlator.crossmatch import CatalogAnswer, CatalogTag, SkyClass
from correlator.errors import MalformedPacketError
from correlator.features import features_of
from correlator.object import apply_alert, object_of
from correlator.pair import PairEvidence
from correlator.policy import Policy
from correlator.rules import is_let_through, rejections
from correlator.scored import scored
from correlator.scorers import SCORERS, appearances_of, class_of, scores_of, scores_of_many
from correlator.service.rows import pair_row
from correlator.wire import PairRecord, of_json, pair_record, to_json
from tests.builders import an_alert
from tests.correlator.test_coincidence import T0, an_event

POLICY = Policy()


def an_object(name="ZTF21aa", hours=(1.0, 3.0), **changes):
    """An object of one detection at each of some hours after T0."""
    obj = None
    for number, hour in enumerate(hours):
        source = f"{name}{number}"
        own = replace(
            an_alert().detection, source_id=source, time_unix_s=T0 + 3600.0 * hour,
            flux_njy=20_000.0 - 2_000.0 * number,
        )  # fmt: skip
        alert = an_alert(
            alert_id=source, object_id=name, detection=own, history=(), limits=(), ra_deg=150.0,
            dec_deg=20.0, **changes,
        )  # fmt: skip
        obj = object_of(alert) if obj is None else apply_alert(obj, alert)
    return obj


def test_a_pair_that_a_case_lets_through_has_the_scores_of_its_object():
    obj = an_object()
    pair = correlate(obj, an_event(), POLICY)
    assert is_let_through(pair, POLICY)
    assert [score.name for score in pair.appearance.scores] == [s.name for s in SCORERS]
    assert pair.appearance.scores == tuple(scores_of(obj).values())
    assert pair.appearance.object_class == class_of(scores_of(obj), features_of(obj))
    assert pair_row(pair)["class"] == str(pair.appearance.object_class)
    assert pair_row(pair)["scores"]["fast-rate"]["version"] == "1"


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(an_object(hours=(1.0,)), id="seen once"),
        pytest.param(an_object(hours=(-200.0, 1.0, 3.0)), id="active before"),
    ],
)
def test_one_that_none_lets_through_has_none_and_is_a_pair_all_the_same(obj):
    pair = correlate(obj, an_event(), POLICY)
    assert isinstance(pair, PairEvidence)
    assert not is_let_through(pair, POLICY)
    assert pair.appearance is None
    assert (pair_row(pair)["class"], pair_row(pair)["scores"]) == (None, None)


STAR = CatalogTag("vsx", "3f9a", "V1", 150.0, 20.0, 0.4, SkyClass.VARIABLE_STAR, "RRAB")
GALAXY = CatalogTag(
    "glade", "77aa", "G1", 150.0, 20.001, 3.6, SkyClass.GALAXY, "G",
    (("distance_mpc", 40.0), ("mag_b", 13.0)),
)  # fmt: skip


def test_a_star_of_a_catalogue_is_not_published_and_says_so():
    answers = (CatalogAnswer.of("vsx", [STAR], "3f9a"), CatalogAnswer.of("glade", [GALAXY], "77aa"))
    pair = correlate(an_object(tags=answers), an_event(), POLICY)
    (case,) = (case for case in POLICY.cases if case.name == "grb-afterglow")
    assert rejections(pair, case, POLICY) == ("star_in_a_catalogue",)
    row = pair_row(pair)
    assert (row["is_extragalactic"], row["is_extragalactic_reasons"]) == (False, ["vsx: RRAB"])
    assert [(said["catalog"], said["version"]) for said in row["catalogs"]] == [
        ("vsx", "3f9a"),
        ("glade", "77aa"),
    ]
    (host,) = row["hosts"]
    assert host["object_id"] == "G1"
    assert host["offset_kpc"] == pytest.approx(3.6 / 206265 * 40e3, rel=1e-3)
    assert 0.0 < host["p_chance"] < 1e-3


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param((), id="no catalogue"),
        pytest.param((CatalogAnswer.unknown("vsx", "its file is away"),), id="no answer"),
        pytest.param((CatalogAnswer.of("vsx", [], "3f9a"),), id="nothing there"),
        pytest.param((CatalogAnswer.of("glade", [GALAXY], "77aa"),), id="a galaxy near"),
    ],
)
def test_what_catalogues_do_not_say_keeps_nothing_back(answers):
    pair = correlate(an_object(tags=answers), an_event(), POLICY)
    assert is_let_through(pair, POLICY)
    assert pair_row(pair)["is_extragalactic"] is None


def test_scores_change_nothing_else_of_a_pair():
    pair = correlate(an_object(), an_event(), POLICY)
    (bare,) = compare_many([an_object()], an_event(), POLICY)
    assert bare == replace(pair, appearance=None)


def test_no_object_has_no_score():
    assert scores_of_many([]) == appearances_of([]) == []
    assert scored([], POLICY) == []


def test_an_object_of_many_events_is_scored_once(monkeypatch):
    asked = []

    def counted(objects):
        asked.append(len(objects))
        return appearances_of(objects)

    monkeypatch.setattr(module, "appearances_of", counted)
    objects = [an_object(f"ZTF21a{letter}") for letter in "abc"]
    pairs = []
    for number in range(4):
        event = replace(an_event(), event_key=f"Fermi:{number}")
        pairs += zip(compare_many(objects, event, POLICY), objects, strict=True)
    found = scored(pairs, POLICY)
    assert asked == [3]
    assert {pair.appearance for pair in found} == {
        correlate(o, an_event(), POLICY).appearance for o in objects
    }
    assert [pair.event_key for pair in found] == [pair.event_key for pair, _ in pairs]


def test_scores_travel_and_records_of_before_have_none():
    record = pair_record(correlate(an_object(), an_event(), POLICY))
    assert of_json(PairRecord, to_json(record)) == record
    old = orjson.loads(to_json(record))
    del old["evidence"]["appearance"]
    assert of_json(PairRecord, orjson.dumps(old)).evidence == replace(
        record.evidence, appearance=None
    )


def test_a_class_that_nobody_knows_is_refused():
    record = pair_record(correlate(an_object(), an_event(), POLICY))
    spoiled = to_json(record).replace(b'"object_class":"', b'"object_class":"no-')
    with pytest.raises(MalformedPacketError, match="object_class"):
        of_json(PairRecord, spoiled)
