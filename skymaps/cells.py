"""The cells of a map as they come: checked one by one, neither sorted nor ranked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymaps.errors import SkyMapError
from skymaps.healpix import cell_area_sr, orders_of_uniq
from skymaps.skymap import SkyMap, check_densities

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class MapCells:
    """Columns of a map, in the order in which it came; arrays of shape ``(n,)``.

    Attributes
    ----------
    uniq, order
        UNIQ index and HEALPix order of each cell.
    published_density_per_sr
        Density as published [1/sr], finite and not negative.
    distance
        Mu [Mpc], sigma [Mpc] and norm [1/Mpc2] of each cell as published, or None.
    total
        Sum of the density over the sky.
    """

    uniq: Indices
    order: Indices
    published_density_per_sr: Floats
    distance: tuple[Floats, Floats, Floats] | None
    total: float

    @classmethod
    def of(
        cls, uniq: Indices, published_density_per_sr: Floats, distance: list[Floats] | None = None
    ) -> MapCells:
        """Check the cells, each by itself.

        Raises
        ------
        SkyMapError
            A UNIQ index that is none, a density that is negative or not finite.
        """
        order = checked_orders(uniq)
        check_densities(published_density_per_sr)
        with np.errstate(over="ignore"):
            # Not np.dot: its threads wait for each other on a busy machine.
            total = float((published_density_per_sr * cell_area_sr(order)).sum())
        layers = (distance[0], distance[1], distance[2]) if distance else None
        return cls(uniq, order, published_density_per_sr, layers, total)

    def __len__(self) -> int:
        return len(self.uniq)

    def ranked(self) -> SkyMap:
        """The map of the cells.

        Raises
        ------
        SkyMapError
            Cells that overlap, a sum outside `skymap.SUM_BOUNDS`.
        """
        return SkyMap.from_uniq(self.uniq, self.published_density_per_sr, *(self.distance or ()))


def checked_orders(uniq: Indices) -> Indices:
    """Order of each cell; a SkyMapError where an index is none."""
    try:
        return orders_of_uniq(uniq)
    except ValueError as error:
        raise SkyMapError(str(error)) from error
