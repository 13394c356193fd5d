"""Samples of simulated objects with what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice

import numpy as np

from correlator.object import OpticalObject
from training import explosions, sources
from training.blackbody import Floats, behind_dust
from training.observation import observed
from training.sources import Source
from training.visits import SURVEYS, Survey

KILONOVA = "kilonova"

Draw = Callable[[np.random.Generator, Survey], Iterator[Source]]
"""Sources of a class, without end."""

_A_BANK = 400
"""Explosions that are computed together."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """An object, of which class it is, and the survey that saw it."""

    kind: str
    survey: str
    object: OpticalObject


def _exploding(
    models: Callable[[np.random.Generator, int, Floats], Floats], nearer: float = 1.0
) -> Draw:
    """Explosions out to a share of the survey's largest redshift, each behind some dust."""

    def draw(rng: np.random.Generator, survey: Survey) -> Iterator[Source]:
        while True:
            redshift = survey.most_redshift * nearer * rng.random(_A_BANK) ** (1.0 / 3.0)
            tables = models(rng, _A_BANK, redshift)
            dust = behind_dust(rng.exponential(0.08, _A_BANK))
            yield from map(sources.of_table, tables, redshift.tolist(), dust)

    return draw


def _each(one: Callable[[np.random.Generator], Source]) -> Draw:
    def draw(rng: np.random.Generator, survey: Survey) -> Iterator[Source]:
        while True:
            yield one(rng)

    return draw


BACKGROUNDS: dict[str, Draw] = {
    "supernova Ia": _exploding(explosions.thermonuclear),
    "supernova Ib/c": _exploding(explosions.stripped),
    "supernova II": _exploding(explosions.plateau),
    "dwarf nova": _each(sources.dwarf_nova),
    "flare": _each(sources.flare),
    "afterglow": _each(sources.afterglow),
    "off-axis afterglow": _each(sources.off_axis),
    "variable": _each(sources.variable),
    "nucleus": _each(sources.nucleus),
    "asteroid": _each(sources.asteroid),
}
"""What is no kilonova, by class."""


def looked_at(seed: Sequence[int], source: Source, n: int) -> list[Labelled]:
    """One source as it is, looked at ``n`` times by each survey, at another brightness each time.

    Parameters
    ----------
    seed
        As of :func:`sample`.
    """
    found = []
    for number, survey in enumerate(SURVEYS):
        rng = np.random.default_rng([*seed, number])
        objects = (observed(rng, source, survey, wrong_mag=0.0) for _ in count())
        seen = (each for each in objects if each is not None)
        found += [Labelled(KILONOVA, survey.name, each) for each in islice(seen, n)]
    return found


_NEARER = 0.25
"""Redshift of the furthest kilonova over that of the furthest supernova: 0.025 and 0.15."""

KILONOVAE_OF_GRID = _exploding(explosions.kilonovae_of_grid, _NEARER)
KILONOVAE_OFF_GRID = _exploding(explosions.kilonovae_off_grid, _NEARER)


def sample(
    seed: Sequence[int], n_kilonovae: int, n_of_a_background: int, kilonovae: Draw
) -> list[Labelled]:
    """Objects of each class, half of them of each survey.

    Parameters
    ----------
    seed
        Another seed is another sample; the same is the same.
    n_kilonovae, n_of_a_background
        How many of each survey.
    kilonovae
        On the grid or off it.
    """
    found = []
    for survey_number, survey in enumerate(SURVEYS):
        draws = {KILONOVA: kilonovae} | BACKGROUNDS
        for number, (kind, draw) in enumerate(draws.items()):
            rng = np.random.default_rng([*seed, survey_number, number])
            n = n_kilonovae if kind == KILONOVA else n_of_a_background
            objects = (observed(rng, source, survey) for source in draw(rng, survey))
            seen = (each for each in objects if each is not None)
            found += [Labelled(kind, survey.name, each) for each in islice(seen, n)]
    return found
