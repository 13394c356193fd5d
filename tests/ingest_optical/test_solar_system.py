"""Known Solar System objects: our flag beside Fink's on every real alert, and the page about it."""

import collections
from pathlib import Path

import pytest
from pyarrow import parquet

from correlator.alert import Surroundings
from correlator.policy import Policy
from ingest_optical.decoder import decode, decode_prefix
from ingest_optical.packets import read_packets

PAGE = Path(__file__).parents[2] / "docs/science/solar-system.md"
WITHIN_ARCSEC = Policy().solar_system_sep_arcsec

ROIDS = {0: "0 nothing", 1: "1 first detection", 2: "2 candidate, not known", 3: "3 known"}


def is_flagged(alert):
    return alert.surroundings.is_solar_system_object(WITHIN_ARCSEC)


def table(counts, names):
    """Lines of a table of the page: flagged, not flagged."""
    return [f"| {name} | {counts[key, True]} | {counts[key, False]} |" for key, name in names]


def beside_fink(paths, source, column, *more):
    """Each alert of the tables that have two columns, with these and more of its row."""
    found = []
    for path in sorted(paths):
        names = parquet.read_schema(path).names
        if {source, column} <= set(names):
            wanted = [name for name in (source, column, *more) if name in names]
            rows = parquet.read_table(path, columns=wanted).to_pylist()
            for packet, row in zip(read_packets(path), rows, strict=True):
                alert = decode(packet)
                of = row[source]
                assert alert.alert_id == str(of.get("candid") or of.get("diaSourceId"))
                found.append((alert, of, row[column], *map(row.get, more)))
    return found


@pytest.fixture(scope="module")
def ztf(real_data):
    folders = real_data / "optical/fink", real_data / "nights"
    found = beside_fink([p for f in folders for p in f.rglob("*.parquet")], "candidate", "roid")
    return list({alert.alert_id: (alert, *rest) for alert, *rest in found}.values())


@pytest.fixture(scope="module")
def rubin(real_data):
    paths = (real_data / "optical/lsst/fink").rglob("*.parquet")
    return beside_fink(paths, "diaSource", "mpc_orbits", "pred")


@pytest.mark.real_data
def test_the_page_has_the_table_of_ztf(ztf):
    counts = collections.Counter((roid, is_flagged(alert)) for alert, _, roid in ztf)
    assert len(ztf) == sum(counts.values()) == 1188
    assert {roid for roid, _ in counts} == set(ROIDS)
    page = PAGE.read_text().splitlines()
    for line in table(counts, ROIDS.items()):
        assert line in page


@pytest.mark.real_data
def test_every_known_object_that_we_do_not_flag_is_an_edited_packet(ztf):
    """ZTF looks for neighbours within 30 arcsec; 60, 120 and 300 are not of its making."""
    edited = [
        (alert, source, roid)
        for alert, source, roid in ztf
        if (source["ssdistnr"], source["distpsnr1"], source["neargaia"]) == (60.0, 120.0, 300.0)
    ]
    assert len(edited) == 48
    assert not any(is_flagged(alert) for alert, _, _ in edited)
    rest = [each for each in ztf if each[1]["candid"] not in {e[1]["candid"] for e in edited}]
    assert max(max(s["ssdistnr"], s["distpsnr1"]) for _, s, _ in rest) < 30.0
    assert all((roid == 3) == is_flagged(alert) for alert, _, roid in rest)
    missed = [(alert, source) for alert, source, roid in edited if roid == 3]
    assert len(missed) == 13
    for alert, source in missed:
        assert alert.surroundings.solar_system_name is not None
        assert abs(source["magpsf"] - source["ssmagnr"]) < 0.6


@pytest.mark.real_data
def test_what_fink_calls_a_candidate_has_no_known_object_and_one_detection(ztf):
    candidates = [(alert, source) for alert, source, roid in ztf if roid in (1, 2)]
    assert len(candidates) == 5
    for alert, source in candidates:
        assert alert.surroundings.solar_system_name is None
        assert alert.surroundings.solar_system_sep_arcsec is None
        assert source["ndethist"] == 1


@pytest.mark.real_data
def test_ztf_never_names_an_object_without_its_distance(ztf):
    """So the distance always decides; a name alone would be a link, as Rubin's is."""
    near = [alert.surroundings for alert, _, _ in ztf]
    assert not any(n.solar_system_name and n.solar_system_sep_arcsec is None for n in near)


@pytest.mark.slow
@pytest.mark.real_data
def test_the_page_has_the_table_of_rubin(rubin):
    """The truth is the orbit in the packet, which the flag does not read; and Fink's flag."""
    assert len(rubin) == 178
    counted = {
        alert.alert_id: (bool((orbit or {}).get("designation")), is_flagged(alert))
        for alert, _, orbit, _ in rubin
    }
    assert len(counted) == 164
    counts = collections.Counter(counted.values())
    names = (True, "an orbit of the Minor Planet Center"), (False, "none: a static source")
    page = PAGE.read_text().splitlines()
    for line in table(counts, names):
        assert line in page
    assert (counts[True, False], counts[False, True]) == (0, 0)
    assert collections.Counter(is_flagged(alert) for alert, *_ in rubin) == {True: 41, False: 137}
    for alert, source, _, _ in rubin:
        assert is_flagged(alert) == (not source["diaObjectId"])
        assert not is_flagged(alert) or 0.0 < alert.surroundings.solar_system_sep_arcsec < 1.0
    said = [(is_flagged(alert), pred["is_sso"]) for alert, _, _, pred in rubin if pred]
    assert len(said) == 153
    assert all(ours == theirs for ours, theirs in said)


@pytest.mark.real_data
def test_a_first_look_flags_what_the_whole_alert_flags(real_data):
    path = real_data / "optical/lsst/fink/fink_filters_faint_trails_10alerts.parquet"
    flags = [is_flagged(decode_prefix(packet)) for packet in read_packets(path)]
    assert sorted(flags) == [False] * 3 + [True] * 7


@pytest.mark.parametrize(
    ("name", "sep_arcsec", "expected"),
    [
        (None, None, False),
        ("Ceres", 0.0, True),
        ("Ceres", 5.0, True),
        ("Ceres", 5.01, False),
        ("21164719561062738", None, True),
    ],
)
def test_the_distance_decides_where_there_is_one(name, sep_arcsec, expected):
    near = Surroundings(solar_system_name=name, solar_system_sep_arcsec=sep_arcsec)
    assert near.is_solar_system_object(5.0) is expected
