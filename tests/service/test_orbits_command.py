"""`correlator orbits`: from a file of orbits to what stands at a position, and where alerts are."""

import orjson
import pytest
from click.testing import CliRunner

from correlator.service.cli import correlator
from storage.orbits.file import read_orbits
from tests.storage.orbits.lines import HEAD, line

WHEN = "2026-01-15T04:00:00"


def run(*arguments):
    words = ["orbits", *(str(argument) for argument in arguments)]
    return CliRunner().invoke(correlator, words, catch_exceptions=False)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "MPCORB.DAT"
    old = line("K01A03A", epoch="J9611", h="")
    path.write_text(HEAD + "\n".join([line("K01A01A"), line("K01A02A", e=1.2), old]))
    return path


def test_check_says_what_was_read_and_what_was_refused(file):
    done = run("check", file, "--json")
    assert done.exit_code == 3
    row = orjson.loads(done.stdout)
    assert (row["n_orbits"], row["n_refused"], row["n_without_magnitude"]) == (2, 1, 1)
    assert (row["first_epoch"], row["last_epoch"]) == ("1996-01-01", "2025-11-21")
    assert row["version"] == read_orbits(file).version
    assert row["refused"][0]["first"].startswith("MPCORB.DAT:6: a minor planet goes around")
    table = run("check", file)
    assert table.exit_code == 3
    assert "a minor planet goes around" in " ".join(table.stdout.split())


def test_check_is_content_with_a_file_without_faults(tmp_path):
    path = tmp_path / "one.dat"
    path.write_text(line())
    assert run("check", path).exit_code == 0


def test_at_says_what_stands_there(file):
    """Nothing at the pole; the body at its place."""
    there = orjson.loads(run("at", file, 0, -90, WHEN, "--site", "rubin", "--json").stdout)
    assert (there["n_orbits"], there["n_searched"], there["bodies"]) == (2, 1, [])
    ra_deg, dec_deg = place_of(file)
    words = ("at", file, ra_deg, dec_deg, WHEN, "--site", "rubin")
    (body,) = orjson.loads(run(*words, "--json").stdout)["bodies"]
    assert body["name"] == "2001 AA1"
    assert body["separation_arcsec"] < 0.001
    assert body["motion_arcsec_per_h"] > 1.0
    table = run(*words).stdout
    assert "2001 AA1" in table
    assert "1 orbits of epochs over 700 d away not searched" in table


def test_catalogs_are_asked_together_with_orbits(file, tmp_path):
    ra_deg, dec_deg = place_of(file)
    words = ["catalogs", "match", ra_deg, dec_deg, "--folder", tmp_path / "none", "--orbits", file]
    moment = ["--at", WHEN, "--site", "rubin", "--json"]
    done = CliRunner().invoke(
        correlator, [str(w) for w in (*words, *moment)], catch_exceptions=False
    )
    (row,) = orjson.loads(done.stdout)
    # One orbit of the two is of 1996, which is not more than half.
    (answer,) = row["answers"]
    assert (answer["catalog"], answer["state"]) == ("orbits", "found")
    assert answer["tags"][0]["object_id"] == "2001 AA1"
    assert (row["is_extragalactic"], row["hosts"]) == (None, [])
    for more, said in (
        ([], "--orbits needs --at and --site: asteroids move"),
        ([*moment, "--radius", 1801], "--radius is at most 1800 with --orbits"),
    ):
        refused = CliRunner().invoke(correlator, [str(word) for word in (*words, *more)])
        assert refused.exit_code == 2
        assert said in refused.output


def place_of(file):
    from correlator.orbits.ephemeris import seen
    from correlator.orbits.observers import observer_at
    from correlator.orbits.perturbed import perturbed_states
    from correlator.service.commands.options import UtcTime
    from correlator.visibility import SITES

    observer = observer_at(SITES["rubin"], UtcTime().convert(WHEN, None, None))
    one = read_orbits(file).orbits.take([0])
    there = seen(perturbed_states(one, observer.mjd_tdb), observer.mjd_tdb, observer)
    return round(float(there.ra_deg[0]), 8), round(float(there.dec_deg[0]), 8)


@pytest.mark.real_data
def test_alerts_are_told_beside_what_the_survey_says(real_data, tmp_path):
    from pyarrow import parquet

    path = real_data / "optical/lsst/fink/fink_filters_faint_trails_10alerts.parquet"
    rows = parquet.read_table(path, columns=["mpc_orbits"]).column(0).to_pylist()
    orbits = tmp_path / "mpc_orbits.json"
    orbits.write_bytes(orjson.dumps([row for row in rows if (row or {}).get("designation")]))
    broken = tmp_path / "broken.avro"
    broken.write_bytes(b"Obj\x01 and no more")
    done = run("alerts", orbits, path, broken, "--json")
    assert done.exit_code == 3
    told = orjson.loads(done.stdout)
    assert [row["file"] for row in told if "error" in row] == [str(broken)]
    alerts = [row for row in told if "error" not in row]
    assert [row["time"] for row in alerts] == sorted(row["time"] for row in alerts)
    assert len(alerts) == 10
    for row in alerts:
        assert [tag["object_id"] for tag in row["tags"]] == [
            name for name in [row["survey_says"]] if name
        ]
    assert "nothing-there" in run("alerts", orbits, path).stdout
