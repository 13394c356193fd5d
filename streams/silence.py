"""Whether a source that should never be silent is, and what to do about it."""

from __future__ import annotations

from enum import StrEnum


class Life(StrEnum):
    """How a source stands.

    Attributes
    ----------
    ALIVE
        It was heard lately, or nobody listens.
    SILENT
        It was not, for longer than it should.
    LOST
        It was not, for so long that its client is to be made anew.
    """

    ALIVE = "alive"
    SILENT = "silent"
    LOST = "lost"


class SilenceWatch:
    """Measures a silence, by whichever clock it is given.

    Parameters
    ----------
    silent_after_s
        Longest silence of a source that is alive [s].
    lost_after_s
        After that silence, and again after each further one as long, the client is lost [s].
    at_s
        The clock now [s].
    """

    def __init__(self, silent_after_s: float, lost_after_s: float, at_s: float) -> None:
        self._silent_after_s = silent_after_s
        self._lost_after_s = lost_after_s
        self._heard_at_s = self._renewed_at_s = at_s

    def hear(self, at_s: float) -> None:
        """The source was heard."""
        self._heard_at_s = at_s

    def renew(self, at_s: float) -> None:
        """The client was made anew: it has as long a time as the first one."""
        self._renewed_at_s = at_s

    def silent_s(self, at_s: float) -> float:
        """For how long it was not heard [s]."""
        return at_s - self._heard_at_s

    def life(self, at_s: float) -> Life:
        """How the source stands."""
        if at_s - max(self._heard_at_s, self._renewed_at_s) >= self._lost_after_s:
            return Life.LOST
        return Life.SILENT if self.silent_s(at_s) >= self._silent_after_s else Life.ALIVE
