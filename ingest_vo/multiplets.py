"""Multiplets of KM3NeT: several neutrinos from one place within two weeks are one alert.

The alert's own time is that of its first neutrino (in both examples of the mission), so T0 is the
interval from the first to the last.
"""

from __future__ import annotations

from collections.abc import Iterable

from correlator.errors import MalformedNoticeError

WINDOW_S = 14 * 86_400.0
"""Longest time between the neutrinos of a multiplet [s] (GCN's page of KM3NeT)."""


def interval_of(
    name: str, t0_unix_s: float, neutrinos_unix_s: Iterable[float]
) -> tuple[float, float | None]:
    """T0 and the end of its interval, None where all are at one time [s since the Unix epoch].

    Raises
    ------
    MalformedNoticeError
        Neutrinos further apart than two weeks.
    """
    times = t0_unix_s, *neutrinos_unix_s
    start, end = min(times), max(times)
    if end - start > WINDOW_S:
        raise MalformedNoticeError(
            name, f"the neutrinos of a multiplet must lie within {WINDOW_S:.0f} s", end - start
        )
    return start, end if end > start else None
