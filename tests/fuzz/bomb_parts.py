"""What bombs are packed in: gzip and deflate streams of little that become much."""

from __future__ import annotations

import zlib
from collections.abc import Callable

MB = 10**6
HUNDRED_MB = 100 * MB

FULL = 8 * 2**20 - 4_096
"""A little less than the largest JSON packet: what a limit of size alone lets through."""

Bombs = dict[str, tuple[str, Callable[[], bytes]]]
"""Name to the kind of reader that it is for, and what makes it."""


def gzip_of_zeros(n_bytes: int, head: bytes = b"") -> bytes:
    """A gzip file that inflates to a head and zeros: a thousandth of its size."""
    return gzip_of_pattern(bytes(2**20), n_bytes // 2**20, head)


def gzip_of_pattern(pattern: bytes, n: int, head: bytes = b"") -> bytes:
    """A gzip file that inflates to a head and ``n`` times a pattern."""
    many = max(2**20 // len(pattern), 1)
    step, rest = pattern * many, pattern * (n % many)
    crc = zlib.crc32(head)
    for _ in range(n // many):
        crc = zlib.crc32(step, crc)
    crc = zlib.crc32(rest, crc)
    # Blocks that refer to nothing before them can stand one after the other any number of times.
    body = _block(head) + _block(step) * (n // many) + _block(rest) + _block(b"", last=True)
    size = (len(head) + len(pattern) * n) % 2**32
    trailer = crc.to_bytes(4, "little") + size.to_bytes(4, "little")
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + body + trailer


def _block(data: bytes, *, last: bool = False) -> bytes:
    deflater = zlib.compressobj(9, wbits=-15)
    return deflater.compress(data) + deflater.flush(zlib.Z_FINISH if last else zlib.Z_FULL_FLUSH)


def filled(head: bytes, one: bytes, tail: bytes, size: int = FULL) -> bytes:
    """A packet of a size whose middle is one thing again and again."""
    return head + one * ((size - len(head) - len(tail)) // len(one)) + tail
