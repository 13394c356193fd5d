"""Known asteroids in the surveys' own packets: where our orbits put them, and the page about it."""

import collections
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import orjson
import pytest
from pyarrow import parquet

from correlator.crossmatch import AnswerState
from correlator.object import object_of
from correlator.orbits.answers import asteroid_answer
from correlator.orbits.elements import Orbit, Orbits, perihelion_of_mean_anomaly
from correlator.orbits.ephemeris import direction_of, seen
from correlator.orbits.kepler import two_body_states
from correlator.orbits.observers import observer_at
from correlator.orbits.perturbed import perturbed_states
from correlator.orbits.search import COARSE_DEG, MAX_EPOCH_AGE_D, RADIUS_ARCSEC, OrbitSky
from correlator.visibility import SITES
from ingest_optical.decoder import decode
from ingest_optical.packets import read_packets
from storage.orbits.file import read_orbits

pytestmark = pytest.mark.real_data

PAGE = Path(__file__).parents[3] / "docs/science/solar-system.md"
FAINT_TRAILS = "fink_filters_faint_trails_10alerts.parquet"


def rubin_rows(paths):
    """Alerts with their orbits and ephemerides, each ``diaSourceId`` once."""
    found = {}
    for path in sorted(paths):
        if {"diaSource", "mpc_orbits"} <= set(parquet.read_schema(path).names):
            rows = parquet.read_table(path, columns=["mpc_orbits", "ssSource"]).to_pylist()
            for packet, row in zip(read_packets(path), rows, strict=True):
                alert = decode(packet)
                found.setdefault(alert.alert_id, (alert, row["mpc_orbits"], row["ssSource"]))
    return list(found.values())


def file_of_orbits(rows, folder):
    """The rows of ``mpc_orbits`` as the file that the Minor Planet Center would give."""
    path = folder / "mpc_orbits.jsonl"
    orbits = [orbit for _, orbit, _ in rows if (orbit or {}).get("designation")]
    path.write_bytes(b"\n".join(map(orjson.dumps, orbits)))
    return read_orbits(path)


class Checked:
    """Alerts of Rubin against the orbits in them."""

    def __init__(self, rows, folder):
        self.file = file_of_orbits(rows, folder)
        self.known = self.file.known()
        names = set(self.file.orbits.names)
        self.asteroids = [r for r in rows if (r[1] or {}).get("designation") in names]
        self.static = [alert for alert, orbit, _ in rows if not (orbit or {}).get("designation")]

    def answer(self, alert, radius_arcsec=RADIUS_ARCSEC):
        return asteroid_answer(object_of(alert), self.known, radius_arcsec)


@pytest.fixture(scope="module")
def some(real_data, tmp_path_factory):
    rows = rubin_rows([real_data / "optical/lsst/fink" / FAINT_TRAILS])
    return Checked(rows, tmp_path_factory.mktemp("some"))


@pytest.fixture(scope="module")
def rubin(real_data, tmp_path_factory):
    rows = rubin_rows((real_data / "optical/lsst/fink").rglob("*.parquet"))
    return Checked(rows, tmp_path_factory.mktemp("all"))


def check(checked):
    """Each asteroid is found by its own name and no other; static sources have nothing there."""
    for alert, orbit, _ in checked.asteroids:
        answer = checked.answer(alert)
        assert [tag.object_id for tag in answer.tags] == [orbit["designation"]]
        assert answer.tags[0].version == checked.file.version
    for alert in checked.static:
        assert checked.answer(alert, 60.0).state is AnswerState.NOTHING_THERE


def test_seven_asteroids_are_where_orbits_of_18_to_619_days_have_them(some):
    assert (len(some.asteroids), len(some.static), some.file.refused) == (7, 3, ())
    check(some)


def test_an_hour_later_they_are_no_longer_there(some):
    """All but the slowest, 14 arcsec/h, have left a circle of 15 arcsec."""
    gone = 0
    for alert, _, _ in some.asteroids:
        sky = some.known.skies["lsst"]
        later = sky.near(alert.ra_deg, alert.dec_deg, alert.time_unix_s + 3600.0, 15.0)
        gone += not later
    assert gone == 6


RANGES_D = ((0, 30), (31, 120), (121, 300), (301, 700))
"""Ages of an orbit's epoch that the page tells apart [d]."""

ALL_D = (0, 700)


def table_of_rubin(checked):
    """Lines of the page: age of the epoch, asteroids, residuals, and against Rubin's own places."""
    sky, found = checked.known.skies["lsst"], collections.defaultdict(list)
    for alert, orbit, ephemeris in checked.asteroids:
        place = alert.ra_deg, alert.dec_deg, alert.time_unix_s
        (body,) = sky.near(*place)
        (same,) = sky.near(ephemeris["ephRa"], ephemeris["ephDec"], alert.time_unix_s)
        row = checked.file.orbits.names.index(orbit["designation"])
        observer = observer_at(sky.site, alert.time_unix_s)
        alone = seen(
            two_body_states(checked.file.orbits.take([row]), observer.mjd_tdb),
            observer.mjd_tdb,
            observer,
        )
        without = float(alone.separation_arcsec(direction_of(*place[:2]))[0])
        span = next(r for r in RANGES_D if r[0] <= body.epoch_age_d < r[1] + 1)
        found[span].append((body.separation_arcsec, same.separation_arcsec, without))
        found[ALL_D].append(found[span][-1])
    lines = []
    for (first, last), rows in sorted(
        found.items(), key=lambda item: (item[0][1] - item[0][0] > 400, item[0])
    ):
        ours, eph, two = np.array(rows).T
        name = f"{first} to {last} d" if (first, last) != ALL_D else "all"
        lines.append(
            f"| {name} | {len(rows)} | {np.median(ours):.3f} | {ours.max():.2f} | "
            f"{np.median(eph):.3f} | {eph.max():.2f} | {np.median(two):.1f} | {two.max():.0f} |"
        )
    return lines


@pytest.mark.slow
def test_the_page_has_the_table_of_all_asteroids_of_rubin(rubin):
    assert (len(rubin.asteroids), len(rubin.static)) == (32, 126)
    # Those of 2026-01-01 have q, e and node only.
    (refusal,) = rubin.file.refused
    assert (refusal.rule, refusal.n_rows) == ("epoch_mjd must be a number", 6)
    check(rubin)
    page = PAGE.read_text().splitlines()
    for line in table_of_rubin(rubin):
        assert line in page


def fitted_unix_s(orbit):
    said = json.loads(orbit["mpc_orb_jsonb"])["software_data"]["fitting_datetime"]
    return datetime.fromisoformat(said).replace(tzinfo=UTC).timestamp()


@pytest.mark.slow
def test_every_orbit_is_older_than_what_it_predicts(rubin):
    """No fit includes the observation that it is held against; the page says how old they are."""
    ages_d = [(a.time_unix_s - fitted_unix_s(o)) / 86_400.0 for a, o, _ in rubin.asteroids]
    assert min(ages_d) > 0.6
    assert sum(age_d < 15.0 for age_d in ages_d) == 28
    assert sorted(round(age_d) for age_d in ages_d)[-4:] == [267, 370, 437, 654]


def of_2022(real_data):
    """Orbits of JPL at one epoch, 2022-08-09, of asteroids brighter than H = 12."""
    path = real_data / "optical/catalogues/kstars_asteroids.dat"
    told = json.loads(path.read_text())
    rows = [dict(zip(told["fields"], row, strict=True)) for row in told["data"]]
    orbits = []
    for row in rows:
        if row["epoch_mjd"] != "59800" or float(row["e"]) >= 1.0:
            continue
        axis, e = float(row["a"]), float(row["e"])
        orbits.append(
            Orbit(
                row["full_name"].strip(),
                59800.0,
                float(row["q"]),
                e,
                float(row["i"]),
                float(row["om"]),
                float(row["w"]),
                perihelion_of_mean_anomaly(59800.0, axis, float(row["ma"])),
                float(row["H"]) if row["H"] else None,
                float(row["G"]) if row["G"] else None,
            )
        )
    return Orbits.of(orbits)


@pytest.fixture(scope="module")
def jpl(real_data):
    return of_2022(real_data)


@pytest.fixture(scope="module")
def ztf(real_data):
    """All alerts with Fink's flag within the age that is searched."""
    found = {}
    for folder in (real_data / "optical/fink", real_data / "nights"):
        for path in sorted(folder.rglob("*.parquet")):
            if {"candidate", "roid"} <= set(parquet.read_schema(path).names):
                rows = parquet.read_table(path, columns=["candidate", "roid"]).to_pylist()
                for packet, row in zip(read_packets(path), rows, strict=True):
                    alert = decode(packet)
                    found[alert.alert_id] = (alert, row["candidate"], row["roid"])
    return sorted(found.values(), key=lambda row: row[0].time_unix_s)


@pytest.mark.slow
def test_ztf_sees_asteroids_where_orbits_of_524_days_before_have_them(jpl, ztf):
    """An orbit that knows nothing of the alert, from another source: a prediction."""
    assert len(jpl) == 6301
    sky, page = OrbitSky(jpl, SITES["palomar"]), PAGE.read_text().splitlines()
    searched = [row for row in ztf if sky.n_searched(row[0].time_unix_s)]
    found = []
    for alert, candidate, roid in searched:
        for body in sky.near(alert.ra_deg, alert.dec_deg, alert.time_unix_s, 5.0):
            assert roid == 3
            name = candidate["ssnamenr"]
            assert name in (body.name.split()[0], body.name.strip("()").replace(" ", ""))
            found.append((name, body, candidate))
    assert collections.Counter(roid for _, _, roid in searched)[0] == 882
    assert len(found) == 5
    for name, body, candidate in found:
        assert abs(body.mag_v - candidate["ssmagnr"]) < 0.12
        assert (
            f"| {name} | {body.separation_arcsec:.2f} | {body.mag_v:.1f} | "
            f"{candidate['ssmagnr']:.1f} | {candidate['magpsf']:.1f} |"
        ) in page


@pytest.mark.slow
def test_two_bodies_are_good_to_the_margin_of_the_search(jpl):
    """How wrong the coarse places are, of 6,301 asteroids; what the margin was chosen by."""
    page = PAGE.read_text().splitlines()
    for age_d in (100, 200, 400, int(MAX_EPOCH_AGE_D)):
        observer = observer_at(SITES["rubin"], (59800.0 + age_d - 40_587.0) * 86_400.0)
        two, real = (
            seen(states(jpl, observer.mjd_tdb), observer.mjd_tdb, observer)
            for states in (two_body_states, perturbed_states)
        )
        chord = np.linalg.norm(two.direction - real.direction, axis=1)
        wrong = np.degrees(2.0 * np.arcsin(chord / 2.0)) * 3600.0
        assert wrong.max() < COARSE_DEG * 3600.0
        assert (
            f"| {age_d} d | {np.median(wrong):.1f} | {np.percentile(wrong, 99):.0f} | "
            f"{wrong.max():.0f} |"
        ) in page
