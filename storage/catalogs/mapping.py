"""How the columns of a published catalogue become ours: a mapping, which is data (TOML)."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from correlator.crossmatch import SkyClass
from skymaps.neighbours import MAX_RADIUS_ARCSEC
from storage.catalogs.errors import CatalogError

Names = tuple[str, ...]
"""Names that a column may have; the first one that a file has counts."""


@dataclass(frozen=True, slots=True)
class ValueOf:
    """A number of an entry.

    Attributes
    ----------
    column
        Its column.
    scale
        What it is multiplied with, for our unit.
    over
        The column that it is divided by; none as a rule.
    """

    column: Names
    scale: float = 1.0
    over: Names = ()


@dataclass(frozen=True, slots=True)
class Mapping:
    """How to read one catalogue. The fields have the names that they have in the TOML file.

    Attributes
    ----------
    name
        Of the mapping.
    title, licence
        Of the catalogue; who may do what with it.
    ra, dec
        ICRS coordinates, in ``angle_unit``; ``sexagesimal``: or as text, hours and degrees.
    id
        The catalogue's name of an entry; without one it is named by its place.
    type
        The catalogue's word for what an entry is.
    classes, sky_class
        What that word means to us, and what an entry is whose word is not there. In the file the
        latter is ``class``; without it the entry's class is unknown.
    left_out
        Words of entries that are none.
    values
        Other numbers by our names.
    missing
        Numbers that stand for "not known".
    radius_arcsec
        How far to look for an entry unless one says otherwise [arcsec].
    epoch_year
        Of the positions; None when it does not matter.
    columns, delimiter
        Of a text file without a header; of any text file (default: the file's suffix says it).
    table
        Of an SQLite file.
    package, package_file
        The Python package that brings the catalogue, and its file there.
    """

    name: str
    title: str
    ra: Names
    dec: Names
    licence: str = ""
    id: Names = ()
    type: Names = ()
    classes: dict[str, SkyClass] = field(default_factory=dict)
    sky_class: SkyClass | None = None
    left_out: frozenset[str] = frozenset()
    values: dict[str, ValueOf] = field(default_factory=dict)
    missing: tuple[float, ...] = ()
    radius_arcsec: float = 1.5
    epoch_year: float | None = None
    angle_unit: Literal["deg", "rad"] = "deg"
    sexagesimal: bool = False
    columns: Names = ()
    delimiter: str | None = None
    table: str | None = None
    package: str | None = None
    package_file: str | None = None

    def class_of(self, type_name: str | None) -> SkyClass | None:
        """What an entry of that type is: the type itself, else its parts (``EA/RS``, ``M:``)."""
        if type_name is not None:
            for word in (type_name, *re.split(r"[|/+]", type_name)):
                known = self.classes.get(word.strip().rstrip(":"))
                if known is not None:
                    return known
        return self.sky_class


_FOLDER = files("storage.catalogs") / "mappings"


def ready_mappings() -> list[str]:
    """Names of the mappings that come with us."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in _FOLDER.iterdir()
        if entry.name.endswith(".toml")
    )


def mapping_of(name: str) -> Mapping:
    """The mapping of that name, or of a TOML file.

    Raises
    ------
    CatalogError
        There is none, or it is not one.
    """
    if name in ready_mappings():
        return _mapping(name, (_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    if not name.endswith(".toml"):
        known = ", ".join(ready_mappings())
        raise CatalogError(name, f"a mapping is one of {known}, or a file that ends in .toml")
    path = Path(name)
    try:
        return _mapping(path.stem, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(name, "a mapping can be read", error) from error


def _mapping(name: str, text: str) -> Mapping:
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(f"mapping {name}", "a mapping is TOML", error) from error
    given = {("sky_class" if key == "class" else key): value for key, value in said.items()}
    try:
        converted = {key: _CONVERTERS[key](value) for key, value in given.items()}
    except KeyError as error:
        known = ", ".join(sorted(_CONVERTERS))
        raise CatalogError(f"mapping {name}", f"its keys are {known}", error) from error
    except (TypeError, ValueError) as error:
        raise CatalogError(f"mapping {name}", "its values have their types", error) from error
    missing = {"title", "ra", "dec"} - converted.keys()
    if missing:
        raise CatalogError(f"mapping {name}", f"it has {', '.join(sorted(missing))}")
    return Mapping(name=name, **converted)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} must be text")
    return value


def _names(value: Any) -> Names:
    found = (value,) if isinstance(value, str) else tuple(value)
    if not found or not all(isinstance(name, str) for name in found):
        raise TypeError(f"{value!r} must be the name of a column, or a list of some")
    return found


def _value_of(value: Any) -> ValueOf:
    if not isinstance(value, dict):
        return ValueOf(_names(value))
    over = value.get("over")
    known = ValueOf(
        _names(value.get("column", ())),
        float(value.get("scale", 1.0)),
        () if over is None else _names(over),
    )
    if unknown := value.keys() - {"column", "scale", "over"}:
        raise ValueError(f"a value has column, scale and over, not {', '.join(sorted(unknown))}")
    return known


def _radius(value: Any) -> float:
    if not 0.0 <= float(value) <= MAX_RADIUS_ARCSEC:
        raise ValueError(f"radius_arcsec must lie in [0, {MAX_RADIUS_ARCSEC:.0f}], got {value}")
    return float(value)


def _unit(value: Any) -> str:
    if value not in ("deg", "rad"):
        raise ValueError(f"angle_unit is deg or rad, got {value!r}")
    return str(value)


_CONVERTERS: dict[str, Any] = {
    "title": _text,
    "licence": _text,
    "table": _text,
    "package": _text,
    "package_file": _text,
    "delimiter": _text,
    "angle_unit": _unit,
    "ra": _names,
    "dec": _names,
    "id": _names,
    "type": _names,
    "columns": _names,
    "left_out": lambda value: frozenset(_names(value)),
    "sky_class": SkyClass,
    "classes": lambda value: {key: SkyClass(known) for key, known in value.items()},
    "values": lambda value: {key: _value_of(known) for key, known in value.items()},
    "missing": lambda value: tuple(float(number) for number in value),
    "radius_arcsec": _radius,
    "epoch_year": float,
    "sexagesimal": bool,
}
