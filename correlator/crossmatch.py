"""What catalogues say of a place, and whether that makes it one outside the Galaxy.

A catalogue that has nothing there, that was not asked or that did not answer says nothing: none of
these makes an object extragalactic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from correlator.policy import AT_POSITION_ARCSEC, EXTRAGALACTIC_Z, SIGNIFICANT_PARALLAX


class SkyClass(StrEnum):
    """What an entry of a catalogue is, in words that all catalogues share."""

    STAR = "star"
    VARIABLE_STAR = "variable-star"
    GALAXY = "galaxy"
    AGN = "agn"
    TRANSIENT = "transient"
    NEBULA_OR_CLUSTER = "nebula-or-cluster"


@dataclass(frozen=True, slots=True)
class CatalogTag:
    """An entry of a catalogue near a position. ``None`` is "not said".

    Attributes
    ----------
    catalog, version
        Name of the catalogue and of its content, which never changes: ``gaia``, ``3f9a60c1d2e4``.
    object_id
        The catalogue's name of the entry.
    ra_deg, dec_deg
        Where the catalogue has it, ICRS, at the catalogue's epoch [deg].
    separation_arcsec
        From the position [arcsec].
    sky_class
        What it is; None when the catalogue does not say.
    type_name
        The catalogue's own word for that: ``RRAB``, ``SN Ia``, ``Q``.
    values
        Other numbers by name, the unit in the name, sorted: ``distance_mpc``, ``parallax_mas``,
        ``z``, ``mag_r`` ...; only those that the catalogue has.
    """

    catalog: str
    version: str
    object_id: str
    ra_deg: float
    dec_deg: float
    separation_arcsec: float
    sky_class: SkyClass | None = None
    type_name: str | None = None
    values: tuple[tuple[str, float], ...] = ()

    def value(self, name: str) -> float | None:
        """A number by its name; None when the catalogue does not have it."""
        return next((number for known, number in self.values if known == name), None)


class AnswerState(StrEnum):
    """How asking a catalogue about a position ended."""

    FOUND = "found"
    NOTHING_THERE = "nothing-there"
    UNKNOWN = "unknown"
    """It was not asked, or gave no answer: nobody knows what is there."""


@dataclass(frozen=True, slots=True)
class CatalogAnswer:
    """What one catalogue said of one position.

    Attributes
    ----------
    catalog
        Who was asked.
    state
        How it ended.
    tags
        Entries, from the nearest on; none unless found.
    reason
        Why it is unknown; None when it is known.
    version
        Content of the catalogue that was asked, which never changes; None where it has no name, as
        that of a service, or where nobody knows.
    """

    catalog: str
    state: AnswerState
    tags: tuple[CatalogTag, ...] = ()
    reason: str | None = None
    version: str | None = None

    def __post_init__(self) -> None:
        if (self.state is AnswerState.FOUND) != bool(self.tags):
            raise ValueError(f"an answer has tags if and only if it is 'found', got {self}")
        if (self.state is AnswerState.UNKNOWN) != (self.reason is not None):
            raise ValueError(f"an answer has a reason if and only if it is 'unknown', got {self}")

    @classmethod
    def of(
        cls, catalog: str, tags: Iterable[CatalogTag], version: str | None = None
    ) -> CatalogAnswer:
        """The answer of a catalogue that was asked and that knew these."""
        known = tuple(tags)
        state = AnswerState.FOUND if known else AnswerState.NOTHING_THERE
        return cls(catalog, state, known, version=version)

    @classmethod
    def unknown(cls, catalog: str, reason: str) -> CatalogAnswer:
        """No answer, and why."""
        return cls(catalog, AnswerState.UNKNOWN, reason=reason)


@dataclass(frozen=True, slots=True)
class Placement:
    """Whether what is at a position lies outside the Galaxy, and what says so.

    ``None`` is unknown: nothing says either, or catalogues contradict each other.
    """

    is_extragalactic: bool | None
    reasons: tuple[str, ...]


def placement(answers: Iterable[CatalogAnswer]) -> Placement:
    """What positive evidence at the position itself says of its place.

    Only entries closer than ``AT_POSITION_ARCSEC`` count: a galaxy farther off may be the host, and
    may be behind.
    """
    tags = [tag for answer in answers for tag in answer.tags]
    at_position = [tag for tag in tags if tag.separation_arcsec <= AT_POSITION_ARCSEC]
    inside = [said for tag in at_position if (said := _galactic(tag)) is not None]
    outside = [said for tag in at_position if (said := _extragalactic(tag)) is not None]
    if inside and outside:
        return Placement(None, (*inside, *outside))
    if inside or outside:
        return Placement(bool(outside), (*inside, *outside))
    return Placement(None, ())


def _galactic(tag: CatalogTag) -> str | None:
    if tag.sky_class in (SkyClass.STAR, SkyClass.VARIABLE_STAR):
        return f"{tag.catalog}: {tag.type_name or tag.sky_class}"
    significance = tag.value("parallax_over_error")
    if significance is not None and significance >= SIGNIFICANT_PARALLAX:
        return f"{tag.catalog}: parallax of {significance:.1f} sigma"
    return None


def _extragalactic(tag: CatalogTag) -> str | None:
    if tag.sky_class in (SkyClass.GALAXY, SkyClass.AGN):
        return f"{tag.catalog}: {tag.type_name or tag.sky_class}"
    redshift = tag.value("z")
    if redshift is not None and redshift >= EXTRAGALACTIC_Z:
        return f"{tag.catalog}: z = {redshift:.4g}"
    return None
