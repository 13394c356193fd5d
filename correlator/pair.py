"""A pair: an object, an event, and the evidence that the one is the other's counterpart."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from correlator.alert import Surroundings
from correlator.audience import PUBLIC, Audience
from correlator.crossmatch import CatalogAnswer
from correlator.light import Rate
from correlator.policy import EventClass
from correlator.scorers.appearance import Appearance


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """What the rules and the ranking need to know of the object, as of its version.

    Attributes
    ----------
    n_detections, span_s
        Positive detections since T0 and the time between the first and the last of them.
    last_mag_ab, last_band, last_unix_s
        The latest positive detection.
    rate
        Change of magnitude since T0.
    tags
        What catalogues have near its position.
    """

    ra_deg: float
    dec_deg: float
    n_detections: int
    span_s: float
    last_mag_ab: float | None
    last_band: str
    last_unix_s: float
    rate: Rate | None
    real_bogus: float | None
    surroundings: Surroundings
    tags: tuple[CatalogAnswer, ...] = ()


@dataclass(frozen=True, slots=True)
class PairEvidence:
    """The evidence that one object is the counterpart of one event.

    Attributes
    ----------
    event_version, object_version
        Distinct notices and alerts folded in: the higher pair of versions supersedes.
    delta_t_s
        First detection since T0, by the packets or by the survey's own count, minus T0 [s].
    onset_earliest_s, onset_latest_s
        Onset interval minus T0 [s].
    credible_level, cell_probability, probdensity_per_sr
        What the event's localization says of the position.
    separation_deg
        Distance from the centre of a circle; None for a map.
    s_sky, s_time, s_prior_activity
        Terms of the log-likelihood ratio that are known.
    s_distance, s_light, s_context
        Terms that no scorer gives yet: None, and 0 in the sum.
    s_joint
        Of a joint event the logarithm of its members' overlap: with s_sky, which is of their
        product, it is the sum of what each member says of the place. None for other events.
    log_lr
        Sum of the known terms: counterpart against an unrelated object (SCIENCE 4).
    appearance
        What our scorers say of the object, which enters no term; None where no science case would
        let the pair through anyhow, and in the records of releases that did not score.
    audience
        Who may read it: whoever may read both the event and the object.
    """

    coincidence_id: str
    event_key: str
    event_class: EventClass
    object_key: str
    event_version: int
    object_version: int
    event_unix_s: float
    localization_sha256: str
    delta_t_s: float
    onset_earliest_s: float
    onset_latest_s: float
    onset_is_assumed: bool
    prior_activity_days: float | None
    credible_level: float
    cell_probability: float
    probdensity_per_sr: float
    separation_deg: float | None
    s_sky: float
    s_time: float
    s_prior_activity: float
    log_lr: float
    object: ObjectSummary
    s_distance: float | None = None
    s_light: float | None = None
    s_context: float | None = None
    s_joint: float | None = None
    appearance: Appearance | None = None
    audience: Audience = PUBLIC


def coincidence_id(event_key: str, object_key: str) -> str:
    """Id of a pair, the same for ever: a hash of the two ids."""
    return hashlib.sha256(f"{event_key}|{object_key}".encode()).hexdigest()[:24]
