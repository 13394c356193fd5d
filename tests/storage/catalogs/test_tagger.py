"""Alerts with what catalogues have near them: the same whatever they come with."""

import shutil
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from correlator.crossmatch import AnswerState, SkyClass, placement
from correlator.wire import alerts_of_json, to_json
from skymaps.healpix import Positions
from storage.catalogs.build import build_catalog
from storage.catalogs.catalog import CatalogStore
from storage.catalogs.mapping import Mapping
from storage.catalogs.tagger import KEPT_TAGS, Tagger, untagged
from tests.builders import DEC_DEG, RA_DEG, an_alert

STARS = Mapping(
    "stars", "Stars", ("ra",), ("dec",), id=("id",), sky_class=SkyClass.STAR, radius_arcsec=2.0
)
GALAXIES = Mapping(
    "galaxies", "Galaxies", ("ra",), ("dec",), id=("id",), sky_class=SkyClass.GALAXY,
    radius_arcsec=60.0,
)  # fmt: skip
ARCSEC = 1.0 / 3600.0


def add(root, how, *places):
    """Build a catalogue of places [deg], and its current version."""
    ra, dec = zip(*places, strict=True)
    path = root.parent / f"{how.name}.parquet"
    ids = [f"{how.name}-{n}" for n in range(len(places))]
    pq.write_table(pa.table({"ra": ra, "dec": dec, "id": ids}), path)
    return build_catalog(root, how.name, [path], how).version


@pytest.fixture
def root(tmp_path):
    return tmp_path / "catalogs"


def alerts(*decs_deg):
    return [an_alert(alert_id=str(n), ra_deg=RA_DEG, dec_deg=dec) for n, dec in enumerate(decs_deg)]


def test_each_alert_has_the_answer_of_each_catalogue(root):
    star = add(root, STARS, (RA_DEG, DEC_DEG))
    galaxy = add(root, GALAXIES, (RA_DEG, DEC_DEG + 20 * ARCSEC), (RA_DEG, DEC_DEG + 10 * ARCSEC))
    at_star, nowhere = Tagger(CatalogStore(root)).tagged(alerts(DEC_DEG, DEC_DEG + 1.0))
    assert [(a.catalog, a.version, a.state) for a in at_star.tags] == [
        ("galaxies", galaxy, AnswerState.FOUND),
        ("stars", star, AnswerState.FOUND),
    ]
    found = [tag for answer in at_star.tags for tag in answer.tags]
    assert [tag.object_id for tag in found] == ["galaxies-1", "galaxies-0", "stars-0"]
    assert [tag.separation_arcsec for tag in found] == pytest.approx([10.0, 20.0, 0.0], abs=1e-6)
    assert placement(at_star.tags).is_extragalactic is False
    assert [(a.version, a.state) for a in nowhere.tags] == [
        (galaxy, AnswerState.NOTHING_THERE),
        (star, AnswerState.NOTHING_THERE),
    ]


def test_an_alert_is_tagged_alike_alone_and_among_others(root):
    add(root, GALAXIES, *[(RA_DEG, DEC_DEG + n * 7 * ARCSEC) for n in range(40)])
    some = alerts(*[DEC_DEG + n * 11 * ARCSEC for n in range(25)])
    tagger = Tagger(CatalogStore(root))
    assert tagger.tagged(some) == [tagger.tagged([alert])[0] for alert in some]
    assert {len(a.tags[0].tags) for a in tagger.tagged(some)} == {KEPT_TAGS}


def test_the_answers_are_those_of_the_catalogue_itself(root):
    add(root, STARS, *[(RA_DEG, DEC_DEG + n * ARCSEC) for n in range(0, 40, 3)])
    some = alerts(*[DEC_DEG + n * ARCSEC for n in range(40)])
    places = Positions.of([a.ra_deg for a in some], [a.dec_deg for a in some])
    said = CatalogStore(root).open("stars").answers(places)
    assert [a.tags for a in Tagger(CatalogStore(root)).tagged(some)] == [(s,) for s in said]


def test_without_a_catalogue_there_are_no_tags(root):
    some = alerts(DEC_DEG)
    assert Tagger(CatalogStore(root)).tagged(some) == some == untagged(some)


def test_a_new_catalogue_and_a_new_version_are_asked_half_a_minute_later(root):
    moment = [0.0]
    add(root, STARS, (0.0, 0.0))
    tagger = Tagger(CatalogStore(root), lambda: moment[0])
    (first,) = tagger.tagged(alerts(DEC_DEG))
    version = add(root, STARS, (RA_DEG, DEC_DEG))
    add(root, GALAXIES, (RA_DEG, DEC_DEG))
    assert tagger.tagged(alerts(DEC_DEG))[0].tags == first.tags
    moment[0] = 30.0
    (later,) = tagger.tagged(alerts(DEC_DEG))
    assert [a.catalog for a in later.tags] == ["galaxies", "stars"]
    assert later.tags[1].version == version != first.tags[0].version


def test_a_broken_catalogue_is_unknown_and_the_others_answer(root):
    moment = [0.0]
    version = add(root, STARS, (RA_DEG, DEC_DEG))
    add(root, GALAXIES, (RA_DEG, DEC_DEG))
    tagger = Tagger(CatalogStore(root), lambda: moment[0])
    tagger.tagged([])  # they are open
    away = root / "stars" / version
    kept = shutil.copytree(away, root.parent / "kept")
    for file in away.rglob("*.parquet"):
        file.write_bytes(b"no Parquet")
    (alert,) = tagger.tagged(alerts(DEC_DEG))
    galaxies, stars = alert.tags
    assert galaxies.state is AnswerState.FOUND
    assert (stars.state, stars.tags) == (AnswerState.UNKNOWN, ())
    assert ".parquet" in stars.reason
    assert placement([stars]).is_extragalactic is None
    shutil.copytree(kept, away, dirs_exist_ok=True)
    moment[0] = 30.0
    assert tagger.tagged(alerts(DEC_DEG))[0].tags[1].state is AnswerState.FOUND


def with_column(name, values):
    def change(version):
        for path in version.rglob("*.parquet"):
            rows = pq.ParquetFile(path).read()
            at = rows.schema.get_field_index(name)
            pq.write_table(rows.set_column(at, name, pa.array(values)), path)

    return change


def with_no_text_for_a_version(version):
    (version.parent / "current").write_bytes(b"\xff\xfe")


@pytest.mark.parametrize(
    "broken",
    [
        with_column("sky_class", ["a class of a later release"]),
        with_column("_healpix_29", ["a text"]),
        with_no_text_for_a_version,
    ],
)
def test_a_catalogue_that_is_broken_in_another_way_holds_nothing_up_either(root, broken):
    version = add(root, STARS, (RA_DEG, DEC_DEG))
    add(root, GALAXIES, (RA_DEG, DEC_DEG))
    broken(root / "stars" / version)
    (alert,) = Tagger(CatalogStore(root)).tagged(alerts(DEC_DEG))
    galaxies, stars = alert.tags
    assert galaxies.state is AnswerState.FOUND
    assert stars.state is AnswerState.UNKNOWN


@pytest.mark.parametrize("text", ["x" * 201, "a NUL \x00 in it"])
def test_a_text_that_no_alert_may_carry_is_no_entry(root, text):
    path = root.parent / "texts.parquet"
    place = {"ra": [RA_DEG] * 3, "dec": [DEC_DEG] * 3}
    texts = {"id": ["first", text, "third"], "word": [None, "a star", text]}
    pq.write_table(pa.table({**place, **texts}), path)
    built = build_catalog(root, "stars", [path], replace(STARS, type=("word",)))
    assert (built.n_rows, [refusal.n_rows for refusal in built.refused]) == (1, [2])
    (alert,) = Tagger(CatalogStore(root)).tagged(alerts(DEC_DEG))
    assert alerts_of_json([(to_json(alert), "alert")]) == [alert]


def test_a_tagged_alert_is_read_quickly_and_stays_small(root, monkeypatch):
    for how in (STARS, GALAXIES):
        for n in range(4):
            named = replace(how, name=f"{how.name}{n}")
            add(root, named, *[(RA_DEG, DEC_DEG + k * 0.1 * ARCSEC) for k in range(5)])
    (alert,) = Tagger(CatalogStore(root)).tagged(alerts(DEC_DEG))
    assert sum(len(answer.tags) for answer in alert.tags) == 8 * KEPT_TAGS
    monkeypatch.setattr("correlator.wire.of_json", None)  # the long way is not needed
    assert alerts_of_json([(to_json(alert), "alert")]) == [alert]
