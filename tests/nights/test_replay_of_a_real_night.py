"""The law of the whole on a real night: any order of delivery, the same bytes."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from correlator.policy import Policy
from correlator.service.archive import archive_files, read_archive
from correlator.service.replay import ReplayOptions, replay, write_replay
from storage.store import Store

pytestmark = pytest.mark.real_data

AS_OF = datetime(2024, 1, 16, tzinfo=UTC).timestamp()
RESULTS = ("events", "pairs", "rankings", "coincidences", "targets")


@pytest.fixture(scope="module")
def archive(real_data):
    return read_archive(archive_files([real_data / "nights" / "2024-01-15"]))


def replayed(archive, out: Path, shuffle_seed: int | None = None) -> dict[str, bytes]:
    with Store.open("sqlite:///:memory:") as store:
        options = ReplayOptions(as_of_unix_s=AS_OF, shuffle_seed=shuffle_seed)
        result = asyncio.run(replay(archive, store, Policy(), options))
        write_replay(result, store, out)
    return {name: (out / f"{name}.jsonl").read_bytes() for name in RESULTS}


@pytest.fixture(scope="module")
def in_order(archive, tmp_path_factory):
    return replayed(archive, tmp_path_factory.mktemp("in-order"))


def test_the_whole_night_went_through(archive, in_order, tmp_path_factory):
    assert (archive.n_alerts, archive.n_notices) == (849, 62)
    assert archive.refusals == []
    events = [orjson.loads(line) for line in in_order["events"].splitlines()]
    assert len(events) == 27
    assert {e["mission"] for e in events} == {"Fermi", "Swift", "INTEGRAL", "LVK"}
    assert sum(len(e["notice_ids"]) for e in events) == 62
    assert len(in_order["pairs"].splitlines()) > 1000


def test_finals_stand_though_they_were_archived_first(in_order):
    events = [orjson.loads(line) for line in in_order["events"].splitlines()]
    by_id = {e["event_id"]: e for e in events}
    with_final = [e for e in events if any("GBM_Fin_Pos" in n for n in e["notice_ids"])]
    assert len(with_final) == 7
    assert all("GBM_Fin_Pos" in e["localization_notice_id"] for e in with_final)
    assert "UVOT_Pos" in by_id["1208389"]["localization_notice_id"]
    # The wake-up and the refined notice of INTEGRAL are one burst under two trigger numbers.
    assert by_id["10472"]["version"] == 2


def test_a_shuffled_delivery_leaves_the_same_bytes(archive, in_order, tmp_path):
    assert replayed(archive, tmp_path, shuffle_seed=1) == in_order


@pytest.mark.slow
@pytest.mark.parametrize("shuffle_seed", [None, 2, 3])
def test_every_replay_leaves_the_same_bytes(archive, in_order, tmp_path, shuffle_seed):
    assert replayed(archive, tmp_path, shuffle_seed) == in_order
