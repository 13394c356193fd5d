"""When a night is: the date that a survey gives it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from storage.archive.errors import ArchiveError

_DAY_S = 86_400.0

NIGHT_BEGINS_S = {"ztf": 0.0, "lsst": 0.5 * _DAY_S}
"""When a night's date begins [s after 0 h UTC]: ZTF names a night by its UTC date; Rubin's
``day_obs`` changes at noon UTC."""

_DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}")


def night_of(survey: str, time_unix_s: float) -> str:
    """Date of the night of an exposure, ``YYYYMMDD``, as the survey counts."""
    return _date_of((time_unix_s - NIGHT_BEGINS_S[survey]) // _DAY_S)


@lru_cache(maxsize=64)
def _date_of(day: float) -> str:
    """Date of a day since 1970: each alert of a stream asks for that of the same few."""
    return f"{datetime.fromtimestamp(_DAY_S * day, UTC):%Y%m%d}"


def night_named(text: str) -> str:
    """The night of ``YYYYMMDD`` or ``YYYY-MM-DD``.

    Raises
    ------
    ArchiveError
        It is no date.
    """
    plain = text.replace("-", "")
    try:
        datetime.strptime(plain, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        plain = ""
    if not plain or not _DATE.fullmatch(text):
        raise ArchiveError("night", "a night is a date such as 20240115 or 2024-01-15", text)
    return plain


def nights_between(text: str) -> tuple[str, str]:
    """First and last night of ``A..B``, both counted; of ``A`` alone, twice that one.

    Raises
    ------
    ArchiveError
        They are no dates, or in the wrong order.
    """
    first, dots, last = text.partition("..")
    found = night_named(first), night_named(last if dots else first)
    if found[0] > found[1]:
        raise ArchiveError("nights", "the first night must not be after the last", text)
    return found
