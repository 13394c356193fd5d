"""What a cone search tells of objects and of coincidences, column by column."""

from __future__ import annotations

from typing import NamedTuple

from correlator.object import OpticalObject
from correlator.policy import DAY_S
from correlator.ranking import NOT_MEASURED, Coincidence
from correlator.service.cone_table import Column, Verbosity
from ingest_optical.timescales import UNIX_EPOCH_MJD
from storage.coincidences import CoincidenceRevision

USUAL, ALL = Verbosity.USUAL, Verbosity.ALL

ID, RA, DEC = "ID_MAIN", "POS_EQ_RA_MAIN", "POS_EQ_DEC_MAIN"


class Published(NamedTuple):
    """A coincidence that stands, with the revision that says so."""

    revision: CoincidenceRevision
    body: Coincidence


def mjd_of(unix_s: float | None) -> float | None:
    """Modified Julian date (UTC) of a moment [s since the Unix epoch]; None stays None."""
    return None if unix_s is None else unix_s / DAY_S + UNIX_EPOCH_MJD


def _first_unix_s(obj: OpticalObject) -> float | None:
    return obj.detections[0].time_unix_s if obj.detections else None


def _last_mag_ab(obj: OpticalObject) -> float | None:
    return obj.positive[-1].mag_ab if obj.positive else None


def _last_band(obj: OpticalObject) -> str | None:
    return obj.positive[-1].band if obj.positive else None


OBJECTS: tuple[Column[OpticalObject], ...] = (
    Column("object_key", "char", ID, lambda o: o.object_key, "Id over the surveys"),
    Column("ra_deg", "double", RA, lambda o: o.ra_deg, "Best position", "deg", ref="icrs"),
    Column("dec_deg", "double", DEC, lambda o: o.dec_deg, "Best position", "deg", ref="icrs"),
    Column("object_id", "char", "meta.id", lambda o: o.object_id, "The survey's id"),
    Column("survey", "char", "meta.code", lambda o: o.survey, "ztf or lsst", None, USUAL),
    Column(
        "n_detections", "int", "meta.number", lambda o: len(o.detections),
        "Detections of either sign that are known here", None, USUAL,
    ),
    Column(
        "first_mjd", "double", "time.start", lambda o: mjd_of(_first_unix_s(o)),
        "First detection that is known here", "d", USUAL, "utc",
    ),
    Column(
        "last_mjd", "double", "time.end", lambda o: mjd_of(o.latest_unix_s),
        "Latest alert", "d", USUAL, "utc",
    ),
    Column(
        "last_mag_ab", "double", "phot.mag;em.opt", _last_mag_ab,
        "Last detection brighter than the template: difference magnitude", "mag", USUAL,
    ),
    Column("last_band", "char", "instr.bandpass", _last_band, "Its band", None, USUAL),
    Column(
        "survey_first_mjd", "double", "time.epoch", lambda o: mjd_of(o.survey_first_unix_s),
        "First detection by the survey's own count", "d", ALL, "utc",
    ),
    Column(
        "real_bogus", "double", "meta.code.qual", lambda o: o.real_bogus,
        "The survey's score of the latest alert: 0 bogus, 1 real", None, ALL,
    ),
    Column(
        "star_score", "double", "stat.value", lambda o: o.surroundings.star_score,
        "Star-likeness of the nearest reference source: 0 galaxy, 1 star", None, ALL,
    ),
    Column(
        "star_sep_arcsec", "double", "pos.angDistance", lambda o: o.surroundings.star_sep_arcsec,
        "Its distance", "arcsec", ALL,
    ),
    Column(
        "solar_system_sep_arcsec", "double", "pos.angDistance",
        lambda o: o.surroundings.solar_system_sep_arcsec,
        "Distance of the nearest known Solar System object", "arcsec", ALL,
    ),
    Column("n_forced", "int", "meta.number", lambda o: len(o.forced), "Forced points", None, ALL),
    Column("n_limits", "int", "meta.number", lambda o: len(o.limits), "Limits", None, ALL),
    Column("version", "int", "meta.version", lambda o: o.version, "Distinct alerts", None, ALL),
)  # fmt: skip

COINCIDENCES: tuple[Column[Published], ...] = (
    Column(
        "id", "char", ID, lambda p: f"{p.revision.coincidence_id}/{p.revision.case}",
        "Id of the coincidence in its science case",
    ),
    Column(
        "ra_deg", "double", RA, lambda p: p.body.pair.object.ra_deg,
        "Position of the object", "deg", ref="icrs",
    ),
    Column(
        "dec_deg", "double", DEC, lambda p: p.body.pair.object.dec_deg,
        "Position of the object", "deg", ref="icrs",
    ),
    Column("object_key", "char", "meta.id", lambda p: p.revision.object_key, "The object"),
    Column("event_key", "char", "meta.id", lambda p: p.revision.event_key, "The event"),
    Column("case", "char", "meta.code", lambda p: p.revision.case, "Science case", None, USUAL),
    Column(
        "event_mjd", "double", "time.epoch", lambda p: mjd_of(p.body.pair.event_unix_s),
        "T0 of the event", "d", USUAL, "utc",
    ),
    Column(
        "delta_t_d", "double", "time.interval", lambda p: p.body.pair.delta_t_s / DAY_S,
        "First detection since T0, minus T0", "d", USUAL,
    ),
    Column(
        "credible_level", "double", "stat.probability", lambda p: p.body.pair.credible_level,
        "Of the position in the event's localization: 0 at the peak, 1 at the edge", None, USUAL,
    ),
    Column(
        "log_lr", "double", "stat.likelihood", lambda p: p.body.pair.log_lr,
        "Natural logarithm of the likelihood ratio", None, USUAL,
    ),
    Column(
        "priority", "double", "stat.value", lambda p: p.body.priority.value,
        "Order in which to point a telescope; not a probability", None, USUAL,
    ),
    Column(
        "rank", "int", "stat.rank", lambda p: p.body.rank,
        "Among the published candidates of the event", None, USUAL,
    ),
    Column(
        "last_mag_ab", "double", "phot.mag;em.opt", lambda p: p.body.pair.object.last_mag_ab,
        "Last detection that the evidence knows: difference magnitude", "mag", USUAL,
    ),
    Column(
        "last_band", "char", "instr.bandpass", lambda p: p.body.pair.object.last_band,
        "Its band", None, USUAL,
    ),
    Column(
        "last_mjd", "double", "time.end", lambda p: mjd_of(p.body.pair.object.last_unix_s),
        "Its time", "d", USUAL, "utc",
    ),
    Column(
        "separation_deg", "double", "pos.angDistance", lambda p: p.body.pair.separation_deg,
        "From the centre of a circle; null for a map", "deg", ALL,
    ),
    Column(
        "prior_activity_d", "double", "time.duration",
        lambda p: p.body.pair.prior_activity_days,
        "How long before T0 it was already seen; null when it was not", "d", ALL,
    ),
    Column(
        "n_detections", "int", "meta.number", lambda p: p.body.pair.object.n_detections,
        "Positive detections since T0", None, ALL,
    ),
    Column(
        "p_assoc", "double", "stat.probability", lambda _: None,
        f"Probability of the association; null: {NOT_MEASURED}", None, ALL,
    ),
    Column(
        "far_per_year", "double", "arith.rate", lambda _: None,
        f"Chance coincidences at least as good; null: {NOT_MEASURED}", "yr-1", ALL,
    ),
    Column("revision", "int", "meta.version", lambda p: p.revision.revision, "It is", None, ALL),
    Column(
        "published_mjd", "double", "time.release", lambda p: mjd_of(p.revision.published_unix_s),
        "When that was published", "d", ALL, "utc",
    ),
)  # fmt: skip
