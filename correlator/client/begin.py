"""Where the reading of a topic begins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_OFFSET = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Begin:
    """The first record, what comes from now on, a time, or an offset.

    Attributes
    ----------
    is_earliest
        From the first record that is kept; without time and offset otherwise from now on.
    unix_s
        From the first record that the broker took at this time or later [s since the Unix epoch].
    offset
        From this record of each partition.
    """

    is_earliest: bool = False
    unix_s: float | None = None
    offset: int | None = None

    @classmethod
    def of(cls, said: str) -> Begin:
        """``earliest``, ``latest``, an offset, or a time in ISO 8601 (UTC unless it says).

        Raises
        ------
        ValueError
            It is none of these.
        """
        if said in ("earliest", "latest"):
            return cls(is_earliest=said == "earliest")
        if _OFFSET.fullmatch(said):
            return cls(offset=int(said))
        try:
            when = datetime.fromisoformat(said)
        except ValueError:
            rule = "earliest, latest, an offset or a time such as 2026-11-01T00:00:00Z"
            raise ValueError(f"begin {said!r}: expected {rule}") from None
        return cls(unix_s=(when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


EARLIEST, LATEST = Begin(is_earliest=True), Begin()
