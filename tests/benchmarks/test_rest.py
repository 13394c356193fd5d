"""A whole list over HTTP needs no more memory than a part of it."""

from __future__ import annotations

import pytest

from benchmarks import rest
from benchmarks.rest import MEBIBYTE, SHARE, downloaded, fill_coincidences
from correlator.audience import PUBLIC_READER
from storage.store import Store

N_ROWS = 100_000

GROWTH_MIB = 32
"""What the long list may need beyond the short one: a tenth of what its rows are in the store.

Both are longer than the 64 MB of pages that SQLite keeps with a connection.
"""


def test_a_store_for_the_benchmark_has_as_many_coincidences_as_it_should(tmp_path, monkeypatch):
    monkeypatch.setattr(rest, "SEED_ROWS", 30)
    with Store.open(f"sqlite:///{tmp_path / 'few.sqlite'}") as store:
        fill_coincidences(store, 100)
        found = store.search.coincidences(PUBLIC_READER, limit=10_000, is_current=True).rows
    assert len({revision.coincidence_id for revision in found}) == 100


@pytest.mark.slow
def test_parquet_of_any_length_streams_with_flat_memory(tmp_path):
    few, all_ = (downloaded(n, tmp_path) for n in (N_ROWS // SHARE, N_ROWS))
    assert (few.n_rows, all_.n_rows) == (N_ROWS // SHARE, N_ROWS)
    growth_mib = (all_.peak_bytes - few.peak_bytes) / MEBIBYTE
    assert growth_mib < GROWTH_MIB
