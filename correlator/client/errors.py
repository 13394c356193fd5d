"""What goes wrong when a service is read from outside."""

from __future__ import annotations

from correlator.errors import CorrelatorError


class ClientError(CorrelatorError):
    """A service does not give what it was asked for.

    Parameters
    ----------
    whom
        The broker or the URL that was asked.
    rule
        What must hold, in words.
    value
        What was found, or what was said instead.
    status
        Of HTTP; None where nothing was answered, and of a broker.
    """

    def __init__(self, whom: str, rule: str, value: object, status: int | None = None) -> None:
        self.whom, self.rule, self.value, self.status = whom, rule, value, status
        super().__init__(f"{whom}: {rule}, got {value}")
