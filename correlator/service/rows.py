"""What a person or another program reads of our nouns: flat rows, UTC times, nulls with reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from correlator.crossmatch import CatalogAnswer, CatalogTag, placement
from correlator.host import Host, hosts
from correlator.joint import JointEvent
from correlator.pair import PairEvidence
from correlator.policy import DAY_S
from correlator.ranking import NOT_MEASURED, Coincidence, EventFacts, Ranking
from correlator.scorers import Appearance
from correlator.service.times import iso_utc
from correlator.target import Target
from correlator.wire import EventRecord
from storage.coincidences import CoincidenceRevision
from storage.columns import nature_columns

Row = dict[str, Any]

_PUBLISHED = (
    "coincidence_id", "object_key", "event_key", "event_class", "object_version", "event_version",
    "event_time", "delta_t_s", "onset_s", "onset_is_assumed", "prior_activity_days", "ra_deg",
    "dec_deg", "separation_deg", "credible_level", "probdensity_per_sr", "localization_sha256",
    "log_lr", "terms", "n_detections", "span_d", "last_mag_ab", "last_band", "last_time",
    "rate_mag_per_day", "rate_error_mag_per_day", "class", "scores", "is_extragalactic",
    "is_extragalactic_reasons", "catalogs", "hosts", "case", "rank", "rival_count", "priority",
    "priority_terms", "p_assoc", "far_per_year", "p_assoc_reason", "far_per_year_reason",
)  # fmt: skip
"""Names of a published coincidence, null in the row of one that is gone."""


def event_row(event: EventRecord) -> Row:
    """One event as it stands."""
    return {
        "event_key": event.event_key,
        "event_id": event.event_id,
        "mission": event.mission,
        "messenger": str(event.messenger),
        "state": str(event.state),
        "version": event.version,
        "is_burst": event.is_burst,
        **nature_columns(event.verdicts),
        "event_time": iso_utc(event.event_unix_s),
        "event_end_time": iso_utc(event.event_end_unix_s),
        "localization_sha256": event.localization_sha256,
        "localization_notice_id": event.localization_notice_id,
        "far_hz": event.far_hz,
        "significance": event.significance,
        "significance_kind": event.significance_kind,
        "classification": dict(event.classification),
        "is_significant": event.is_significant,
        "notice_ids": list(event.notice_ids),
    }


def pair_row(pair: PairEvidence) -> Row:
    """The evidence of one pair, every term named; an unknown term is null."""
    obj = pair.object
    return {
        "coincidence_id": pair.coincidence_id,
        "object_key": pair.object_key,
        "event_key": pair.event_key,
        "event_class": str(pair.event_class),
        "object_version": pair.object_version,
        "event_version": pair.event_version,
        "event_time": iso_utc(pair.event_unix_s),
        "delta_t_s": pair.delta_t_s,
        "onset_s": [pair.onset_earliest_s, pair.onset_latest_s],
        "onset_is_assumed": pair.onset_is_assumed,
        "prior_activity_days": pair.prior_activity_days,
        "ra_deg": obj.ra_deg,
        "dec_deg": obj.dec_deg,
        "separation_deg": pair.separation_deg,
        "credible_level": pair.credible_level,
        "probdensity_per_sr": pair.probdensity_per_sr,
        "localization_sha256": pair.localization_sha256,
        "log_lr": pair.log_lr,
        "terms": {
            "s_sky": pair.s_sky,
            "s_time": pair.s_time,
            "s_prior_activity": pair.s_prior_activity,
            "s_distance": pair.s_distance,
            "s_light": pair.s_light,
            "s_context": pair.s_context,
            "s_joint": pair.s_joint,
        },
        "n_detections": obj.n_detections,
        "span_d": obj.span_s / DAY_S,
        "last_mag_ab": obj.last_mag_ab,
        "last_band": obj.last_band,
        "last_time": iso_utc(obj.last_unix_s),
        "rate_mag_per_day": obj.rate.mag_per_day if obj.rate else None,
        "rate_error_mag_per_day": obj.rate.error_mag_per_day if obj.rate else None,
        **appearance_columns(pair.appearance),
        **tag_columns(obj.ra_deg, obj.dec_deg, obj.tags),
    }


def tag_columns(ra_deg: float, dec_deg: float, tags: Sequence[CatalogAnswer]) -> Row:
    """What catalogues have near a place [deg], and what follows from it; null is unknown."""
    placed = placement(tags)
    entries = [tag for answer in tags for tag in answer.tags]
    return {
        "is_extragalactic": placed.is_extragalactic,
        "is_extragalactic_reasons": list(placed.reasons),
        "catalogs": [answer_row(answer) for answer in tags],
        "hosts": [host_row(host) for host in hosts(ra_deg, dec_deg, entries)],
    }


def answer_row(answer: CatalogAnswer) -> Row:
    """What one catalogue said."""
    return {
        "catalog": answer.catalog,
        "version": answer.version,
        "state": str(answer.state),
        "reason": answer.reason,
        "tags": [tag_row(tag) for tag in answer.tags],
    }


def tag_row(tag: CatalogTag) -> Row:
    """One entry; its other numbers under ``values``."""
    return asdict(tag) | {"values": dict(tag.values)}


def host_row(host: Host) -> Row:
    """One galaxy that may be the host."""
    return {
        "catalog": host.tag.catalog,
        "object_id": host.tag.object_id,
        "separation_arcsec": host.tag.separation_arcsec,
        "p_chance": host.p_chance,
        "mag_name": host.mag_name,
        "offset_kpc": host.offset_kpc,
        "offset_radii": host.offset_radii,
    }


def appearance_columns(appearance: Appearance | None) -> Row:
    """Class and scores of an object; null where no science case would publish it anyhow."""
    if appearance is None:
        return {"class": None, "scores": None}
    return {
        "class": str(appearance.object_class),
        "scores": {
            score.name: {"version": score.version, "value": score.value, "reason": score.reason}
            for score in appearance.scores
        },
    }


def joint_row(joint: JointEvent) -> Row:
    """One joint event: its members, how each two of them agree, and what all say of the place."""
    place = joint.localization
    return {
        "joint_id": joint.joint_id,
        "aliases": list(joint.aliases),
        "event_keys": list(joint.event_keys),
        "event_time": iso_utc(joint.event_unix_s),
        "far_hz": joint.far_hz,
        "far_per_year": joint.far_hz * 365.25 * DAY_S,
        "links": [
            {
                "event_keys": list(link.event_keys),
                "delta_t_s": link.delta_t_s,
                "window_s": link.window_s,
                "i_omega": link.i_omega,
                "far_hz": link.far_hz,
                "far_method": "targeted" if link.is_targeted else "untargeted",
            }
            for link in joint.links
        ],
        "localization_area_90_deg2": None if place is None else place.area_deg2(0.9),
        "localization_sha256": None if place is None else place.sha256,
    }


def coincidence_row(coincidence: Coincidence) -> Row:
    """One published coincidence; significance that is not measured is null and says so."""
    priority = coincidence.priority
    return pair_row(coincidence.pair) | {
        "case": coincidence.case,
        "rank": coincidence.rank,
        "rival_count": coincidence.rival_count,
        "priority": priority.value,
        "priority_terms": [
            {"name": t.name, "ln_factor": t.ln_factor, "reason": t.reason} for t in priority.terms
        ],
        "p_assoc": None,
        "far_per_year": None,
        "p_assoc_reason": NOT_MEASURED,
        "far_per_year_reason": NOT_MEASURED,
    }


def revision_row(revision: CoincidenceRevision) -> Row:
    """One revision of a coincidence with what its event says of itself.

    Every name is there in every row: of one that is gone what was published is null.
    """
    body = revision.body
    facts = None if body is None else body.event
    said = dict.fromkeys(_PUBLISHED) if body is None else coincidence_row(body)
    return said | {
        "coincidence_id": revision.coincidence_id,
        "case": revision.case,
        "revision": revision.revision,
        "state": str(revision.state),
        "published_time": iso_utc(revision.published_unix_s),
        "reason": revision.reason,
        "event_key": revision.event_key,
        "object_key": revision.object_key,
        **facts_columns(facts),
    }


def facts_columns(facts: EventFacts | None) -> Row:
    """What an event says of itself; null where nothing was said."""
    return {
        "mission": None if facts is None else facts.mission,
        "messenger": None if facts is None else str(facts.messenger),
        "far_hz": None if facts is None else facts.far_hz,
        "significance": None if facts is None else facts.significance,
        "significance_kind": None if facts is None else facts.significance_kind,
        "is_significant": None if facts is None else facts.is_significant,
        "classification": {} if facts is None else dict(facts.classification),
    }


def ranking_row(ranking: Ranking) -> Row:
    """All candidates of an event in order, with what keeps each from being published."""
    return {
        "event_key": ranking.event_key,
        "as_of": iso_utc(ranking.as_of_unix_s),
        "candidates": [
            {
                "coincidence_id": c.coincidence_id,
                "object_key": c.object_key,
                "rank": c.rank,
                "log_lr": c.log_lr,
                "rejections": list(c.rejections),
            }
            for c in ranking.candidates
        ],
        "coincidence_ids": [c.pair.coincidence_id for c in ranking.coincidences],
    }


def target_row(target: Target) -> Row:
    """One target with its place in the list and the reasons for it."""
    return {
        "target_id": target.target_id,
        "case": target.case,
        "rank": target.rank,
        "state": str(target.state),
        "retired_reason": target.retired_reason,
    } | {k: v for k, v in coincidence_row(target.coincidence).items() if k not in {"case", "rank"}}
