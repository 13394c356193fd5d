"""A Kafka broker for a benchmark, in a folder that goes away with it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from correlator.errors import ConfigurationError

_SCRIPT = Path(__file__).parent.parent / "deploy" / "kafka" / "kafka.sh"


@contextmanager
def own_broker() -> Iterator[str]:
    """``HOST:PORT`` of a new broker on loopback; several gigabytes of disk while it lives.

    Raises
    ------
    ConfigurationError
        It does not start; says why.
    """
    folder = Path(tempfile.mkdtemp(prefix="correlator-bench-"))
    broker = folder / "kafka"
    try:
        _run("start", str(broker), "0")
        yield _run("status", str(broker)).split()[2]
    finally:
        _run("stop", str(broker))
        shutil.rmtree(folder, ignore_errors=True)


def _run(*words: str) -> str:
    done = subprocess.run([str(_SCRIPT), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigurationError(f"{_SCRIPT.name} {words[0]}: {done.stderr.strip()}")
    return done.stdout
