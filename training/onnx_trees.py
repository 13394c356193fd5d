"""ONNX files of scikit-learn's forests that give the same numbers, unknown values included.

Written here because the converters at hand do not carry the unknown values of isolation forests.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest

from training.certain_rates import INPUTS, certain_rates_nodes

_OPSETS = {"": 17, "ai.onnx.ml": 3}
_IR_VERSION = 9


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree: row ``i`` of each array is node ``i``, the root first.

    Attributes
    ----------
    left, right
        Nodes for values up to the threshold and above it; -1 at a leaf.
    unknown_goes_left
        Where NaN goes.
    value
        What a leaf adds.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float32]
    unknown_goes_left: NDArray[np.bool_]
    value: NDArray[np.float64]


def boosted_onnx(model: HistGradientBoostingClassifier) -> bytes:
    """The probability of the second class of a fitted binary classifier, shape ``(n, 1)``."""
    trees = [_boosted_tree(row[0].nodes) for row in model._predictors]
    nodes = [
        _ensemble(trees, base=float(np.ravel(model._baseline_prediction)[0])),
        helper.make_node("Sigmoid", ["sum"], ["score"]),
    ]
    return _file(nodes, model.n_features_in_)


def isolation_onnx(model: IsolationForest) -> bytes:
    """How soon a row is alone, ``-score_samples`` of a forest of certain rates.

    The file takes the rates with their errors: see :mod:`training.certain_rates`. 0 to 1, shape
    ``(n, 1)``.
    """
    before, constants = certain_rates_nodes("features", "certain_rates")
    trees = [_isolation_tree(each.tree_) for each in model.estimators_]
    of_sample = float(_path_length(np.array([model.max_samples_]))[0])
    factor = -math.log(2.0) / (len(trees) * of_sample)
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [1], [factor])
    nodes = [
        *before,
        _ensemble(trees, base=0.0, given="certain_rates"),
        helper.make_node("Mul", ["sum", "scale"], ["log"]),
        helper.make_node("Exp", ["log"], ["score"]),
    ]
    return _file(nodes, len(INPUTS), [*constants, scale])


def _boosted_tree(nodes: Any) -> Tree:
    is_leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        left=np.where(is_leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(is_leaf, -1, nodes["right"].astype(np.int64)),
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=below(nodes["num_threshold"]),
        unknown_goes_left=nodes["missing_go_to_left"].astype(bool),
        value=nodes["value"],
    )


def _isolation_tree(tree: Any) -> Tree:
    depth = np.zeros(tree.node_count)
    for parent in range(tree.node_count):  # children come after their parents
        for child in (tree.children_left[parent], tree.children_right[parent]):
            if child >= 0:
                depth[child] = depth[parent] + 1.0
    return Tree(
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        threshold=below(tree.threshold),
        unknown_goes_left=tree.missing_go_to_left.astype(bool),
        value=depth + _path_length(tree.n_node_samples),
    )


def _path_length(n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean depth at which one of ``n`` is alone (Liu et al. 2008, equation 1)."""
    rest = np.maximum(n - 1.0, 1.0)
    many = 2.0 * (np.log(rest) + np.euler_gamma) - 2.0 * rest / np.maximum(n, 1)
    return np.asarray(np.select([n <= 1, n == 2], [0.0, 1.0], many))


def below(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """The greatest single-precision numbers up to some: they part such numbers alike."""
    with np.errstate(over="ignore"):
        near = threshold.astype(np.float32)
        return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)


@dataclass
class _Attributes:
    """The columns of ONNX's TreeEnsembleRegressor, a row a node and a row a leaf."""

    columns: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, **rows: Iterable[Any]) -> None:
        for name, values in rows.items():
            self.columns.setdefault(name, []).extend(values)


def _ensemble(trees: Sequence[Tree], base: float, given: str = "features") -> NodeProto:
    attributes = _Attributes()
    for number, tree in enumerate(trees):
        is_leaf = tree.left < 0
        n, leaves = len(is_leaf), np.flatnonzero(is_leaf)
        attributes.add(
            nodes_treeids=[number] * n,
            nodes_nodeids=range(n),
            nodes_featureids=np.where(is_leaf, 0, tree.feature).tolist(),
            nodes_values=np.where(is_leaf, 0.0, tree.threshold).tolist(),
            nodes_modes=["LEAF" if leaf else "BRANCH_LEQ" for leaf in is_leaf],
            nodes_truenodeids=np.where(is_leaf, 0, tree.left).tolist(),
            nodes_falsenodeids=np.where(is_leaf, 0, tree.right).tolist(),
            nodes_missing_value_tracks_true=(~is_leaf & tree.unknown_goes_left)
            .astype(int)
            .tolist(),
            target_treeids=[number] * len(leaves),
            target_nodeids=leaves.tolist(),
            target_ids=[0] * len(leaves),
            target_weights=tree.value[leaves].tolist(),
        )
    return helper.make_node(
        "TreeEnsembleRegressor",
        [given],
        ["sum"],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        post_transform="NONE",
        base_values=[base],
        **attributes.columns,
    )


def _file(nodes: list[NodeProto], n_inputs: int, constants: Sequence[TensorProto] = ()) -> bytes:
    graph = helper.make_graph(
        nodes,
        "forest",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", n_inputs])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", 1])],
        list(constants),
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    return bytes(model.SerializeToString())
