"""The catalogue of a night: each alert once, whatever the order, the parts and the crashes."""

from __future__ import annotations

import random
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skymaps.healpix import coarsen
from storage.archive import NIGHT, SURVIVORS, compaction, hats
from storage.archive.compaction import compact
from storage.archive.errors import ArchiveError
from storage.archive.hats import night_folder, partitions_of
from storage.archive.parts import waiting_files, waiting_nights
from storage.sky_runs import INDEX, Runs, RunSizes
from tests.storage.archive.some_nights import a_night, compact_all, contents, judged, write

pytestmark = pytest.mark.usefixtures("no_power_cuts")


@pytest.fixture
def small(monkeypatch):
    """Sizes at which a small night is cut, merged and grouped."""
    monkeypatch.setattr(compaction, "CHUNK_BYTES", 20_000)
    sizes = {NIGHT: RunSizes(7, 3), SURVIVORS: RunSizes(5, 3)}
    monkeypatch.setattr(compaction, "SIZES", sizes)
    monkeypatch.setattr(hats, "FILE_ROWS", {NIGHT: 10, SURVIVORS: 3})
    monkeypatch.setattr(hats, "GROUP_ROWS", {NIGHT: 4, SURVIVORS: 2})
    monkeypatch.setattr(compaction, "GROUP_ROWS", {NIGHT: 4, SURVIVORS: 2})


def rows_of(root, data_set, night="20240115"):
    folder = night_folder(root, data_set, night)
    return [
        row
        for cell in partitions_of(folder)
        for row in pq.read_table(folder / cell.file).to_pylist()
    ]


def first_of_each(some):
    """What must be there, said in another way: the alert at the first place, passed before not."""
    by_id = defaultdict(list)
    for alert, reasons in some:
        by_id[alert.survey, alert.alert_id].append((alert.index_29, bool(reasons), alert, reasons))
    return {
        key: min((index, is_rejected) for index, is_rejected, _, _ in rows)
        for key, rows in by_id.items()
    }


nights = given(
    st.lists(judged, min_size=1, max_size=12),
    st.randoms(use_true_random=False),
    st.sets(st.integers(0, 12), max_size=3),
    st.integers(0, 12),
)


@settings(deadline=None, max_examples=3)
@nights
def test_a_night_is_the_same_in_any_order_and_split(
    tmp_path_factory, some, shuffling, sync_at, first_compacted
):
    assert_the_same(tmp_path_factory, some, shuffling, sync_at, first_compacted)


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@nights
def test_many_nights_are_the_same_in_any_order_and_split(
    tmp_path_factory, some, shuffling, sync_at, first_compacted
):
    assert_the_same(tmp_path_factory, some, shuffling, sync_at, first_compacted)


def assert_the_same(tmp_path_factory, some, shuffling, sync_at, first_compacted):
    once, again = tmp_path_factory.mktemp("once"), tmp_path_factory.mktemp("again")
    write(once, some)
    compact_all(once)
    shuffled = [*some, *some[:2]]
    shuffling.shuffle(shuffled)
    write(again, shuffled[:first_compacted], sync_at)
    compact_all(again)  # a catalogue that is there already is made anew
    write(again, shuffled[first_compacted:])
    compact_all(again)
    night = rows_of(once, NIGHT)
    found = {(r["survey"], r["alert_id"]): (r[INDEX], not r["passed"]) for r in night}
    assert len(night) == len(found)
    assert found == first_of_each(some)
    assert [r[INDEX] for r in night] == sorted(r[INDEX] for r in night)
    survivors = [(alert, ()) for alert, reasons in some if not reasons]
    if survivors:
        rows = rows_of(once, SURVIVORS)
        assert {(r["survey"], r["alert_id"]): (r[INDEX], False) for r in rows} == first_of_each(
            survivors
        )
        assert len(rows) == len({r["alert_id"] for r in rows})
    assert contents(once) == contents(again)


def test_a_night_is_cut_into_cells_and_groups_as_hats_names_them(tmp_path, small):
    some = a_night(160)
    random.Random(3).shuffle(some)
    write(tmp_path, some, sync_at=range(0, 160, 30))
    done = {each.data_set: each for each in compact_all(tmp_path)}
    assert (done[NIGHT].n_rows, done[SURVIVORS].n_rows) == (160, 40)
    assert (done[NIGHT].n_repeated, done[SURVIVORS].n_repeated) == (0, 0)
    for data_set, most in ((NIGHT, 4), (SURVIVORS, 2)):
        folder = night_folder(tmp_path, data_set, "20240115")
        cells = partitions_of(folder)
        assert len(cells) == done[data_set].n_files > 12
        metadata = pq.read_metadata(folder / "dataset" / "_metadata")
        assert metadata.num_rows == done[data_set].n_rows
        said = {metadata.row_group(g).column(0).file_path for g in range(metadata.num_row_groups)}
        assert said == {cell.file.removeprefix("dataset/") for cell in cells}
        assert pq.read_schema(folder / "dataset" / "_common_metadata").names[0] == INDEX
        for cell in cells:
            with pq.ParquetFile(folder / cell.file) as file:
                assert file.metadata.row_group(0).sorting_columns[0].column_index == 0
                groups = [file.metadata.row_group(g) for g in range(file.num_row_groups)]
                assert [g.num_rows for g in groups[:-1]] == [most] * (len(groups) - 1)
                index = file.read().column(INDEX).to_numpy()
            assert len(index) == cell.n_rows
            assert (np.diff(index) >= 0).all()
            assert set(coarsen(index, cell.order).tolist()) == {cell.pixel}
            ends = [(g.column(0).statistics.min, g.column(0).statistics.max) for g in groups]
            assert all(a[1] <= b[0] for a, b in pairwise(ends))
        said = dict(
            line.split("=") for line in (folder / "hats.properties").read_text().splitlines()
        )
        assert said["hats_nrows"] == str(done[data_set].n_rows)
        assert (said["hats_col_ra"], said["hats_col_dec"]) == ("ra_deg", "dec_deg")
        assert (said["hats_col_healpix"], said["hats_col_healpix_order"]) == (INDEX, "29")
        assert said["dataproduct_type"] == "source"
        assert (folder / "properties").read_text() == (folder / "hats.properties").read_text()


@pytest.mark.slow
def test_many_parts_make_the_same_night_as_one(tmp_path, small):
    some = a_night(120)
    write(tmp_path / "one", some)
    write(tmp_path / "many", some, sync_at=range(120))
    assert len(waiting_files(tmp_path / "many", "20240115")) == 150
    compact_all(tmp_path / "one")
    compact_all(tmp_path / "many")
    assert contents(tmp_path / "one") == contents(tmp_path / "many")


def test_a_night_of_rejected_alerts_has_no_survivors(tmp_path):
    write(tmp_path, [row for row in a_night(12) if row[1]])
    [done] = compact_all(tmp_path)
    assert (done.data_set, done.n_rows) == (NIGHT, 9)
    assert not night_folder(tmp_path, SURVIVORS, "20240115").exists()


def test_what_waits_is_taken_away_only_when_it_is_in_the_catalogue(tmp_path, monkeypatch):
    write(tmp_path, a_night(8))
    compact_all(tmp_path)
    before = contents(tmp_path)
    write(tmp_path, a_night(8, seed=2))
    waiting = waiting_files(tmp_path, "20240115")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(compaction, "_publish", killed)
        with pytest.raises(KeyboardInterrupt):
            compact(tmp_path, "20240115")
    assert contents(tmp_path) == before
    assert waiting_files(tmp_path, "20240115") == waiting
    compact(tmp_path, "20240115")
    assert waiting_nights(tmp_path) == []
    assert len(rows_of(tmp_path, NIGHT)) == 8  # the same ids
    assert contents(tmp_path) != before


@pytest.mark.parametrize("is_new_there", [False, True])
def test_a_crash_between_the_old_catalogue_and_the_new_one_is_mended(tmp_path, is_new_there):
    write(tmp_path, a_night(8))
    compact_all(tmp_path)
    before = contents(tmp_path)
    place = night_folder(tmp_path, NIGHT, "20240115")
    old = place.with_name(f".old-{place.name}")
    place.rename(old)
    if is_new_there:
        (tmp_path / "copy").mkdir()
        write(tmp_path / "copy", a_night(8))
        compact_all(tmp_path / "copy")
        night_folder(tmp_path / "copy", NIGHT, "20240115").rename(place)
    (place.parent / ".building-dead").mkdir()
    write(tmp_path, a_night(8)[:4])
    compact(tmp_path, "20240115")
    assert contents(tmp_path) == before
    assert not old.exists()


def test_a_night_of_a_former_release_takes_more_rows(tmp_path):
    """It did not know of tags, nor of the distance of Gaia's sources."""
    some = a_night(8)
    write(tmp_path, some[:4])
    compact_all(tmp_path)
    for data_set in (NIGHT, SURVIVORS):
        for path in night_folder(tmp_path, data_set, "20240115").rglob("*.parquet"):
            table = pq.read_table(path, partitioning=None)
            known = [n for n in table.column_names if n not in ("tags", "gaia_sep_arcsec")]
            pq.write_table(table.select(known), path)
    write(tmp_path, some[4:])
    compact_all(tmp_path)
    write(tmp_path / "whole", some)
    compact_all(tmp_path / "whole")
    assert contents(tmp_path / "whole") == contents(tmp_path)


def test_a_compaction_may_run_while_others_write(tmp_path):
    some = a_night(120)
    pieces = [some[at : at + 10] for at in range(0, 120, 10)]
    with ThreadPoolExecutor(2) as writers:
        jobs = [writers.submit(write, tmp_path, piece) for piece in pieces]
        while not all(job.done() for job in jobs):
            compact(tmp_path, "20240115")
    for job in jobs:
        job.result()
    compact(tmp_path, "20240115")
    write(tmp_path / "whole", some)
    compact_all(tmp_path / "whole")
    assert contents(tmp_path / "whole") == contents(tmp_path)


def test_two_compactions_at_once_are_refused(tmp_path):
    write(tmp_path, a_night(4))
    with compaction._alone(tmp_path), pytest.raises(ArchiveError, match="at a time"):
        compact(tmp_path, "20240115")


def test_a_broken_part_is_named_and_nothing_is_lost(tmp_path):
    write(tmp_path, a_night(4))
    [path, *_] = waiting_files(tmp_path, "20240115")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArchiveError, match="as they were written"):
        compact(tmp_path, "20240115")
    path.write_bytes(whole)
    assert [done.n_rows for done in compact(tmp_path, "20240115")] == [4, 1]


def test_no_more_is_in_memory_than_a_chunk_and_two_batches_of_each_run(tmp_path, monkeypatch):
    """So it is however many rows a night has, and however many of them are in one place."""
    sizes = RunSizes(3, 3)
    monkeypatch.setattr(compaction, "CHUNK_BYTES", 2_000)
    monkeypatch.setattr(compaction, "SIZES", {NIGHT: sizes, SURVIVORS: sizes})
    chunks, blocks = [], []

    class Watched(Runs):
        def add(self, entries):
            chunks.append(entries.nbytes)
            super().add(entries)

        def blocks(self, paths):
            for block in super().blocks(paths):
                blocks.append(len(block))
                yield block

    monkeypatch.setattr(compaction, "Runs", Watched)
    some = a_night(80, n_history=3)
    near = [(replace(alert, index_29=alert.index_29 >> 58 << 58 | i), ()) for i, (alert, _) in
            enumerate(some)]  # fmt: skip
    for rows, name in ((some, "far"), (near, "near")):
        chunks.clear()
        blocks.clear()
        write(tmp_path / name, rows)
        compact_all(tmp_path / name)
        assert sum(chunks) > 10 * max(chunks)
        assert max(chunks) < 3 * 2_000
        assert sum(blocks) > 10 * max(blocks)
        assert max(blocks) <= 2 * sizes.batch_rows * (sizes.most_runs + len(chunks) // 3 + 1)
