"""`correlator catalogs`: from published files to what stands at a position."""

import orjson
import pytest
from click.testing import CliRunner

from correlator.service import catalog_rows
from correlator.service.cli import correlator
from tests.storage.catalogs.published import published


def run(*arguments, folder, **how):
    environment = {"CORRELATOR_CATALOGS": str(folder)}
    given = [str(argument) for argument in arguments]
    return CliRunner().invoke(correlator, ["catalogs", *given], env=environment, **how)


def said(*arguments, folder):
    done = run(*arguments, "--json", folder=folder, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return orjson.loads(done.stdout)


@pytest.fixture
def folder(tmp_path):
    """Two catalogues: TNS and NED-LVS."""
    there = tmp_path / "catalogs"
    for name in ("tns", "ned-lvs"):
        done = run("build", name, published(name, tmp_path), folder=there, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    return there


def test_a_build_says_what_it_left_out(tmp_path):
    path = published("tns", tmp_path)
    row = said("build", "mine", path, "--mapping", "tns", "--release", "today", folder=tmp_path)
    assert (row["catalog"], row["n_rows"], row["release"]) == ("mine", 3, "today")
    assert row["refused"][0]["rule"] == "dec must lie in [-90, 90] deg"
    assert "row 3: ra='10.5', declination='95.0'" in row["refused"][0]["first"]
    assert len(row["sources"][0]["sha256"]) == 64
    table = run("build", "mine", path, "--mapping", "tns", folder=tmp_path)
    assert "dec must lie in" in table.output


def test_versions_are_listed(folder):
    rows = said("list", folder=folder)
    assert [(row["catalog"], row["is_current"]) for row in rows] == [
        ("ned-lvs", True),
        ("tns", True),
    ]
    assert "NED-LVS" not in run("list", folder=folder).output  # by its name, not its title
    assert said("list", folder=folder / "nowhere") == []


def test_a_position_is_matched_and_has_its_host(folder):
    [row] = said("match", "197.450374", "-23.381495", folder=folder)
    states = {answer["catalog"]: answer["state"] for answer in row["answers"]}
    assert states == {"tns": "found", "ned-lvs": "found"}
    assert row["is_extragalactic"] is True
    assert row["reasons"] == ["tns: z = 0.009727"]
    [host] = row["hosts"]
    assert host["object_id"] == "NGC 4993"
    assert host["offset_kpc"] == pytest.approx(2.0, abs=0.1)
    assert host["p_chance"] is None  # it has a magnitude in K alone
    assert host["offset_radii"] < 0.5
    printed = run("match", "197.450374", "-23.381495", folder=folder).output
    assert "2017gfo" in printed
    assert "NGC 4993" in printed


def test_nothing_there_is_unknown_and_not_extragalactic(folder):
    [row] = said("match", "0.0", "0.0", folder=folder)
    assert {answer["state"] for answer in row["answers"]} == {"nothing-there"}
    assert (row["is_extragalactic"], row["reasons"], row["hosts"]) == (None, [], [])


def test_a_file_of_positions_is_matched_in_its_order(folder, tmp_path):
    (tmp_path / "p.csv").write_text("objectId,ra,dec\nfar,1.0,2.0\nZTF1,197.450374,-23.381495\n")
    rows = said("match", "--file", tmp_path / "p.csv", "--catalog", "tns", folder=folder)
    assert [row["id"] for row in rows] == ["far", "ZTF1"]
    assert [row["answers"][0]["state"] for row in rows] == ["nothing-there", "found"]
    near = said("match", "197.450374", "-23.3810", "--catalog", "tns", folder=folder)
    assert near[0]["answers"][0]["state"] == "nothing-there"
    wide = ("match", "197.450374", "-23.3810", "--catalog", "tns", "--radius", "3", "--nearest")
    assert said(*wide, folder=folder)[0]["answers"][0]["tags"][0]["object_id"] == "2017gfo"


def test_a_version_can_be_named(folder):
    version = said("list", folder=folder)[1]["version"]
    [row] = said("match", 197.450374, -23.381495, "--catalog", f"tns@{version}", folder=folder)
    assert row["answers"][0]["tags"][0]["version"] == version


def test_an_outage_of_cds_is_unknown_and_changes_no_class(folder, monkeypatch):
    monkeypatch.setenv("CORRELATOR_CDS_URL", "http://127.0.0.1:9/sync")  # nobody is there
    for place in (("197.450374", "-23.381495"), ("0.0", "0.0")):
        [without] = said("match", *place, folder=folder)
        [with_it] = said("match", *place, "--cds", folder=folder)
        outage = with_it["answers"].pop()
        assert (outage["catalog"], outage["state"]) == ("cds:simbad", "unknown")
        assert "ClientConnectorError" in outage["reason"]
        assert with_it == without


def test_cds_is_not_asked_unless_configured(folder, monkeypatch):
    def ask(*_):
        raise AssertionError("nobody wanted that")

    monkeypatch.setattr(catalog_rows, "ask_cds", ask)
    monkeypatch.setenv("CORRELATOR_CDS_XMATCH", "true")
    assert said("match", "0.0", "0.0", "--no-cds", folder=folder)
    assert isinstance(run("match", "0.0", "0.0", folder=folder).exception, AssertionError)
    monkeypatch.delenv("CORRELATOR_CDS_XMATCH")
    assert said("match", "0.0", "0.0", folder=folder)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("match", "1.0"), 2, "give RA and DEC [deg], or --file"),
        (("match",), 2, "give RA and DEC [deg], or --file"),
        (("match", "1.0", "95.0"), 2, "95.0"),
        (("match", "nan", "5.0"), 2, "finite"),
        (("match", "1.0", "5.0", "--radius", "1e9"), 2, "1000000000"),
    ],
)
def test_bad_usage_is_said(folder, arguments, code, words):
    done = run(*arguments, folder=folder)
    assert done.exit_code == code
    assert words in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("match", "1.0", "5.0", "--catalog", "gaia"), "gaia: a catalogue is one of those in"),
        (("build", "gaia"), "mapping gaia: name the files of the catalogue"),
        (("build", "x", "--mapping", "y"), "y: a mapping is one of"),
    ],
)
def test_what_cannot_be_done_is_said(folder, arguments, words):
    done = run(*arguments, folder=folder)
    assert done.exit_code == 1
    assert words in str(done.exception)


def test_without_a_catalogue_nothing_is_matched(tmp_path):
    done = run("match", "1.0", "5.0", folder=tmp_path)
    assert "no catalogue is there" in str(done.exception)


def test_a_file_with_a_row_without_a_position_is_refused(folder, tmp_path):
    (tmp_path / "p.csv").write_text("id,ra,dec\na,1.0,2.0\nb,,\n")
    done = run("match", "--file", tmp_path / "p.csv", folder=folder)
    assert "ra and dec must be numbers: 1 rows, the first is p.csv, row 2" in str(done.exception)


def test_without_its_package_a_mapping_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(catalog_rows, "find_spec", lambda _: None)
    done = run("build", "ongc", folder=tmp_path)
    assert "pip install multimessenger-correlator[catalogs]" in str(done.exception)


def test_ongc_is_built_out_of_the_box(tmp_path):
    pytest.importorskip("pyongc", reason="needs the extra catalogs")
    row = said("build", "ongc", folder=tmp_path)
    assert row["n_rows"] > 13_000
    [found] = said("match", "197.450374", "-23.381495", folder=tmp_path)
    assert found["hosts"][0]["object_id"] == "NGC4993"
    assert found["hosts"][0]["offset_kpc"] == pytest.approx(2.1, abs=0.1)
    assert found["is_extragalactic"] is None  # beside a galaxy, not one
