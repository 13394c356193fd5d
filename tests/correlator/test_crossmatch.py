"""Only positive evidence at the position itself places an object."""

import pytest

from correlator.crossmatch import AnswerState, CatalogAnswer, CatalogTag, SkyClass, placement


def tag(catalog, sky_class=None, separation_arcsec=0.5, type_name=None, **values):
    known = tuple(sorted(values.items()))
    return CatalogTag(catalog, "v", "x", 10.0, 20.0, separation_arcsec, sky_class, type_name, known)


def answer(*tags):
    return CatalogAnswer.of(tags[0].catalog, tags)


CASES = [
    ("galaxy", [answer(tag("glade", SkyClass.GALAXY))], True),
    ("agn", [answer(tag("milliquas", SkyClass.AGN, type_name="Q"))], True),
    ("redshift", [answer(tag("tns", SkyClass.TRANSIENT, z=0.03))], True),
    ("star", [answer(tag("ps1", SkyClass.STAR))], False),
    ("variable", [answer(tag("vsx", SkyClass.VARIABLE_STAR, type_name="RRAB"))], False),
    ("parallax", [answer(tag("gaia", parallax_over_error=5.0))], False),
    ("weak parallax", [answer(tag("gaia", parallax_over_error=4.9))], None),
    ("negative parallax", [answer(tag("gaia", parallax_over_error=-30.0))], None),
    ("no redshift to speak of", [answer(tag("tns", SkyClass.TRANSIENT, z=0.001))], None),
    ("a galaxy beside it", [answer(tag("glade", SkyClass.GALAXY, 1.6))], None),
    ("a cluster", [answer(tag("ongc", SkyClass.NEBULA_OR_CLUSTER))], None),
    ("nothing there", [CatalogAnswer.of("simbad", ())], None),
    ("an outage", [CatalogAnswer.unknown("simbad", "HTTP 504")], None),
    ("nobody asked", [], None),
    ("both", [answer(tag("gaia", parallax_over_error=9.0)), answer(tag("q", SkyClass.AGN))], None),
]


@pytest.mark.parametrize(("answers", "is_extragalactic"), [case[1:] for case in CASES],
                         ids=[case[0] for case in CASES])  # fmt: skip
def test_the_place_follows_from_what_is_said(answers, is_extragalactic):
    placed = placement(answers)
    assert placed.is_extragalactic is is_extragalactic
    assert (len(placed.reasons) > 0) >= (is_extragalactic is not None)


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_an_outage_beside_it_changes_no_placement(case):
    _, answers, _ = case
    outage = CatalogAnswer.unknown("simbad", "Fail 504")
    assert placement([*answers, outage]) == placement(answers)


def test_contradicting_reasons_are_kept():
    placed = placement(CASES[-1][1])
    assert placed.reasons == ("gaia: parallax of 9.0 sigma", "q: agn")


def test_an_answer_is_one_of_three():
    assert CatalogAnswer.of("gaia", ()).state is AnswerState.NOTHING_THERE
    with pytest.raises(ValueError, match="tags if and only if"):
        CatalogAnswer("gaia", AnswerState.FOUND)
    with pytest.raises(ValueError, match="reason if and only if"):
        CatalogAnswer("gaia", AnswerState.UNKNOWN)
    with pytest.raises(ValueError, match="reason if and only if"):
        CatalogAnswer("gaia", AnswerState.NOTHING_THERE, reason="?")


def test_a_number_that_the_catalogue_lacks_is_none():
    assert tag("gaia", parallax_mas=2.0).value("parallax_mas") == 2.0
    assert tag("gaia").value("parallax_mas") is None
