"""Sanity rules that every value of every packet passes before it becomes part of a notice."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from correlator.errors import MalformedNoticeError

MAX_ID_LENGTH = 200
"""Longest id [characters]; the longest IVORN among 400 real packets has 87."""

EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""No mission of ours flew before 1990 (BATSE, 1991); what lies outside is a broken clock."""

MAX_TEXT_LENGTH = 1_000
"""Longest text that becomes part of a notice [characters]: URLs are the longest real ones, 120."""

MAX_ITEMS = 1_000
"""Most values of a list or of a classification; real ones have up to a dozen."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_ISO_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}):(\d{2})(\.\d{1,12})?\s*(Z|[+-]\d{2}:?\d{2})?",
    re.ASCII,
)

_NUMBER = re.compile(r"[+-]?(\d{1,40}\.?\d{0,40}|\.\d{1,40})([eE][+-]?\d{1,4})?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,19}", re.ASCII)


def unix_s_of(name: str, what: str, text: str) -> float:
    """Seconds since the Unix epoch of an ISO 8601 time; one without an offset is UTC.

    A leap second 23:59:60 is the first second of the next day, as POSIX has it.
    """
    found = _ISO_TIME.fullmatch(text.strip())
    if found is None:
        raise MalformedNoticeError(name, f"{what} must be an ISO 8601 date and time", text)
    day, hours_minutes, seconds, fraction, offset = found.groups()
    leap = 1 if seconds == "60" else 0
    whole = f"{day}T{hours_minutes}:{int(seconds) - leap:02}{_offset(offset)}"
    try:
        moment = datetime.fromisoformat(whole) + timedelta(seconds=leap)
    except (ValueError, OverflowError):
        raise MalformedNoticeError(name, f"{what} must be a date that exists", text) from None
    if not EARLIEST <= moment < LATEST:
        raise MalformedNoticeError(name, f"{what} must lie in 1990 to 2100", text)
    return (moment - _EPOCH).total_seconds() + float(fraction or 0.0)


def number_of(name: str, what: str, text: str) -> float:
    """Finite number that a text spells."""
    if _NUMBER.fullmatch(text.strip()) is None:
        raise MalformedNoticeError(name, f"{what} must be a number", text)
    return finite(name, what, float(text))


def finite(name: str, what: str, number: float) -> float:
    """Return the number itself if it is finite."""
    if not math.isfinite(number):
        raise MalformedNoticeError(name, f"{what} must be finite", number)
    return number


def whole_number_of(name: str, what: str, text: str) -> int:
    """Whole number of at most 19 digits that a text spells."""
    if _WHOLE_NUMBER.fullmatch(text.strip()) is None:
        raise MalformedNoticeError(name, f"{what} must be a whole number", text)
    return int(text)


def position_of(name: str, ra_deg: float, dec_deg: float) -> tuple[float, float]:
    """Right ascension in [0, 360) and declination of coordinates that lie on the sky [deg]."""
    if not 0.0 <= finite(name, "RA", ra_deg) <= 360.0:
        raise MalformedNoticeError(name, "RA must lie in [0, 360] deg", ra_deg)
    if not -90.0 <= finite(name, "dec", dec_deg) <= 90.0:
        raise MalformedNoticeError(name, "dec must lie in [-90, 90] deg", dec_deg)
    return ra_deg % 360.0, dec_deg


def radius_of(name: str, radius_deg: float) -> float | None:
    """Radius of an error circle [deg]; 0 and -1 are how packets say that they have none."""
    if radius_deg in (0.0, -1.0):
        return None
    if not 0.0 < finite(name, "error radius", radius_deg) <= 180.0:
        raise MalformedNoticeError(
            name, "an error radius must lie in (0, 180] deg, or be -1 for unknown", radius_deg
        )
    return radius_deg


def rate_hz_of(name: str, far_hz: float) -> float:
    """Return the false-alarm rate itself [Hz] if it is not negative."""
    if finite(name, "FAR", far_hz) < 0.0:
        raise MalformedNoticeError(name, "FAR must not be negative", far_hz)
    return far_hz


def id_of(name: str, what: str, text: str) -> str:
    """Id without surrounding space: not empty, printable, not longer than a person would make."""
    said = text.strip()
    if not said:
        raise MalformedNoticeError(name, f"{what} must not be empty", text)
    if len(said) > MAX_ID_LENGTH or not said.isprintable():
        raise MalformedNoticeError(
            name, f"{what} must be at most {MAX_ID_LENGTH} printable characters", said
        )
    return said


def text_of(name: str, what: str, text: str) -> str:
    """Text without surrounding space, which may be empty, that a table and a page can show."""
    said = text.strip()
    if len(said) > MAX_TEXT_LENGTH or not said.isprintable():
        raise MalformedNoticeError(
            name, f"{what} must be at most {MAX_TEXT_LENGTH} printable characters", said
        )
    return said


def probability_of(name: str, what: str, probability: float | None) -> float | None:
    """Return the probability itself if it lies in [0, 1]; None is "not said"."""
    if probability is not None and not 0.0 <= probability <= 1.0:
        raise MalformedNoticeError(name, f"{what} must be a probability", probability)
    return probability


def _offset(offset: str | None) -> str:
    return "+00:00" if offset in (None, "Z") else str(offset)
