"""Nothing is timed unless both ways give the same."""

from __future__ import annotations

from correlator.errors import CorrelatorError


class DisagreementError(CorrelatorError):
    """Two ways to do one thing have different results: there is nothing to time."""


def require(holds: bool, what: str) -> None:
    """Refuse to time what gave different results.

    Raises
    ------
    DisagreementError
        It does not hold.
    """
    if not holds:
        raise DisagreementError(f"{what} differ: nothing is timed")
