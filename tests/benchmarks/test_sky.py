"""The sky benchmark runs at tiny size, compares before it times, and says what it lacks."""

import math
import os
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import orjson
import pytest
from click.testing import CliRunner

from benchmarks import sky_join, sky_maps, sky_peers
from benchmarks.agreement import DisagreementError
from benchmarks.sky_command import sky_command
from benchmarks.sky_inputs import anywhere, live_sky, visit
from benchmarks.sky_rows import BARS
from benchmarks.timing import Effort
from correlator.errors import ConfigurationError
from skymaps.healpix import separation_deg
from skymaps.index import SkyIndex
from skymaps.shapes import Circle
from skymaps.skymap import SkyMap

TINY = Effort(rounds=1, sample_s=0.0)

HAS_PEERS = find_spec("mocpy") is not None and sky_peers._has("ligo.raven")
needs_peers = pytest.mark.skipif(  # but for CI, which lacks nothing
    not HAS_PEERS and "CI" not in os.environ, reason="needs the group bench"
)
some_warnings = pytest.mark.filterwarnings("ignore")


@needs_peers
@some_warnings
def test_joins_are_found_equal_and_measured():
    rows = list(sky_join.join_rows(TINY, [20], 300))
    names = [row.name for row in rows]
    ways = ["", "-compiled"] if find_spec("numba") else [""]
    assert names == [
        f"join-20{kind}-{shape}{way}"
        for shape in ("anywhere", "visit")
        for kind in ("", "-one")
        for way in (ways if not kind else [""])
    ]
    for row in rows:
        numbers = row.value, row.peer_value, row.ratio, row.ratio_least, row.ratio_most
        assert all(math.isfinite(number) and number > 0.0 for number in numbers)
        assert row.load_1min is not None


@needs_peers
@some_warnings
def test_maps_are_found_equal_and_measured(monkeypatch):
    monkeypatch.setattr(sky_maps, "_volume_rows", lambda *_: [])  # its peer needs 4 s and 1 GB
    rows = {row.name: row for row in sky_maps.map_rows(TINY, None)}
    assert {"map-read", "map-read-and-rank", "overlap", "wire", "wire-with-distance"} <= rows.keys()
    assert {"match-100-anywhere", "match-100-visit"} <= rows.keys()
    assert rows["wire"].ratio > BARS["wire"]
    assert rows["wire"].value < rows["wire-with-distance"].value < rows["wire"].peer_value


@needs_peers
@some_warnings
def test_an_index_that_misses_a_pair_is_not_timed(monkeypatch):
    match = SkyIndex.match

    def without_last(index, positions, *, compiled=False):
        pairs = match(index, positions, compiled=compiled)
        return replace(pairs, number=np.append(pairs.number[:-1], 19 - pairs.number[-1:]))

    monkeypatch.setattr(SkyIndex, "match", without_last)
    with pytest.raises(DisagreementError, match="of brute force and of the index"):
        list(sky_join.join_rows(TINY, [20], 300))


@needs_peers
@some_warnings
def test_a_peer_that_finds_other_pairs_is_not_timed(monkeypatch):
    nowhere = [np.zeros(300, dtype=bool)] * 20
    monkeypatch.setattr(sky_join.MocLoop, "__call__", lambda *_: nowhere)
    with pytest.raises(DisagreementError, match="mocpy's and our positions"):
        list(sky_join.join_rows(TINY, [20], 300))


def test_a_peer_that_is_missing_is_named_with_its_group(monkeypatch):
    monkeypatch.setattr(sky_peers, "_has", lambda module: module != "mocpy")
    with pytest.raises(ConfigurationError, match=r"needs mocpy: pip install .* --group bench"):
        sky_peers.require_peers()


@needs_peers
@some_warnings
def test_the_command_prints_one_document(monkeypatch):
    monkeypatch.setattr("benchmarks.sky_command.map_rows", lambda *_: [])
    arguments = ["--events", "20", "--alerts", "50", "--rounds", "1", "--json"]
    done = CliRunner().invoke(sky_command, arguments, env={"CORRELATOR_REAL_DATA": None})
    assert done.exit_code == 0, done.output
    rows = orjson.loads(done.stdout)
    keys = {"name", "value", "unit", "peer", "peer_value", "ratio", "bar"}
    keys |= {"ratio_least", "ratio_most", "load_1min", "machine", "versions"}
    assert all(set(row) == keys for row in rows)
    assert rows[0]["versions"]["mocpy"]


def test_the_events_are_of_the_mix_that_is_said_and_the_same_each_time():
    events = live_sky(100).localizations
    radii = [one.radius_deg for one in events if isinstance(one, Circle)]
    assert sum(isinstance(one, SkyMap) for one in events) == 10
    assert sum(1.0 <= radius <= 20.0 for radius in radii) == 25
    assert [one.sha256 for one in events] == [one.sha256 for one in live_sky(100).localizations]
    assert {one.n_rows for one in events if isinstance(one, SkyMap)} == {19_200}


def test_alerts_of_a_visit_lie_in_one_field():
    alerts, all_over = visit(500, 3), anywhere(500, 3)
    off = separation_deg(alerts.ra_deg, alerts.dec_deg, alerts.ra_deg[0], alerts.dec_deg[0])
    assert 1.75 < off.max() <= 3.5 + 1e-9
    assert all_over.dec_deg.max() <= 15.0
    assert all_over.dec_deg.min() < -60.0
