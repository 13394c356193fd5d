"""How a moment is written in what we send: ISO 8601, UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_utc(unix_s: float) -> str:
    """A moment [s since the Unix epoch] with microseconds and ``Z``."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
