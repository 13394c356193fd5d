"""``correlator export LIST``: chosen rows as files, for whoever may read them."""

import csv
import json

import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from click.testing import CliRunner

from correlator.errors import ConfigurationError
from correlator.policy import DAY_S
from correlator.service import bulk
from correlator.service.cli import correlator
from correlator.wire import record_of_event
from skymaps.healpix import Positions
from storage.store import Store
from tests.builders import RA_DEG, T0_UNIX_S, a_coincidence, a_notice, a_summary, an_alert, an_event
from tests.service.api import filling
from tests.storage.writers import put_alerts

DAYS = ("2025-10-09", "2025-10-10", "2025-10-11")
N = 90
GONE = "ztf:ZTF25gone"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """Coincidences of three days, a tenth of them private; one is gone."""
    said = f"sqlite:///{tmp_path_factory.mktemp('store')}/store.sqlite"
    with Store.open(said) as store:
        event = an_event(a_notice())
        store.localizations.put(event.localization)
        store.events.put(record_of_event(event))
        put_alerts(store, an_alert())
        for n in range(N):
            key = f"fermi-gbm:{n}"
            found = a_coincidence(
                event_key=key,
                object_key=f"ztf:ZTF25{n:04}",
                audience=("lsst",) if n % 10 == 9 else (),
                object=a_summary(ra_deg=RA_DEG + n / 10.0, last_mag_ab=18.0 + n / 30.0),
            )
            store.coincidences.publish(key, [found], T0_UNIX_S + n // 30 * DAY_S, "unused")
        for found in ([a_coincidence(event_key="lvk:S1", object_key=GONE)], []):
            store.coincidences.publish("lvk:S1", found, T0_UNIX_S, "the event is retracted")
    return said


@pytest.fixture
def run(url, tmp_path):
    def run_it(*words, fails=False):
        words = ["export", *words, "--store", url, "--out", str(tmp_path)]
        done = CliRunner().invoke(correlator, words, catch_exceptions=False)
        assert (done.exit_code != 0) == fails, done.output
        return done

    return run_it


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_by_default_what_is_public_and_stands_is_written_as_json_lines(run, tmp_path):
    run("coincidences")
    rows = lines(tmp_path / "coincidences.jsonl")
    assert len(rows) == 81 + 1
    assert {row["state"] for row in rows if row["object_key"] == GONE} == {"retracted"}
    assert not {row["object_key"] for row in rows} & {f"ztf:ZTF25{n:04}" for n in range(9, N, 10)}
    said = json.loads((tmp_path / "coincidences.json").read_text())
    assert (said["n_rows"], said["asked"]) == (82, {"audience": []})
    run("coincidences", "--audience", "lsst")
    assert len(lines(tmp_path / "coincidences.jsonl")) == N + 1
    run("coincidences", "--all-audiences", "--revisions")
    assert len(lines(tmp_path / "coincidences.jsonl")) == N + 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["coincidences.json", "coincidences.jsonl"]


@pytest.mark.parametrize(
    ("words", "n_rows"),
    [
        (["--filter", "last_mag_ab < 19"], 27),
        (["--since", "2025-10-10", "--until", "2025-10-11"], 27),
        (["--event-until", "2025-10-01"], 0),
        (["--cone", f"{RA_DEG},20.1,0.55"], 7),
        (["--object", "ztf:ZTF250003"], 1),
        (["--case", "kilonova"], 0),
        (["--moc", "0/0-11"], 82),
    ],
)
def test_rows_are_chosen(run, tmp_path, words, n_rows):
    run("coincidences", *words)
    assert len(lines(tmp_path / "coincidences.jsonl")) == n_rows


@pytest.mark.parametrize("noun", ["alerts", "coincidences", "objects", "targets"])
def test_a_list_of_places_is_chosen_by_the_region_of_an_event(run, tmp_path, noun):
    key = an_event(a_notice()).event_key
    run(noun, "--event", key, "--credible", "0.9")
    asked = json.loads((tmp_path / f"{noun}.json").read_text())["asked"]
    assert asked == {"event": key, "credible": 0.9, "audience": []}


def test_a_joint_event_is_named_by_its_key(run, tmp_path):
    run("coincidences", "--event", "joint:fermi-gbm:1")
    assert lines(tmp_path / "coincidences.jsonl") == []


@pytest.mark.slow
def test_columns_are_chosen_in_every_format_and_read_by_the_tools_of_the_field(run, tmp_path):
    names = ["object_key", "last_mag_ab", "rank"]
    chosen = ["coincidences", "--columns", ",".join(names), "--filter", "last_mag_ab < 19"]
    for form in bulk.FORMATS:
        run(*chosen, "--format", form)
    rows = lines(tmp_path / "coincidences.jsonl")
    assert list(rows[0]) == names
    keys = [row["object_key"] for row in rows]
    with (tmp_path / "coincidences.csv").open() as file:
        assert [row["object_key"] for row in csv.DictReader(file)] == keys
    for name, form in (("coincidences.ecsv", "ascii.ecsv"), ("coincidences.xml", "votable")):
        table = Table.read(tmp_path / name, format=form)
        assert table.colnames == names
        assert list(map(str, table["object_key"])) == keys
        assert str(table["last_mag_ab"].unit) == "mag"
    assert ds.dataset(tmp_path / "coincidences", partitioning="hive").count_rows() == len(keys)


def test_parquet_is_divided_by_days_and_has_the_cell_of_each_place(run, tmp_path, monkeypatch):
    monkeypatch.setattr(bulk, "MOST_WAITING", 10)
    monkeypatch.setattr(bulk, "STREAM_ROWS", 5)
    run("coincidences", "--format", "parquet")
    folder = tmp_path / "coincidences"
    assert [p.name for p in sorted(folder.iterdir())] == [f"date={day}" for day in DAYS]
    parts = sorted(folder.rglob("*.parquet"))
    assert len(parts) > len(DAYS)
    assert max(pq.read_metadata(part).num_rows for part in parts) <= 15
    table = ds.dataset(folder, partitioning="hive").to_table()
    assert table.num_rows == 82
    assert set(table["date"].to_pylist()) == set(DAYS)
    places = [
        (ra, dec)
        for ra, dec in zip(*(table[n].to_pylist() for n in ("ra_deg", "dec_deg")), strict=True)
    ]
    cells = table["_healpix_29"].to_pylist()
    assert [cell for place, cell in zip(places, cells, strict=True) if place[0] is None] == [None]
    known = np.array([p for p in places if p[0] is not None])
    right = Positions.of(known[:, 0], known[:, 1]).index_29
    assert [cell for cell in cells if cell is not None] == right.tolist()
    with pytest.raises(ConfigurationError, match="is there already"):
        run("coincidences", "--format", "parquet")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["events", "--filter", "rank = 1"], "events cannot be chosen by --filter"),
        (["targets", "--since", "2025-10-10"], "targets cannot be chosen by --since"),
        (["objects", "--revisions"], "--revisions is for coincidences"),
        (["coincidences", "--cone", "1,2"], "expected RA,DEC,RADIUS"),
        (["coincidences", "--cone", "1,2,3", "--moc", "0/1"], "one region at a time"),
        (["coincidences", "--credible", "0.9"], "--credible needs --event"),
        (["coincidences", "--as-of", "2025-10-10"], "for an export without LIST"),
        (["--filter", "rank = 1"], "for an export of a LIST"),
        (["nonsense"], "is not one of"),
    ],
)
def test_what_cannot_be_asked_is_bad_usage(run, words, why):
    done = run(*words, fails=True)
    assert done.exit_code == 2
    assert why in done.stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--columns", "rank,nonsense"], "column nonsense: coincidences have"),
        (["--event", "lvk:S2"], "S2"),
        (["--cone", "1,95,3"], "region"),
        (["--filter", "nonsense = 1"], "nonsense"),
    ],
)
def test_what_is_not_there_is_refused_by_name(run, words, why):
    with pytest.raises(Exception, match=why):
        run("coincidences", *words)


@pytest.mark.slow
def test_no_list_has_what_its_reader_may_not_read(tmp_path):
    url = f"sqlite:///{tmp_path}/store.sqlite"
    with Store.open(url) as store:
        filling.fill(store)
        filling.fill_sealed(store)
    for words, is_there in ((), False), (("--audience", filling.AUDIENCE), True):
        out = tmp_path / f"out-{is_there}"
        for noun in bulk.NOUNS:
            for form in ("jsonl", "parquet"):
                done = ["export", noun, "--store", url, "--out", str(out), "--format", form, *words]
                assert CliRunner().invoke(correlator, done).exit_code == 0
            text = (out / f"{noun}.jsonl").read_text()
            assert text, noun
            assert (filling.SECRET in text) == is_there, noun
        files = [p for p in out.rglob("*") if p.is_file() and p.suffix != ".parquet"]
        tables = [pq.read_table(p).to_pylist() for p in out.rglob("*.parquet")]
        said = [*(p.read_text() for p in files), *map(repr, tables)]
        assert any(filling.SECRET in each for each in said) == is_there


def test_a_table_that_would_not_fit_into_memory_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setattr(bulk, "MOST_OF_A_TABLE", 50)
    with pytest.raises(ConfigurationError, match="a file of ecsv has at most 50 rows"):
        run("coincidences", "--format", "ecsv")
    assert list(tmp_path.iterdir()) == []
