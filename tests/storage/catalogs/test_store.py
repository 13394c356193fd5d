"""A catalogue on disk: the same entries whatever they came in, and the neighbours of memory."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.crossmatch import AnswerState, SkyClass
from skymaps.healpix import MAX_ORDER, Positions, coarsen, index_29_of
from skymaps.neighbours import Points
from storage.catalogs import build, tables
from storage.catalogs.build import FINEST_ORDER, build_catalog
from storage.catalogs.catalog import CatalogStore
from storage.catalogs.errors import CatalogError
from storage.catalogs.mapping import Mapping, ValueOf
from storage.sky_runs import INDEX, cells_of

HOW = Mapping(
    "test", "Test", ("ra",), ("dec",), id=("id",), type=("type",),
    classes={"G": SkyClass.GALAXY}, values={"z": ValueOf(("z",))}, radius_arcsec=30.0,
)  # fmt: skip


def some_rows(n, seed=1):
    """Points all over the sky, some of them about a pole and about the meridian."""
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0.0, 360.0, n), np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, n)))
    ra[: n // 10], dec[n // 10 : n // 10 + n // 500] = (
        rng.normal(0.0, 0.01, n // 10) % 360.0,
        89.999,
    )
    return pa.table(
        {
            "ra": ra,
            "dec": dec,
            "id": [f"o{i}" for i in range(n)],
            "type": [("G", "S", None)[i % 3] for i in range(n)],
            "z": pa.array(rng.uniform(0.0, 1.0, n), mask=rng.uniform(size=n) < 0.3),
        }
    )


def written(table, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A catalogue of 40,000 entries in some hundred files, and its rows."""
    root = tmp_path_factory.mktemp("catalogs")
    table = some_rows(40_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "CHUNK_ROWS", 7_000)
        build_catalog(root, "many", [written(table, root / "in" / "a.parquet")], HOW, most_rows=500)
    return root, table


def test_files_are_sorted_and_each_is_one_cell_of_the_sky(many):
    root, table = many
    catalog = CatalogStore(root).open("many")
    assert len(catalog.description.partitions) > 80
    ids = []
    for cell in catalog.description.partitions:
        entries = pq.read_table(catalog.folder / cell.file)
        index = entries.column(INDEX).to_numpy()
        assert (np.diff(index) >= 0).all()
        assert set(coarsen(index, cell.order).tolist()) == {cell.pixel}
        assert len(entries) == cell.n_rows
        assert cell.n_rows <= 500 or cell.order == FINEST_ORDER
        ids += entries.column("object_id").to_pylist()
    assert sorted(ids) == sorted(table.column("id").to_pylist())


@pytest.mark.parametrize("max_bytes", [2**30, 200_000, 1])
@pytest.mark.parametrize("radius_arcsec", [20.0, 4_000.0])
def test_neighbours_are_those_in_memory_however_little_of_it_there_is(
    many, max_bytes, radius_arcsec
):
    root, table = many
    rng = np.random.default_rng(2)
    at = rng.permutation(40_000)[:300]
    ra = table.column("ra").to_numpy()[at] + rng.normal(0.0, radius_arcsec / 7200.0, 300)
    dec = np.clip(table.column("dec").to_numpy()[at], -89.9995, 89.9995)
    positions = Positions.of(np.append(ra, [0.0, 12.0]), np.append(dec, [90.0, -90.0]))
    points, number = Points.of(table.column("ra").to_numpy(), table.column("dec").to_numpy())
    expected = points.near(positions, radius_arcsec)
    assert len(expected) > 200
    store = CatalogStore(root, max_bytes)
    catalog = store.open("many")
    found = catalog.match(positions, radius_arcsec)
    tags = catalog.tags_of(found)
    assert found.row.tolist() == expected.row.tolist()
    assert found.separation_arcsec == pytest.approx(expected.separation_arcsec, abs=1e-9)
    pairs = sorted(zip(found.row.tolist(), (tag.object_id for tag in tags), strict=True))
    names = (f"o{number[point]}" for point in expected.point)
    assert pairs == sorted(zip(expected.row.tolist(), names, strict=True))
    assert store.cache.n_bytes <= max_bytes
    whole = CatalogStore(root).open("many")
    assert tags == whole.tags_of(whole.match(positions, radius_arcsec))


def test_hot_cells_are_read_once_and_cold_ones_are_dropped(many):
    root, table = many
    here = Positions.of(table.column("ra").to_numpy()[9_000:9_001], [0.0])
    store = CatalogStore(root, 200_000)
    catalog = store.open("many")
    for _ in range(5):
        catalog.match(here, 10.0)
    assert store.cache.n_read <= 4  # at most the cells that meet there
    everywhere = Positions.of(np.arange(0.0, 3600.0, 3.0), np.linspace(-80.0, 80.0, 1200))
    catalog.match(everywhere, 10.0)
    assert store.cache.n_read > 20
    assert store.cache.n_bytes <= 200_000


def test_tags_say_what_the_row_said(many):
    root, table = many
    catalog = CatalogStore(root).open("many")
    positions = Positions.of(table.column("ra").to_numpy(), table.column("dec").to_numpy())
    for row, answer in enumerate(catalog.answers(Positions.of(*_first(positions, 600)), 0.5)):
        said = table.slice(row, 1).to_pylist()[0]
        [tag] = [tag for tag in answer.tags if tag.object_id == said["id"]]
        assert (tag.ra_deg, tag.dec_deg, tag.type_name) == (said["ra"], said["dec"], said["type"])
        assert tag.sky_class == (SkyClass.GALAXY if said["type"] == "G" else None)
        assert tag.value("z") == said["z"]
        assert (tag.catalog, tag.version) == ("many", catalog.description.version)


def _first(positions, n):
    return positions.ra_deg[:n], positions.dec_deg[:n]


def test_the_nearest_is_the_first_and_nothing_there_is_an_answer(many):
    root, _ = many
    catalog = CatalogStore(root).open("many")
    positions = Positions.of([0.0, 200.0], [89.999, -12.345])
    everything, nearest = (catalog.answers(positions, 5.0, nearest=n) for n in (False, True))
    assert len(everything[0].tags) > 1
    assert nearest[0].tags == everything[0].tags[:1]
    assert nearest[1].state is AnswerState.NOTHING_THERE
    separations = [tag.separation_arcsec for tag in everything[0].tags]
    assert separations == sorted(separations)


def most_held(folder, n_groups, n_rows=50_000):
    """Most bytes of Arrow while a file of so many row groups is read."""
    path = written(some_rows(n_rows * n_groups).select(["ra", "dec", "z"]), folder / "a.parquet")
    pq.write_table(pq.read_table(path), path, row_group_size=n_rows)
    held, before = [], pa.total_allocated_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "CHUNK_ROWS", n_rows)
        for _ in tables.read_chunks(path, HOW, print):
            held.append(pa.total_allocated_bytes() - before)
    assert len(held) == n_groups
    return max(held)


def test_a_larger_file_takes_no_more_memory(tmp_path):
    """pyarrow reads a whole file ahead unless it is told not to."""
    a_group = 3 * 8 * 50_000
    assert most_held(tmp_path / "b", 12) <= most_held(tmp_path / "a", 4) + a_group


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_files=st.integers(1, 4),
    chunk_rows=st.integers(15, 90),
    most_rows=st.integers(1, 200),
    most_runs=st.integers(2, 4),
)
def test_the_version_follows_from_the_entries_alone(
    tmp_path_factory, seed, n_files, chunk_rows, most_rows, most_runs
):
    folder = tmp_path_factory.mktemp("v")
    table = some_rows(120)
    table = pa.concat_tables([table, table.slice(0, 5)])  # some are there twice
    shuffled = table.take(pa.array(np.random.default_rng(seed).permutation(len(table))))
    bounds = np.linspace(0, len(table), n_files + 1).astype(int)
    files = [
        written(shuffled.slice(lo, hi - lo), folder / f"{i}.parquet")
        for i, (lo, hi) in enumerate(pairwise(bounds))
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "CHUNK_ROWS", chunk_rows)
        patch.setattr(build, "_RUN_BATCH_ROWS", 7)
        patch.setattr(build, "MOST_RUNS", most_runs)
        one = build_catalog(folder / "a", "x", files, HOW, most_rows=most_rows)
    other = build_catalog(folder / "b", "x", [written(table, folder / "all.parquet")], HOW)
    assert one.version == other.version
    assert one.n_rows == other.n_rows == 125


def test_another_number_is_another_version_and_the_old_one_stays(tmp_path):
    table = some_rows(50)
    first = build_catalog(tmp_path, "x", [written(table, tmp_path / "in/a.parquet")], HOW)
    changed = table.set_column(4, "z", pa.array([0.5] * 50))
    second = build_catalog(tmp_path, "x", [written(changed, tmp_path / "in/a.parquet")], HOW)
    assert first.version != second.version
    store = CatalogStore(tmp_path)
    assert store.names() == ["x"]
    assert store.versions("x") == sorted([first.version, second.version])
    assert store.open("x").description.version == second.version
    old = store.open(first.key)
    assert old.description == first
    tags = old.answers(Positions.of([table["ra"][40].as_py()], [table["dec"][40].as_py()]))[0].tags
    assert [tag.value("z") for tag in tags if tag.object_id == "o40"] == [table["z"][40].as_py()]


def test_a_build_that_fails_leaves_what_was_there(tmp_path):
    good = written(some_rows(50), tmp_path / "in" / "a.parquet")
    before = build_catalog(tmp_path / "c", "x", [good], HOW)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(CatalogError):
        build_catalog(tmp_path / "c", "x", [good, tmp_path / "bad.parquet"], HOW)
    assert CatalogStore(tmp_path / "c").open("x").description == before
    assert sorted(p.name for p in (tmp_path / "c" / "x").iterdir()) == sorted(
        [before.version, "current"]
    )


def test_a_build_may_be_repeated(tmp_path):
    good = written(some_rows(50), tmp_path / "in" / "a.parquet")
    one, two = (build_catalog(tmp_path / "c", "x", [good], HOW) for _ in range(2))
    assert one == two


@given(st.lists(st.integers(0, 30), min_size=48, max_size=48), st.integers(1, 60))
def test_cells_hold_what_they_may_and_cover_every_entry_once(counts, most_rows):
    array = np.array(counts, dtype=np.int64)
    cells = cells_of(array, most_rows)
    assert sum(cell.n_rows for cell in cells) == sum(counts)
    end = 0
    for cell in cells:
        shift = 2 * (MAX_ORDER - cell.order)
        assert cell.pixel << shift >= end
        end = (cell.pixel + 1) << shift
        assert 0 < cell.n_rows <= most_rows or cell.order == 1
        if cell.order == 1:  # its parent would have held too many
            assert array.reshape(12, 4)[cell.pixel // 4].sum() > most_rows


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a@b", "a b"])
def test_a_name_is_no_path(tmp_path, name):
    with pytest.raises(CatalogError, match="the name of a catalogue"):
        build_catalog(tmp_path, name, [], HOW)
    with pytest.raises(CatalogError, match="a catalogue is called"):
        CatalogStore(tmp_path).open(f"{name}@../..")


def test_a_catalogue_that_is_not_there_is_named_with_those_that_are(tmp_path):
    build_catalog(tmp_path, "x", [written(some_rows(9), tmp_path / "in/a.parquet")], HOW)
    with pytest.raises(CatalogError, match=r"y: a catalogue is one of those in .*: x"):
        CatalogStore(tmp_path).open("y")
    with pytest.raises(CatalogError, match=r"has its catalog\.json"):
        CatalogStore(tmp_path).open("x@abc")


def test_a_file_that_went_away_is_an_error(tmp_path):
    build_catalog(tmp_path, "x", [written(some_rows(9), tmp_path / "in/a.parquet")], HOW)
    catalog = CatalogStore(tmp_path).open("x")
    (catalog.folder / catalog.description.partitions[0].file).unlink()
    with pytest.raises(CatalogError, match="its files are as they were built"):
        catalog.match(Positions.of([1.0], [1.0]), 10.0)


def test_the_index_is_the_one_of_the_place(many):
    root, _ = many
    catalog = CatalogStore(root).open("many")
    entries = pq.read_table(catalog.folder / catalog.description.partitions[0].file)
    ra, dec = entries.column("ra_deg").to_numpy(), entries.column("dec_deg").to_numpy()
    assert (entries.column(INDEX).to_numpy() == index_29_of(ra, dec)).all()
