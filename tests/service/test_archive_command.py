"""``correlator archive``: packets in, nights out, stopped at any point and asked for cones."""

from __future__ import annotations

import csv
import os
import shutil
from collections import Counter
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from correlator.service import archive, archived
from correlator.service.archive import archive_files, read_alerts, read_archive
from correlator.service.cli import correlator
from correlator.wire import to_json
from ingest_optical.decoder import decode
from ingest_optical.quality import DEFAULT_CUTS, rejections
from storage.archive import NIGHT, SURVIVORS
from storage.archive.alert_columns import alerts_of
from storage.archive.errors import ArchiveError
from storage.archive.reading import Selection
from tests.ingest_optical.packet_factory import lsst_confluent_packet, lsst_record, ztf_packet
from tests.storage.archive.some_nights import a_night, contents, write

JD_2024_01_15 = 2_460_324.5

pytestmark = pytest.mark.usefixtures("no_power_cuts")


@pytest.fixture(scope="module")
def no_power_cuts():
    """Wait for no disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="module")
def kept(tmp_path_factory, no_power_cuts):
    """A folder with ``raw`` packets and their ``archive``, and what the command said."""
    folder = tmp_path_factory.mktemp("kept")
    put(folder / "raw")
    return folder, *said("write", folder / "raw", "--out", folder / "archive")


def put(folder: Path, n: int = 12):
    """Packets of two nights and surveys, a third of them bad, one twice, and one that is none."""
    folder.mkdir()
    packets = {}
    for i in range(n):
        packet = ztf_packet(
            candid=2_570_000_000_000_000_000 + i,
            jd=JD_2024_01_15 + i % 2,
            ra=15.0 * i,
            dec=-60.0 + 5.0 * i,
            rb=0.9 if i % 3 else 0.1,
        )
        packets[f"{i:03d}.avro"] = packet.data
    packets["again.avro"] = packets["001.avro"]
    packets["lsst.avro"] = lsst_confluent_packet(1000, lsst_record()).data
    packets["none.avro"] = b"rubbish"
    for name, data in packets.items():
        (folder / name).write_bytes(data)


def run(*args):
    result = CliRunner().invoke(correlator, ["archive", *map(str, args)], catch_exceptions=False)
    return result.exit_code, result.stdout


def said(*args):
    code, text = run(*args, "--json")
    return code, orjson.loads(text)


def test_every_packet_has_a_row_or_is_refused_and_what_passed_is_the_alert(kept):
    tmp_path, code, report = kept
    assert code == 3
    assert (report["n_packets"], report["n_files"]) == (15, 15)
    assert report["refused"] == {"a packet must be Avro or JSON": 1}
    assert report["rejected"] == {"low_real_bogus_forest": 4}
    of_nights = Counter()
    for done in report["nights"]:
        of_nights[done["data_set"]] += done["n_rows"] + done["n_repeated"]
    assert of_nights == {NIGHT: report["n_packets"] - 1, SURVIVORS: report["n_passed"]}
    assert sum(done["n_repeated"] for done in report["nights"]) == 2  # in either data set
    rows = [
        row
        for table in Selection(tmp_path / "archive", NIGHT).tables()
        for row in table.to_pylist()
    ]
    alerts = {}
    for path in (tmp_path / "raw").glob("[0-9]*.avro"):
        alert = decode(next(iter(archived.read_packets(path))))
        alerts[alert.alert_id] = alert
    assert {row["alert_id"] for row in rows if row["survey"] == "ztf"} == set(alerts)
    for row in rows:
        if row["survey"] == "ztf":
            why = rejections(alerts[row["alert_id"]], DEFAULT_CUTS["ztf"])
            assert (row["rejections"], row["passed"], row["gate"]) == (list(why), not why, "fink")
    tables = Selection(tmp_path / "archive", SURVIVORS).tables()
    kept = {alert.alert_id: alert for table in tables for alert in alerts_of(table)}
    for alert_id, alert in alerts.items():
        if alert_id in kept:
            assert kept[alert_id] == alert
    assert len(kept) == report["n_passed"] - 1


def test_a_command_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been(
    kept, tmp_path, monkeypatch
):
    folder, _, whole = kept
    monkeypatch.setattr(archived, "_SYNC_EVERY", 3)
    opened, stops = [], ["004.avro"]
    read_packets = archived.read_packets

    def read(path):
        opened.append(path.name)
        if path.name in stops:
            raise KeyboardInterrupt
        return read_packets(path)

    monkeypatch.setattr(archived, "read_packets", read)
    for stops[0] in ("004.avro", "010.avro", "never"):
        code, text = run("write", folder / "raw", "--out", tmp_path / "stopped", "--json")
    assert code == 3
    report = orjson.loads(text)
    assert report["n_files_before"] == 9
    assert Counter(opened)["002.avro"] == 1
    assert {k: v for k, v in report.items() if k not in ("n_files_before", "nights")} == {
        k: v for k, v in whole.items() if k not in ("n_files_before", "nights")
    }
    assert contents(tmp_path / "stopped") == contents(folder / "archive")
    assert not (tmp_path / "stopped" / "parts" / archived.JOURNAL).exists()


def test_a_cone_is_copied_into_a_file(kept, tmp_path):
    folder = kept[0] / "archive"
    for ending in ("csv", "parquet"):
        code, report = said(
            "read", folder, "--cone", "60,-40,2", "--nights", "2024-01-15..20240116",
            "--out", tmp_path / f"near.{ending}",
        )  # fmt: skip
        assert (code, report["n_rows"]) == (0, 1)
        assert report["n_groups"] <= report["n_files"] <= 2  # of some twenty
    [row] = pq.read_table(tmp_path / "near.parquet").to_pylist()
    with (tmp_path / "near.csv").open(newline="") as file:
        [text] = csv.DictReader(file)
    assert text["alert_id"] == row["alert_id"] == "2570000000000000004"
    assert float(text["flux_njy"]) == row["flux_njy"]
    assert orjson.loads(text["history"])["source_id"] == row["history"]["source_id"]
    assert set(orjson.loads(text["scores"])) == {name for name, _ in row["scores"]}


def test_what_an_edge_wrote_is_compacted_by_command(tmp_path):
    write(tmp_path, a_night(8))
    code, [night, survivors] = said("compact", tmp_path, "--night", "2024-01-15")
    assert (code, night["data_set"], night["n_rows"]) == (0, NIGHT, 8)
    assert (survivors["data_set"], survivors["n_rows"]) == (SURVIVORS, 2)
    assert said("compact", tmp_path) == (0, [])
    before = contents(tmp_path)
    for path in (tmp_path / SURVIVORS).rglob("*.parquet"):
        pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["feature_age_d"]), path)
    assert said("compact", tmp_path, "--again")[1][1]["n_rows"] == 2
    assert contents(tmp_path) == before
    with pytest.raises(ArchiveError, match="a night is a date"):
        run("compact", tmp_path, "--night", "yesterday")


def test_a_file_that_could_not_be_written_to_its_end_is_not_there(kept, tmp_path):
    shutil.copytree(kept[0] / "archive" / SURVIVORS, tmp_path / SURVIVORS)
    last = sorted((tmp_path / SURVIVORS).rglob("*.parquet"))[-1]
    last.write_bytes(last.read_bytes()[:100])
    with pytest.raises(ArchiveError, match="as they were written"):
        run("read", tmp_path, "--out", tmp_path / "all.parquet")
    assert [path.name for path in tmp_path.iterdir()] == [SURVIVORS]


@pytest.mark.parametrize(
    ("cone", "out"),
    [("1,2", "x.csv"), ("1,2,x", "x.csv"), ("1,2,3", "x.fits"), ("1,99,1", "x.csv")],
)
def test_a_wrong_question_is_bad_usage_or_says_why(tmp_path, cone, out):
    (tmp_path / "archive").mkdir()
    result = CliRunner().invoke(
        correlator,
        [
            "archive",
            "read",
            str(tmp_path / "archive"),
            "--cone",
            cone,
            "--out",
            str(tmp_path / out),
        ],
    )
    assert result.exit_code != 0
    assert not list(tmp_path.glob("x.*"))


def by_value(delivery):
    return delivery.value


def test_the_survivors_of_an_archive_are_replayed_as_the_packets_are(kept):
    tmp_path, _, report = kept
    packets = [p for p in (tmp_path / "raw").iterdir() if p.name != "again.avro"]
    of_packets = read_archive(archive_files(packets))
    rows = read_archive(archive_files([tmp_path / "archive" / SURVIVORS]))
    assert sorted(rows.deliveries, key=by_value) == sorted(of_packets.deliveries, key=by_value)
    assert rows.n_alerts == 9 == report["n_passed"] - 1  # one came twice
    joined = list(read_alerts([tmp_path / "archive" / SURVIVORS], rows))
    assert [to_json(alert) for alert in joined] == [d.value for d in rows.deliveries]
    assert rows.refusals == []


def test_rows_of_every_packet_are_refused_with_the_reason(kept):
    found = read_archive(archive_files([kept[0] / "archive" / NIGHT]))
    assert found.deliveries == []
    assert {refusal.rule for refusal in found.refusals} == {
        "rows of every packet have no past and cannot be joined: give the archive's survivors"
    }


def test_a_broken_file_of_survivors_is_refused_and_the_others_are_read(kept, tmp_path):
    shutil.copytree(kept[0] / "archive" / SURVIVORS, tmp_path / SURVIVORS)
    files = sorted((tmp_path / SURVIVORS).rglob("*.parquet"))
    table = pq.read_table(files[0])
    pq.write_table(table.drop_columns(["object_id"]), files[0])
    found = read_archive(archive_files([tmp_path / SURVIVORS]))
    [refusal] = found.refusals
    assert refusal.packet_name == str(files[0])
    assert found.n_alerts == 9 - len(table)


def test_a_file_that_claims_to_hold_too_much_is_refused_before_it_is_read(kept, monkeypatch):
    monkeypatch.setattr(archive, "MAX_GROUP_VALUES", 20)
    monkeypatch.setattr(archive, "survivors_in", None)
    [path, *_] = (kept[0] / "archive" / SURVIVORS).rglob("*.parquet")
    [refusal] = read_archive([path]).refusals
    assert refusal.rule.startswith("a row group must have at most 20 values")


def rows_of_survivors(kept):
    """Of one file."""
    [path, *_] = sorted((kept[0] / "archive" / SURVIVORS).rglob("Npix*.parquet"))
    return pq.ParquetFile(path).read()


@pytest.mark.parametrize("column", ["forced", "tags", "flags"])
def test_rows_of_nights_of_two_releases_that_were_copied_into_one_file_are_replayed(
    kept, tmp_path, column
):
    """Of the night of the former release the copy has nulls where the later one has lists."""
    rows = rows_of_survivors(kept)
    at = rows.schema.get_field_index(column)
    nothing = pa.nulls(len(rows), rows.schema.field(at).type)
    copy = tmp_path / "copy.parquet"
    pq.write_table(rows.set_column(at, rows.schema.field(at), nothing), copy)
    archive = read_archive([copy])
    assert (len(archive.deliveries), archive.refusals) == (len(rows), [])


@pytest.mark.parametrize("column", ["ra_deg", "_healpix_29", "time_unix_s", "object_id"])
def test_a_file_of_survivors_with_a_row_that_is_no_alert_is_refused(kept, tmp_path, column):
    rows = rows_of_survivors(kept)
    at = rows.schema.get_field_index(column)
    nothing = pa.nulls(len(rows), rows.schema.field(at).type)
    broken = tmp_path / "broken.parquet"
    pq.write_table(rows.set_column(at, rows.schema.field(at), nothing), broken)
    archive = read_archive([broken])
    assert (archive.deliveries, len(archive.refusals)) == ([], 1)
