"""An optical object: what all alerts of one survey object imply together, in any order."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from correlator.alert import Alert, Detection, Limit, Surroundings


@dataclass(frozen=True, slots=True)
class OpticalObject:
    """One survey object with its merged light curve.

    Every field is a union, a minimum or a maximum over the alerts, so that folding is
    commutative, associative and idempotent.

    Attributes
    ----------
    version
        Number of distinct alerts folded in; grows only.
    ra_deg, dec_deg, index_29
        Position of the alert with the highest signal-to-noise ratio (the best centroid).
    detections, limits
        Merged measurements and non-detections, by time.
    survey_first_unix_s
        Earliest beginning of its history by the survey's own count.
    surroundings
        Of the latest alert.
    """

    survey: str
    object_id: str
    alert_ids: tuple[str, ...]
    ra_deg: float
    dec_deg: float
    index_29: int
    position_snr: float
    position_alert_id: str
    latest_unix_s: float
    latest_alert_id: str
    detections: tuple[Detection, ...]
    limits: tuple[Limit, ...]
    survey_first_unix_s: float | None
    real_bogus: float | None
    surroundings: Surroundings

    @property
    def object_key(self) -> str:
        """Id that is unique over the surveys: ``ztf:ZTF21aagwbjr``."""
        return f"{self.survey}:{self.object_id}"

    @property
    def version(self) -> int:
        """Number of distinct alerts folded in."""
        return len(self.alert_ids)

    @property
    def positive(self) -> tuple[Detection, ...]:
        """The detections that are brighter than the template, by time."""
        return tuple(d for d in self.detections if d.is_positive)


def object_of(alert: Alert) -> OpticalObject:
    """The object that a single alert implies."""
    own = alert.detection
    return OpticalObject(
        survey=alert.survey,
        object_id=alert.object_id,
        alert_ids=(alert.alert_id,),
        ra_deg=alert.ra_deg,
        dec_deg=alert.dec_deg,
        index_29=alert.index_29,
        position_snr=_snr(own),
        position_alert_id=alert.alert_id,
        latest_unix_s=own.time_unix_s,
        latest_alert_id=alert.alert_id,
        detections=_merged_detections((own, *alert.history)),
        limits=_merged_limits(alert.limits),
        survey_first_unix_s=alert.survey_first_unix_s,
        real_bogus=alert.quality.real_bogus,
        surroundings=alert.surroundings,
    )


def apply_alert(obj: OpticalObject | None, alert: Alert) -> OpticalObject:
    """Fold an alert into its object; a repeated alert changes nothing.

    Raises
    ------
    ValueError
        The alert belongs to another object.
    """
    new = object_of(alert)
    if obj is None:
        return new
    if new.object_key != obj.object_key:
        raise ValueError(f"alert {alert.alert_id} is of {new.object_key}, not {obj.object_key}")
    placed = max(obj, new, key=_placing)
    latest = max(obj, new, key=_recency)
    return OpticalObject(
        survey=obj.survey,
        object_id=obj.object_id,
        alert_ids=tuple(sorted({*obj.alert_ids, alert.alert_id})),
        ra_deg=placed.ra_deg,
        dec_deg=placed.dec_deg,
        index_29=placed.index_29,
        position_snr=placed.position_snr,
        position_alert_id=placed.position_alert_id,
        latest_unix_s=latest.latest_unix_s,
        latest_alert_id=latest.latest_alert_id,
        detections=_merged_detections((*obj.detections, *new.detections)),
        limits=_merged_limits((*obj.limits, *new.limits)),
        survey_first_unix_s=_earliest(obj.survey_first_unix_s, new.survey_first_unix_s),
        real_bogus=latest.real_bogus,
        surroundings=latest.surroundings,
    )


def _placing(obj: OpticalObject) -> tuple[float, str, float, float]:
    # The coordinates make the order total: one alert id can come with two contents.
    return obj.position_snr, obj.position_alert_id, obj.ra_deg, obj.dec_deg


def _recency(obj: OpticalObject) -> tuple[float, str, str]:
    return obj.latest_unix_s, obj.latest_alert_id, repr((obj.real_bogus, obj.surroundings))


def _snr(detection: Detection) -> float:
    if not detection.flux_err_njy:
        return 0.0
    return abs(detection.flux_njy) / detection.flux_err_njy


def _merged_detections(detections: Iterable[Detection]) -> tuple[Detection, ...]:
    """Distinct by source id, by time.

    A survey can give one source with two times (its history lacks the exposure time): the
    greater by value wins, whichever came first.
    """
    chosen: dict[str, Detection] = {}
    for detection in detections:
        known = chosen.get(detection.source_id)
        if known is None or _order(detection) > _order(known):
            chosen[detection.source_id] = detection
    return tuple(sorted(chosen.values(), key=lambda d: (d.time_unix_s, d.source_id)))


def _order(detection: Detection) -> tuple[float, float, float, str]:
    error = -math.inf if detection.flux_err_njy is None else detection.flux_err_njy
    return detection.time_unix_s, detection.flux_njy, error, detection.band


def _merged_limits(limits: Iterable[Limit]) -> tuple[Limit, ...]:
    return tuple(sorted(set(limits), key=lambda x: (x.time_unix_s, x.band, x.mag_ab, x.n_sigma)))


def _earliest(a: float | None, b: float | None) -> float | None:
    known = [t for t in (a, b) if t is not None]
    return min(known) if known else None
