"""A model in a process of its own, as its worker sees it: asked, waited for, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams import model_child
from streams.model_card import ModelCard, ModelError
from streams.settings import ModelSettings

Matrix = NDArray[np.float64]

COMMAND = (sys.executable, "-I", str(Path(model_child.__file__)))
"""How a model's process is started: apart from our environment and from the folder we are in."""

_MAX_ANSWER_BYTES = 2**24


class ModelProcess:
    """One model's process: it has one answer under way at a time.

    Whatever goes wrong in it ends it, and is a :class:`ModelError`.
    """

    def __init__(self, card: ModelCard, settings: ModelSettings) -> None:
        self.card = card
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def start(self, onnx: bytes, command: Sequence[str] = COMMAND) -> None:
        """Start the process and load the model.

        Raises
        ------
        ModelError
            The model cannot be loaded, or does something else than it must on a few rows.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="model-")
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=self._folder.name,
                env={},
            )
        except OSError as error:
            await self.stop()
            raise ModelError(self.card.key, "its process can be started", error) from None
        said = {
            "inputs": len(self.card.inputs),
            "takes_unknown": self.card.takes_unknown,
            "output": self.card.output,
            "column": self.card.column,
            "memory_bytes": self._settings.memory_bytes,
        }
        await self._asked(said, onnx, self._settings.start_within_s)

    async def scores(self, matrix: Matrix) -> Matrix:
        """The scores of some objects.

        Parameters
        ----------
        matrix
            Features, one row an object, in the order of the card; shape ``(n, k)``.

        Returns
        -------
        Matrix
            Shape ``(n,)``, all finite.

        Raises
        ------
        ModelError
            There is none, too late, or some are no numbers; the process has ended.
        """
        said = {"inputs": matrix.shape[1]}
        content = np.ascontiguousarray(matrix, np.float64).tobytes()
        body = await self._asked(said, content, self._settings.answer_within_s)
        values = np.frombuffer(body, np.float64)
        finite = np.isfinite(values)
        if len(values) == len(matrix) and finite.all():
            return values
        await self.stop()
        if len(values) != len(matrix):
            rule = f"the output of {len(matrix)} rows is {len(matrix)} numbers"
            raise ModelError(self.card.key, rule, len(values))
        row = int(np.flatnonzero(~finite)[0])
        given = dict(zip(self.card.inputs, matrix[row].tolist(), strict=True))
        raise ModelError(self.card.key, f"a score is a finite number (for {given})", values[row])

    async def stop(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            incoming, _ = _pipes(process)
            incoming.close()
            with contextlib.suppress(OSError):
                await incoming.wait_closed()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    async def _asked(self, said: dict[str, Any], body: bytes, within_s: float) -> bytes:
        process = self._process
        if process is None:
            raise ModelError(self.card.key, "it has been started and not ended")
        try:
            async with asyncio.timeout(within_s):
                answer, content = await _exchange(process, said, body)
        except TimeoutError:
            await self.stop()
            raise ModelError(self.card.key, f"it answers within {within_s:g} s") from None
        except (EOFError, OSError):
            end = await _end(process, within_s)
            await self.stop()
            raise ModelError(self.card.key, "it does not end", end) from None
        except ValueError as error:
            await self.stop()
            raise ModelError(self.card.key, "its answers are what they must be", error) from None
        except BaseException:
            await self.stop()
            raise
        if answer.get("ok"):
            return content
        await self.stop()
        raise ModelError(self.card.key, str(answer.get("rule")), answer.get("value"))


async def _exchange(
    process: asyncio.subprocess.Process, said: dict[str, Any], body: bytes
) -> tuple[dict[str, Any], bytes]:
    """Ask, and read the answer."""
    incoming, outgoing = _pipes(process)
    head = json.dumps(said).encode()
    incoming.write(model_child.LENGTHS.pack(len(head), len(body)) + head + body)
    await incoming.drain()
    lengths = await outgoing.readexactly(model_child.LENGTHS.size)
    n_head, n_body = model_child.LENGTHS.unpack(lengths)
    if n_head + n_body > _MAX_ANSWER_BYTES:
        raise ValueError(f"an answer of {n_head + n_body} bytes")
    answer = json.loads(await outgoing.readexactly(n_head))
    if not isinstance(answer, dict):
        raise ValueError("an answer that is no object")
    return answer, await outgoing.readexactly(n_body)


def _pipes(
    process: asyncio.subprocess.Process,
) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
    """Its standard input and output, which are pipes."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("a process without pipes")
    return process.stdin, process.stdout


async def _end(process: asyncio.subprocess.Process, within_s: float) -> str:
    """How a process that says nothing any more has ended."""
    try:
        code = await asyncio.wait_for(process.wait(), within_s)
    except TimeoutError:
        return "silence"
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
