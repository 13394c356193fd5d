"""A model in its own process: what it says, and that no harm that it does leaves it."""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import uvloop
from onnx import TensorProto

from streams.model_card import ModelError, read_card
from streams.model_process import COMMAND, ModelProcess
from streams.settings import ModelSettings
from tests.streams import onnx_factory as onnx

UNITS = {"last_mag_ab": "mag AB", "age_d": "d"}
PATIENT = ModelSettings(answer_within_s=60.0, start_within_s=60.0)
TWO = [("last_mag_ab", "mag AB"), ("age_d", "d")]


@asynccontextmanager
async def a_process(content, settings=PATIENT, command=COMMAND, **of_card):
    card = read_card(onnx.card_text(**of_card).encode(), "a folder", UNITS)
    process = ModelProcess(card, settings)
    try:
        await process.start(content, command)
        yield process
    finally:
        await process.stop()


def pid_of(process):
    return process._process.pid


def has_ended(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE])
async def test_scores_are_what_the_file_computes_row_by_row(kind):
    matrix = np.array([[20.0, 1.0], [18.0, 3.0], [21.5, 0.25]])
    async with a_process(onnx.linear((2.0, -1.0), 0.5, kind), inputs=TWO) as process:
        together = await process.scores(matrix)
        again = await process.scores(matrix[::-1])
    assert together.tolist() == [39.5, 33.5, 43.25]
    assert again.tolist() == together[::-1].tolist()


async def test_a_named_output_and_its_column_are_the_score():
    output = 'name = "probabilities"\ncolumn = 0'
    async with a_process(onnx.classifier(), output=output) as process:
        scores = await process.scores(np.array([[0.0], [2.0]]))
    assert scores == pytest.approx([0.5, 1.0 / (1.0 + np.exp(2.0))], rel=1e-6)


@pytest.mark.parametrize(
    ("content", "of_card", "rule"),
    [
        (b"no model", {}, "it raises nothing, got InvalidProtobuf"),
        (onnx.linear((1.0, 1.0)), {}, r"shape \(any, 1\), got \['n', 2\]"),
        (onnx.classifier(), {}, "output.name is one of"),
        (onnx.classifier(), {"output": 'name = "probabilities"'}, "of 3 rows is 3 numbers"),
        (onnx.linear(), {"output": "column = 4"}, "has a column 4"),
        (onnx.against_the_batch(), {}, "does not depend on the rows beside it"),
        (onnx.at_random(), {}, "the same scores each time"),
    ],
    ids=["bytes", "inputs", "outputs", "columns", "column", "batch", "random"],
)
async def test_a_file_that_cannot_be_used_is_refused_with_the_rule(content, of_card, rule):
    with pytest.raises(ModelError, match=rule) as caught:
        async with a_process(content, **of_card):
            pass
    assert caught.value.model == "brightness.1.0"


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        ("nan", r"a score is a finite number \(for {'last_mag_ab': 19.5}\), got nan"),
        ("raise", "it raises nothing, got .*out of data bounds"),
        ("shape", r"the output of 2 rows is 2 numbers, got shape \(1,\)"),
        ("hang", "it answers within 0.5 s"),
        ("memory", "it raises nothing, got .*alloc"),
    ],
)
async def test_harm_is_an_error_that_says_which_and_the_process_has_ended(harm, problem):
    async with a_process(onnx.HARMFUL[harm]()) as process:
        await process.scores(np.array([[5.0], [9.5]]))
        pid = pid_of(process)
        if harm == "hang":
            process._settings = replace(PATIENT, answer_within_s=0.5)
        with pytest.raises(ModelError, match=problem):
            await process.scores(np.array([[5.0], [19.5]]))
        assert has_ended(pid)
        with pytest.raises(ModelError, match="not ended"):
            await process.scores(np.array([[5.0]]))


STAND_IN = """
import os, sys, time
import numpy as np
from streams import model_child

def load(request, content):
    def predict(matrix):
        print("a line where the answers go")
        if matrix.max() > 10.0:
            {harm}
        return matrix[:, 0]
    return predict

model_child.main(load)
"""


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        ("os.abort()", "it does not end, got signal SIGABRT"),
        ("os._exit(3)", "it does not end, got exit status 3"),
        ("raise SystemExit(4)", "it raises nothing, got SystemExit: 4"),
        ("matrix = np.array(['a'] * len(matrix), object)[:, None]", "the output is of numbers"),
        ("os.write(3, b'x' * 100)", "its answers are what they must be"),
    ],
    ids=["abort", "exit", "raise", "words", "garbage"],
)
async def test_whatever_ends_a_process_is_an_error(harm, problem, tmp_path):
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN.format(harm=harm), encoding="utf-8")
    settings = replace(PATIENT, answer_within_s=10.0)
    async with a_process(b"", settings, (sys.executable, str(script))) as process:
        assert (await process.scores(np.array([[7.0]]))).tolist() == [7.0]
        with pytest.raises(ModelError, match=problem):
            await process.scores(np.array([[11.0]]))


async def test_a_process_without_onnxruntime_or_none_at_all_is_an_error(tmp_path):
    with pytest.raises(ModelError, match="its process can be started"):
        async with a_process(b"", command=(str(tmp_path / "nothing"),)):
            pass
    with pytest.raises(ModelError, match="it does not end, got exit status 1"):
        async with a_process(b"", command=(sys.executable, "-c", "raise SystemExit(1)")):
            pass


async def test_a_model_sees_nothing_of_our_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("CORRELATOR_SOURCE_PASSWORD", "secret")
    script = tmp_path / "stand_in.py"
    harm = "return np.array([float(len(os.environ.get('CORRELATOR_SOURCE_PASSWORD', '')))])"
    script.write_text(STAND_IN.format(harm=harm), encoding="utf-8")
    async with a_process(b"", command=(sys.executable, str(script))) as process:
        assert (await process.scores(np.array([[11.0]]))).tolist() == [0.0]


def test_the_same_holds_on_the_loop_of_a_worker():
    async def harm():
        quick = replace(PATIENT, answer_within_s=1.0)
        async with a_process(onnx.hangs_above(), quick) as process:
            assert (await process.scores(np.array([[5.0]]))).tolist() == [5.0]
            pid = pid_of(process)
            with pytest.raises(ModelError, match="it answers within 1 s"):
                await process.scores(np.array([[19.5]]))
            return has_ended(pid)

    assert uvloop.run(harm())


@pytest.mark.slow
async def test_a_model_that_hangs_does_not_outlive_its_worker(tmp_path):
    """A worker that is killed cannot end its models: they see that it has gone."""
    model, said = tmp_path / "model.onnx", tmp_path / "pid"
    model.write_bytes(onnx.hangs_above())
    worker = tmp_path / "worker.py"
    worker.write_text(
        f"""
import asyncio, pathlib, sys
import numpy as np
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.streams.test_model_process import PATIENT, a_process, onnx, pid_of

async def work():
    content = pathlib.Path({str(model)!r}).read_bytes()
    async with a_process(content) as process:
        asked = asyncio.create_task(process.scores(np.array([[19.5]])))
        await asyncio.sleep(0)
        pathlib.Path({str(said)!r}).write_text(str(pid_of(process)))
        await asked

asyncio.run(work())
""",
        encoding="utf-8",
    )
    process = await asyncio.create_subprocess_exec(sys.executable, str(worker))
    try:
        async with asyncio.timeout(60):
            while not (said.exists() and said.read_text()):
                await asyncio.sleep(0.05)
            pid = int(said.read_text())
            assert not has_ended(pid)
            process.send_signal(signal.SIGKILL)
            await process.wait()
            while not has_ended(pid):
                await asyncio.sleep(0.05)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
