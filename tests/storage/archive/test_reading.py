"""Cones and nights out of an archive: the right rows, and no more read than may hold one."""

from __future__ import annotations

import os
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skymaps.healpix import separation_deg
from storage.archive import NIGHT, SURVIVORS, hats
from storage.archive.errors import ArchiveError
from storage.archive.hats import night_folder, nights_of, partitions_of
from storage.archive.nights import night_of, nights_between
from storage.archive.reading import Selection, cone_of
from tests.storage.archive.some_nights import a_night, compact_all, write

DAY_S = 86_400.0

NIGHTS = ("20240115", "20240116")


@pytest.fixture(scope="module")
def some():
    first, second = a_night(120, seed=5), a_night(120, seed=6)
    later = [
        (
            replace(
                alert,
                alert_id=f"9{alert.alert_id}",
                detection=replace(alert.detection, time_unix_s=alert.time_unix_s + DAY_S),
            ),
            reasons,
        )
        for alert, reasons in second
    ]
    return [*first, *later]


@pytest.fixture(scope="module")
def root(tmp_path_factory, some):
    """Two nights in small files and groups."""
    folder = tmp_path_factory.mktemp("archive")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(hats, "FILE_ROWS", {NIGHT: 100, SURVIVORS: 100})
        patch.setattr(hats, "GROUP_ROWS", {NIGHT: 2, SURVIVORS: 5})
        write(folder, some)
        compact_all(folder)
    assert nights_of(folder, NIGHT) == list(NIGHTS)
    return folder


def ids(selection):
    return sorted(i for table in selection.tables() for i in table.column("alert_id").to_pylist())


@settings(deadline=None, max_examples=10)
@given(
    st.floats(0.0, 360.0) | st.floats(355.0, 360.0) | st.floats(0.0, 30.0),
    st.floats(-90.0, 90.0) | st.floats(10.0, 50.0),
    st.sampled_from([0.1, 3.0, 20.0, 80.0, 180.0]),
    st.sampled_from([None, (NIGHTS[0], NIGHTS[0]), NIGHTS]),
)
def test_a_cone_gives_the_alerts_in_it_and_no_other(
    root, some, ra_deg, dec_deg, radius_deg, nights
):
    cone = cone_of(ra_deg, dec_deg, radius_deg)
    found = ids(Selection(root, NIGHT, cone, nights, ["alert_id"]))
    assert found == sorted(
        alert.alert_id
        for alert, _ in some
        if separation_deg(alert.ra_deg, alert.dec_deg, ra_deg, dec_deg) <= radius_deg
        and (nights is None or nights[0] <= night_of("ztf", alert.time_unix_s) <= nights[1])
    )


def test_of_a_night_only_what_may_hold_a_row_is_read(root, some):
    """A row group is touched when the index of its first to its last row meets the cone's cells."""
    alert = some[7][0]
    selection = Selection(root, NIGHT, cone_of(alert.ra_deg, alert.dec_deg, 0.5))
    assert alert.alert_id in ids(selection)
    n_groups = n_files = 0
    for night in NIGHTS:
        folder = night_folder(root, NIGHT, night)
        for cell in partitions_of(folder):
            n_files += 1
            n_groups += pq.read_metadata(folder / cell.file).num_row_groups
    assert n_files >= 6
    assert n_groups >= 110
    assert selection.touched.n_nights == 2
    assert selection.touched.n_files <= 4
    assert selection.touched.n_groups <= 8
    one = Selection(root, NIGHT, cone_of(alert.ra_deg, alert.dec_deg, 0.5), (NIGHTS[1], NIGHTS[1]))
    assert alert.alert_id not in ids(one)
    assert one.touched.n_nights == 1
    whole = Selection(root, NIGHT)
    assert len(ids(whole)) == whole.touched.n_rows == 240
    assert whole.touched.n_groups == n_groups


def test_a_column_that_a_night_does_not_have_is_unknown_there(root, tmp_path, some):
    """A later release knows more features than the one that wrote the first night."""
    folder = night_folder(root, SURVIVORS, NIGHTS[0])
    old = night_folder(tmp_path, SURVIVORS, NIGHTS[0])
    for cell in partitions_of(folder):
        table = pq.read_table(folder / cell.file).drop_columns(["feature_age_d"])
        (old / cell.file).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, old / cell.file)
    pq.write_metadata(table.schema, old / "dataset" / "_common_metadata")
    (old / "partition_info.csv").write_text((folder / "partition_info.csv").read_text())
    night_folder(tmp_path, SURVIVORS, NIGHTS[1]).symlink_to(
        night_folder(root, SURVIVORS, NIGHTS[1])
    )
    selection = Selection(tmp_path, SURVIVORS, columns=["time_unix_s", "feature_age_d"])
    rows = pa.concat_tables(selection.tables()).to_pylist()
    assert len(rows) == 60
    for row in rows:
        is_old = night_of("ztf", row["time_unix_s"]) == NIGHTS[0]
        assert (row["feature_age_d"] is None) == is_old


@pytest.mark.parametrize(
    ("data_set", "nights", "columns", "rule"),
    [
        ("alerts", None, None, "a data set is one of night, survivors, got alerts"),
        (NIGHT, ("20200101", "20200102"), None, "has a catalogue of night of the nights"),
        (NIGHT, None, ["ra"], r"every column is one of the archive's, got \['ra'\]"),
    ],
)
def test_what_is_not_there_is_refused(root, data_set, nights, columns, rule):
    with pytest.raises(ArchiveError, match=rule):
        Selection(root, data_set, None, nights, columns)


@pytest.mark.parametrize("cone", [(361.0, 0.0, 1.0), (0.0, 91.0, 1.0), (0.0, 0.0, 0.0)])
def test_a_cone_that_is_none_is_refused(cone):
    with pytest.raises(ArchiveError, match="a cone has RA"):
        cone_of(*cone)


@pytest.mark.parametrize(
    ("text", "nights"),
    [
        ("20240115", ("20240115", "20240115")),
        ("2024-01-15..2024-02-01", ("20240115", "20240201")),
        ("20240115..20240115", ("20240115", "20240115")),
    ],
)
def test_nights_have_dates(text, nights):
    assert nights_between(text) == nights


@pytest.mark.parametrize("text", ["", "yesterday", "20240116..20240115", "20241315", "2024015.."])
def test_what_is_no_date_is_no_night(text):
    with pytest.raises(ArchiveError):
        nights_between(text)


def test_a_broken_file_is_named(root, tmp_path):
    place = night_folder(tmp_path, NIGHT, NIGHTS[0])
    place.parent.mkdir(parents=True)
    copied = night_folder(root, NIGHT, NIGHTS[0])
    [cell, *_] = partitions_of(copied)
    (place / cell.file).parent.mkdir(parents=True)
    (place / cell.file).write_bytes((copied / cell.file).read_bytes()[:500])
    for name in ("partition_info.csv", "dataset/_common_metadata"):
        (place / name).write_bytes((copied / name).read_bytes())
    with pytest.raises(ArchiveError, match=rf"{cell.file}: its files are as they were written"):
        list(Selection(tmp_path, NIGHT).tables())
