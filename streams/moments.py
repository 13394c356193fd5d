"""How a moment is written in what we send: ISO 8601, UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_utc(unix_s: float) -> str:
    """A moment [s since the Unix epoch] with microseconds and ``Z``."""
    said = datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="microseconds")
    return said.removesuffix("+00:00") + "Z"
