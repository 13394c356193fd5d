"""The simulated sources of one field as columns: what they are, where, how bright at each visit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from correlator.simulation.cadence import Exposure

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Texts = NDArray[np.bytes_]

UNKNOWN = -999.0
"""ZTF's number for "unknown"."""

NO_NAME = b"null"
"""ZTF's name of no Solar System object."""

N_NEIGHBOURS = 3


class Kind(IntEnum):
    """What a source is."""

    STAR = 0
    AGN = 1
    SUPERNOVA = 2
    OUTBURST = 3
    FLARE = 4
    ASTEROID = 5
    BOGUS = 6
    COUNTERPART = 7


@dataclass(frozen=True, slots=True)
class Visits:
    """All visits of a field by time, the past ones first; every array has shape ``(v,)``.

    Attributes
    ----------
    deeper_mag
        How much fainter than ZTF the survey sees, and how much fainter it saturates.
    """

    start_unix_s: Floats
    fid: Indices
    limit_mag: Floats
    fwhm_px: Floats
    is_too: NDArray[np.bool_]
    n_past: int
    deeper_mag: float = 0.0

    def __len__(self) -> int:
        return len(self.start_unix_s)

    @property
    def n_tonight(self) -> int:
        """Visits of the night itself."""
        return len(self) - self.n_past

    @classmethod
    def of(
        cls, past: Sequence[Exposure], tonight: Sequence[Exposure], deeper_mag: float = 0.0
    ) -> Visits:
        """Visits of the exposures of one field."""
        every = (*past, *tonight)
        return cls(
            np.array([e.start_unix_s for e in every]),
            np.array([e.fid for e in every], dtype=np.int64),
            np.array([e.limit_mag for e in every]),
            np.array([e.fwhm_px for e in every]),
            np.array([e.is_too for e in every], dtype=np.bool_),
            len(past),
            deeper_mag,
        )

    def of_night(self, first: int, after: int) -> Visits:
        """The visits before ``after``, of which those from ``first`` on are tonight's."""
        kept = slice(None, after)
        return Visits(
            self.start_unix_s[kept],
            self.fid[kept],
            self.limit_mag[kept],
            self.fwhm_px[kept],
            self.is_too[kept],
            first,
            self.deeper_mag,
        )


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What catalogues hold near ``n`` positions, with ZTF's -999 for "nothing".

    Attributes
    ----------
    star_score, star_sep_arcsec, star_mag_r
        The three nearest PS1 sources, shape ``(n, 3)``.
    gaia_sep_arcsec
        Nearest Gaia source.
    reference_sep_arcsec, reference_mag
        Nearest source of the reference image.
    """

    star_score: Floats
    star_sep_arcsec: Floats
    star_mag_r: Floats
    gaia_sep_arcsec: Floats
    reference_sep_arcsec: Floats
    reference_mag: Floats


@dataclass(frozen=True, slots=True)
class Population:
    """``n`` sources of a field that has ``v`` visits.

    Attributes
    ----------
    flux
        Difference flux at each visit, shape ``(n, v)``; 0 where there is nothing.
    since_unix_s
        Beginning of the object's history before the packets' thirty days; NaN for none.
    n_before
        Raw detections before the packets' thirty days.
    solar_system_sep_arcsec, solar_system_mag, solar_system_name
        Known Solar System object, or -999, -999 and ``null``.
    """

    kind: Indices
    ra_deg: Floats
    dec_deg: Floats
    flux: Floats
    since_unix_s: Floats
    n_before: Indices
    star_score: Floats
    star_sep_arcsec: Floats
    star_mag_r: Floats
    gaia_sep_arcsec: Floats
    reference_sep_arcsec: Floats
    reference_mag: Floats
    solar_system_sep_arcsec: Floats
    solar_system_mag: Floats
    solar_system_name: Texts

    def __len__(self) -> int:
        return len(self.kind)

    @classmethod
    def of(
        cls,
        kind: Kind,
        ra_deg: Floats,
        dec_deg: Floats,
        flux: Floats,
        near: Surroundings,
        since_unix_s: Floats | None = None,
        n_before: Indices | None = None,
    ) -> Population:
        """Sources of one kind, none of them in the Solar System."""
        n = len(ra_deg)
        return cls(
            kind=np.full(n, int(kind), dtype=np.int64),
            ra_deg=ra_deg,
            dec_deg=dec_deg,
            flux=flux,
            since_unix_s=np.full(n, np.nan) if since_unix_s is None else since_unix_s,
            n_before=np.zeros(n, dtype=np.int64) if n_before is None else n_before,
            star_score=near.star_score,
            star_sep_arcsec=near.star_sep_arcsec,
            star_mag_r=near.star_mag_r,
            gaia_sep_arcsec=near.gaia_sep_arcsec,
            reference_sep_arcsec=near.reference_sep_arcsec,
            reference_mag=near.reference_mag,
            solar_system_sep_arcsec=np.full(n, UNKNOWN),
            solar_system_mag=np.full(n, UNKNOWN),
            solar_system_name=np.full(n, NO_NAME, dtype="S12"),
        )


def joined(parts: Sequence[Population]) -> Population:
    """One population of several of the same field."""
    if len(parts) == 1:
        return parts[0]
    columns = {
        column.name: np.concatenate([getattr(part, column.name) for part in parts])
        for column in fields(Population)
    }
    return Population(**columns)
