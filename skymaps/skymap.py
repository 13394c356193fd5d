"""Sky maps: cells of many orders, each with a density, a credible level, maybe a distance."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skymaps.errors import SkyMapError
from skymaps.healpix import (
    BASE_CELL_SR,
    DEG2_PER_SR,
    END_29,
    MAX_ORDER,
    Positions,
    cell_area_sr,
    first_uniq,
    joined_ranges,
    orders_of_ranges,
    orders_of_uniq,
    ranges_of_cells,
)
from skymaps.localization import SkyMatch

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

SUM_BOUNDS = (1e-9, 1e9)
"""Probability that a map may sum to as published. Real flat maps that hold a density in a column
named PROBABILITY sum to N / 4 pi = 15,646; one in deg-2 without a unit to 3e-4."""

NO_DISTANCE = (np.inf, 1.0, 0.0)
"""DISTMU, DISTSIGMA, DISTNORM of a place without a distance (ligo.skymap's convention)."""


@dataclass(frozen=True, slots=True)
class DistanceMatch:
    """Distance ansatz at ``n`` positions: p(r) = norm r^2 N(r; mu, sigma) (Singer et al. 2016).

    Where the map has no distance, or does not cover the place: mu inf, sigma 1, norm 0.

    Attributes
    ----------
    mu_mpc, sigma_mpc
        Location and scale [Mpc], shape ``(n,)``; mu may be negative.
    norm
        Normalisation [1/Mpc2], shape ``(n,)``.
    """

    mu_mpc: Floats
    sigma_mpc: Floats
    norm: Floats


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class SkyMap:
    """A multi-order map as sorted, disjoint, half-open order-29 ranges, each one NESTED cell.

    Places that the cells leave out have density 0 and credible level 1. Nothing can be changed:
    the arrays are not writeable.

    Attributes
    ----------
    lo, hi
        Order-29 ranges ``[lo, hi)``, sorted, shape ``(n,)``.
    published_density_per_sr
        Density as published [1/sr], shape ``(n,)``.
    probdensity_per_sr
        Density normalised by the map's own sum [1/sr], shape ``(n,)``.
    cell_probability
        Probability inside each cell, normalised likewise.
    credible_level
        Greedy credible level inclusive of the own cell; equal densities in order of index.
    sum_before_normalising
        Sum of the published density over the sky.
    dist_mu_mpc, dist_sigma_mpc, dist_norm
        Distance layers of shape ``(n,)``, or None; see :class:`DistanceMatch`.
    """

    lo: Indices
    hi: Indices
    published_density_per_sr: Floats
    probdensity_per_sr: Floats
    cell_probability: Floats
    credible_level: Floats
    sum_before_normalising: float
    dist_mu_mpc: Floats | None
    dist_sigma_mpc: Floats | None
    dist_norm: Floats | None
    _order: Indices
    _is_whole: bool
    _sha256: str | None

    def __init__(
        self,
        lo: ArrayLike,
        hi: ArrayLike,
        probdensity_per_sr: ArrayLike,
        distance: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None,
    ) -> None:
        """Sort and check the cells, and rank them.

        Parameters
        ----------
        lo, hi
            Half-open order-29 ranges, each one NESTED cell, in any order, shape ``(n,)``.
        probdensity_per_sr
            Density as published [1/sr].
        distance
            Mu [Mpc], sigma [Mpc] and norm [1/Mpc2] of every cell.

        Raises
        ------
        SkyMapError
            No cell, a range that is no cell, cells that overlap, a density that is negative or
            not finite, a sum outside :data:`SUM_BOUNDS`.
        """
        low, high = np.asarray(lo, dtype=np.int64), np.asarray(hi, dtype=np.int64)
        density = np.asarray(probdensity_per_sr, dtype=np.float64)
        layers = None if distance is None else [np.asarray(d, dtype=np.float64) for d in distance]
        _check_shapes([low, high, density, *(layers or [])])
        try:
            order = orders_of_ranges(low, high)
        except ValueError as error:
            raise SkyMapError(str(error)) from error
        self._fill(low, order, density, layers)

    def _fill(
        self, low: Indices, order: Indices, density: Floats, layers: list[Floats] | None
    ) -> None:
        """Sort cells that are some, and rank them."""
        rows = slice(None) if _rises(low) else np.argsort(low, kind="stable")
        low, order = low[rows].copy(), order[rows].copy()
        high = low + (np.int64(1) << (2 * (MAX_ORDER - order)))
        _check_overlap(low, high)
        check_densities(density)
        density = density[rows] + 0.0  # one zero, not two
        probability, level, total = _ranked(density, cell_area_sr(order))
        mu, sigma, norm = (
            (None, None, None) if layers is None else _with_no_distance([d[rows] for d in layers])
        )
        values = {
            "lo": low,
            "hi": high,
            "published_density_per_sr": density,
            "probdensity_per_sr": density / total,
            "cell_probability": probability,
            "credible_level": level,
            "sum_before_normalising": total,
            "dist_mu_mpc": mu,
            "dist_sigma_mpc": sigma,
            "dist_norm": norm,
            "_order": order,
            "_is_whole": int(low[0]) == 0 and int((high - low).sum()) == END_29,
            "_sha256": None,
        }
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    @classmethod
    def from_uniq(
        cls,
        uniq: ArrayLike,
        probdensity_per_sr: ArrayLike,
        dist_mu_mpc: ArrayLike | None = None,
        dist_sigma_mpc: ArrayLike | None = None,
        dist_norm: ArrayLike | None = None,
    ) -> SkyMap:
        """Make a map of UNIQ cells in any order, density [1/sr], all distance layers or none.

        Raises
        ------
        SkyMapError
            See the constructor; also a UNIQ index that is none.
        """
        layers = [d for d in (dist_mu_mpc, dist_sigma_mpc, dist_norm) if d is not None]
        if len(layers) not in (0, 3):
            raise SkyMapError("a map has all three distance layers or none")
        index = np.asarray(uniq, dtype=np.int64)
        density, *distance = (
            np.asarray(d, dtype=np.float64) for d in (probdensity_per_sr, *layers)
        )
        _check_shapes([index, density, *distance])
        try:
            order = orders_of_uniq(index)
        except ValueError as error:
            raise SkyMapError(str(error)) from error
        lo, _ = ranges_of_cells(order, index - first_uniq(order))
        made = cls.__new__(cls)
        made._fill(lo, order, density, distance or None)
        return made

    def __repr__(self) -> str:
        return f"SkyMap({self.n_rows} rows, sha256={self.sha256[:12]})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SkyMap) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    @property
    def kind(self) -> str:
        """``map``."""
        return "map"

    @property
    def sha256(self) -> str:
        """Hash of the wire bytes."""
        digest = self._sha256 or hashlib.sha256(self.to_bytes()).hexdigest()
        object.__setattr__(self, "_sha256", digest)
        return digest

    @property
    def n_rows(self) -> int:
        """Number of cells."""
        return len(self.lo)

    @property
    def has_distance(self) -> bool:
        """Whether the map has distance layers."""
        return self.dist_norm is not None

    @property
    def order(self) -> Indices:
        """HEALPix order of each cell, shape ``(n,)``."""
        return self._order

    def match(self, positions: Positions) -> SkyMatch:
        """Density, credible level and own cell's probability at each position."""
        row, covered = self._rows_of(positions)
        if covered is None:
            return SkyMatch(
                self.probdensity_per_sr[row], self.credible_level[row], self.cell_probability[row]
            )
        return SkyMatch(
            np.where(covered, self.probdensity_per_sr[row], 0.0),
            np.where(covered, self.credible_level[row], 1.0),
            np.where(covered, self.cell_probability[row], 0.0),
        )

    def distance_at(self, positions: Positions) -> DistanceMatch | None:
        """Distance ansatz at each position; None when the map has no distance layers."""
        if self.dist_mu_mpc is None or self.dist_sigma_mpc is None or self.dist_norm is None:
            return None
        row, covered = self._rows_of(positions)
        layers = (self.dist_mu_mpc, self.dist_sigma_mpc, self.dist_norm)
        if covered is None:
            return DistanceMatch(*(layer[row] for layer in layers))
        found = [np.where(covered, d[row], x) for d, x in zip(layers, NO_DISTANCE, strict=True)]
        return DistanceMatch(*found)

    def area_deg2(self, level: float) -> float:
        """Area of the region of credible ``level`` [deg2], the straddling cell included.

        Raises
        ------
        SkyMapError
            A level outside [0, 1].
        """
        inside = self._inside(level)
        # A sum of whole numbers does not depend on its order.
        cells_29 = int((self.hi[inside] - self.lo[inside]).sum())
        return cells_29 * (BASE_CELL_SR / 4.0**MAX_ORDER) * DEG2_PER_SR

    def ranges(self, level: float) -> Indices:
        """Region of credible ``level`` as merged half-open order-29 ranges, shape ``(m, 2)``.

        Raises
        ------
        SkyMapError
            A level outside [0, 1].
        """
        inside = self._inside(level)
        return joined_ranges(self.lo[inside], self.hi[inside])

    def cover(self, level: float) -> Indices:
        """Ranges that hold the region of credible ``level``, shape ``(m, 2)``.

        Raises
        ------
        SkyMapError
            A level outside [0, 1].
        """
        # Density and level of a cell are the same however many positions ask for them.
        return self.ranges(level)

    def to_bytes(self) -> bytes:
        """Return the wire form; :func:`skymaps.wire.localization_of_bytes` is the inverse."""
        from skymaps.wire import localization_to_bytes  # the wire knows every form

        return localization_to_bytes(self)

    def _rows_of(self, positions: Positions) -> tuple[Indices, NDArray[np.bool_] | None]:
        """Rows of positions, and which are rows indeed; None where all are."""
        row = np.searchsorted(self.lo, positions.index_29, side="right") - 1
        if self._is_whole:
            return row, None
        row = np.maximum(row, 0)
        covered = (self.lo[row] <= positions.index_29) & (positions.index_29 < self.hi[row])
        return row, covered

    def _inside(self, level: float) -> NDArray[np.bool_]:
        if not 0.0 <= level <= 1.0:
            raise SkyMapError("a credible level lies in [0, 1]", level)
        return np.asarray(self.credible_level - self.cell_probability < level)


def _check_shapes(arrays: list[NDArray[np.float64] | NDArray[np.int64]]) -> None:
    n = arrays[0].size
    if any(a.shape != (n,) for a in arrays):
        raise SkyMapError("every layer has one value a cell", [a.shape for a in arrays])
    if n == 0:
        raise SkyMapError("a map has at least one cell")


def check_densities(density: Floats) -> None:
    """Refuse a density that is negative or not finite."""
    # What is no number makes the extremes none.
    if len(density) and not (density.min() >= 0.0 and density.max() < np.inf):
        good = np.isfinite(density) & (density >= 0.0)
        raise SkyMapError("a density is finite and not negative", float(density[~good][0]))


def _check_overlap(lo: Indices, hi: Indices) -> None:
    overlap = lo[1:] < hi[:-1]
    if overlap.any():
        raise SkyMapError("the cells of a map do not overlap", int(lo[1:][overlap][0]))


def _rises(values: Indices) -> bool:
    return bool((values[1:] > values[:-1]).all())


def _ranked(density: Floats, area_sr: Floats) -> tuple[Floats, Floats, float]:
    """Cell probability and greedy credible level, both of the own sum, and that sum."""
    with np.errstate(over="ignore"):
        probability = density * area_sr
        falling = _falling(density)
        # cumsum adds in order; np.sum's order, hence its last digit, depends on the build.
        enclosed = np.cumsum(probability[falling])
    total = float(enclosed[-1])
    if not SUM_BOUNDS[0] <= total <= SUM_BOUNDS[1]:
        raise SkyMapError(f"a map sums to a probability within {SUM_BOUNDS}", total)
    level = np.empty_like(enclosed)
    level[falling] = enclosed / total
    return probability / total, level, total


def _falling(density: Floats) -> Indices:
    """Rows by falling density, equal ones in their order."""
    # A sort that keeps no order takes a quarter of the time; ties are few in most maps.
    rows = np.argsort(-density)
    ranked = density[rows]
    tied = ranked[1:] == ranked[:-1]
    n_tied = np.count_nonzero(tied)
    if n_tied > len(rows) // 8:
        return np.argsort(-density, kind="stable")
    if n_tied:
        run = np.concatenate([[0], np.cumsum(~tied)])
        some = np.flatnonzero(np.append(tied, False) | np.append(False, tied))
        rows[some] = rows[some][np.lexsort((rows[some], run[some]))]
    return rows


def _with_no_distance(layers: list[Floats]) -> list[Floats]:
    """Distance layers where any cell without a usable distance says so in one way."""
    mu, sigma, norm = layers
    known = np.isfinite(mu) & np.isfinite(sigma) & np.isfinite(norm) & (sigma > 0) & (norm > 0)
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        if known.all():
            return [d + 0.0 for d in layers]
        return [np.where(known, d + 0.0, x) for d, x in zip(layers, NO_DISTANCE, strict=True)]
