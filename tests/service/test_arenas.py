"""Threads of a worker share a few pools of memory."""

import re
import subprocess
import sys

import pytest

THREADS = """
import ctypes, sys, threading
from correlator.service.arenas import bound_arenas
if sys.argv[1] == "bound":
    bound_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
barrier = threading.Barrier(6)
def hold():
    barrier.wait()
    libc.malloc(50_000)
    barrier.wait()
threads = [threading.Thread(target=hold) for _ in range(6)]
for t in threads: t.start()
for t in threads: t.join()
libc.malloc_stats()
"""


def n_arenas(how):
    command = [sys.executable, "-c", THREADS, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return len(re.findall(r"^Arena \d+:", done.stderr, re.MULTILINE))


@pytest.mark.skipif(sys.platform != "linux", reason="pools of glibc")
def test_threads_share_the_pools():
    assert n_arenas("bound") <= 2 < n_arenas("free")
