"""What our notices say of an object's looks and surroundings; see `streams.coincidence_block`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

DESCRIBED = ConfigDict(use_attribute_docstrings=True)
"""The strings below the fields are their descriptions in the published schema."""


@dataclass(frozen=True, slots=True)
class ScoreSaid:
    """One score of the object."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    version: str
    """Of the rule or model."""
    value: float | None
    """Null where it cannot tell; the reason says why."""
    reason: str
    """Why it is so."""


@dataclass(frozen=True, slots=True)
class Looks:
    """Class and scores of the object; they enter no term."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    object_class: str
    """What it looks like."""
    scores: dict[str, ScoreSaid]
    """By name."""


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One entry of a catalogue near the object; null is not said by the catalogue."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    object_id: str
    """The catalogue's name of the entry."""
    ra_deg: float
    """Right ascension, ICRS, at the catalogue's epoch [deg]."""
    dec_deg: float
    """Declination, ICRS, at the catalogue's epoch [deg]."""
    separation_arcsec: float
    """From the object [arcsec]."""
    sky_class: str | None
    """``star``, ``variable-star``, ``galaxy``, ``agn``, ``transient``, ``nebula-or-cluster``."""
    type_name: str | None
    """The catalogue's own word for that."""
    values: dict[str, float]
    """Other numbers, the unit in the name: ``distance_mpc``, ``z``, ``mag_r`` ..."""


@dataclass(frozen=True, slots=True)
class CatalogSaid:
    """What one catalogue said of the place."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    catalog: str
    """Who was asked."""
    version: str | None
    """Content of the catalogue; null where it has no name."""
    state: str
    """``found``, ``nothing-there`` or ``unknown``."""
    reason: str | None
    """Why it is unknown; null when it is known."""
    entries: tuple[CatalogEntry, ...]
    """From the nearest on."""


@dataclass(frozen=True, slots=True)
class HostSaid:
    """One galaxy that may be the host; null is what cannot be computed of its entry."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    catalog: str
    """Whose entry it is."""
    object_id: str
    """The catalogue's name of the galaxy."""
    separation_arcsec: float
    """From the object [arcsec]."""
    p_chance: float | None
    """Probability that so bright a galaxy is so near by chance."""
    mag_name: str | None
    """The magnitude that this follows from."""
    offset_kpc: float | None
    """Projected distance [kpc]."""
    offset_radii: float | None
    """The same in radii of the galaxy."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What local catalogues have near the object."""

    __pydantic_config__: ClassVar[ConfigDict] = DESCRIBED

    is_extragalactic: bool | None
    """What positive evidence at the position says."""
    is_extragalactic_reasons: tuple[str, ...]
    """That evidence."""
    catalogs: tuple[CatalogSaid, ...]
    """What each catalogue said; empty when none was asked."""
    hosts: tuple[HostSaid, ...]
    """Galaxies that may be the host, the likeliest first."""
