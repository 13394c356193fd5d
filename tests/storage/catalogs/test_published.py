"""Each published format is read as what it is, and rows that are none are told."""

import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from correlator.crossmatch import SkyClass
from skymaps.healpix import Positions
from storage.catalogs.build import build_catalog
from storage.catalogs.catalog import CatalogStore
from storage.catalogs.errors import CatalogError
from storage.catalogs.mapping import mapping_of, ready_mappings
from tests.storage.catalogs.published import FILES, published


def built(mapping, tmp_path, path=None):
    how = mapping_of(mapping)
    description = build_catalog(tmp_path / "c", "x", [path or published(mapping, tmp_path)], how)
    return description, CatalogStore(tmp_path / "c").open("x")


def tag_at(catalog, ra, dec, radius_arcsec=2.0):
    [tag] = catalog.answers(Positions.of([ra], [dec]), radius_arcsec)[0].tags
    return tag


def rules(description):
    return {refusal.rule: refusal.n_rows for refusal in description.refused}


def test_every_mapping_that_comes_with_us_has_a_file_here():
    assert set(ready_mappings()) == {*FILES, "ongc"}


def test_gaia(tmp_path):
    description, catalog = built("gaia", tmp_path)
    assert (description.n_rows, description.refused) == (3, [])
    assert description.epoch_year == 2016.0
    star = tag_at(catalog, 45.00432, 0.02105)
    assert star.object_id == "38655544960"
    assert star.sky_class is None  # that a source has a parallax is for `placement` to judge
    assert star.value("parallax_over_error") == 41.5
    assert star.value("mag_gaia_g") == 17.641426
    bare = tag_at(catalog, 45.04974, 0.04822)
    assert [name for name, _ in bare.values] == ["mag_gaia_g"]


def test_ps1(tmp_path):
    description, catalog = built("ps1", tmp_path)
    assert rules(description) == {"ra and dec must be numbers": 1}
    assert "ps1.csv, row 3: raMean='-999'" in description.refused[0].first
    star = tag_at(catalog, 197.2873, 0.0102, 0.2)
    assert star.object_id == "108011972873951123"  # 18 digits, and no float on the way
    assert star.value("star_score") == 0.98
    assert star.value("mag_z") is None


def test_glade(tmp_path):
    description, catalog = built("glade", tmp_path)
    assert rules(description) == {"ra and dec must be numbers": 1}
    assert "GLADE+.txt, row 3: RAJ2000='oops'" in description.refused[0].first
    galaxy = tag_at(catalog, 192.7214, 41.1201)
    assert (galaxy.sky_class, galaxy.type_name) == (SkyClass.GALAXY, "G")
    assert galaxy.value("distance_mpc") == 4.39
    assert galaxy.value("mag_b") == 8.71107
    quasar = tag_at(catalog, 0.000629, 35.517841)
    assert (quasar.sky_class, quasar.value("mag_b")) == (SkyClass.AGN, None)


def test_ned_lvs(tmp_path):
    description, catalog = built("ned-lvs", tmp_path)
    assert rules(description) == {"ra and dec must be numbers": 1}
    galaxy = tag_at(catalog, 197.44878, -23.38386)
    assert (galaxy.object_id, galaxy.sky_class) == ("NGC 4993", SkyClass.GALAXY)
    assert galaxy.value("semi_major_arcsec") == 55.0
    assert galaxy.value("mag_k_vega") == pytest.approx(9.224)


def test_milliquas(tmp_path):
    description, catalog = built("milliquas", tmp_path)
    assert description.n_rows == 2
    quasar = tag_at(catalog, 187.2779, 2.0524)
    assert (quasar.object_id, quasar.type_name) == ("3C 273", "QRX")
    assert quasar.sky_class is SkyClass.AGN
    assert quasar.value("z") == pytest.approx(0.158)
    assert tag_at(catalog, 123.0, 89.9999).object_id == "polar"


def test_vsx(tmp_path):
    description, catalog = built("vsx", tmp_path)
    assert rules(description) == {"ra and dec must be numbers": 1}
    star = tag_at(catalog, 3.5, 58.0)
    assert (star.type_name, star.sky_class) == ("EA/RS", SkyClass.VARIABLE_STAR)
    assert star.value("period_d") == 2.5
    quasar = tag_at(catalog, 0.0, 0.0)  # on the other side of the wrap
    assert (quasar.object_id, quasar.sky_class) == ("[VV2006] J001, 1", SkyClass.AGN)


def test_gcvs_in_sexagesimal(tmp_path):
    description, catalog = built("gcvs", tmp_path)
    # Units, dashes, and a star without a place.
    assert rules(description)["ra and dec must be numbers"] == 3
    star = tag_at(catalog, 15.0 * (19 + 25 / 60 + 27.91 / 3600), 42 + 47 / 60 + 3.7 / 3600, 0.01)
    assert (star.object_id, star.type_name) == ("RR    Lyr", "RRAB")
    nova = tag_at(catalog, 15.0 * (9 + 4 / 60 + 41.5 / 3600), -(32 + 22 / 60 + 47.5 / 3600), 0.01)
    assert nova.sky_class is SkyClass.VARIABLE_STAR
    supernova = tag_at(catalog, 10.6796, 41.2681)
    assert supernova.sky_class is SkyClass.TRANSIENT


def test_tns(tmp_path):
    description, catalog = built("tns", tmp_path)
    assert rules(description) == {
        "dec must lie in [-90, 90] deg": 1,
        "unreadable: mag_discovery must be a number": 1,
    }
    kilonova = tag_at(catalog, 197.450374, -23.381495)
    assert (kilonova.object_id, kilonova.type_name) == ("2017gfo", "Kilonova")
    assert kilonova.sky_class is SkyClass.TRANSIENT
    assert kilonova.value("z") == 0.009727
    assert tag_at(catalog, 10.5, 15.0).sky_class is SkyClass.VARIABLE_STAR


def test_ongc(tmp_path):
    path = tmp_path / "ongc.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE objects (name, type, ra, dec, majax, minax, pa, redshift)")
        rows = [
            ("NGC4993", "G", 3.4461307914471537, -0.40812585303162957, 1.55, 1.35, 173, 0.009787),
            ("NGC4994", "Dup", 3.4461307914471537, -0.40812585303162957, 1.55, 1.35, 173, None),
            ("IC1", "NonEx", None, None, None, None, None, None),
            ("NGC1", "G", 0.0, 0.5, 0.0, 0.0, None, None),
        ]
        database.executemany("INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    database.close()
    description, catalog = built("ongc", tmp_path, path)
    assert description.n_rows == 2
    assert rules(description) == {
        "ra and dec must be numbers": 1,
        "its type says that it is none": 1,
    }
    galaxy = tag_at(catalog, 197.450374, -23.381495, 20.0)
    assert galaxy.object_id == "NGC4993"
    assert galaxy.separation_arcsec == pytest.approx(10.15, abs=0.01)
    assert galaxy.value("semi_major_arcsec") == pytest.approx(46.5)
    assert galaxy.value("axis_ratio") == pytest.approx(1.35 / 1.55)
    assert tag_at(catalog, 0.0, 28.6478897565).value("axis_ratio") is None  # 0 / 0


def test_the_ongc_that_pyongc_brings(tmp_path):
    pyongc = pytest.importorskip("pyongc", reason="needs the extra catalogs")
    path = Path(pyongc.__file__).parent / "ongc.db"
    description, catalog = built("ongc", tmp_path, path)
    assert description.n_rows > 13_000
    galaxy = tag_at(catalog, 197.450374, -23.381495, 20.0)
    assert (galaxy.object_id, galaxy.value("z")) == ("NGC4993", 0.009787)


MINE = """
title = "mine"
ra = "lon"
dec = ["lat", "latitude"]
class = "galaxy"
[values]
mag_r = { column = "m", scale = 2.0, over = "n" }
"""


def mine(tmp_path, text=MINE):
    (tmp_path / "mine.toml").write_text(text)
    return str(tmp_path / "mine.toml")


def test_a_mapping_of_ones_own(tmp_path):
    table = pa.table({"lon": [370.0, -0.5], "latitude": [1, 2], "m": ["3", "?"], "n": [2.0, 1.0]})
    pq.write_table(table, tmp_path / "t.parquet")
    how = mapping_of(mine(tmp_path))
    description = build_catalog(tmp_path / "c", "mine", [tmp_path / "t.parquet"], how)
    assert rules(description) == {
        "ra must lie in [-360, 360] deg": 1,
        "unreadable: mag_r must be a number": 1,
    }
    catalog = CatalogStore(tmp_path / "c").open("mine")
    tag = tag_at(catalog, 359.5, 2.0)
    assert (tag.object_id, tag.values) == ("359.500000+2.000000", ())


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("title = 'x'\nra = 'a'\n", "it has dec"),
        ("titel = 'x'\n", "its keys are"),
        ("title = 3\nra = 'a'\ndec = 'b'\n", "its values have their types"),
        ("title = 'x'\nra = []\ndec = 'b'\n", "its values have their types"),
        ("title = 'x'\nra = 'a'\ndec = 'b'\nclass = 'wrong'\n", "its values have their types"),
        ("title = 'x'\nra = 'a'\ndec = 'b'\n[values]\nz = {kolumn = 'x'}\n", "have their types"),
        ("title = 'x'\nra = 'a'\ndec = 'b'\nradius_arcsec = 1e9\n", "its values have their types"),
        ("title = ", "a mapping is TOML"),
    ],
)
def test_a_mapping_that_is_wrong_says_why(tmp_path, text, rule):
    with pytest.raises(CatalogError, match=rule):
        mapping_of(mine(tmp_path, text))


def test_a_mapping_that_nobody_knows_is_named():
    with pytest.raises(CatalogError, match="gaya: a mapping is one of gaia, gcvs, glade"):
        mapping_of("gaya")
    with pytest.raises(CatalogError, match="a mapping can be read"):
        mapping_of("nowhere.toml")


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("a.csv", b"objid,ra\n1,2\n", "wants a header with ra and declination"),
        ("a.parquet", b"PAR1 is none", "a catalogue's file can be read"),
        ("a.fits", b"SIMPLE  = none", "a catalogue's file can be read"),
        ("a.csv.gz", b"not gzip", "a catalogue's file can be read"),
        ("a.csv.zip", b"not zip", "a catalogue's file can be read"),
        ("a.fits.gz", b"", "is not packed"),
        ("a.xlsx", b"", "file ends in"),
        ("a.db", b"", "names the table of an SQLite file"),
        ("a.csv", b"name,ra,declination\n", "a catalogue has entries"),
        ("a.csv", b"name,ra,declination\nx,1,99\n", "dec must lie in"),
        ("a.csv", b"name,ra,declination\n\xff\xfe,1,9\n", "a catalogue's file can be read"),
    ],
)
def test_a_file_that_is_none_is_refused_by_name(tmp_path, name, content, rule):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CatalogError, match=rule):
        built("tns", tmp_path, tmp_path / name)
    assert not list((tmp_path / "c" / "x").iterdir())


def test_a_row_of_another_length_is_told_and_the_others_stay(tmp_path):
    (tmp_path / "a.csv").write_text("name,ra,declination\nx,1,9\ny,2\nz,3,9\n")
    description, _ = built("tns", tmp_path, tmp_path / "a.csv")
    assert description.n_rows == 2
    assert rules(description) == {"a row has 3 columns": 1}
    assert "y,2" in description.refused[0].first


@pytest.mark.real_data
def test_finks_catalogues_are_read_whole(tmp_path, real_data):
    folder = real_data / "optical" / "catalogues"
    for mapping, name, n_rows in (("gcvs", "fink_gcvs", 59_099), ("tns", "fink_tns_raw", 3)):
        description, _ = built(mapping, tmp_path / mapping, folder / f"{name}.parquet")
        assert (description.n_rows, description.refused) == (n_rows, [])
    description, catalog = built("ongc", tmp_path / "ongc", folder / "ongc.db")
    assert sum(rules(description).values()) + description.n_rows == 14_033
    assert tag_at(catalog, 197.450374, -23.381495, 20.0).object_id == "NGC4993"
