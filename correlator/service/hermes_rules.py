"""What Hermes takes: the rules of its own validator, written anew, and one of ours.

Read was `hermes/serializers.py` of LCOGT/hermes (the server), and what its writers and readers use:
`tom_hermes/publisher.py`, and of SkyPortal `utils/hermes_submission.py` and
`services/hermes_skyportal_sync`. Ours: ``date_obs`` is a Julian date, for SkyPortal reads no other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from correlator.errors import MalformedPacketError

UNITS = ("AB mag", "Vega mag", "mJy", "erg / s / cm² / Å")
"""Of a brightness."""

JD_BOUNDS = (2_400_000.0, 2_600_000.0)
"""Of a time that Hermes takes for a Julian date."""

MJD_BOUNDS = (1_000.0, 150_000.0)
"""Of one that it takes for a Modified Julian date, or for an epoch such as 2000."""

_TEXTS = ("title", "topic", "submitter")
_MAY_BE_EMPTY = ("message_text", "authors")


class HermesMessageError(MalformedPacketError):
    """A message that Hermes would not take; ``packet`` says where in it."""


def check_message(message: Mapping[str, Any]) -> None:
    """Refuse a message that Hermes would not take.

    Raises
    ------
    HermesMessageError
        With the place, the rule and the value.
    """
    for name in _TEXTS:
        _text(name, message.get(name))
    for name in _MAY_BE_EMPTY:
        if not isinstance(message.get(name, ""), str):
            raise HermesMessageError(name, "a text", message[name])
    data = message.get("data", {})
    if not isinstance(data, Mapping):
        raise HermesMessageError("data", "an object", data)
    names: list[str] = []
    for at, target in _rows(data, "targets"):
        _check_target(at, target)
        if target["name"] in names:
            raise HermesMessageError(f"{at}.name", "unique among the targets", target["name"])
        names.append(target["name"])
    for at, point in _rows(data, "photometry"):
        _check_point(at, point, names)


def _rows(data: Mapping[str, Any], name: str) -> list[tuple[str, Mapping[str, Any]]]:
    rows = data.get(name, [])
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise HermesMessageError(f"data.{name}", "a list", rows)
    for nth, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise HermesMessageError(f"data.{name}[{nth}]", "an object", row)
    return [(f"data.{name}[{nth}]", row) for nth, row in enumerate(rows)]


def _check_target(at: str, target: Mapping[str, Any]) -> None:
    _text(f"{at}.name", target.get("name"))
    ra, dec = target.get("ra"), target.get("dec")
    if ra is None or dec is None:
        raise HermesMessageError(at, "ra and dec, both", {"ra": ra, "dec": dec})
    _number(f"{at}.ra", ra)
    if not -90.0 <= _number(f"{at}.dec", dec) <= 90.0:
        raise HermesMessageError(f"{at}.dec", "in [-90, 90] deg", dec)
    for name in ("ra_error", "dec_error", "redshift", "distance"):
        if target.get(name) is not None:
            _number(f"{at}.{name}", target[name])
    epoch = target.get("epoch", "2000.0")
    try:
        is_date = _is_within(float(epoch), MJD_BOUNDS) or _is_within(float(epoch), JD_BOUNDS)
    except (TypeError, ValueError):
        is_date = False
    if not is_date:
        raise HermesMessageError(f"{at}.epoch", "an epoch", epoch)
    for alias in target.get("aliases", []):
        _text(f"{at}.aliases", alias)


def _check_point(at: str, point: Mapping[str, Any], names: Sequence[str]) -> None:
    if point.get("target_name") not in names:
        raise HermesMessageError(
            f"{at}.target_name", "the name of a target", point.get("target_name")
        )
    date = point.get("date_obs")
    if not _is_within(_number(f"{at}.date_obs", date), JD_BOUNDS):
        raise HermesMessageError(f"{at}.date_obs", "a Julian date", date)
    if not (point.get("telescope") or point.get("instrument")):
        raise HermesMessageError(at, "a telescope or an instrument")
    _text(f"{at}.bandpass", point.get("bandpass"))
    if not (point.get("brightness") or point.get("limiting_brightness")):
        # A magnitude of 0 counts as none there.
        raise HermesMessageError(at, "a brightness or a limiting_brightness, not 0")
    for name in ("brightness", "limiting_brightness"):
        for of in (name, f"{name}_error"):
            if point.get(of) is not None:
                _number(f"{at}.{of}", point[of])
        if (unit := point.get(f"{name}_unit", UNITS[0])) not in UNITS:
            raise HermesMessageError(f"{at}.{name}_unit", f"one of {', '.join(UNITS)}", unit)


def _is_within(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] < value < bounds[1]


def _text(at: str, said: Any) -> None:
    if not isinstance(said, str) or not said.strip():
        raise HermesMessageError(at, "a text that is not empty", said)


def _number(at: str, said: Any) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        raise HermesMessageError(at, "a finite number", said)
    return float(said)
