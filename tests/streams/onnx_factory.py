"""Small ONNX files of one feature: sound ones, and some that do harm where it is above 10."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

HARM_ABOVE = 10.0


def _value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def onnx_of(nodes, constants=(), output=("n",), n_inputs=1, kind=TensorProto.FLOAT, more=()):
    """A file of a graph from ``x`` to ``y``."""
    dtype = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}[kind]
    tensors = [
        numpy_helper.from_array(
            np.asarray(v, dtype if np.asarray(v).dtype.kind == "f" else None), k
        )
        for k, v in dict(constants).items()
    ]
    graph = helper.make_graph(
        nodes,
        "model",
        [_value("x", kind, ["n", n_inputs])],
        [_value("y", kind, output), *more],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


def linear(weights=(1.0,), bias=0.0, kind=TensorProto.FLOAT):
    """The weighted sum of the features and a constant."""
    constants = {"w": np.array(weights)[:, None], "b": np.array([bias])}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["s"]),
        helper.make_node("Add", ["s", "b"], ["y"]),
    ]
    return onnx_of(nodes, constants, ("n", 1), len(weights), kind)


def nan_above():
    """The root of what is left to 10."""
    nodes = [
        helper.make_node("Sub", ["most", "x"], ["left"]),
        helper.make_node("Sqrt", ["left"], ["y"]),
    ]
    return onnx_of(nodes, {"most": np.array([HARM_ABOVE])}, ("n", 1))


def raises_above():
    """A row of a table of eleven."""
    nodes = [
        helper.make_node("Cast", ["x"], ["row"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "row"], ["y"]),
    ]
    return onnx_of(nodes, {"table": np.arange(11.0)}, ("n", 1))


def short_above():
    """Only the rows that are not above 10."""
    nodes = [
        helper.make_node("Squeeze", ["x", "axis"], ["flat"]),
        helper.make_node("LessOrEqual", ["flat", "most"], ["low"]),
        helper.make_node("Compress", ["flat", "low"], ["y"]),
    ]
    return onnx_of(nodes, {"most": np.array([HARM_ABOVE]), "axis": np.array([1])}, ("m",))


def hangs_above():
    """A loop of no round up to 10, and of ten thousand years above."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Add", ["sum", "sum"], ["sums"]),
        ],
        "round",
        [
            _value("i", TensorProto.INT64, []),
            _value("go", TensorProto.BOOL, []),
            _value("sum", TensorProto.FLOAT, None),
        ],
        [_value("on", TensorProto.BOOL, []), _value("sums", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "limit"], ["is_above"]),
        helper.make_node("Cast", ["is_above"], ["one"], to=TensorProto.INT64),
        helper.make_node("Mul", ["one", "rounds"], ["n_rounds"]),
        helper.make_node("Loop", ["n_rounds", "true", "x"], ["y"], body=body),
    ]
    constants = {
        "limit": np.array(HARM_ABOVE),
        "rounds": np.array(10**17),
        "true": np.array(True),
    }
    return onnx_of(nodes, constants, ("n", 1))


def grows_above():
    """A vector of 4 GiB above 10, of one number else."""
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "limit"], ["is_above"]),
        helper.make_node("Cast", ["is_above"], ["one"], to=TensorProto.INT64),
        helper.make_node("Mul", ["one", "much"], ["more"]),
        helper.make_node("Add", ["more", "least"], ["size"]),
        helper.make_node("ConstantOfShape", ["size"], ["ones"]),
        helper.make_node("ReduceSum", ["ones"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    ]
    constants = {"limit": np.array(HARM_ABOVE), "much": np.array([2**30]), "least": np.array([1])}
    return onnx_of(nodes, constants, ("n", 1))


def against_the_batch():
    """The feature less its mean in the batch."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0]),
        helper.make_node("Sub", ["x", "mean"], ["y"]),
    ]
    return onnx_of(nodes, output=("n", 1))


def at_random():
    """Another number each time."""
    return onnx_of([helper.make_node("RandomNormalLike", ["x"], ["y"])], output=("n", 1))


def classifier():
    """A label, and the probabilities of two classes, as scikit-learn's converter writes them."""
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["p"]),
        helper.make_node("Sub", ["one", "p"], ["q"]),
        helper.make_node("Concat", ["q", "p"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["y_label"], axis=1, keepdims=0),
        helper.make_node("Identity", ["p"], ["y"]),
    ]
    more = [
        _value("probabilities", TensorProto.FLOAT, ["n", 2]),
        _value("y_label", TensorProto.INT64, ["n"]),
    ]
    return onnx_of(nodes, {"one": np.array([1.0])}, ("n", 1), more=more)


HARMFUL = {
    "nan": nan_above,
    "raise": raises_above,
    "shape": short_above,
    "hang": hangs_above,
    "memory": grows_above,
}


def card_text(name="brightness", version="1.0", stage="shadow", inputs=None, extra="", output=""):
    """A ``model.toml``."""
    listed = inputs or [("last_mag_ab", "mag AB")]
    tables = "".join(f'[[inputs]]\nname = "{n}"\nunit = "{u}"\n' for n, u in listed)
    return (
        f'name = "{name}"\nversion = "{version}"\nowner = "A. Author <a@example.org>"\n'
        f'stage = "{stage}"\n{extra}\n[output]\nmeaning = "higher is brighter"\n{output}\n{tables}'
    )


def put_model(folder, onnx, **of_card):
    """Write a model into a folder of models, card last; its folder."""
    card = of_card.get("name", "brightness"), of_card.get("version", "1.0")
    place = folder / "-".join(card)
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.onnx").write_bytes(onnx)
    (place / "model.toml").write_text(card_text(**of_card), encoding="utf-8")
    return place
