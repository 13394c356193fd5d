"""The models of ``deploy/models``: workers run them, and their page says what they say."""

import re
import shutil
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from correlator.features import FEATURES, as_matrix, features_of_many
from streams.model_folder import read_model
from streams.model_registry import ModelRegistry
from streams.settings import ModelSettings
from tests.correlator.test_classes import tables_of
from tests.service.test_commands import correlator
from training.evaluation import MODELS, said_of
from training.real import real_alerts
from training.report import all_tables
from training.samples import KILONOVAE_OFF_GRID, sample
from training.tables import table_lines

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "models"
PAGE = ROOT / "docs" / "science" / "models.md"
UNITS = {name: meaning.unit for name, meaning in FEATURES.items()}


@pytest.mark.parametrize("name", list(MODELS))
def test_a_shipped_model_is_small_and_its_card_is_right(name):
    version, inputs = MODELS[name]
    model = read_model(SHIPPED / name / version, name, UNITS)
    assert model.card.inputs == inputs
    assert len(model.onnx) < 500_000


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MODELS))
def test_the_command_finds_a_shipped_model_fine(name):
    version, inputs = MODELS[name]
    done = correlator("models", "check", str(SHIPPED / name / version))
    assert done.returncode == 0, done.stderr
    assert f"{name}.{version}: fine, {len(inputs)} inputs" in done.stdout


async def test_the_registry_runs_both_and_says_what_the_files_say(tmp_path):
    shutil.copytree(SHIPPED, tmp_path / "models")
    settings = ModelSettings(tmp_path / "models", answer_within_s=60.0, start_within_s=60.0)
    registry = ModelRegistry(settings, UNITS)
    try:
        await registry.look()
        await registry.look()
        states = registry.states()
        assert [(s.name, s.state, s.stage) for s in states] == [
            ("anomaly", "running", "shadow"),
            ("kilonova-gbt", "running", "shadow"),
        ], states
        objects = [x.object for x in sample((7,), 10, 3, KILONOVAE_OFF_GRID)]
        names = registry.inputs
        found = await registry.scores(as_matrix(features_of_many(objects), names), names)
    finally:
        await registry.stop()
    said = said_of(objects, SHIPPED)
    by_name = {card.name: values for card, values in found.items()}
    np.testing.assert_allclose(by_name["kilonova-gbt"], said.model, rtol=1e-5)
    np.testing.assert_allclose(by_name["anomaly"], said.anomaly, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.real_data
def test_no_object_is_in_both_halves_of_the_real_alerts(real_data):
    alerts = real_alerts(real_data)
    halves = [
        {x.object.object_key for x in alerts if x.is_held_out == out} for out in (True, False)
    ]
    assert not halves[0] & halves[1]
    assert min(len(half) for half in halves) > 400
    assert "ztf:ZTF21aagwbjr" not in halves[0] | halves[1]


@pytest.mark.slow
@pytest.mark.real_data
def test_the_tables_of_the_page_are_what_the_shipped_models_give(real_data):
    tables = all_tables(SHIPPED, real_data, held_out=True)
    _, *said = tables_of(PAGE.read_text())  # after the table of the classes
    expected = [table_lines(rows) for rows in tables.values()]
    assert [list(map(wording, table)) for table in said] == [
        list(map(wording, table)) for table in expected
    ]
    for shown, found in zip(chain(*said), chain(*expected), strict=True):
        assert all(map(is_near, NUMBER.findall(shown), NUMBER.findall(found))), (shown, found)


NUMBER = re.compile(r"(?<![\w.])[+-]?\d+(?:\.\d+)?(?![\w.])")


def wording(line):
    return NUMBER.sub("#", line)


def is_near(shown, found):
    """Whether two numbers agree within a hundredth, or five of the last digit that is shown.

    Another processor may round the last bit of a feature otherwise, which puts an object on the
    other side of a threshold.
    """
    digit = 10.0 ** -len(shown.partition(".")[2])
    return float(shown) == pytest.approx(float(found), rel=0.01, abs=5.0 * digit)
