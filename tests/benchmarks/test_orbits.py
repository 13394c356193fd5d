"""The benchmark of orbits runs at small size, and times nothing that differs."""

import orjson
import pytest
from click.testing import CliRunner

from benchmarks.agreement import DisagreementError
from benchmarks.orbits import orbits_rows
from benchmarks.orbits_command import orbits_command
from benchmarks.timing import Effort
from correlator.orbits.search import OrbitSky


def test_the_command_prints_one_document():
    arguments = ["--orbits", "300", "--rounds", "1", "--json"]
    done = CliRunner().invoke(orbits_command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    rows = {row["name"]: row for row in orjson.loads(done.stdout)}
    assert rows["orbits-two-body"]["ratio"] > 0.0
    for name in ("read", "hour", "first-look", "first-look-worst", "next-look"):
        assert rows[f"orbits-{name}"]["value"] > 0.0


def test_what_is_not_found_is_not_timed(tmp_path, monkeypatch):
    monkeypatch.setattr(OrbitSky, "near", lambda *_: ())
    with pytest.raises(DisagreementError, match="the search and the integration of every orbit"):
        list(orbits_rows(Effort(1, 0.0), 300, tmp_path))
