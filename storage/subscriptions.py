"""Filters by which coincidences are sent to a topic of a user's own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy import Row as StoredRow

from correlator.audience import Audience, Reader, audience_of, audience_of_text, audience_text
from correlator.errors import RefusedError
from correlator.filters import Filter, read_filter, text_of
from storage.database import Database, equal_to, take_turn
from storage.schema import subscriptions, tokens

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

_TURN = "subscriptions"


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who wants which coincidences.

    Attributes
    ----------
    name
        Last word of the topic.
    owner
        Who may change and remove it.
    filter
        Text of the filter, in its one form.
    audience
        Tags that the owner held when it was put: what it sends is for them.
    is_of_token
        Whether it was put with a token: it then keeps of its tags only those that a valid token of
        the owner's name holds. What the operator gave does not end.
    """

    name: str
    owner: str
    filter: str
    is_active: bool
    created_unix_s: float
    audience: Audience
    is_of_token: bool = False

    @property
    def reader(self) -> Reader:
        """On whose behalf coincidences are read for it."""
        return Reader(self.audience)


class SubscriptionStore:
    """One row a subscription."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self,
        name: str,
        owner: str,
        said: str | Filter,
        audience: Iterable[str],
        now_unix_s: float,
        *,
        is_active: bool = True,
        is_of_token: bool = False,
        most: int | None = None,
    ) -> Subscription:
        """Store a subscription, or change one of the same owner, which keeps its age.

        Parameters
        ----------
        most
            Names that the owner may have, those of removed subscriptions among them.

        Raises
        ------
        FilterError
            The filter cannot be understood.
        RefusedError
            The name or a tag is none, the subscription is another owner's, or the owner has the
            most names already.
        """
        record = f"subscription {name[:64]!r}"
        if not _NAME.fullmatch(name):
            rule = "a name has up to 63 of a-z, 0-9, '_' and '-', a letter or digit first"
            raise RefusedError(record, rule, name)
        if not owner:
            raise RefusedError(record, "it must have an owner")
        try:
            tags = Reader(audience_of(audience)).tags
        except ValueError as error:
            raise RefusedError(record, str(error)) from error
        tree = read_filter(said) if isinstance(said, str) else said
        row = {
            "filter": text_of(tree),
            "is_active": is_active,
            "audience": audience_text(tags),
            "is_of_token": is_of_token,
            "is_removed": False,
        }
        new = row | {"name": name, "owner": owner, "created_unix_s": now_unix_s}
        mine = subscriptions.c.name == name
        with self._database.writing() as connection:
            take_turn(connection, _TURN)
            stored = connection.execute(select(subscriptions).where(mine)).one_or_none()
            if stored is None:
                of_owner = select(func.count()).where(subscriptions.c.owner == owner)
                if most is not None and connection.execute(of_owner).scalar_one() >= most:
                    rule = f"its owner has {most} names already, with those that were removed"
                    raise RefusedError(record, rule)
                connection.execute(subscriptions.insert().values(new))
            elif stored.owner != owner:
                raise RefusedError(record, "it is another owner's")
            else:
                connection.execute(update(subscriptions).where(mine).values(row))
            return _subscription(connection.execute(select(subscriptions).where(mine)).one())

    def get(self, name: str) -> Subscription | None:
        """Subscription of a name; None when it is not stored."""
        found = select(subscriptions).where(*_kept(name=name))
        with self._database.reading() as connection:
            row = connection.execute(found).one_or_none()
        return None if row is None else _subscription(row)

    def list(
        self, owner: str | None = None, *, active_only: bool = False
    ) -> tuple[Subscription, ...]:
        """Subscriptions, of one owner or of all, by name."""
        wanted = _kept(owner=owner, is_active=True if active_only else None)
        found = select(subscriptions).where(*wanted).order_by(subscriptions.c.name)
        with self._database.reading() as connection:
            return tuple(_subscription(row) for row in connection.execute(found))

    def served(self, now_unix_s: float) -> tuple[Subscription, ...]:
        """The active ones by name, each with the tags that it may be sent at a moment."""
        return self.with_tags_held(self.list(active_only=True), now_unix_s)

    def with_tags_held(
        self, found: Iterable[Subscription], now_unix_s: float
    ) -> tuple[Subscription, ...]:
        """Subscriptions, those of tokens with the tags that their owners hold at a moment.

        These are the ones that one valid token of the owner's name holds; of several tokens that
        which leaves most.
        """
        found = tuple(found)
        if not any(one.is_of_token and one.audience for one in found):
            return found
        c = tokens.c
        lasts = or_(c.expires_unix_s.is_(None), c.expires_unix_s > now_unix_s)
        valid = select(c.name, c.audience).where(c.revoked_unix_s.is_(None), lasts)
        held: dict[str, list[Audience]] = {}
        with self._database.reading() as connection:
            for name, tags in connection.execute(valid.order_by(c.name, c.token_id)):
                held.setdefault(name, []).append(audience_of_text(tags))
        return tuple(_held(one, held.get(one.owner, [])) for one in found)

    def remove(self, name: str, owner: str | None = None) -> bool:
        """Forget a subscription, of this owner where one is named; whether there was one.

        Its name stays the owner's: the topic has what was sent to it, and perhaps readers.
        """
        gone = update(subscriptions).where(*_kept(name=name, owner=owner))
        with self._database.writing() as connection:
            values = {"is_active": False, "is_removed": True}
            return connection.execute(gone.values(values)).rowcount > 0


def _kept(**wanted: object) -> list[ColumnElement[bool]]:
    return equal_to(subscriptions, is_removed=False, **wanted)


def _held(one: Subscription, of_tokens: Iterable[Audience]) -> Subscription:
    """A subscription with those of its tags that its owner holds, if it is a token's."""
    if not one.is_of_token:
        return one
    left = (tuple(tag for tag in one.audience if tag in tags) for tags in of_tokens)
    return replace(one, audience=max(left, key=len, default=()))


def _subscription(row: StoredRow[Any]) -> Subscription:
    return Subscription(
        name=row.name,
        owner=row.owner,
        filter=row.filter,
        is_active=row.is_active,
        created_unix_s=row.created_unix_s,
        audience=audience_of_text(row.audience),
        is_of_token=row.is_of_token,
    )
