"""How a moment is written: ISO 8601, UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_utc(unix_s: float | None) -> str | None:
    """A moment [s since the Unix epoch] with microseconds and ``Z``; None stays None."""
    if unix_s is None:
        return None
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
