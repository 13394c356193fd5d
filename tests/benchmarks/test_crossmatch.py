"""The cross-match benchmark runs at small size, and times nothing that differs."""

import math

import orjson
import pytest
from click.testing import CliRunner

from benchmarks.agreement import DisagreementError
from benchmarks.crossmatch import crossmatch
from benchmarks.crossmatch_command import crossmatch_command
from benchmarks.timing import Effort
from storage.catalogs.catalog import Catalog

TINY = Effort(rounds=1, sample_s=0.0)


@pytest.mark.slow
def test_the_command_prints_one_document():
    arguments = ["--entries", "20000", "--positions", "100", "--rounds", "1", "--json"]
    done = CliRunner().invoke(crossmatch_command, arguments)
    assert done.exit_code == 0, done.output
    rows = {row["name"]: row for row in orjson.loads(done.stdout)}
    for shape in ("anywhere", "visit", "night"):
        for peer in ("astropy", "kdtree", "pixel-trees", "moc"):
            row = rows[f"crossmatch-{shape}-{peer}"]
            assert math.isfinite(row["ratio"])
            assert row["ratio"] > 0.0
        assert rows[f"crossmatch-{shape}"]["bar"] == 1.0
    assert rows["crossmatch-memory-places"]["value"] == pytest.approx(0.48)


def test_entries_that_differ_are_not_timed(tmp_path, monkeypatch):
    tags_of = Catalog.tags_of
    monkeypatch.setattr(Catalog, "tags_of", lambda one, found: tags_of(one, found)[::-1])
    with pytest.raises(DisagreementError, match="and our entries differ"):
        list(crossmatch(TINY, 20_000, 100, tmp_path))
