"""The joint event store: one store a noun, over one database."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from sqlalchemy import Engine, func, select

from correlator.errors import ConfigurationError
from storage import migrations
from storage.alerts import AlertStore
from storage.by_key import ByKey
from storage.coincidences import CoincidenceStore
from storage.database import Database
from storage.dead_letters import DeadLetterStore
from storage.engine import limit_statements, open_engine, shown_url
from storage.events import EventStore
from storage.feedback import FeedbackStore
from storage.joint_events import JointEventStore
from storage.localizations import LocalizationStore
from storage.lookbacks import LookbackStore
from storage.notices import NoticeStore
from storage.owners import OwnerStore
from storage.pairs import PairStore
from storage.schema import metadata
from storage.search import Search
from storage.subscriptions import SubscriptionStore
from storage.summary import SummaryStore
from storage.targets import TargetStore
from storage.tokens import TokenStore
from storage.upkeep.retention import Cut, Retention


class Store:
    """Everything that is remembered.

    Calls block, so asynchronous code makes them in a thread; any number of threads may share one
    store, and a process has one store a database.

    Parameters
    ----------
    engine
        Of :func:`storage.engine.open_engine`, its tables up to date.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        database = Database(engine)
        self._database = database
        self.notices = NoticeStore(database)
        self.localizations = LocalizationStore(database)
        self.events = EventStore(database)
        self.joint_events = JointEventStore(database)
        self.alerts = AlertStore(database)
        self.pairs = PairStore(database)
        self.coincidences = CoincidenceStore(database)
        self.targets = TargetStore(database)
        self.owners = OwnerStore(database)
        self.lookbacks = LookbackStore(database)
        self.dead_letters = DeadLetterStore(database)
        self.summary = SummaryStore(database)
        self.tokens = TokenStore(database)
        self.subscriptions = SubscriptionStore(database)
        self.feedback = FeedbackStore(database)
        self.search = Search(database)
        self.by_key = ByKey(database)

    @classmethod
    def open(
        cls, url: str, migrate: bool = True, *, statement_limit_s: float | None = None
    ) -> Self:
        """Open the store of a URL; close it, or use it as a context manager.

        Parameters
        ----------
        migrate
            Bring its tables up to date first; otherwise they must be.
        statement_limit_s
            After which PostgreSQL ends a statement [s]; not one that brings tables up to date.

        Raises
        ------
        ConfigurationError
            It cannot be opened, or its tables are not those of this release.
        """
        engine = open_engine(url)
        with ExitStack() as failing:
            failing.callback(engine.dispose)
            if migrate:
                migrations.upgrade(engine)
            elif (found := migrations.current(engine)) != migrations.newest():
                raise ConfigurationError(
                    f"event store {shown_url(engine.url)}: its tables are of version {found}, "
                    f"this release needs {migrations.newest()}: run `correlator db upgrade`"
                )
            if statement_limit_s is not None:
                limit_statements(engine, statement_limit_s)
            failing.pop_all()
        return cls(engine)

    def retention(self, cut: Cut, *, is_dry: bool = False) -> Retention:
        """A run that removes, or counts, what is older than a cut and may go."""
        return Retention(self._database, cut, is_dry)

    def counts(self) -> dict[str, int]:
        """Rows of each table."""
        with self._database.reading() as connection:
            return {
                str(table.name): connection.execute(
                    select(func.count()).select_from(table)
                ).scalar_one()
                for table in sorted(metadata.tables.values(), key=lambda t: t.name)
            }

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()
