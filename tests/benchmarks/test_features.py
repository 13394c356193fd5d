"""The benchmark of features runs at tiny size and names every stage."""

import math

import orjson
import pytest
from click.testing import CliRunner

from benchmarks.features import feature_rows, real_alerts, simulated_alerts
from benchmarks.features_command import features_command
from benchmarks.timing import Effort
from correlator.errors import ConfigurationError
from correlator.scorers import SCORERS

TINY = Effort(rounds=1, sample_s=0.0)


def test_every_stage_has_a_row_and_the_whole_a_bar():
    rows = list(feature_rows(simulated_alerts(10), 20, TINY))
    scores = [f"features-score-{scorer.name}" for scorer in SCORERS]
    assert [row.name for row in rows] == [
        "features-object",
        "features-features",
        "features-score-columns",
        *scores,
        "features-class",
        "features-all",
    ]
    assert all(math.isfinite(row.value) and row.value > 0.0 for row in rows)
    assert [row.bar for row in rows if row.bar is not None] == [1.0]


def test_the_command_prints_json():
    result = CliRunner().invoke(
        features_command,
        ["--objects", "5", "--rounds", "1", "--json"],
        env={"CORRELATOR_REAL_DATA": ""},
    )
    assert result.exit_code == 0, result.output
    assert orjson.loads(result.stdout)[-1]["name"] == "features-all"


def test_a_folder_without_alerts_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="must hold real ZTF alerts"):
        real_alerts(tmp_path)
