"""How the cross-match service of CDS is asked, and how long it is left alone."""

from __future__ import annotations

from dataclasses import dataclass

CDS_URL = "http://cdsxmatch.u-strasbg.fr/xmatch/api/v1/sync"
"""The service; it has no https (astroquery.xmatch 0.4.11 asks there, too)."""

SIMBAD = "simbad"

MAX_RADIUS_ARCSEC = 180.0
"""The service looks no farther (its documentation of the API)."""


@dataclass(frozen=True, slots=True)
class CdsSettings:
    """How the service is asked.

    Attributes
    ----------
    url, table
        Where, and whom: ``simbad``, or ``vizier:I/355/gaiadr3``.
    radius_arcsec
        How far from a position [arcsec]; Fink's for SIMBAD.
    timeout_s
        Longest wait for an answer, the connection included [s].
    max_waiting
        Positions that wait at most; of further ones the answer is unknown at once.
    batch
        Positions that are asked for together.
    max_answer_bytes
        Longest answer [bytes].
    failures
        So many failures in a row, and it is left alone for a while.
    pause_s, longest_pause_s
        How long, first and at most; it doubles with each further failure [s].
    """

    url: str = CDS_URL
    table: str = SIMBAD
    radius_arcsec: float = 1.0
    timeout_s: float = 20.0
    max_waiting: int = 10_000
    batch: int = 500
    max_answer_bytes: int = 4 * 2**20
    failures: int = 3
    pause_s: float = 30.0
    longest_pause_s: float = 1800.0

    def __post_init__(self) -> None:
        if not 0.0 < self.radius_arcsec <= MAX_RADIUS_ARCSEC:
            raise ValueError(f"radius_arcsec must lie in (0, 180], got {self.radius_arcsec}")
        if min(self.max_waiting, self.batch, self.failures) < 1:
            raise ValueError(f"max_waiting, batch and failures are 1 or more, got {self}")
