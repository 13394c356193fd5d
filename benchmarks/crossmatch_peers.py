"""Others' ways to find the nearest entry of a catalogue, each with its tables made beforehand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skymaps.healpix import MAX_ORDER, index_29_of, unit_vectors

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PARTITION_ORDER = 1
"""Of the trees of pixels: 48 pixels of 0.2 million of ten million entries, below the million that
hats-import splits at."""

_MOC_ORDER = 16
"""Cells of 3.2 arcsec: a cone of 5 arcsec is a dozen of them."""


@dataclass(frozen=True, slots=True)
class Found:
    """Positions that have an entry within the radius, in order, and the nearest entry of each."""

    row: Ints
    entry: Ints


class Peer(Protocol):
    """A way to find the nearest entry."""

    name: str
    said: str

    def nearest(self, ra_deg: Floats, dec_deg: Floats) -> Found:
        """The nearest entry within the radius of each position [deg]."""


def peers_of(ra_deg: Floats, dec_deg: Floats, radius_arcsec: float) -> dict[str, Peer]:
    """Every peer over the entries of a catalogue [deg], by its name."""
    made: Iterator[Peer] = iter(
        (
            AstropyTree(ra_deg, dec_deg, radius_arcsec),
            ScipyTree(ra_deg, dec_deg, radius_arcsec),
            PixelTrees(ra_deg, dec_deg, radius_arcsec),
            MocRanges(ra_deg, dec_deg, radius_arcsec),
        )
    )
    return {peer.name: peer for peer in made}


class AstropyTree:
    """``SkyCoord.match_to_catalog_sky``, which looks for the nearest at any distance."""

    name = "astropy"
    said = "astropy SkyCoord.match_to_catalog_sky (its tree kept; nearest, without a radius)"

    def __init__(self, ra_deg: Floats, dec_deg: Floats, radius_arcsec: float) -> None:
        self._radius_arcsec = radius_arcsec
        self._sky = _coordinates(ra_deg, dec_deg)
        # It builds its tree at the first call.
        _coordinates(ra_deg[:1], dec_deg[:1]).match_to_catalog_sky(self._sky)

    def nearest(self, ra_deg: Floats, dec_deg: Floats) -> Found:
        """As :class:`Peer` says."""
        entry, off, _ = _coordinates(ra_deg, dec_deg).match_to_catalog_sky(self._sky)
        row = np.flatnonzero(off.arcsec <= self._radius_arcsec)
        return Found(row, entry[row])


class ScipyTree:
    """One KD-tree of unit vectors."""

    name = "kdtree"
    said = "scipy cKDTree.query of unit vectors (nearest within the radius, vectors included)"

    def __init__(self, ra_deg: Floats, dec_deg: Floats, radius_arcsec: float) -> None:
        self._chord = _chord(radius_arcsec)
        self._tree = _tree(unit_vectors(ra_deg, dec_deg))

    def nearest(self, ra_deg: Floats, dec_deg: Floats) -> Found:
        """As :class:`Peer` says."""
        vectors = unit_vectors(ra_deg, dec_deg)
        off, entry = self._tree.query(vectors, distance_upper_bound=self._chord)
        row = np.flatnonzero(np.isfinite(off))
        return Found(row, entry[row])


class PixelTrees:
    """As LSDB: a catalogue in HEALPix pixels, and in each a KD-tree that is made for the question.

    LSDB keeps a margin about each pixel; here a position near a border asks both pixels.
    """

    name = "pixel-trees"
    said = "a KD-tree a HEALPix pixel, made when asked, as LSDB does (without Dask and files)"

    def __init__(self, ra_deg: Floats, dec_deg: Floats, radius_arcsec: float) -> None:
        pixel = _pixels(ra_deg, dec_deg)
        self._order = np.argsort(pixel, kind="stable")
        self._begin = np.searchsorted(pixel[self._order], np.arange(12 * 4**PARTITION_ORDER + 1))
        self._vectors = unit_vectors(ra_deg, dec_deg)[self._order]
        self._chord, self._radius_deg = _chord(radius_arcsec), radius_arcsec / 3600.0

    def nearest(self, ra_deg: Floats, dec_deg: Floats) -> Found:
        """As :class:`Peer` says."""
        vectors = unit_vectors(ra_deg, dec_deg)
        best = np.full(len(ra_deg), np.inf)
        entry = np.full(len(ra_deg), -1, dtype=np.int64)
        asked = self._asked(ra_deg, dec_deg)
        for pixel in np.unique(asked[:, 1]).tolist():
            begin, end = self._begin[pixel], self._begin[pixel + 1]
            if begin == end:
                continue
            tree = _tree(self._vectors[begin:end])
            row = asked[asked[:, 1] == pixel, 0]
            off, which = tree.query(vectors[row], distance_upper_bound=self._chord)
            is_nearer = off < best[row]
            best[row[is_nearer]] = off[is_nearer]
            entry[row[is_nearer]] = self._order[begin + which[is_nearer]]
        found = np.flatnonzero(entry >= 0)
        return Found(found, entry[found])

    def _asked(self, ra_deg: Floats, dec_deg: Floats) -> Ints:
        """Pairs of a position and a pixel within the radius of it, each once; shape ``(k, 2)``."""
        ra_step = self._radius_deg / np.maximum(np.cos(np.radians(dec_deg)), 1e-6)
        rows, pixels = [], []
        for east, north in ((0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)):
            dec = np.clip(dec_deg + north * self._radius_deg, -90.0, 90.0)
            pixels.append(_pixels((ra_deg + east * ra_step) % 360.0, dec))
            rows.append(np.arange(len(ra_deg)))
        return np.unique(np.stack([np.concatenate(rows), np.concatenate(pixels)], axis=1), axis=0)


class MocRanges:
    """With mocpy: the cones of the positions as one MOC, the entries in it, a KD-tree of these."""

    name = "moc"
    said = "mocpy MOC.from_cones, its ranges among the sorted indices, a KD-tree of what is inside"

    def __init__(self, ra_deg: Floats, dec_deg: Floats, radius_arcsec: float) -> None:
        index = index_29_of(ra_deg, dec_deg)
        self._order = np.argsort(index, kind="stable")
        self._index = index[self._order]
        self._vectors = unit_vectors(ra_deg, dec_deg)
        self._radius_arcsec, self._chord = radius_arcsec, _chord(radius_arcsec)

    def nearest(self, ra_deg: Floats, dec_deg: Floats) -> Found:
        """As :class:`Peer` says."""
        ranges = self._cones(ra_deg, dec_deg).to_depth29_ranges.astype(np.int64)
        begin = np.searchsorted(self._index, ranges[:, 0])
        count = np.searchsorted(self._index, ranges[:, 1]) - begin
        first = np.repeat(begin - (np.cumsum(count) - count), count)
        inside = self._order[first + np.arange(len(first))]
        if not len(inside):
            return Found(inside, inside)
        vectors = unit_vectors(ra_deg, dec_deg)
        off, which = _tree(self._vectors[inside]).query(vectors, distance_upper_bound=self._chord)
        row = np.flatnonzero(np.isfinite(off))
        return Found(row, inside[which[row]])

    def _cones(self, ra_deg: Floats, dec_deg: Floats) -> Any:
        from astropy import units as u
        from astropy.coordinates import Latitude, Longitude
        from mocpy import MOC

        return MOC.from_cones(
            Longitude(ra_deg * u.deg),
            Latitude(dec_deg * u.deg),
            radius=self._radius_arcsec * u.arcsec,
            max_depth=_MOC_ORDER,
            delta_depth=2,
            union_strategy="small_cones",
        )


def _pixels(ra_deg: Floats, dec_deg: Floats) -> Ints:
    return index_29_of(ra_deg, dec_deg) >> (2 * (MAX_ORDER - PARTITION_ORDER))


def _chord(radius_arcsec: float) -> float:
    """Length of the chord of an angle, a billionth longer: what is on the circle is inside."""
    return 2.0 * math.sin(0.5 * math.radians(radius_arcsec / 3600.0)) * (1.0 + 1e-9)


def _tree(vectors: Floats) -> Any:
    from scipy.spatial import cKDTree

    return cKDTree(vectors)


def _coordinates(ra_deg: Floats, dec_deg: Floats) -> Any:
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    return SkyCoord(ra_deg * u.deg, dec_deg * u.deg)
