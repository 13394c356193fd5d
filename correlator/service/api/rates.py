"""How often somebody may ask: a token bucket each."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

BURST_S = 10.0
"""Requests that may come at once: those of so many seconds [s]."""

MAX_BUCKETS = 10_000
"""Callers that are remembered; the one that asked longest ago is forgotten first."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a caller has left after a request.

    Attributes
    ----------
    limit
        Requests that a full bucket holds.
    remaining
        Whole requests that are left.
    reset_s
        When the bucket is full again [s].
    retry_s
        When the next request is let in [s]; 0 when this one was.
    """

    limit: int
    remaining: int
    reset_s: float
    retry_s: float

    @property
    def is_refused(self) -> bool:
        """Whether the request came too early."""
        return self.retry_s > 0.0

    def headers(self) -> dict[str, str]:
        """``RateLimit-*``, and ``Retry-After`` for one that was refused, in whole seconds."""
        said = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(math.ceil(self.reset_s)),
        }
        if self.is_refused:
            said["Retry-After"] = str(math.ceil(self.retry_s))
        return said


class RateLimiter:
    """Buckets of callers by name; safe to use from many threads.

    Parameters
    ----------
    monotonic_s
        A clock that never goes back [s].
    """

    def __init__(self, monotonic_s: Callable[[], float], max_buckets: int = MAX_BUCKETS) -> None:
        self._now_s = monotonic_s
        self._max_buckets = max_buckets
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._turn = Lock()

    def take(self, name: str, rate_hz: float) -> Allowance:
        """Take one request out of a caller's bucket, which fills at a rate [1/s]."""
        limit = max(1, round(rate_hz * BURST_S))
        with self._turn:
            now_s = self._now_s()
            held, since_s = self._buckets.get(name, (float(limit), now_s))
            held = min(float(limit), held + (now_s - since_s) * rate_hz)
            is_in = held >= 1.0
            held -= is_in
            self._buckets[name] = (held, now_s)
            self._buckets.move_to_end(name)
            while len(self._buckets) > self._max_buckets:
                self._buckets.popitem(last=False)
        retry_s = 0.0 if is_in else (1.0 - held) / rate_hz
        return Allowance(limit, int(held), (limit - held) / rate_hz, retry_s)
