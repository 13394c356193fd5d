"""What a worker owns by the group's word, and what it does when that changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

import structlog

from storage.errors import NotOwnerError
from storage.share import Share
from streams.records import GivenUpError, persisting

log = structlog.get_logger(__name__)

_ASK_AGAIN_S = 0.2
"""After that time the group is asked again whether we are still of it [s]."""


@dataclass(frozen=True, eq=False, slots=True)
class Assignment:
    """What one rebalance gave us; another one is another, also if it gives the same."""

    alerts: Share
    pair_partitions: frozenset[int]


async def _always() -> bool:
    return True


@dataclass
class Ownership:
    """The assignment of one worker.

    Between the moment at which the group takes it back and the next one nobody owns anything. A
    batch that was begun before may still end, as long as its epochs stand.

    Parameters
    ----------
    take_over
        Makes the epochs of an assignment ours, and brings what is in memory up to the store.
    epoch_of
        The epoch in which we own a name; 0 for what is not ours.
    is_member
        Whether the group still counts us as one of it.
    """

    take_over: Callable[[Assignment], Awaitable[None]]
    epoch_of: Callable[[str], int]
    is_member: Callable[[], Awaitable[bool]] = _always
    _assigned: Assignment | None = None
    _is_owner: asyncio.Event = field(default_factory=asyncio.Event)
    _leaving: asyncio.Event = field(default_factory=asyncio.Event)
    _taking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _is_taken: bool = False

    @property
    def is_owner(self) -> bool:
        """Whether a share is owned; not so in a rebalance."""
        return self._is_owner.is_set()

    @property
    def is_leaving(self) -> bool:
        """Whether the group has called its members together: what is begun has to end."""
        return self._leaving.is_set()

    async def until_owner(self) -> None:
        """Wait until a share is owned."""
        await self._is_owner.wait()

    async def until_owner_or_given_up(self) -> None:
        """Wait until a share is owned, on behalf of records that the group waits for.

        Raises
        ------
        GivenUpError
            The group wants to deal the partitions out anew before that.
        """
        while not self.is_owner:
            if self.is_leaving:
                raise GivenUpError
            waits = [asyncio.create_task(e.wait()) for e in (self._is_owner, self._leaving)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    def leave(self) -> None:
        """The group has called its members together, and waits until ours is at rest."""
        self._leaving.set()

    def disown(self) -> None:
        """Handle nothing until the new share is known."""
        self._assigned = None
        self._is_owner.clear()

    async def own(self, alerts: Share, pair_partitions: Collection[int]) -> None:
        """Begin to own a share of the objects and of the events."""
        assigned = self._assigned = Assignment(alerts, frozenset(pair_partitions))
        self._is_owner.clear()
        self._leaving.clear()
        self._is_taken = False
        await persisting(self._take_over, assigned, None, whatever=True)

    async def own_again(self, error: NotOwnerError) -> None:
        """Another took over what is assigned to us: late, or we are the one that is late.

        Whoever is still of the group takes it back. Whoever is not has been silent for too long,
        and must leave it to the others, whom each takeover of ours would hold up: it waits for the
        rebalance by which it comes back. Until then either's work is based on what the store held
        when it took over, so nothing wrong can be stored.
        """
        if self._is_over(error):
            return
        assigned = self._assigned
        self._is_owner.clear()
        while assigned is not None and assigned is self._assigned and not self.is_leaving:
            if await self._is_surely_member():
                log.warning("owning_again", reason=str(error))
                with contextlib.suppress(GivenUpError):
                    await persisting(
                        self._take_over,
                        assigned,
                        error,
                        whatever=True,
                        gives_up=lambda: self.is_leaving,
                    )
                return
            await asyncio.sleep(_ASK_AGAIN_S)

    async def _is_surely_member(self) -> bool:
        try:
            return await self.is_member()
        except Exception as error:  # noqa: BLE001 - whatever it is, we do not know, and ask again
            log.warning("membership_unknown", error=str(error))
            return False

    def _is_over(self, lost: NotOwnerError) -> bool:
        """Whether what was refused belongs to a time before we took over what we have."""
        mine = self.epoch_of(lost.name)
        return self._is_taken and (mine == 0 or mine > lost.epoch)

    async def _take_over(self, assigned: Assignment, lost: NotOwnerError | None) -> None:
        """Own what is assigned, unless something else is by the time that it is done."""
        async with self._taking:
            if assigned is not self._assigned or (lost is not None and self.is_leaving):
                return
            if lost is None or not self._is_over(lost):
                self._is_taken = False
                await self.take_over(assigned)
                self._is_taken = True
            if assigned is self._assigned:
                self._is_owner.set()
