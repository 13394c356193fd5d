"""What goes wrong in the store on purpose, and what passes when one waits."""

from __future__ import annotations

import reprlib

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from correlator.errors import ConfigurationError, CorrelatorError

_PASSING_SQLSTATES = frozenset(
    {
        "25006",  # read_only_sql_transaction: the server is no longer the primary one
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "55P03",  # lock_not_available
        "57014",  # query_canceled: a timeout
    }
)
"""PostgreSQL's codes of what may succeed at the next try (PostgreSQL manual, appendix A)."""

_LIMITS_SQLSTATE = "54"
"""Class of what no server of its kind takes, as a key too long for an index; psycopg says it by the
Python class of what passes."""

_LASTING_SQLITE = frozenset({"SQLITE_ERROR", "SQLITE_MISMATCH"})
"""SQLite says these of a wrong statement too, by the same Python class as "database is locked"."""


class StoreAwayError(ConfigurationError):
    """The store cannot be reached: its address is wrong, or it is away for a while."""


class NotOwnerError(CorrelatorError):
    """Someone took the ownership over: whoever gets this stops writing.

    Parameters
    ----------
    name
        What is owned.
    epoch, stored_epoch
        The ownership that the writer had, and the one that counts.
    """

    def __init__(self, name: str, epoch: int, stored_epoch: int) -> None:
        self.name = name
        self.epoch = epoch
        self.stored_epoch = stored_epoch
        super().__init__(f"{name}: epoch {epoch} is over, the owner is of epoch {stored_epoch}")


class SearchError(CorrelatorError):
    """A question to the store that cannot be asked.

    Parameters
    ----------
    name
        Which part of it: ``"limit"``, ``"after"``, ``"event_key"``.
    rule
        The rule that it breaks, in words.
    value
        The offending value, shortened.
    """

    def __init__(self, name: str, rule: str, value: object) -> None:
        self.name = name
        self.rule = rule
        self.value = reprlib.repr(value)
        super().__init__(f"{name}: {rule}, got {self.value}")


def is_transient(error: BaseException) -> bool:
    """Whether an error of the store may be gone at the next try of the whole call.

    A server that is away, a connection that broke, a deadlock, a lock that was not given in
    time; not a wrong statement, a broken constraint or a damaged file.
    """
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _PASSING_SQLSTATES:
        return True
    if getattr(error.orig, "sqlite_errorname", None) in _LASTING_SQLITE:
        return False
    if (getattr(error.orig, "sqlstate", None) or "").startswith(_LIMITS_SQLSTATE):
        return False
    return isinstance(error, OperationalError | InterfaceError)
