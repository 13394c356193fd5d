"""The benchmark of the archive of nights makes the archives that it says."""

from __future__ import annotations

import pytest

from benchmarks import archive
from benchmarks.timing import Effort


@pytest.mark.slow
@pytest.mark.real_data
def test_the_edge_is_compared_with_itself_and_both_data_sets_are_made(real_data, monkeypatch):
    monkeypatch.setattr(archive, "N_PACKETS", {"ztf": 60})
    monkeypatch.setattr(archive, "_TIMES", 1)
    rows = list(archive.archive_rows(real_data, "ztf", 100, 50, Effort(1, 0.0)))
    assert [row.name for row in rows] == [
        "archive-edge-ztf-10%",
        *(f"archive-night-{what}-ztf" for what in ("parts", "compact", "bytes")),
        *(f"archive-survivors-{what}-ztf" for what in ("parts", "compact", "bytes")),
    ]
    assert all(row.value > 0.0 for row in rows)
    assert rows[0].ratio == pytest.approx(rows[0].value / rows[0].peer_value)
    assert rows[3].peer_value > 60_000.0
