"""Our block of a notice, from what is published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from correlator.crossmatch import CatalogAnswer, placement
from correlator.host import hosts
from correlator.pair import ObjectSummary, PairEvidence
from correlator.ranking import NOT_MEASURED, Coincidence
from correlator.scorers.appearance import Appearance
from correlator.wire import EventRecord
from storage.coincidences import CoincidenceRevision, CoincidenceState
from streams.coincidence_block import (
    CoincidenceBlock,
    EventFacts,
    Evidence,
    Light,
    ObjectId,
    Place,
    PriorityTermSaid,
    Significance,
    Terms,
)
from streams.context_block import (
    CatalogEntry,
    CatalogSaid,
    HostSaid,
    Looks,
    ScoreSaid,
    Surroundings,
)
from streams.moments import iso_utc

_LOST = "what was last published of it is not stored any more"
_NO_SCORER = "no scorer gives this term yet"
_SURVEY_SILENT = "the survey does not say"
_NO_RATE = "too few points apart in one band"
_NO_LOOKS = "it was published by a release that did not score"

_WHY_NULL = {
    "reason": "it is active",
    "supersedes": "it is the first revision",
    "policy_version": "revisions do not keep the version of the rules",
    "evidence": _LOST,
    "light": _LOST,
    "place": _LOST,
    "surroundings": _LOST,
    "subscription": "it was sent to all, and not for a subscription",
}
"""Why a field of the block can be null."""

_WHY_NULL_INSIDE = {
    "evidence": {
        "prior_activity_days": "it was not seen before T0",
        "separation_deg": "the localization is no circle",
    },
    "evidence.terms": {
        "s_joint": "the event is no joint one, or its members have no common place",
        "s_distance": _NO_SCORER,
        "s_light": _NO_SCORER,
        "s_context": _NO_SCORER,
    },
    "light": {
        "last_mag_ab": "it has no magnitude",
        "rate_mag_per_day": _NO_RATE,
        "rate_error_mag_per_day": _NO_RATE,
        "rate_band": _NO_RATE,
        "real_bogus": _SURVEY_SILENT,
        "star_score": _SURVEY_SILENT,
        "star_sep_arcsec": _SURVEY_SILENT,
        "gaia_sep_arcsec": _SURVEY_SILENT,
        "solar_system_name": _SURVEY_SILENT,
        "solar_system_sep_arcsec": _SURVEY_SILENT,
    },
    "significance": {
        "p_assoc": NOT_MEASURED,
        "far_per_year": NOT_MEASURED,
        "background_version": NOT_MEASURED,
    },
    "surroundings": {"is_extragalactic": "what is at the position says neither, or both"},
}
"""Why a field of a part can be null, by the part's path; other parts' nulls say it themselves."""


def block_of(
    revision: CoincidenceRevision, body: Coincidence | None, events: Sequence[EventRecord]
) -> CoincidenceBlock:
    """Our block: the revision, and what was published in it or last before it."""
    is_gone = revision.body is None
    survey, _, object_id = revision.object_key.partition(":")
    parts: dict[str, Any] = {
        "coincidence_id": revision.coincidence_id,
        "case": revision.case,
        "revision": revision.revision,
        # A revision that was superseded since was active when it was published.
        "state": str(revision.state if is_gone else CoincidenceState.ACTIVE),
        "reason": revision.reason,
        "supersedes": revision.revision - 1 if revision.revision > 1 else None,
        "published_time": iso_utc(revision.published_unix_s),
        "said_in_revision": revision.revision - 1 if is_gone else revision.revision,
        "event_key": revision.event_key,
        "events": tuple(map(_event, events)),
        "object": ObjectId(revision.object_key, survey, object_id),
        "evidence": None if body is None else _evidence(body.pair),
        "significance": Significance(None, NOT_MEASURED, None, NOT_MEASURED, None, NOT_MEASURED),
        "light": None if body is None else _light(body.pair.object),
        "place": None if body is None else _place(body),
        "looks": None if body is None else _looks(body.pair.appearance),
        "surroundings": None if body is None else _surroundings(body.pair.object),
        "policy_version": None,
        "subscription": None,
    }
    return CoincidenceBlock(**parts, null_reasons=_reasons(parts, is_lost=body is None))


def _reasons(parts: dict[str, Any], *, is_lost: bool) -> dict[str, str]:
    """Why each field that is null is so, by its path."""
    reasons = {name: why for name, why in _WHY_NULL.items() if parts[name] is None}
    if parts["looks"] is None:
        reasons["looks"] = _LOST if is_lost else _NO_LOOKS
    for path, whys in _WHY_NULL_INSIDE.items():
        outer, _, inner = path.partition(".")
        part = parts[outer]
        if part is not None:
            part = getattr(part, inner) if inner else part
            reasons |= {f"{path}.{n}": why for n, why in whys.items() if getattr(part, n) is None}
    return reasons


def _event(event: EventRecord) -> EventFacts:
    return EventFacts(
        event_key=event.event_key,
        event_id=event.event_id,
        mission=event.mission,
        messenger=str(event.messenger),
        version=event.version,
        notice_ids=event.notice_ids,
        localization_notice_id=event.localization_notice_id,
        localization_sha256=event.localization_sha256,
        far_hz=event.far_hz,
        significance=event.significance,
        significance_kind=event.significance_kind,
        is_significant=event.is_significant,
        classification=dict(event.classification),
    )


def _evidence(pair: PairEvidence) -> Evidence:
    return Evidence(
        event_class=str(pair.event_class),
        event_time=iso_utc(pair.event_unix_s),
        event_version=pair.event_version,
        object_version=pair.object_version,
        localization_sha256=pair.localization_sha256,
        delta_t_s=pair.delta_t_s,
        onset_earliest_s=pair.onset_earliest_s,
        onset_latest_s=pair.onset_latest_s,
        onset_is_assumed=pair.onset_is_assumed,
        prior_activity_days=pair.prior_activity_days,
        separation_deg=pair.separation_deg,
        credible_level=pair.credible_level,
        cell_probability=pair.cell_probability,
        probdensity_per_sr=pair.probdensity_per_sr,
        log_lr=pair.log_lr,
        terms=Terms(
            s_sky=pair.s_sky,
            s_time=pair.s_time,
            s_prior_activity=pair.s_prior_activity,
            s_joint=pair.s_joint,
            s_distance=pair.s_distance,
            s_light=pair.s_light,
            s_context=pair.s_context,
        ),
    )


def _light(summary: ObjectSummary) -> Light:
    rate, near = summary.rate, summary.surroundings
    return Light(
        ra_deg=summary.ra_deg,
        dec_deg=summary.dec_deg,
        n_detections=summary.n_detections,
        span_s=summary.span_s,
        last_time=iso_utc(summary.last_unix_s),
        last_band=summary.last_band,
        last_mag_ab=summary.last_mag_ab,
        rate_mag_per_day=None if rate is None else rate.mag_per_day,
        rate_error_mag_per_day=None if rate is None else rate.error_mag_per_day,
        rate_band=None if rate is None else rate.band,
        real_bogus=summary.real_bogus,
        star_score=near.star_score,
        star_sep_arcsec=near.star_sep_arcsec,
        gaia_sep_arcsec=near.gaia_sep_arcsec,
        solar_system_name=near.solar_system_name,
        solar_system_sep_arcsec=near.solar_system_sep_arcsec,
    )


def _place(body: Coincidence) -> Place:
    terms = [PriorityTermSaid(t.name, t.ln_factor, t.reason) for t in body.priority.terms]
    return Place(body.rank, body.rival_count, body.priority.value, tuple(terms))


def _looks(appearance: Appearance | None) -> Looks | None:
    if appearance is None:
        return None
    scores = {s.name: ScoreSaid(s.version, s.value, s.reason) for s in appearance.scores}
    return Looks(str(appearance.object_class), scores)


def _surroundings(summary: ObjectSummary) -> Surroundings:
    placed = placement(summary.tags)
    entries = [tag for answer in summary.tags for tag in answer.tags]
    found = hosts(summary.ra_deg, summary.dec_deg, entries)
    return Surroundings(
        is_extragalactic=placed.is_extragalactic,
        is_extragalactic_reasons=placed.reasons,
        catalogs=tuple(map(_catalog, summary.tags)),
        hosts=tuple(
            HostSaid(
                catalog=host.tag.catalog,
                object_id=host.tag.object_id,
                separation_arcsec=host.tag.separation_arcsec,
                p_chance=host.p_chance,
                mag_name=host.mag_name,
                offset_kpc=host.offset_kpc,
                offset_radii=host.offset_radii,
            )
            for host in found
        ),
    )


def _catalog(answer: CatalogAnswer) -> CatalogSaid:
    entries = [
        CatalogEntry(
            object_id=tag.object_id,
            ra_deg=tag.ra_deg,
            dec_deg=tag.dec_deg,
            separation_arcsec=tag.separation_arcsec,
            sky_class=None if tag.sky_class is None else str(tag.sky_class),
            type_name=tag.type_name,
            values=dict(tag.values),
        )
        for tag in answer.tags
    ]
    state, reason = str(answer.state), answer.reason
    return CatalogSaid(answer.catalog, answer.version, state, reason, tuple(entries))
