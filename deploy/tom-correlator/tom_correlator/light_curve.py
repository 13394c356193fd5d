"""Light curves of the correlator as photometry of the TOM."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from datetime import datetime, timezone
from urllib.parse import quote

from django.core.exceptions import ValidationError
from tom_dataproducts.models import PhotometryReducedDatum
from tom_targets.models import Target

from tom_correlator.client import Client, Json

logger = logging.getLogger(__name__)

_KINDS = frozenset({"detection", "limit"})
"""What is kept: for forced measurements, which may be negative, a TOM has no field."""


SURVEYS = {
    "ztf": ("Palomar 1.2m Oschin", "ZTF"),
    "lsst": ("Simonyi Survey Telescope", "LSSTCam"),
}
"""Telescope and camera by the survey of an object's key."""


def photometry_of(client: Client, object_key: str) -> list[Json]:
    """Detections and limits of an object, by time.

    Raises
    ------
    QueryServiceError
        The service cannot be asked, or refuses.
    """
    said = client.get(f"objects/{quote(object_key, ':')}/lightcurve")
    return [point for point in said.get("items", ()) if point.get("kind") in _KINDS]


def save_photometry(
    target: Target, points: Iterable[Json], source: str
) -> list[PhotometryReducedDatum]:
    """Save the points of a light curve that a target does not have yet.

    A point without magnitude (of a negative difference) is left out; one that cannot be read is
    told in the log.
    """
    survey = target.targetextra_set.filter(key="object_key").values_list("value", flat=True).first()
    telescope, instrument = SURVEYS.get((survey or "").partition(":")[0], ("", ""))
    names = ("timestamp", "bandpass", "brightness", "limit")
    held = set(target.photometryreduceddatum_set.values_list(*names))
    saved = []
    for point in points:
        try:
            time, magnitude = _time(point["time"]), _magnitude(point["mag_ab"])
            if magnitude is None:
                continue
            is_limit = point["kind"] == "limit"
            said = (time, point["band"], *((None, magnitude) if is_limit else (magnitude, None)))
            if said in held:
                continue
            datum = PhotometryReducedDatum(
                target=target,
                **dict(zip(names, said, strict=True)),
                brightness_error=None if is_limit else _magnitude(point["mag_err_ab"]),
                unit="AB mag",
                telescope=telescope,
                instrument=instrument,
                source_name=source,
            )
            datum.save()
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            logger.error("%s: a point of its light curve is left out: %r", target.name, error)
            continue
        held.add(said)
        saved.append(datum)
    return saved


def _time(value: str) -> datetime:
    """A time in ISO 8601, which is UTC."""
    time = datetime.fromisoformat(value.replace("Z", "+00:00"))
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def _magnitude(value: object) -> float | None:
    """A magnitude or its error; None where there is none."""
    if value is None:
        return None
    number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise ValueError(f"a magnitude is finite, not {value!r}")
    return number
