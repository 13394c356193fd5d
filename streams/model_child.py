"""One model in a process of its own: what it does there hurts nobody else.

Run by ``model_process.py``, alone and by its path: it needs numpy and onnxruntime and no more.
Frames come on standard input and go to what was standard output: a JSON object and some bytes,
their two lengths before them. The first frame brings the model, each later one a matrix.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Predict = Callable[[Matrix], Any]
Load = Callable[[dict[str, Any], bytes], Predict]

LENGTHS = struct.Struct("<II")
"""Lengths of the two parts of a frame [bytes]."""

_LOOK_S = 1.0
_PROBE_ROWS = (0.0, 1.0, 0.5)
_CLOSE = 1e-4
"""Rows together and alone may differ by so much, relative: sums in single precision."""


class BrokenRuleError(Exception):
    """The model is not what it must be."""


def serve(load: Load, incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Load a model, then answer until nothing more is asked."""
    request, body = _read(incoming)
    try:
        _limit_memory(request["memory_bytes"])
        predict = load(request, body)
        _try_out(predict, request["inputs"], request["takes_unknown"])
    except BaseException as error:  # noqa: BLE001 - whatever a model does is an answer
        _write(outgoing, _told(error))
        return
    _write(outgoing, {"ok": True})
    while True:
        try:
            request, body = _read(incoming)
        except EOFError:
            return
        matrix = np.frombuffer(body, np.float64).reshape(-1, request["inputs"])
        try:
            values = _values(predict, matrix)
        except BaseException as error:  # noqa: BLE001
            _write(outgoing, _told(error))
        else:
            _write(outgoing, {"ok": True}, values.tobytes())


def load_onnx(request: dict[str, Any], content: bytes) -> Predict:
    """The function of an ONNX file, with one input of a row an object.

    Raises
    ------
    BrokenRuleError
        It takes something else, or has several outputs of which none is named.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    name, dtype = _input_of(session, request["inputs"])
    output = _output_of(session, request["output"])
    column = request["column"]

    def predict(matrix: Matrix) -> Any:
        (found,) = session.run([output], {name: matrix.astype(dtype)})
        return found if column is None else _column(found, column)

    return predict


def _input_of(session: Any, n_inputs: int) -> tuple[str, type]:
    found = session.get_inputs()
    if len(found) != 1:
        raise BrokenRuleError(f"the file has one input, got {[each.name for each in found]}")
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64}
    if found[0].type not in kinds:
        raise BrokenRuleError(f"the input is of float or double, got {found[0].type}")
    n_rows, *n_columns = found[0].shape or [1]
    is_open = not isinstance(n_rows, int)
    if not is_open or n_columns != [n_inputs]:
        raise BrokenRuleError(f"the input has the shape (any, {n_inputs}), got {found[0].shape}")
    return found[0].name, kinds[found[0].type]


def _output_of(session: Any, wanted: str | None) -> str:
    names = [each.name for each in session.get_outputs()]
    if wanted is None and len(names) == 1:
        return str(names[0])
    if wanted not in names:
        raise BrokenRuleError(f"output.name is one of {names}, got {wanted}")
    return str(wanted)


def _column(found: Any, column: int) -> Any:
    if not isinstance(found, np.ndarray) or found.ndim != 2 or found.shape[1] <= column:
        raise BrokenRuleError(f"the output has a column {column}, got {_shape(found)}")
    return found[:, column]


def _values(predict: Predict, matrix: Matrix) -> Matrix:
    """One number a row.

    Raises
    ------
    BrokenRuleError
        It is something else.
    """
    found = predict(matrix)
    n = len(matrix)
    if not isinstance(found, np.ndarray) or found.shape not in ((n,), (n, 1)):
        raise BrokenRuleError(f"the output of {n} rows is {n} numbers, got {_shape(found)}")
    if found.dtype.kind not in "fiub":
        raise BrokenRuleError(f"the output is of numbers, got {found.dtype}")
    return np.ascontiguousarray(found.reshape(n), np.float64)


def _shape(found: Any) -> str:
    return f"shape {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__


def _try_out(predict: Predict, n_inputs: int, takes_unknown: bool) -> None:
    """A score is a function of the row: neither of the rows beside it nor of the times before."""
    filled = [*_PROBE_ROWS, *([np.nan] if takes_unknown else [])]
    rows = np.repeat(np.array(filled)[:, None], n_inputs, axis=1)
    together = _values(predict, rows)
    again = _values(predict, rows)
    if not np.array_equal(together, again, equal_nan=True):
        raise BrokenRuleError("the same rows have the same scores each time")
    alone = np.concatenate([_values(predict, row[None]) for row in rows])
    if not np.allclose(together, alone, rtol=_CLOSE, atol=_CLOSE, equal_nan=True):
        raise BrokenRuleError("the score of a row does not depend on the rows beside it")


def _told(error: BaseException) -> dict[str, Any]:
    if isinstance(error, BrokenRuleError):
        return {"rule": str(error)}
    return {"rule": "it raises nothing", "value": f"{type(error).__name__}: {error}"[:1000]}


def _read(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    head, body = LENGTHS.unpack(_exactly(stream, LENGTHS.size))
    return json.loads(_exactly(stream, head)), _exactly(stream, body)


def _exactly(stream: BinaryIO, n: int) -> bytes:
    found = stream.read(n)
    if len(found) < n:
        raise EOFError
    return found


def _write(stream: BinaryIO, said: dict[str, Any], body: bytes = b"") -> None:
    head = json.dumps(said).encode()
    stream.write(LENGTHS.pack(len(head), len(body)) + head + body)
    stream.flush()


def _limit_memory(more_bytes: int) -> None:
    """At most so much address space more than there is now (on Linux), and no core left behind."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform != "linux":
        return
    with open("/proc/self/statm", "rb") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + more_bytes, hard))


def _end_with(parent: int) -> None:
    """A model that never comes back would outlive a worker that is killed."""
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)


def main(load: Load = load_onnx) -> None:
    """Answer on the standard streams; what else is printed goes nowhere."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(load, sys.stdin.buffer, outgoing)


if __name__ == "__main__":
    main()
