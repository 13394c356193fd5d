"""What our notices say of a coincidence beside GCN's core fields, as data; units in the names.

The published schema (:mod:`streams.notice_schema`) is made of these classes, and readers read with
them. Within a major version a field is only ever added, at the end of its class and with a default:
who reads an older notice takes the default, who reads a newer one passes over what is new. Words
such as ``event_class`` or ``state`` are plain text, so that a new one stops no reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from streams.context_block import DESCRIBED, Looks, Surroundings


@dataclass(frozen=True, slots=True)
class EventFacts:
    """One event of the coincidence, as the store had it when the notice was written."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    event_key: str
    """Id that is unique over the missions: ``fermi-gbm:781692805``."""
    event_id: str
    """The mission's own id."""
    mission: str
    """``Fermi``, ``LVK``, ``SVOM`` ..."""
    messenger: str
    """``gravitational-wave``, ``neutrino``, ``gamma-ray``, ``x-ray`` ..."""
    version: int
    """Number of distinct notices behind these facts; may be above that of the evidence."""
    notice_ids: tuple[str, ...]
    """Ids of its notices: IVORNs, or the missions' ids."""
    localization_notice_id: str | None
    """The notice that its localization is of; null when it has none."""
    localization_sha256: str | None
    """Hash of its localization; null when it has none."""
    far_hz: float | None
    """The mission's own false-alarm rate [Hz]; null when it says none. Never that of the pair."""
    significance: float | None
    """The mission's own significance; null when it says none."""
    significance_kind: str | None
    """What that is: ``snr``, ``sigma`` ...; null with it."""
    is_significant: bool | None
    """Whether the mission calls it significant; null when it does not say."""
    classification: dict[str, float | None]
    """The mission's probabilities by class (``BNS``, ``NSBH`` ...); null is not said."""


@dataclass(frozen=True, slots=True)
class ObjectId:
    """Which optical object it is."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    object_key: str
    """Id that is unique over the surveys: ``ztf:ZTF25aaaaaaa``."""
    survey: str
    """``ztf`` or ``lsst``."""
    object_id: str
    """The survey's own id."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of the log-likelihood ratio; null is unknown, and 0 in the sum."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    s_sky: float
    """Position: density of the localization against an even sky."""
    s_time: float
    """Time: kernel of the delay against an even window."""
    s_prior_activity: float
    """Whether it shone before the event."""
    s_joint: float | None
    """Overlap of the members of a joint event."""
    s_distance: float | None
    """Distance."""
    s_light: float | None
    """Light curve."""
    s_context: float | None
    """Surroundings."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """That the object is the counterpart of the event, and not an unrelated one."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    event_class: str
    """``grb``, ``x-ray-transient``, ``gw-cbc``, ``gw-burst``, ``gw-subthreshold``, ``neutrino``."""
    event_time: str
    """T0 of the event [UTC, ISO 8601]."""
    event_version: int
    """Number of distinct notices of the event that were compared."""
    object_version: int
    """Number of distinct alerts of the object that were compared."""
    localization_sha256: str
    """Hash of the localization that the position was compared with."""
    delta_t_s: float
    """First detection since T0, minus T0 [s]."""
    onset_earliest_s: float
    """Earliest onset, minus T0 [s]."""
    onset_latest_s: float
    """Latest onset, minus T0 [s]."""
    onset_is_assumed: bool
    """Whether no limit before the first detection is known, so that the onset is assumed."""
    prior_activity_days: float | None
    """How long before T0 it was seen [d]."""
    separation_deg: float | None
    """From the centre of a circle [deg]."""
    credible_level: float
    """Greedy credible level of the position in the event's localization, 0 to 1."""
    cell_probability: float
    """Probability of the position's own cell, which the credible level includes."""
    probdensity_per_sr: float
    """Density of the localization at the position [1/sr]."""
    log_lr: float
    """Natural logarithm of the likelihood ratio: the sum of the known terms."""
    terms: Terms
    """What it is the sum of."""


@dataclass(frozen=True, slots=True)
class Light:
    """What was seen of the object."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    ra_deg: float
    """Right ascension, ICRS [deg]."""
    dec_deg: float
    """Declination, ICRS [deg]."""
    n_detections: int
    """Positive detections since T0."""
    span_s: float
    """From the first to the last of them [s]."""
    last_time: str
    """Of the last of them [UTC, ISO 8601]."""
    last_band: str
    """Its band, as the survey calls it."""
    last_mag_ab: float | None
    """Its magnitude [AB]."""
    rate_mag_per_day: float | None
    """Change of magnitude since T0, positive when fading [mag/d]."""
    rate_error_mag_per_day: float | None
    """Its error, 1 sigma [mag/d]."""
    rate_band: str | None
    """The band of the rate."""
    real_bogus: float | None
    """The survey's score that it is real, 0 to 1."""
    star_score: float | None
    """Star-likeness of the nearest reference source, 0 galaxy to 1 star."""
    star_sep_arcsec: float | None
    """Distance of that reference source [arcsec]."""
    gaia_sep_arcsec: float | None
    """Distance of the nearest source of Gaia, as the survey says [arcsec]."""
    solar_system_name: str | None
    """The nearest known Solar System object, as the survey says."""
    solar_system_sep_arcsec: float | None
    """Its distance [arcsec]."""


@dataclass(frozen=True, slots=True)
class PriorityTermSaid:
    """One factor of the priority."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    name: str
    """``evidence``, ``value``, ``fade``, ``age``, ``visibility``."""
    ln_factor: float
    """Its natural logarithm."""
    reason: str
    """Why it is so."""


@dataclass(frozen=True, slots=True)
class Place:
    """Place among the candidates of the event, and in the list of the science case."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    rank: int
    """Among the published candidates of the event, 1 the most likely."""
    rival_count: int
    """Candidates of the event, published or not."""
    priority: float
    """Order in which to point a telescope: the sum of the terms. Not a probability."""
    priority_terms: tuple[PriorityTermSaid, ...]
    """What it is the sum of."""


@dataclass(frozen=True, slots=True)
class Significance:
    """How sure the association is; null until the background of the stream is measured."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    p_assoc: float | None
    """Probability that the object is the counterpart, its rivals counted."""
    p_assoc_reason: str | None
    """Why it is null."""
    far_per_year: float | None
    """Chance coincidences at least as good [1/yr]."""
    far_per_year_reason: str | None
    """Why it is null."""
    background_version: str | None
    """Name of the measured background behind the two."""
    background_version_reason: str | None
    """Why it is null."""


@dataclass(frozen=True, slots=True)
class SubscriptionSaid:
    """For which subscription the notice was sent, and whether its filter lets it pass."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    name: str
    """Its name, the last word of the topic."""
    filter_id: str
    """Id of its filter: another one when what it says was changed."""
    passes: bool
    """Whether this revision passes; otherwise the one before it did, and what was sent is taken
    back."""


@dataclass(frozen=True, slots=True)
class CoincidenceBlock:
    """One revision of a coincidence: what was published, or that it is taken back."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    coincidence_id: str
    """The same for all revisions: a hash of the event's key and the object's."""
    case: str
    """Science case whose rule it passed; revisions count within coincidence and case."""
    revision: int
    """Counts from 1. Keep the highest; a repeated one says the same."""
    state: str
    """``active``, ``retracted`` or ``expired`` (the event closed, nobody took anything back)."""
    reason: str | None
    """Why it is gone; null while it is active."""
    supersedes: int | None
    """The revision before; null of the first."""
    published_time: str
    """Of this revision [UTC, ISO 8601]."""
    said_in_revision: int
    """Revision that evidence, light, place, looks and surroundings are of: this one, or of one that
    is gone the last active one, so that what passed a filter is taken back through it."""
    event_key: str
    """Of the event, or ``joint:...`` of a joint event."""
    events: tuple[EventFacts, ...]
    """The event, or the members of the joint event; empty when none is stored."""
    object: ObjectId
    """Which object."""
    evidence: Evidence | None
    """Why they belong together."""
    significance: Significance
    """How sure that is."""
    light: Light | None
    """What was seen."""
    place: Place | None
    """Among its rivals."""
    looks: Looks | None
    """Class and scores."""
    surroundings: Surroundings | None
    """Catalogues and hosts."""
    policy_version: str | None
    """Of the rules by which it was published."""
    null_reasons: dict[str, str]
    """Why a field is null, by its path in this block: ``evidence.terms.s_light``. Nulls inside
    ``events``, ``looks.scores``, ``surroundings.catalogs`` and ``surroundings.hosts`` mean what
    their fields say."""
    subscription: SubscriptionSaid | None = None
    """For which subscription it was sent; null on the topics of everybody. Since version 1.1.0."""
