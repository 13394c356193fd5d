"""Whether the store answers, and how much of what a reader may see is in it, and how old."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from correlator.audience import Reader
from correlator.event import EventState
from storage.database import Database
from storage.readable import readable
from storage.schema import coincidences, events, notices, objects, targets


@dataclass(frozen=True, slots=True)
class Summary:
    """What a reader may see of the store; times are None where there is nothing.

    Attributes
    ----------
    n_events, n_notices
        How many there are.
    n_coincidences, n_targets
        How many stand: published and not gone, in a list and not retired.
    alert_unix_s, event_unix_s, notice_unix_s, published_unix_s
        Of the latest alert, T0 of the latest event that is no test, time of the latest notice, and
        when a coincidence was published last [s since the Unix epoch].
    """

    n_events: int
    n_notices: int
    n_coincidences: int
    n_targets: int
    alert_unix_s: float | None
    event_unix_s: float | None
    notice_unix_s: float | None
    published_unix_s: float | None


class SummaryStore:
    """Counts and latest times, each a scan of an index at most: to be asked now and then."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ping(self) -> None:
        """Ask the database for nothing.

        Raises
        ------
        sqlalchemy.exc.SQLAlchemyError
            It does not answer.
        """
        with self._database.reading() as connection:
            connection.execute(select(1))

    def of(self, reader: Reader) -> Summary:
        """What a reader may see of the store."""
        n, active = func.count(), "active"
        asked = {
            "n_events": select(n).select_from(events).where(*readable(events, reader)),
            "n_notices": select(n).select_from(notices).where(*readable(notices, reader)),
            "n_coincidences": select(n).where(
                coincidences.c.is_current,
                coincidences.c.state == active,
                *readable(coincidences, reader),
            ),
            "n_targets": select(n).where(targets.c.state == active, *readable(targets, reader)),
            "alert_unix_s": select(func.max(objects.c.time_unix_s)).where(
                *readable(objects, reader)
            ),
            "event_unix_s": select(func.max(events.c.event_unix_s)).where(
                events.c.state != str(EventState.TEST), *readable(events, reader)
            ),
            "notice_unix_s": select(func.max(notices.c.notice_unix_s)).where(
                *readable(notices, reader)
            ),
            "published_unix_s": select(func.max(coincidences.c.published_unix_s)).where(
                *readable(coincidences, reader)
            ),
        }
        with self._database.reading() as connection:
            return Summary(
                **{name: connection.execute(one).scalar_one() for name, one in asked.items()}
            )
