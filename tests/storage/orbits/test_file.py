"""Files of orbits: what they say, what of them is refused, and that it loses nothing else."""

import gzip
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.orbits.elements import DEFAULT_SLOPE, ELEMENTS, GAUSS
from storage.catalogs.errors import CatalogError
from storage.orbits.errors import MalformedOrbitError
from storage.orbits.file import read_orbits
from storage.orbits.mpcorb import orbit_of_line
from storage.orbits.rows import orbit_of_row
from tests.storage.orbits.lines import HEAD, line

TABLE = {
    "designation": "2001 AA1",
    "epoch_mjd": 61000.0,
    "q": 2.2,
    "e": 0.1,
    "i": 7.0,
    "node": 80.0,
    "argperi": 150.0,
    "peri_time": 60700.0,
    "h": None,
    "g": 0.15,
    "a": None,
}
EXTENDED = {
    "Number": "(404405)",
    "Principal_desig": "2013 GR59",
    "Epoch": 2461000.5,
    "M": 350.0,
    "Peri": 150.0,
    "Node": 80.0,
    "i": 7.0,
    "e": 0.1,
    "a": 2.5,
    "H": 17.35,
}


@pytest.fixture
def file(tmp_path):
    def written(content, name="MPCORB.DAT"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def test_a_line_says_all_elements():
    orbit = orbit_of_line(line("K01A01A"), "here:1")
    assert (orbit.name, orbit.epoch_mjd_tdb) == ("2001 AA1", 61000.0)
    assert orbit.perihelion_au == pytest.approx(2.5 * 0.875)
    assert (orbit.eccentricity, orbit.inclination_deg) == (0.125, 7.0625)
    assert (orbit.node_deg, orbit.argument_deg) == (80.125, 150.25)
    motion_deg_d = np.degrees(GAUSS / 2.5**1.5)
    assert orbit.perihelion_mjd_tdb == pytest.approx(61000.0 - 40.5 / motion_deg_d)
    assert (orbit.h_mag, orbit.g_slope) == (16.0, 0.15)


def test_blank_magnitudes_are_unknown():
    orbit = orbit_of_line(line(h="", g=""), "here:1")
    assert (orbit.h_mag, orbit.g_slope) == (None, None)


@pytest.mark.parametrize(
    ("text", "rule", "value"),
    [
        ("00001", "a line has 103 to 1000 columns", "5"),
        (line()[:102], "a line has 103 to 1000 columns", "102"),
        (line().ljust(1001), "a line has 103 to 1000 columns", "1001"),
        (line(epoch="L25BL"), "the epoch (columns 21-25) must be a packed date", "'L25BL'"),
        (line("J95I00A"), "the designation (columns 1-7) must be a packed one", "'J95I00A'"),
        (line(h="faint"), "H (from column 9) must be a number", "'faint'"),
        (line(a=-2.5), "a minor planet goes around", "(-2.5, 0.125)"),
        (line(e=1.2), "a minor planet goes around", "(2.5, 1.2)"),
        (line(e=float("nan")), "a minor planet goes around", "(2.5, nan)"),
        (line(incl=190.0), "inclination must lie in [0, 180] deg", "190.0"),
        (line(node=float("inf")), "node must lie in", "inf"),
        (line(m=float("nan")), "perihelion must lie within 1e9 d of the epoch", "nan"),
        (
            line().replace("  2.5000000", "      1e300"),
            "perihelion distance must lie in",
            "8.75e+299",
        ),
        (
            line().replace("  2.5000000", "     1e-300"),
            "perihelion distance must lie in",
            "8.75e-301",
        ),
    ],
)
def test_a_bad_line_is_named_with_its_rule_and_value(text, rule, value):
    with pytest.raises(MalformedOrbitError) as caught:
        orbit_of_line(text, "MPCORB.DAT:7")
    assert caught.value.rule.startswith(rule)
    assert caught.value.value == value
    assert str(caught.value).startswith("MPCORB.DAT:7: ")


def test_bad_lines_are_counted_and_the_others_kept(file):
    lines = [line("K01A01A"), line("K01A02A", e=1.2), "", line("K01A03A"), line("K01A04A", e=1.3)]
    read = read_orbits(file(HEAD + "\n".join([*lines, line("K01A01A", m=1.0)])))
    assert read.orbits.names == ("2001 AA1", "2001 AA3")
    goes, once = read.refused
    assert (goes.n_rows, once.n_rows) == (2, 1)
    assert goes.first.startswith("MPCORB.DAT:6: a minor planet goes around")
    assert once.first == "MPCORB.DAT:10: a name occurs once, got '2001 AA1'"


def test_the_header_may_be_away_and_the_file_gzipped(file):
    content = line("K01A01A") + "\n" + line("00433  ", g="") + "\r\n"
    plain = read_orbits(file(content))
    assert plain.orbits.names == ("2001 AA1", "433")
    assert plain.orbits.g_slope.tolist() == [0.15, DEFAULT_SLOPE]
    assert read_orbits(file(gzip.compress((HEAD + content).encode()))).version == plain.version


def test_the_same_orbits_have_the_same_version(file):
    one, other = line("K01A01A"), line("K01A02A", m=3.0)
    version = read_orbits(file(f"{one}\n{other}\n")).version
    assert read_orbits(file(f"{other}\n\n{one}\n")).version == version
    assert read_orbits(file(one)).version != version
    assert read_orbits(file(f"{one}\n{line('K01A02A', m=3.1)}")).version != version
    assert read_orbits(file(f"{one}\n{line('K01A02A', m=3.0, h='')}")).version != version
    assert len(version) == 12


def test_a_row_of_the_table_says_the_same_elements():
    orbit = orbit_of_row(TABLE, "here:1")
    assert (orbit.name, orbit.epoch_mjd_tdb, orbit.perihelion_au) == ("2001 AA1", 61000.0, 2.2)
    assert (orbit.argument_deg, orbit.perihelion_mjd_tdb) == (150.0, 60700.0)
    assert (orbit.h_mag, orbit.g_slope) == (None, 0.15)
    comet = orbit_of_row({**TABLE, "e": 1.05}, "here:1")
    assert comet.eccentricity == 1.05


def test_a_row_of_the_extended_file_says_the_same_elements():
    orbit = orbit_of_row(EXTENDED, "here:1")
    assert (orbit.name, orbit.epoch_mjd_tdb, orbit.h_mag) == ("404405", 61000.0, 17.35)
    assert orbit.perihelion_au == pytest.approx(2.25)
    motion_deg_d = np.degrees(GAUSS / 2.5**1.5)
    assert orbit.perihelion_mjd_tdb == pytest.approx(61000.0 + 10.0 / motion_deg_d)
    unnumbered = {k: v for k, v in EXTENDED.items() if k != "Number"}
    assert orbit_of_row(unnumbered, "here:1").name == "2013 GR59"


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ([], "a row must be an object"),
        ({"name": "Ceres"}, "a row must have argperi (mpc_orbits) or Peri (mpcorb_extended.json)"),
        ({**TABLE, "i": None}, "i must be a number"),
        ({**TABLE, "q": True}, "q must be a number"),
        ({**TABLE, "q": float("nan")}, "q must be a number"),
        ({**TABLE, "q": 10**400}, "q must be a number"),
        ({**TABLE, "q": -1.0}, "perihelion distance must lie in 0.001..100,000 au"),
        ({**TABLE, "h": "17"}, "h must be a number"),
        ({**TABLE, "designation": " "}, "designation or unpacked_primary"),
        ({**TABLE, "designation": "x" * 65}, "designation has at most 64 letters"),
        ({**EXTENDED, "a": -3.0}, "a minor planet goes around"),
        ({**EXTENDED, "Epoch": 61000.0}, "epoch must lie in 1800..2200"),
    ],
)
def test_a_bad_row_is_named_with_its_rule(row, rule):
    with pytest.raises(MalformedOrbitError) as caught:
        orbit_of_row(row, "orbits.json:3")
    assert caught.value.rule.startswith(rule)


def test_rows_come_in_an_array_or_in_lines(file):
    rows = [TABLE, {**TABLE, "designation": "2001 AB1", "i": None}, EXTENDED]
    in_array = read_orbits(file(json.dumps(rows), "orbits.json"))
    in_lines = read_orbits(file("\n".join(map(json.dumps, rows)) + "\n{", "orbits.jsonl"))
    assert in_array.orbits.names == in_lines.orbits.names == ("2001 AA1", "404405")
    assert in_array.version == in_lines.version
    assert [r.first for r in in_array.refused] == ["orbits.json:2: i must be a number"]
    assert [r.rule for r in in_lines.refused] == [
        "a line must be a JSON object",
        "i must be a number",
    ]


@settings(max_examples=40)
@given(
    st.lists(
        st.binary(max_size=300)
        | st.builds(
            lambda text, at, put: (text[:at] + put + text[at + 1 :]).encode("utf-8", "replace"),
            st.sampled_from([line(), line(h="", g=""), json.dumps(TABLE), json.dumps(EXTENDED)]),
            st.integers(0, 160),
            st.text(max_size=2),
        ),
        max_size=5,
    )
)
def test_whatever_a_file_holds_is_an_orbit_or_has_a_rule(tmp_path_factory, lines):
    path = tmp_path_factory.getbasetemp() / "any.dat"
    path.write_bytes(b"\n".join([*lines, b""]))
    try:
        read = read_orbits(path)
    except CatalogError:
        return
    assert all(np.isfinite(getattr(read.orbits, name)).all() for name in ELEMENTS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "a file of orbits has orbits"),
        (b"\xff\xfe\x00" * 100, "a file of orbits has orbits"),
        (b"[1, 2", "a file of orbits must be readable"),
        (b"[]", "a file of orbits has orbits"),
        (b"\x1f\x8b\x08\x00broken", "a file of orbits must be readable"),
        (gzip.compress(line().encode() * 50)[:-20], "a file of orbits must be readable"),
    ],
)
def test_a_file_without_orbits_is_an_error(file, content, said):
    with pytest.raises(CatalogError, match=said):
        read_orbits(file(content))


def test_bounds_hold(file, monkeypatch):
    monkeypatch.setattr("storage.orbits.file.MAX_ORBITS", 1)
    with pytest.raises(CatalogError, match="at most 1 orbits"):
        read_orbits(file(f"{line('K01A01A')}\n{line('K01A02A')}\n"))
    monkeypatch.setattr("storage.orbits.file.MAX_ARRAY_BYTES", 10)
    with pytest.raises(CatalogError, match="at most 10 bytes"):
        read_orbits(file(json.dumps([TABLE]), "orbits.json"))
