"""The share of the objects that a worker has: some partitions of all."""

from __future__ import annotations

import zlib
from dataclasses import dataclass


def key_hash(object_id: str) -> int:
    """Hash of an object's id, by which its alerts are partitioned (crc32, as librdkafka's)."""
    return zlib.crc32(object_id.encode())


@dataclass(frozen=True, slots=True)
class Share:
    """Objects whose :func:`key_hash`, modulo ``of``, is among the partitions.

    Attributes
    ----------
    partitions
        Each in ``[0, of)``; none of them is a share without objects.
    of
        Number of all partitions.
    """

    partitions: frozenset[int]
    of: int

    def __post_init__(self) -> None:
        if self.of < 1 or not all(0 <= p < self.of for p in self.partitions):
            raise ValueError(f"partitions in [0, {self.of}) expected, got {self.partitions}")

    @classmethod
    def everything(cls) -> Share:
        """The share of whoever works alone."""
        return cls(frozenset({0}), 1)

    @property
    def is_all(self) -> bool:
        """Whether no object is left to others."""
        return len(self.partitions) == self.of

    @property
    def is_none(self) -> bool:
        """Whether no object is in the share."""
        return not self.partitions

    def holds(self, object_id: str) -> bool:
        """Whether an object is in the share."""
        return key_hash(object_id) % self.of in self.partitions

    def condition(self, column: str) -> str:
        """SQL condition on a column that holds :func:`key_hash`."""
        if self.is_all:
            return "TRUE"
        if self.is_none:
            return "FALSE"
        chosen = ", ".join(str(int(p)) for p in sorted(self.partitions))
        return f"{column} % {int(self.of)} IN ({chosen})"
