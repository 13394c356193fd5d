"""The benchmark of features runs at tiny size and names every stage."""

import math

import orjson
import pytest
from click.testing import CliRunner

from benchmarks.features import (
    catalogue,
    feature_rows,
    real_alerts,
    simulated_alerts,
    survivors,
)
from benchmarks.features_command import features_command
from benchmarks.timing import Effort
from correlator.errors import ConfigurationError
from correlator.scorers import SCORERS
from storage.catalogs.tagger import Tagger

TINY = Effort(rounds=1, sample_s=0.0)


@pytest.mark.slow
def test_every_stage_has_a_row_and_the_whole_a_bar(tmp_path):
    alerts = survivors(simulated_alerts(20), 20)
    catalogs = catalogue(tmp_path, alerts, 1_000)
    rows = list(feature_rows(alerts, catalogs, 10, TINY))
    scores = [f"features-score-{scorer.name}" for scorer in SCORERS]
    assert [row.name for row in rows] == [
        "features-gate",
        "features-object",
        "features-features",
        "features-score-columns",
        *scores,
        "features-class",
        "features-tags",
        "features-all",
    ]
    assert all(math.isfinite(row.value) and row.value > 0.0 for row in rows)
    assert [row.bar for row in rows if row.bar is not None] == [1.0]


def test_the_command_prints_json():
    result = CliRunner().invoke(
        features_command,
        ["--objects", "5", "--rounds", "1", "--entries", "1000", "--json"],
        env={"CORRELATOR_REAL_DATA": ""},
    )
    assert result.exit_code == 0, result.output
    assert orjson.loads(result.stdout)[-1]["name"] == "features-all"


def test_a_folder_without_alerts_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="must hold real ZTF alerts"):
        real_alerts(tmp_path)


def test_half_of_the_survivors_have_an_entry_near(tmp_path):
    alerts = survivors(simulated_alerts(20), 50)
    assert len({(a.ra_deg, a.dec_deg) for a in alerts}) == 50
    tagged = Tagger(catalogue(tmp_path, alerts, 1_000)).tagged(alerts)
    near = [bool(alert.tags[0].tags) for alert in tagged]
    assert near == [at % 2 == 0 for at in range(50)]
