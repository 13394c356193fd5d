"""Survey time scales to seconds since the Unix epoch, UTC."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from functools import lru_cache

import erfa

DAY_S = 86_400.0

UNIX_EPOCH_JD = 2_440_587.5
"""Julian date of 1970-01-01T00:00."""

UNIX_EPOCH_MJD = 40_587.0
"""Modified Julian date of 1970-01-01T00:00."""

EARLIEST_UNIX_S = datetime(1990, 1, 1, tzinfo=UTC).timestamp()
"""No survey of ours is older; an earlier time is a broken packet, as for notices."""

LATEST_UNIX_S = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
"""A later time is a broken packet, not an observation."""


def unix_s_of_jd_utc(jd_utc: float) -> float:
    """Seconds since the Unix epoch of a Julian date in UTC; resolution 40 us today.

    Raises
    ------
    ValueError
        The time lies outside 1990..2100.
    """
    return _checked((jd_utc - UNIX_EPOCH_JD) * DAY_S)


def unix_s_of_mjd_tai(mjd_tai: float) -> float:
    """Seconds since the Unix epoch of a Modified Julian date in TAI; resolution 1 us today.

    Raises
    ------
    ValueError
        The time lies outside 1990..2100.
    """
    tai_s = (mjd_tai - UNIX_EPOCH_MJD) * DAY_S
    starts_tai_s, offsets_s = _leap_seconds()
    if tai_s >= starts_tai_s[-1]:  # the usual case, quickly
        return _checked(tai_s - offsets_s[-1])
    step = bisect_right(starts_tai_s, tai_s) - 1
    return _checked(tai_s - offsets_s[max(step, 0)])


@lru_cache(maxsize=1)
def _leap_seconds() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Begin of each TAI - UTC [s, TAI since the Unix epoch's date] with its value [s]."""
    # ERFA's own table: no network. A leap second after its release needs a newer pyerfa.
    starts, offsets = [], []
    for year, month, offset_s in erfa.leap_seconds.get():
        if year < 1972:  # before it TAI - UTC is no whole number (IERS)
            continue
        start_utc_s = datetime(int(year), int(month), 1, tzinfo=UTC).timestamp()
        starts.append(start_utc_s + float(offset_s))
        offsets.append(float(offset_s))
    return tuple(starts), tuple(offsets)


def _checked(unix_s: float) -> float:
    if not EARLIEST_UNIX_S <= unix_s < LATEST_UNIX_S:
        raise ValueError(f"a time must lie in 1990..2100, got {unix_s!r} s since 1970")
    return unix_s
