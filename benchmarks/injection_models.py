"""A model of the folder of models as a cut among the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.injection_cuts import Cut, by_features
from correlator.features import FEATURES, Features, as_matrix
from streams.model_child import load_onnx
from streams.model_folder import read_model


def model_cut(folder: Path, least: float) -> Cut:
    """The cut of a model: objects of an open class to which it gives ``least`` or more.

    As on the stream, an object of which it wants a feature that is not known has no value, unless
    its card takes unknown ones.

    Raises
    ------
    ModelError
        The card or the file is missing or broken.
    """
    units = {name: meaning.unit for name, meaning in FEATURES.items()}
    model = read_model(folder, folder.name, units)
    card = model.card
    asked = {"inputs": len(card.inputs), "output": card.output, "column": card.column}
    predict = load_onnx(asked, model.onnx)

    def values(features: Sequence[Features]) -> list[float | None]:
        if not features:
            return []
        matrix = as_matrix(features, card.inputs)
        known = np.ones(len(matrix), dtype=np.bool_)
        if not card.takes_unknown:
            known = ~np.isnan(matrix).any(axis=1)
        found = np.full(len(matrix), np.nan)
        if known.any():
            found[known] = np.asarray(predict(matrix[known]), dtype=np.float64).reshape(-1)
        return [None if np.isnan(value) else value for value in found.tolist()]

    meaning = f"{card.meaning}, {least:g} or more, open class"
    return Cut(card.key, meaning, by_features(values), least, is_graded=True)
