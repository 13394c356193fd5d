"""The files of a model: its card and its ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from correlator.features import FEATURES
from training.blackbody import Floats

OWNER = "The multi-messenger correlator team"

MEANINGS = {
    "kilonova-gbt": "how much like a kilonova its light curve is, 0 to 1: the share of kilonovae "
    "among simulated objects like it, if half of all were kilonovae. Not a probability on any "
    "stream; see docs/science/models.md",
    "anomaly": "how unusually fast it certainly rises or fades, 0 to 1: by how few cuts an "
    "isolation forest of common objects has it alone; place, colour and brightness say nothing. "
    "See docs/science/models.md",
}


def write_model(folder: Path, name: str, version: str, inputs: Sequence[str], onnx: bytes) -> Path:
    """Write ``folder/name/version/`` with ``model.onnx`` and, last, ``model.toml``.

    Returns
    -------
    Path
        The model's folder.
    """
    place = folder / name / version
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.onnx").write_bytes(onnx)
    (place / "model.toml").write_text(_card(name, version, inputs), encoding="utf-8")
    return place


def scores_of_file(onnx: bytes | Path, matrix: Floats) -> Floats:
    """What an ONNX file says of the rows of a matrix; shape ``(n,)``."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = onnx.read_bytes() if isinstance(onnx, Path) else onnx
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"features": matrix.astype(np.float32)})
    return np.asarray(found[:, 0], dtype=np.float64)


def _card(name: str, version: str, inputs: Sequence[str]) -> str:
    lines = [
        f'name = "{name}"',
        f'version = "{version}"',
        f'owner = "{OWNER}"',
        'stage = "shadow"',
        'unknown = "nan"',
        "",
        "[output]",
        f'meaning = "{MEANINGS[name]}"',
    ]
    for each in inputs:
        lines += ["", "[[inputs]]", f'name = "{each}"', f'unit = "{FEATURES[each].unit}"']
    return "\n".join(lines) + "\n"
