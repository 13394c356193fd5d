"""Small nouns for tests: defaults that fit together, and whatever matters to the test.

By default an object of two detections, 0.1 d and 0.2 d after T0, lies 0.1 deg from the centre of
the circle of a gamma-ray burst, so that the join makes them a pair.
"""

from __future__ import annotations

import hashlib
from typing import Any

from correlator.alert import Alert, Detection, Limit, flux_of_mag
from correlator.event import Event, event_of
from correlator.nature import Nature, Verdict
from correlator.notice import Messenger, Notice
from correlator.object import OpticalObject, apply_alert
from correlator.pair import ObjectSummary, PairEvidence, coincidence_id
from correlator.policy import DAY_S, EventClass
from correlator.priority import Priority, PriorityTerm
from correlator.ranking import Coincidence, EventFacts
from correlator.target import Target, TargetState
from correlator.wire import PairRecord, pair_record
from skymaps.healpix import Positions
from skymaps.shapes import Circle

T0_UNIX_S = 1_760_000_000.0
"""Default time of the event, 2025-10-09 [s since the Unix epoch]."""

RA_DEG, DEC_DEG = 150.0, 20.0
"""Default place of the event."""


def a_detection(
    source_id: str = "1",
    time_unix_s: float = T0_UNIX_S + 0.2 * DAY_S,
    mag_ab: float = 19.5,
    band: str = "r",
    snr: float = 20.0,
) -> Detection:
    """A positive detection of a magnitude."""
    flux_njy = flux_of_mag(mag_ab)
    return Detection(source_id, time_unix_s, band, flux_njy, flux_njy / snr)


def an_alert(
    alert_id: str = "2000000000001",
    object_id: str = "ZTF25aaaaaaa",
    ra_deg: float = RA_DEG,
    dec_deg: float = DEC_DEG + 0.1,
    time_unix_s: float = T0_UNIX_S + 0.2 * DAY_S,
    mag_ab: float = 19.5,
    **other: Any,
) -> Alert:
    """An alert whose object was seen once before and missed the night before."""
    earlier = a_detection(f"{alert_id}-before", time_unix_s - 0.1 * DAY_S, mag_ab)
    fields: dict[str, Any] = {
        "survey": "ztf",
        "schema_version": "4.02",
        "exposure_s": 30.0,
        "detection": a_detection(alert_id, time_unix_s, mag_ab),
        "history": (earlier,),
        "limits": (Limit(time_unix_s - DAY_S, "r", 20.5),),
    }
    index_29 = int(Positions.of(ra_deg, dec_deg).index_29[0])
    return Alert(
        alert_id=alert_id,
        object_id=object_id,
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        index_29=index_29,
        **(fields | other),
    )


def an_object(*alerts: Alert, **of_alert: Any) -> OpticalObject:
    """The object of some alerts, or of one alert with what matters of it."""
    obj: OpticalObject | None = None
    for alert in alerts or (an_alert(**of_alert),):
        obj = apply_alert(obj, alert)
    assert obj is not None
    return obj


def a_circle(
    ra_deg: float = RA_DEG, dec_deg: float = DEC_DEG, radius_deg: float = 2.0, level: float = 0.9
) -> Circle:
    """A circle that needs no systematics."""
    return Circle(ra_deg, dec_deg, radius_deg, level, includes_systematics=True, source="tests")


def a_notice(notice_id: str = "ivo://tests/gbm#1", **other: Any) -> Notice:
    """A located Fermi-like notice of a gamma-ray burst, or of what ``is_...`` says."""
    fields: dict[str, Any] = {
        "source": "voevent",
        "mission": "Fermi",
        "instrument": "GBM",
        "notice_type": "GBM_Fin_Pos",
        "content_sha256": hashlib.sha256(notice_id.encode()).hexdigest(),
        "event_id": "781692805",
        "stream": "fermi-gbm",
        "messenger": Messenger.GAMMA_RAY,
        "role": "observation",
        "event_unix_s": T0_UNIX_S,
        "notice_unix_s": T0_UNIX_S + 60.0,
        "localization": a_circle(),
    }
    said = {name: other.pop(name, usual) for name, usual in _USUAL.items()}
    fields["verdicts"] = tuple(
        Verdict(nature, "tests")
        for nature in (
            Nature.TEST if said["is_test"] else None,
            Nature.RETRACTED if said["is_retraction"] else None,
            {True: Nature.GRB, False: Nature.NO_BURST, None: None}[said["is_burst"]],
        )
        if nature is not None
    )
    return Notice(notice_id=notice_id, **(fields | other))


_USUAL = {"is_test": False, "is_retraction": False, "is_burst": True}


def an_event(*notices: Notice, **of_notice: Any) -> Event:
    """The event of some notices, or of one notice with what matters of it."""
    return event_of(notices or (a_notice(**of_notice),))


def a_pair(
    event_key: str = "fermi-gbm:781692805",
    object_key: str = "ztf:ZTF25aaaaaaa",
    event_version: int = 1,
    object_version: int = 1,
    log_lr: float = 8.0,
    **other: Any,
) -> PairEvidence:
    """Evidence that need not agree with any object or event."""
    fields: dict[str, Any] = {
        "event_class": EventClass.GRB,
        "event_unix_s": T0_UNIX_S,
        "localization_sha256": "0" * 64,
        "delta_t_s": 0.1 * DAY_S,
        "onset_earliest_s": -0.8 * DAY_S,
        "onset_latest_s": 0.1 * DAY_S,
        "onset_is_assumed": False,
        "prior_activity_days": None,
        "credible_level": 0.01,
        "cell_probability": 0.0,
        "probdensity_per_sr": 100.0,
        "separation_deg": 0.1,
        "s_sky": log_lr - 1.0,
        "s_time": 1.0,
        "s_prior_activity": 0.0,
        "object": a_summary(),
    }
    return PairEvidence(
        coincidence_id=coincidence_id(event_key, object_key),
        event_key=event_key,
        object_key=object_key,
        event_version=event_version,
        object_version=object_version,
        log_lr=log_lr,
        **(fields | other),
    )


def a_summary(**other: Any) -> ObjectSummary:
    """The summary of an object of two detections."""
    alert = an_alert()
    fields: dict[str, Any] = {
        "ra_deg": alert.ra_deg,
        "dec_deg": alert.dec_deg,
        "n_detections": 2,
        "span_s": 0.1 * DAY_S,
        "last_mag_ab": 19.5,
        "last_band": "r",
        "last_unix_s": alert.time_unix_s,
        "rate": None,
        "real_bogus": 0.9,
        "surroundings": alert.surroundings,
    }
    return ObjectSummary(**(fields | other))


def a_pair_record(**of_pair: Any) -> PairRecord:
    """The record of a pair that holds."""
    return pair_record(a_pair(**of_pair))


def a_withdrawal(
    reason: str = "the position lies outside the widest region", **of_pair: Any
) -> PairRecord:
    """The record of a pair that holds no longer."""
    pair = a_pair(**of_pair)
    return PairRecord(
        pair.coincidence_id,
        pair.event_key,
        pair.object_key,
        pair.event_version,
        pair.object_version,
        evidence=None,
        withdrawn_reason=reason,
    )


def a_coincidence(
    rank: int = 1,
    case: str = "grb-afterglow",
    rival_count: int = 1,
    priority: float = 7.5,
    event: EventFacts | None = None,
    **of_pair: Any,
) -> Coincidence:
    """A published pair."""
    terms = (PriorityTerm("evidence", priority, "as the test wants it"),)
    rated = Priority(priority, terms)
    return Coincidence(a_pair(**of_pair), case, rank, rival_count, rated, event)


def a_target(rank: int = 1, **of_coincidence: Any) -> Target:
    """An active target."""
    coincidence = a_coincidence(**of_coincidence)
    object_key = coincidence.pair.object_key
    target_id = f"{coincidence.case}/{object_key}"
    return Target(target_id, coincidence.case, object_key, TargetState.ACTIVE, rank, coincidence)
