"""The models: a tiny fit from the script, and files that say what scikit-learn says."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from correlator.features import FEATURES
from streams.model_card import read_card
from training.__main__ import main
from training.certain_rates import INPUTS, certain_rates
from training.evaluation import (
    MODELS,
    Examined,
    area_under_curve,
    interval_95,
    said_of,
    threshold_at,
)
from training.files import scores_of_file
from training.fits import KILONOVA_INPUTS, TrainingSet, fit_anomaly, fit_kilonova, matrix
from training.onnx_trees import below, boosted_onnx, isolation_onnx
from training.samples import KILONOVA, KILONOVAE_OF_GRID, KILONOVAE_OFF_GRID, sample

UNITS = {name: meaning.unit for name, meaning in FEATURES.items()}


@pytest.fixture(scope="module")
def training():
    return TrainingSet(sample((1,), 150, 30, KILONOVAE_OF_GRID), [])


def rows_of(training, names):
    """Rows of the sample, of which some values are unknown, infinite or all unknown."""
    rows = matrix([x.object for x in training.simulated], names)
    rows[::7, ::2] = np.nan
    rows[3] = np.nan
    rows[4], rows[5] = np.inf, -np.inf
    rows[6] = 0.0
    return rows


def test_a_file_of_boosted_trees_says_what_the_fit_says(training):
    model = fit_kilonova(training, 12)
    rows = rows_of(training, KILONOVA_INPUTS)
    said = scores_of_file(boosted_onnx(model), rows)
    np.testing.assert_allclose(said, model.predict_proba(rows)[:, 1], atol=1e-6)
    assert np.ptp(said) > 0.3


def test_a_file_of_an_isolation_forest_says_what_the_fit_says(training):
    model = fit_anomaly(training, 12)
    rows = rows_of(training, INPUTS)
    rows = rows[~np.isinf(rows).any(axis=1)]  # of those scikit-learn's forest says nothing
    said = scores_of_file(isolation_onnx(model), rows)
    np.testing.assert_allclose(said, -model.score_samples(certain_rates(rows)), atol=1e-6)
    assert np.ptp(said) > 0.1


def test_a_rate_is_certain_beyond_twice_its_error():
    row = np.array([[1.0, 0.5, 0.1, -0.5, 0.1, 0.1, 0.2], [np.nan, 1, np.nan, np.nan, 1, 2.0, 0]])
    found = certain_rates(row)
    expected = [[1.0, 0.3, -0.3, 0.0], [np.nan, np.nan, np.nan, 2.0]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_script_fits_and_writes_what_a_worker_can_read(tmp_path):
    words = ["fit", "--models", str(tmp_path), "--size", "0.01", "--n-trees", "4"]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0
    for name, (version, inputs) in MODELS.items():
        place = tmp_path / name / version
        card = read_card((place / "model.toml").read_bytes(), name, UNITS)
        assert (card.name, card.version, card.stage) == (name, version, "shadow")
        assert card.inputs == inputs
        assert card.takes_unknown
    few = sample((2,), 30, 5, KILONOVAE_OFF_GRID)
    examined = Examined.of(few, tmp_path)
    said, is_kilonova = examined.said, examined.kind == KILONOVA
    assert ((said.model > 0.0) & (said.model < 1.0)).all()
    assert ((said.anomaly > 0.0) & (said.anomaly < 1.0)).all()
    # What is asked alone gets the same answer.
    alone = said_of([few[0].object], tmp_path)
    assert alone.model[0] == pytest.approx(said.model[0])
    weight = examined.weight
    assert weight[is_kilonova].sum() == pytest.approx(1.0) == weight[~is_kilonova].sum()


@given(st.floats(-1e30, 1e30), st.integers(-2, 2))
def test_a_threshold_in_single_precision_parts_such_numbers_alike(threshold, steps):
    cut = below(np.array([threshold]))[0]
    value = np.float32(threshold)
    for _ in range(abs(steps)):
        value = np.nextafter(value, np.float32(np.copysign(np.inf, steps)))
    assert (value <= cut) == (float(value) <= threshold)


scores = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, np.nan]), min_size=1, max_size=20)


@given(scores, st.floats(0.0, 0.9))
def test_a_threshold_lets_no_more_through_than_it_should(values, share):
    found = np.array(values)
    weight = np.ones(len(found))
    cut = threshold_at(found, weight, share)
    assert (found > cut).sum() <= share * len(found) + 1e-9
    below = found[found < cut]
    if len(below):  # a lower one would let more through
        assert (found > below.max()).sum() > share * len(found) - 1e-9


@given(scores, scores)
def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(signal, background):
    both = np.array([*signal, *background])
    found = area_under_curve(both, np.arange(len(both)) < len(signal))
    known = np.where(np.isnan(both), -np.inf, both)
    ours, others = known[: len(signal), None], known[None, len(signal) :]
    assert found == pytest.approx(((ours > others) + 0.5 * (ours == others)).mean())


def test_intervals_of_clopper_and_pearson():
    # Of none of ten the upper end is 1 - 0.025^(1/10).
    assert interval_95(0, 10) == pytest.approx((0.0, 1.0 - 0.025**0.1))
    assert interval_95(10, 10) == pytest.approx((0.025**0.1, 1.0))
    assert interval_95(5, 10) == pytest.approx((0.1871, 0.8129), abs=1e-4)


def test_nothing_of_the_simulated_nights_is_known_to_the_training():
    for file in (Path(__file__).parents[2] / "training").glob("*.py"):
        imports = [x for x in file.read_text().splitlines() if "import" in x.split("#")[0].split()]
        assert not any("correlator.simulation" in x for x in imports), file
