"""A catalogue on disk, asked about positions: entries near each, from the nearest on.

What is near what is decided by whole numbers and chords in memory (`skymaps.neighbours`). A
catalogue that fits the memory it is given is read once, at the first question; of a larger one the
cells that are asked for are kept, and those that were asked for least lately are dropped.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from correlator.crossmatch import CatalogAnswer, CatalogTag, SkyClass
from skymaps.healpix import MAX_ORDER, Positions
from skymaps.neighbours import Near, Neighbours, Points, in_order, near
from storage.catalogs import MEMORY_BYTES
from storage.catalogs.description import Description, read_description
from storage.catalogs.entries import FIXED
from storage.catalogs.errors import CatalogError
from storage.sky_runs import INDEX

Indices = NDArray[np.int64]

_SHARE = 2
"""A catalogue is kept whole if so many of its size fit the memory of all."""

_PART_SHIFT = 32
"""A point's number is its part's number, so many bits up, and its row there."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Entries in memory: a cell of a catalogue, or all of it.

    Attributes
    ----------
    points
        Where they are.
    entries
        All of them, as columns, in the same order.
    """

    points: Points
    entries: pa.Table

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Part:
        """Entries of files that are in the order of the sky.

        Raises
        ------
        CatalogError
            A file is away or broken.
        """
        try:
            tables = [pq.read_table(path, memory_map=False) for path in paths]
            entries = pa.concat_tables(tables).combine_chunks()
            index, ra, dec = (entries.column(name).to_numpy() for name in FIXED[:3])
        except (OSError, ValueError, KeyError) as error:
            raise CatalogError("catalogue", "its files are as they were built", error) from error
        return cls(Points(index, ra, dec), entries)

    @property
    def n_bytes(self) -> int:
        """Memory that it takes."""
        return int(self.entries.nbytes)


class PartCache:
    """Parts that were used lately, of all catalogues of a store, within a bound.

    Parameters
    ----------
    max_bytes
        What they take together. A part that is larger alone is used, and not kept.
    """

    def __init__(self, max_bytes: int = MEMORY_BYTES) -> None:
        self.max_bytes = max_bytes
        self._parts: OrderedDict[tuple[Path, ...], Part] = OrderedDict()
        self._lock = Lock()
        self.n_bytes = 0
        self.n_read = 0

    def get(self, paths: tuple[Path, ...]) -> Part:
        """A part, read unless it is kept."""
        with self._lock:
            known = self._parts.get(paths)
            if known is not None:
                self._parts.move_to_end(paths)
                return known
        part = Part.of(paths)
        with self._lock:
            self.n_read += 1
            if paths not in self._parts and part.n_bytes <= self.max_bytes:
                self._parts[paths] = part
                self.n_bytes += part.n_bytes
            while self.n_bytes > self.max_bytes:
                _, dropped = self._parts.popitem(last=False)
                self.n_bytes -= dropped.n_bytes
        return part


class Catalog:
    """One version of a catalogue. It never changes.

    Parameters
    ----------
    folder
        Where it is.
    cache
        Who keeps its entries.

    Raises
    ------
    CatalogError
        There is none.
    """

    def __init__(self, folder: Path, cache: PartCache | None = None) -> None:
        self.folder = folder
        self.description: Description = read_description(folder)
        self._cache = cache or PartCache()
        cells = self.description.partitions
        shift = np.array([2 * (MAX_ORDER - cell.order) for cell in cells], dtype=np.int64)
        pixel = np.array([cell.pixel for cell in cells], dtype=np.int64)
        self._lo, self._hi = pixel << shift, (pixel + 1) << shift
        paths = [folder / cell.file for cell in cells]
        self._parts: list[tuple[Path, ...]] = [(path,) for path in paths]
        if _SHARE * self.description.memory_bytes <= self._cache.max_bytes:
            self._parts = [tuple(paths)]

    def match(self, positions: Positions, radius_arcsec: float) -> Neighbours:
        """Every pair of a position and an entry within a radius; numbers are for :meth:`tags_of`.

        Raises
        ------
        ValueError
            A radius outside [0, 140,000] arcsec.
        CatalogError
            A file is away or broken.
        """
        stretches = near(positions, radius_arcsec, self.description.n_rows)
        rows, points, separations = [], [], []
        for number, some in self._touched(stretches):
            part = self._cache.get(self._parts[number])
            row, point, separation = part.points.within(positions, some)
            rows.append(row)
            points.append(point + (np.int64(number) << _PART_SHIFT))
            separations.append(separation)
        if not rows:
            none = np.empty(0, dtype=np.int64)
            return Neighbours(none, none, np.empty(0))
        return in_order(*(np.concatenate(some) for some in (rows, points, separations)))

    def _touched(self, stretches: Near) -> Iterator[tuple[int, Near]]:
        """Parts, each with the stretches that reach into it."""
        if len(self._parts) == 1:
            yield 0, stretches
            return
        first = np.searchsorted(self._hi, stretches.lo, side="right")
        count = np.searchsorted(self._lo, stretches.hi, side="left") - first
        some = np.flatnonzero(count > 0)
        which = np.repeat(some, count[some])
        before = np.cumsum(count[some]) - count[some]
        part = np.repeat(first[some] - before, count[some]) + np.arange(len(which))
        order = np.argsort(part, kind="stable")
        numbers, begin = np.unique(part[order], return_index=True)
        for number, chosen in zip(numbers.tolist(), np.split(order, begin[1:]), strict=True):
            at = which[chosen]
            radius = stretches.radius_arcsec
            yield number, Near(stretches.row[at], stretches.lo[at], stretches.hi[at], radius)

    def tags_of(self, found: Neighbours) -> list[CatalogTag]:
        """What the entries of pairs are, one tag a pair, in their order."""
        tags: list[CatalogTag | None] = [None] * len(found)
        part = found.point >> _PART_SHIFT
        row = found.point & ((1 << _PART_SHIFT) - 1)
        for number in np.unique(part).tolist():
            at = np.flatnonzero(part == number)
            entries = self._cache.get(self._parts[number]).entries.take(pa.array(row[at]))
            separations = found.separation_arcsec[at].tolist()
            for i, tag in zip(at.tolist(), self._tags(entries, separations), strict=True):
                tags[i] = tag
        return [tag for tag in tags if tag is not None]

    def _tags(self, entries: pa.Table, separations: list[float]) -> Iterator[CatalogTag]:
        name, version = self.description.name, self.description.version
        columns = [entries.column(column).to_pylist() for column in FIXED if column != INDEX]
        names = sorted(self.description.values)
        numbers = [entries.column(column).to_pylist() for column in names]
        values = zip(*numbers, strict=True) if numbers else iter([()] * len(entries))
        rows = zip(*columns, separations, values, strict=True)
        for ra, dec, object_id, type_name, sky_class, separation, known in rows:
            yield CatalogTag(
                name, version, object_id, ra, dec, separation,
                None if sky_class is None else SkyClass(sky_class), type_name,
                tuple((n, v) for n, v in zip(names, known, strict=True) if v is not None),
            )  # fmt: skip

    def answers(
        self, positions: Positions, radius_arcsec: float | None = None, *, nearest: bool = False
    ) -> list[CatalogAnswer]:
        """What the catalogue has near each position, from the nearest on.

        Parameters
        ----------
        radius_arcsec
            How far to look [arcsec]; None for the radius of its mapping.
        nearest
            Whether the nearest entry is enough.

        Raises
        ------
        ValueError, CatalogError
            As :meth:`match`.
        """
        radius = self.description.radius_arcsec if radius_arcsec is None else radius_arcsec
        found = self.match(positions, radius)
        found = found.nearest() if nearest else found
        tags: list[list[CatalogTag]] = [[] for _ in range(len(positions))]
        for row, tag in zip(found.row.tolist(), self.tags_of(found), strict=True):
            tags[row].append(tag)
        name, version = self.description.name, self.description.version
        return [CatalogAnswer.of(name, some, version) for some in tags]


_NAME = re.compile(r"[A-Za-z0-9_-]+")


class CatalogStore:
    """The folder of all catalogues, and the memory that they share.

    Parameters
    ----------
    root
        The folder; it need not be there.
    max_bytes
        Memory for entries [bytes].
    """

    def __init__(self, root: Path, max_bytes: int = MEMORY_BYTES) -> None:
        self.root = root
        self.cache = PartCache(max_bytes)

    def names(self) -> list[str]:
        """Catalogues that have a current version."""
        return sorted(path.parent.name for path in self.root.glob("*/current"))

    def current(self, name: str) -> str:
        """The current version of a catalogue.

        Raises
        ------
        CatalogError
            There is none.
        """
        try:
            return (self.root / name / "current").read_text().strip()
        except OSError:
            known = ", ".join(self.names()) or "none"
            rule = f"a catalogue is one of those in {self.root}: {known}"
            raise CatalogError(name, rule) from None

    def versions(self, name: str) -> list[str]:
        """Versions of a catalogue that are there."""
        return sorted(path.parent.name for path in (self.root / name).glob("[!.]*/catalog.json"))

    def open(self, key: str) -> Catalog:
        """The current version of a catalogue, or ``NAME@VERSION``.

        Raises
        ------
        CatalogError
            There is none.
        """
        name, _, version = key.partition("@")
        if not _NAME.fullmatch(name) or not (not version or _NAME.fullmatch(version)):
            raise CatalogError(key, "a catalogue is called NAME or NAME@VERSION")
        return Catalog(self.root / name / (version or self.current(name)), self.cache)
