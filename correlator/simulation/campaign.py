"""Several nights in a row of a few fields of a survey, background and injections, as packets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from correlator.errors import ConfigurationError
from correlator.simulation import cadence, lsst_cadence
from correlator.simulation.background import (
    ALERT_SHARES,
    OLDEST_OUTBURST_DAYS,
    OLDEST_SUPERNOVA_DAYS,
    density_weight,
    draw_kind,
    whole_days,
)
from correlator.simulation.cadence import Exposure, Field, FieldGrid, Night, night_of, past_visits
from correlator.simulation.ephemeris import DAY_S, galactic_deg
from correlator.simulation.injections import inject
from correlator.simulation.lsst_packets import is_issued, lsst_alerts_of
from correlator.simulation.packets import alerts_of, container
from correlator.simulation.population import Kind, Population, Visits, joined
from correlator.simulation.sightings import Sightings, observe, together

Survey = Literal["ztf", "lsst"]

GALACTIC_PLANE_DEG = 10.0
"""Nothing is injected this near to the plane, where dust would hide it."""

_OF_ONE_NIGHT = (Kind.FLARE, Kind.ASTEROID, Kind.BOGUS)
"""Kinds that are others in each night; the rest lasts."""

_OLDEST_DAYS = {Kind.SUPERNOVA: OLDEST_SUPERNOVA_DAYS, Kind.OUTBURST: OLDEST_OUTBURST_DAYS}

_FIELDS, _PILOT, _BACKGROUND, _SIGHTINGS, _WEATHER = 91, 92, 93, 94, 95
_PILOT_SOURCES = 400


@dataclass(frozen=True, slots=True)
class CampaignConfig:
    """What to simulate.

    Attributes
    ----------
    n_fields, n_nights
        Fields that are followed, through so many nights in a row.
    alerts_per_visit
        Mean number of background alerts of a visit before any cut.
    injections_each
        Injected sources of each kind in each field outside the Galactic plane.
    first_date
        UTC date of the first night.

    Raises
    ------
    ConfigurationError
        A number that is too small.
    """

    survey: Survey
    seed: int = 1
    n_fields: int = 12
    n_nights: int = 8
    alerts_per_visit: int = 1_500
    injections_each: int = 8
    first_date: date = date(2026, 3, 15)

    def __post_init__(self) -> None:
        for name, least in {
            "seed": 0,
            "n_fields": 1,
            "n_nights": 1,
            "alerts_per_visit": 1,
            "injections_each": 0,
        }.items():
            if (value := getattr(self, name)) < least:
                raise ConfigurationError(f"{name} must be {least} or more, got {value}")


@dataclass(frozen=True, slots=True)
class FollowedField:
    """A field with its visits, and the night of each, 1 for the first; 0 for the past."""

    field: Field
    visits: Visits
    night: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Campaign:
    """Everything that is settled before the first packet."""

    config: CampaignConfig
    nights: tuple[Night, ...]
    fields: tuple[FollowedField, ...]
    densities: Mapping[Kind, float]

    @property
    def whole(self) -> Night:
        """From the beginning of the first night to the end of the last."""
        return Night(self.nights[0].start_unix_s, self.nights[-1].end_unix_s)


@dataclass(frozen=True, slots=True)
class FieldPackets:
    """The packets of one field.

    Attributes
    ----------
    population
        All sources, the injected ones last.
    labels
        What each injected source is; source ``i`` of them is ``len(population) - len(labels) + i``.
    packets
        Night from 1, index of the source, name and bytes of each packet, by time.
    """

    population: Population
    labels: tuple[str, ...]
    packets: tuple[tuple[int, int, str, bytes], ...]


def plan_campaign(config: CampaignConfig) -> Campaign:
    """Choose the fields, schedule the visits, settle the densities."""
    midnight = datetime.combine(config.first_date, time(), UTC).timestamp()
    midnights = [midnight + k * DAY_S for k in range(config.n_nights)]
    follow = _ztf_fields if config.survey == "ztf" else _lsst_fields
    nights, fields = follow(config, midnights)
    return Campaign(config, nights, fields, _densities(config, fields))


def packets_of_field(campaign: Campaign, followed: FollowedField) -> FieldPackets:
    """Every packet of a field through the nights."""
    seed, field, visits = campaign.config.seed, followed.field, followed.visits
    rng = np.random.default_rng([seed, _BACKGROUND, field.number])
    background = _background(campaign, followed, rng)
    parts = [(background, observe(background, field, visits, rng))]
    latitude = float(galactic_deg(field.ra_deg, field.dec_deg)[1])
    each = campaign.config.injections_each if abs(latitude) >= GALACTIC_PLANE_DEG else 0
    injected = inject(field, visits, campaign.nights[0].end_unix_s, each, seed)
    if injected is not None:
        own = np.random.default_rng([seed, _SIGHTINGS, field.number])
        parts.append((injected.population, observe(injected.population, field, visits, own)))
    population, seen = together(parts)
    labels = () if injected is None else injected.labels
    packets = tuple(_packets(campaign, followed, population, seen))
    return FieldPackets(population, labels, packets)


def _packets(
    campaign: Campaign, followed: FollowedField, population: Population, seen: Sightings
) -> Iterator[tuple[int, int, str, bytes]]:
    visits, number = followed.visits, followed.field.number
    for at in range(visits.n_past, len(visits)):
        night = int(followed.night[at])
        n_before = int(np.searchsorted(followed.night, night))
        if campaign.config.survey == "ztf":
            rows = alerts_of(population, seen, number, visits, at, campaign.nights[night - 1])
            wrapped = [container([record]) for record in rows.records]
        else:
            rows = lsst_alerts_of(population, seen, number, visits, at, n_before)
            wrapped = list(rows.records)
        for source, name, data in zip(
            rows.source.tolist(), rows.candid.tolist(), wrapped, strict=True
        ):
            yield night, source, str(name), data


def _ztf_fields(
    config: CampaignConfig, midnights: Sequence[float]
) -> tuple[tuple[Night, ...], tuple[FollowedField, ...]]:
    """Fields of the public survey that are due in one of the first two nights, clear or not.

    Each has weather of its own, so that one campaign is a mean over many.
    """
    grid = FieldGrid.whole_sky()
    nights = tuple(night_of(midnight) for midnight in midnights)
    exposures = [
        cadence.schedule(night, grid, [], config.seed + k) for k, night in enumerate(nights)
    ]
    due = np.unique([e.field for night in exposures[:2] for e in night])
    if len(due) < config.n_fields:
        raise ConfigurationError(f"n_fields must be at most {len(due)}, got {config.n_fields}")
    rng = np.random.default_rng([config.seed, _FIELDS])
    chosen = np.sort(rng.choice(due, config.n_fields, replace=False)).tolist()
    oldest = nights[-1].end_unix_s - cadence.PAST_DAYS * DAY_S
    fields = []
    for number in chosen:
        past = past_visits(grid.fields[number], grid, nights[0], config.seed)
        kept = tuple(e for e in past if e.start_unix_s > oldest)
        own = np.random.default_rng([config.seed, _WEATHER, number])
        is_clear = own.random(len(nights)) < cadence.CLEAR_NIGHTS
        tonight = [
            [e for e in night if e.field == number and clear]
            for night, clear in zip(exposures, is_clear.tolist(), strict=True)
        ]
        fields.append(_followed(grid.fields[number], kept, tonight, 0.0))
    return nights, tuple(fields)


def _lsst_fields(
    config: CampaignConfig, midnights: Sequence[float]
) -> tuple[tuple[Night, ...], tuple[FollowedField, ...]]:
    nights = tuple(lsst_cadence.lsst_night(midnight) for midnight in midnights)
    fields = []
    for field in lsst_cadence.lsst_fields(config.n_fields, config.seed):
        past, *tonight = lsst_cadence.lsst_visits(field, midnights[0], config.n_nights, config.seed)
        fields.append(_followed(field, past, tonight, lsst_cadence.DEEPER_MAG))
    return nights, tuple(fields)


def _followed(
    field: Field,
    past: Sequence[Exposure],
    nights: Sequence[Sequence[Exposure]],
    deeper_mag: float,
) -> FollowedField:
    every = [e for night in nights for e in night]
    of = [0] * len(past) + [k + 1 for k, night in enumerate(nights) for _ in night]
    return FollowedField(field, Visits.of(past, every, deeper_mag), np.array(of, dtype=np.int64))


def _background(
    campaign: Campaign, followed: FollowedField, rng: np.random.Generator
) -> Population:
    field, visits = followed.field, followed.visits
    parts = []
    for kind in ALERT_SHARES:
        mean = campaign.densities[kind] * density_weight(kind, field)
        if kind not in _OF_ONE_NIGHT:
            mean *= 1.0 + whole_days(campaign.whole) / _OLDEST_DAYS.get(kind, np.inf)
            n = rng.poisson(mean)
            parts.append(draw_kind(kind, n, field, visits, campaign.whole, rng))
            continue
        for k, night in enumerate(campaign.nights, start=1):
            first, after = np.searchsorted(followed.night, [k, k + 1]).tolist()
            if after > first:
                tonight = visits.of_night(first, after)
                drawn = draw_kind(kind, rng.poisson(mean), field, tonight, night, rng)
                parts.append(_padded(drawn, len(visits) - after))
    return joined(parts)


def _padded(population: Population, n_later: int) -> Population:
    later = np.zeros((len(population), n_later))
    return replace(population, flux=np.concatenate([population.flux, later], axis=1))


def _densities(config: CampaignConfig, fields: Sequence[FollowedField]) -> dict[Kind, float]:
    """Sources of each kind in a field of weight 1 that give its share of the alerts.

    How many sources of a kind a visit detects is counted on pilots in the first visited night of
    each field.
    """
    rng = np.random.default_rng([config.seed, _PILOT])
    pilots = []
    for followed in fields:
        first = int(np.searchsorted(followed.night, 1))
        if first < len(followed.night):
            after = int(np.searchsorted(followed.night, followed.night[first], side="right"))
            pilots.append((followed.field, followed.visits.of_night(first, after), first))
    if not pilots:
        raise ConfigurationError("no field is visited in these nights: take another seed or more")
    densities = {}
    for kind, share in ALERT_SHARES.items():
        weight = found = 0.0
        for field, visits, first in pilots:
            start = float(visits.start_unix_s[first])
            night = Night(start, float(visits.start_unix_s[-1]))
            sources = draw_kind(kind, _PILOT_SOURCES, field, visits, night, rng)
            seen = observe(sources, field, visits, rng)
            issued = is_issued(seen) if config.survey == "lsst" else seen.is_detected
            per_source = issued[:, first:].sum() / _PILOT_SOURCES / visits.n_tonight
            weight += density_weight(kind, field)
            found += per_source * density_weight(kind, field)
        densities[kind] = config.alerts_per_visit * share * len(pilots) / max(found, 1e-3 * weight)
    return densities
