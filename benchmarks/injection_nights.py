"""What is known of the objects of a simulated campaign by the end of each night."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from correlator.alert import Alert, Surroundings
from correlator.features import features_of_many
from correlator.object import OpticalObject, apply_alert
from correlator.scorers import Batch, Score, batch_of, scores_of_many
from correlator.simulation.campaign import Campaign, FieldPackets, FollowedField, packets_of_field
from correlator.simulation.population import Kind, Population
from ingest_optical.decoder import decode
from ingest_optical.packets import RawPacket
from ingest_optical.quality import DEFAULT_CUTS, rejections

STAND_IN_DEPTH_MAG = 23.0
"""Reference sources that the stand-in for a catalogue holds: as deep as PS1's stack in r."""

STAND_IN_RADIUS_ARCSEC = 30.0


@dataclass(frozen=True, slots=True)
class Known:
    """The objects of a field that have an alert in a night, as of its end.

    Attributes
    ----------
    night
        From 1.
    sources
        Index of each of the ``n`` objects in its field.
    tonight
        Its alerts of the night, those that fail our gate too.
    passed
        Indices, among the ``n``, of the objects of which an alert of tonight passes our gate.
    batch, scores
        Those, from all their alerts that passed it until now, with features and scores.
    """

    night: int
    sources: tuple[int, ...]
    tonight: tuple[tuple[Alert, ...], ...]
    passed: tuple[int, ...]
    batch: Batch
    scores: Sequence[Mapping[str, Score]]

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True, slots=True)
class FieldResult:
    """One field: what was injected, what is behind every source, what was known each night."""

    labels: tuple[str, ...]
    kinds: tuple[Kind, ...]
    nights: tuple[Known, ...]


def fields_of(campaign: Campaign) -> Iterator[FieldResult]:
    """Every field of a campaign, one in memory at a time."""
    for followed in campaign.fields:
        yield _field(campaign, followed)


def _field(campaign: Campaign, followed: FollowedField) -> FieldResult:
    packets = packets_of_field(campaign, followed)
    kinds = tuple(Kind(k) for k in packets.population.kind.tolist())
    nights = tuple(known_by_night(alerts_of(campaign, packets)))
    return FieldResult(packets.labels, kinds, nights)


def alerts_of(campaign: Campaign, packets: FieldPackets) -> Iterator[tuple[int, int, Alert]]:
    """Night, source and alert of each packet, through the decoder of its survey."""
    survey = campaign.config.survey
    for night, source, name, data in packets.packets:
        alert = decode(RawPacket(name, survey, data))
        if survey == "lsst":
            alert = replace(alert, surroundings=looked_up(alert, packets.population, source))
        yield night, source, alert


def looked_up(alert: Alert, population: Population, source: int) -> Surroundings:
    """Rubin's surroundings with the nearest reference source of a catalogue.

    A Rubin packet names none. This stands in for a cross-match with a catalogue as deep and as
    good as PS1 and Gaia; every cut gets the same.
    """
    sep = float(population.star_sep_arcsec[source, 0])
    gaia = float(population.gaia_sep_arcsec[source])
    deep = float(population.star_mag_r[source, 0]) <= STAND_IN_DEPTH_MAG
    near = deep and 0.0 <= sep <= STAND_IN_RADIUS_ARCSEC
    return replace(
        alert.surroundings,
        star_score=float(population.star_score[source, 0]) if near else None,
        star_sep_arcsec=sep if near else None,
        gaia_sep_arcsec=gaia if gaia >= 0.0 else None,
    )


def known_by_night(alerts: Iterable[tuple[int, int, Alert]]) -> Iterator[Known]:
    """What is known by the end of each night that has alerts: nothing of a later one.

    Parameters
    ----------
    alerts
        Night, source and alert, by time.

    Raises
    ------
    ValueError
        The nights do not rise.
    """
    objects: dict[int, OpticalObject] = {}
    tonight: dict[int, list[Alert]] = {}
    current = 0
    for night, source, alert in alerts:
        if night < current:
            raise ValueError(f"night {night} after night {current}")
        if night > current and tonight:
            yield _known(current, tonight, objects)
            tonight = {}
        current = night
        tonight.setdefault(source, []).append(alert)
    if tonight:
        yield _known(current, tonight, objects)


def _known(
    night: int, tonight: Mapping[int, Sequence[Alert]], objects: dict[int, OpticalObject]
) -> Known:
    passed = []
    for i, (source, alerts) in enumerate(tonight.items()):
        accepted = [a for a in alerts if not rejections(a, DEFAULT_CUTS[a.survey])]
        for alert in accepted:
            objects[source] = apply_alert(objects.get(source), alert)
        if accepted:
            passed.append(i)
    sources = tuple(tonight)
    those = [objects[sources[i]] for i in passed]
    features = features_of_many(those)
    return Known(
        night,
        sources,
        tuple(tuple(alerts) for alerts in tonight.values()),
        tuple(passed),
        batch_of(those, features),
        scores_of_many(those, features),
    )
