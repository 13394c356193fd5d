"""What the join index finds: positions inside regions, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skymaps.localization import SkyMatch

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SkyPairs:
    """Positions inside regions, by position, then by localization; arrays of shape ``(m,)``.

    Attributes
    ----------
    row
        Index into the positions.
    number
        Index into the localizations.
    match
        What the localization of a pair says of its position.
    """

    row: Indices
    number: Indices
    match: SkyMatch

    def __len__(self) -> int:
        return len(self.row)


class PlaceMatch(NamedTuple):
    """One pair of one place: the localization's number, and what it says, as in `SkyMatch`."""

    number: int
    probdensity_per_sr: float
    credible_level: float
    cell_probability: float
