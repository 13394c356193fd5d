"""Rates less twice their errors: what an object certainly does, in numpy and in ONNX."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, TensorProto, helper

from training.blackbody import Floats

RATES = ("rate", "rise", "fade")

INPUTS = (
    "limit_rise_mag_per_day",
    *(f"{each}_{part}mag_per_day" for each in RATES for part in ("", "err_")),
)
"""The rise since the last limit, which has no error, then each rate with its error."""

_RATES, _ERRORS = [1, 3, 5], [2, 4, 6]


def certain_rates(matrix: Floats) -> Floats:
    """What each rate is beyond twice its error, 0 if nothing; NaN stays.

    Parameters
    ----------
    matrix
        Shape ``(n, len(INPUTS))``.

    Returns
    -------
    ndarray
        Shape ``(n, 1 + len(RATES))``, computed in single precision as in the file.
    """
    x = matrix.astype(np.float32)
    rate, twice = x[:, _RATES], x[:, _ERRORS] + x[:, _ERRORS]
    certain = np.sign(rate) * np.maximum(np.abs(rate) - twice, np.float32(0.0))
    return np.column_stack([x[:, 0], certain]).astype(np.float64)


def certain_rates_nodes(given: str, found: str) -> tuple[list[NodeProto], list[TensorProto]]:
    """The same of a tensor ``given`` as nodes of ONNX with their constants, into ``found``."""
    columns = {"first": [0], "rates": _RATES, "errors": _ERRORS}
    constants = [
        helper.make_tensor(f"{name}_columns", TensorProto.INT64, [len(at)], at)
        for name, at in columns.items()
    ]
    nodes = [
        helper.make_node("Gather", [given, f"{name}_columns"], [name], axis=1) for name in columns
    ]
    nodes += [
        helper.make_node(kind, inputs, [output])
        for kind, inputs, output in (
            ("Add", ["errors", "errors"], "twice"),
            ("Abs", ["rates"], "sizes"),
            ("Sub", ["sizes", "twice"], "beyond"),
            ("Relu", ["beyond"], "positive"),
            ("Sign", ["rates"], "signs"),
            ("Mul", ["signs", "positive"], "bounded"),
            # 0, and NaN where a rate or an error is unknown: of that runtimes make what they like.
            ("Sub", ["beyond", "beyond"], "unknown"),
            ("Add", ["bounded", "unknown"], "certain"),
        )
    ]
    nodes.append(helper.make_node("Concat", ["first", "certain"], [found], axis=1))
    return nodes, constants
