"""Designations and dates as the Minor Planet Center packs them into five and seven columns.

Source: https://www.minorplanetcenter.net/iau/info/PackedDes.html and PackedDates.html.
"""

from __future__ import annotations

import string
from datetime import date

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}

_HALF_MONTHS = frozenset("ABCDEFGHJKLMNOPQRSTUVWXY")
_SECOND = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
"""The 25 letters that number the finds of a half-month; there is no I."""

_CENTURIES = {"I": 1800, "J": 1900, "K": 2000}
_SURVEYS = {"PLS": "P-L", "T1S": "T-1", "T2S": "T-2", "T3S": "T-3"}

_MJD_OF_ORDINAL = 678_576
"""Proleptic ordinal of MJD 0, 1858-11-17."""


def unpacked_name(packed: str) -> str:
    """A number or a provisional designation as people write it.

    Parameters
    ----------
    packed
        ``00433``, ``A0001``, ``~0000``; ``K13G59R``, ``PLS2040``, ``_QC0000``; blanks around.

    Raises
    ------
    ValueError
        It is none of these.
    """
    text = packed.strip()
    if len(text) == 5:
        return str(_number(text))
    if len(text) == 7 and text[0] == "_":
        return _extended(text)
    if len(text) == 7 and text[:3] in _SURVEYS and text[3:].isdecimal():
        return f"{int(text[3:])} {_SURVEYS[text[:3]]}"
    if len(text) == 7:
        return _provisional(text)
    raise ValueError(text)


def unpacked_mjd(packed: str) -> float:
    """MJD of a packed date, 0 h: ``K2555`` is 2025-05-05.

    Raises
    ------
    ValueError
        It is none.
    """
    if len(packed) != 5 or packed[0] not in _CENTURIES or not packed[1:3].isdecimal():
        raise ValueError(packed)
    year = _CENTURIES[packed[0]] + int(packed[1:3])
    month, day = (_VALUES.get(letter, 99) for letter in packed[3:])
    return float(date(year, month, day).toordinal() - _MJD_OF_ORDINAL)


def _number(text: str) -> int:
    """``0`` to ``z`` stand for tens of thousands; after 619,999 four digits of base 62."""
    if text[0] == "~":
        return 620_000 + _base_62(text[1:])
    if not (text[1:].isdecimal() and text[0] in _VALUES):
        raise ValueError(text)
    return 10_000 * _VALUES[text[0]] + int(text[1:])


def _provisional(text: str) -> str:
    century, year, half_month, cycle, second = text[0], text[1:3], text[3], text[4:6], text[6]
    known = century in _CENTURIES and half_month in _HALF_MONTHS and second in _SECOND
    if not (known and year.isdecimal() and cycle[0] in _VALUES and cycle[1].isdecimal()):
        raise ValueError(text)
    number = 10 * _VALUES[cycle[0]] + int(cycle[1])
    return f"{_CENTURIES[century] + int(year)} {half_month}{second}{number or ''}"


def _extended(text: str) -> str:
    """``_QC0000`` is 2026 CA620: the year since 2000, the half-month, the find after 15,499."""
    if text[1] not in _VALUES or text[2] not in _HALF_MONTHS:
        raise ValueError(text)
    find = 620 * len(_SECOND) + _base_62(text[3:])
    return f"{2000 + _VALUES[text[1]]} {text[2]}{_SECOND[find % 25]}{find // 25}"


def _base_62(text: str) -> int:
    value = 0
    for digit in text:
        if digit not in _VALUES:
            raise ValueError(text)
        value = 62 * value + _VALUES[digit]
    return value
