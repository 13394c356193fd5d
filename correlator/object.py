"""An optical object: what all alerts of one survey object imply together, in any order."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

from correlator.alert import Alert, Detection, ForcedMeasurement, Limit, Surroundings
from correlator.audience import PUBLIC, Audience, union
from correlator.crossmatch import CatalogAnswer

_TIME = attrgetter("time_unix_s")
_BY_TIME = attrgetter("time_unix_s", "source_id")
_BY_FORCED = attrgetter("time_unix_s", "forced_id")
_BY_CONTENT = attrgetter("time_unix_s", "band", "mag_ab", "n_sigma")


@dataclass(frozen=True, slots=True)
class OpticalObject:
    """One survey object with its merged light curve.

    Every field is a union, a minimum or a maximum over the alerts, so that folding is
    commutative, associative and idempotent.

    Attributes
    ----------
    version
        Number of distinct alerts folded in, and of tags of the audience; grows only.
    ra_deg, dec_deg, index_29
        Position of the alert with the highest signal-to-noise ratio (the best centroid).
    detections, limits
        Merged measurements and non-detections, by time.
    forced
        Merged forced photometry, by time; of a measurement that was told with two contents the
        greater.
    survey_first_unix_s
        Earliest beginning of its history by the survey's own count.
    surroundings
        Of the latest alert.
    tags
        What catalogues have near the position: of the alert that gives it.
    audience
        Who may read it: whoever may read all its alerts.
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
    tags: tuple[CatalogAnswer, ...] = ()
    forced: tuple[ForcedMeasurement, ...] = ()
    audience: Audience = PUBLIC

    @property
    def object_key(self) -> str:
        """Id that is unique over the surveys: ``ztf:ZTF21aagwbjr``."""
        return f"{self.survey}:{self.object_id}"

    @property
    def version(self) -> int:
        """Number of distinct alerts folded in, and of tags of the audience."""
        return len(self.alert_ids) + len(self.audience)

    @property
    def positive(self) -> tuple[Detection, ...]:
        """The detections that are brighter than the template, by time."""
        return tuple([d for d in self.detections if d.flux_njy > 0.0])


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
        detections=_detections_of(alert),
        limits=_limits_of(alert),
        survey_first_unix_s=alert.survey_first_unix_s,
        real_bogus=alert.quality.real_bogus,
        surroundings=alert.surroundings,
        tags=alert.tags,
        forced=_joined_forced((), alert.forced),
        audience=alert.audience,
    )


def apply_alert(obj: OpticalObject | None, alert: Alert) -> OpticalObject:
    """Fold an alert into its object; a repeated alert changes nothing.

    Raises
    ------
    ValueError
        The alert belongs to another object.
    """
    if obj is None:
        return object_of(alert)
    if (key := f"{alert.survey}:{alert.object_id}") != obj.object_key:
        raise ValueError(f"alert {alert.alert_id} is of {key}, not {obj.object_key}")
    own, snr = alert.detection, _snr(alert.detection)
    places, is_latest = _places(alert, snr, obj), _is_latest(alert, obj)
    return OpticalObject(
        survey=obj.survey,
        object_id=obj.object_id,
        alert_ids=_with_id(obj.alert_ids, alert.alert_id),
        ra_deg=alert.ra_deg if places else obj.ra_deg,
        dec_deg=alert.dec_deg if places else obj.dec_deg,
        index_29=alert.index_29 if places else obj.index_29,
        position_snr=snr if places else obj.position_snr,
        position_alert_id=alert.alert_id if places else obj.position_alert_id,
        latest_unix_s=own.time_unix_s if is_latest else obj.latest_unix_s,
        latest_alert_id=alert.alert_id if is_latest else obj.latest_alert_id,
        detections=_joined_detections(obj.detections, _detections_of(alert)),
        limits=_joined_limits(obj.limits, _limits_of(alert)),
        survey_first_unix_s=_earliest(obj.survey_first_unix_s, alert.survey_first_unix_s),
        real_bogus=alert.quality.real_bogus if is_latest else obj.real_bogus,
        surroundings=alert.surroundings if is_latest else obj.surroundings,
        tags=alert.tags if places else obj.tags,
        forced=_joined_forced(obj.forced, alert.forced),
        audience=_joined_audience(obj.audience, alert.audience),
    )


def _joined_audience(old: Audience, new: Audience) -> Audience:
    return old if old == new else union((old, new))


def _places(alert: Alert, snr: float, obj: OpticalObject) -> bool:
    """Whether the alert gives the position: it has the higher signal-to-noise ratio."""
    # The coordinates make the order total: one alert id can come with two contents.
    new = snr, alert.alert_id, alert.ra_deg, alert.dec_deg
    known = obj.position_snr, obj.position_alert_id, obj.ra_deg, obj.dec_deg
    # The same packet can be tagged twice, with a new catalogue in between.
    return new > known or (new == known and repr(alert.tags) > repr(obj.tags))


def _is_latest(alert: Alert, obj: OpticalObject) -> bool:
    """Whether the alert is later than all before, or the greater of one id's contents."""
    new = alert.detection.time_unix_s, alert.alert_id
    known = obj.latest_unix_s, obj.latest_alert_id
    if new != known:
        return new > known
    said = repr((alert.quality.real_bogus, alert.surroundings))
    return said > repr((obj.real_bogus, obj.surroundings))


def _with_id(ids: tuple[str, ...], new: str) -> tuple[str, ...]:
    """Sorted ids with one more, unless it is there."""
    if new > ids[-1]:
        return (*ids, new)
    return ids if new in ids else tuple(sorted((*ids, new)))


def _snr(detection: Detection) -> float:
    if not detection.flux_err_njy:
        return 0.0
    return abs(detection.flux_njy) / detection.flux_err_njy


def _detections_of(alert: Alert) -> tuple[Detection, ...]:
    """An alert's light curve; most histories are in order already."""
    light_curve = (*alert.history, alert.detection)
    ids = {d.source_id for d in light_curve}
    in_order = len(ids) == len(light_curve) and _rises(light_curve)
    return light_curve if in_order else _merged_detections(light_curve)


def _limits_of(alert: Alert) -> tuple[Limit, ...]:
    return alert.limits if _rises(alert.limits) else _merged_limits(alert.limits)


def _rises(records: tuple[Detection, ...] | tuple[Limit, ...]) -> bool:
    """Whether each record is later than the one before."""
    last = -math.inf
    for record in records:
        if not record.time_unix_s > last:
            return False
        last = record.time_unix_s
    return True


def _joined_detections(
    old: tuple[Detection, ...], new: tuple[Detection, ...]
) -> tuple[Detection, ...]:
    """Union of two merged light curves; most alerts repeat what is known and add their own."""
    known = {d.source_id: d for d in old}
    added = []
    # Spelled out: twice as quick as the comparison of the records.
    for b in new:
        a = known.get(b.source_id)
        if a is None:
            added.append(b)
        elif not (
            a.time_unix_s == b.time_unix_s
            and a.flux_njy == b.flux_njy
            and a.flux_err_njy == b.flux_err_njy
            and a.band == b.band
        ):
            return _merged_detections((*old, *new))
    if not added:
        return old
    joined = (*old, *added)
    follows = not old or added[0].time_unix_s > old[-1].time_unix_s
    return joined if follows else tuple(sorted(joined, key=_BY_TIME))


def _joined_limits(old: tuple[Limit, ...], new: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """Union of two merged lists; most often the new one begins somewhere in the old one."""
    if not new:
        return old
    at = bisect_left(old, new[0].time_unix_s, key=_TIME)
    n_common = min(len(old) - at, len(new))
    # Spelled out: twice as quick as the comparison of the records.
    for a, b in zip(old[at : at + n_common], new, strict=False):
        if not (
            a.time_unix_s == b.time_unix_s
            and a.mag_ab == b.mag_ab
            and a.band == b.band
            and a.n_sigma == b.n_sigma
        ):
            return _merged_limits((*old, *new))
    return (*old, *new[n_common:]) if n_common < len(new) else old


def _joined_forced(
    old: tuple[ForcedMeasurement, ...], new: tuple[ForcedMeasurement, ...]
) -> tuple[ForcedMeasurement, ...]:
    """Union of a merged list and one as an alert has it: each id once, the greater content."""
    if not new:
        return old
    chosen = {f.forced_id: f for f in old}
    changed = False
    for forced in new:
        known = chosen.get(forced.forced_id)
        if known is None or _content(forced) > _content(known):
            chosen[forced.forced_id] = forced
            changed = True
    return tuple(sorted(chosen.values(), key=_BY_FORCED)) if changed else old


def _content(forced: ForcedMeasurement) -> tuple[float, float, float, str]:
    return forced.time_unix_s, forced.flux_njy, forced.flux_err_njy, forced.band


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
    return tuple(sorted(chosen.values(), key=_BY_TIME))


def _order(detection: Detection) -> tuple[float, float, float, str]:
    error = -math.inf if detection.flux_err_njy is None else detection.flux_err_njy
    return detection.time_unix_s, detection.flux_njy, error, detection.band


def _merged_limits(limits: Iterable[Limit]) -> tuple[Limit, ...]:
    return tuple(sorted(set(limits), key=_BY_CONTENT))


def _earliest(a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)
