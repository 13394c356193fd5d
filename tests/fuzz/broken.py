"""A reader with every fault, so that the tests can see that each of them is found."""

from __future__ import annotations

import os
import signal


def read(packet: bytes) -> tuple[int, list[str]]:
    """Do as the packet says."""
    match packet:
        case b"hang":
            while True:
                pass
        case b"die":
            os.kill(os.getpid(), signal.SIGSEGV)
        case b"fill":
            bytearray(100 * 2**20).count(1)
        case b"raise":
            raise ZeroDivisionError("nobody catches this")
        case b"refuse":
            return 0, ["a rule"]
    return 1, []
