"""The target lists: made anew from what is published, and told until the topic says the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from correlator.policy import ScienceCase
from correlator.ranking import Ranking
from correlator.target import Target, target_list
from correlator.wire import to_json
from storage.targets import TargetStore
from streams.outgoing import Outgoing, Send
from streams.topics import targets_topic


@dataclass
class ListDesk:
    """Keeps the lists of all science cases.

    Attributes
    ----------
    are_old
        Whether something was published since they were made.
    """

    targets: TargetStore
    cases: tuple[ScienceCase, ...]
    send: Send
    are_old: bool = False
    _untold: set[str] = field(default_factory=set)

    def take_over(self) -> None:
        """Tell each list whole at the next occasion: another may have died telling it."""
        self._untold.update(case.name for case in self.cases)
        self.are_old = True

    async def refresh(self, as_of_unix_s: float) -> None:
        """Make the lists that follow from what is published, and tell what changed."""
        for case in self.cases:
            is_told = case.name not in self._untold
            self._untold.add(case.name)
            refresh = partial(self.targets.refresh, case, as_of_unix_s)
            targets: Iterable[Target] = await asyncio.to_thread(refresh)
            if not is_told:
                whole = partial(self.targets.list, case.name, include_retired=True)
                targets = await asyncio.to_thread(whole)
            await self.tell(case.name, targets)
            self._untold.discard(case.name)
        self.are_old = False

    async def replace(self, rankings: list[Ranking], as_of_unix_s: float) -> None:
        """Make the lists of the rankings of all events."""
        found = [c for ranking in rankings for c in ranking.coincidences]
        for case in self.cases:
            targets = target_list(case, found)
            replace = partial(self.targets.replace_list, case.name, targets, as_of_unix_s)
            await self.tell(case.name, await asyncio.to_thread(replace))
        self.are_old = False

    async def tell(self, case: str, targets: Iterable[Target]) -> None:
        """Tell everybody of targets until none of them stands otherwise than told.

        Any worker may tell a list, and one may do so after another has told a newer one: the topic
        keeps the last word, which then is that of the store.
        """
        topic, told = targets_topic(case).name, list(targets)
        while told:
            public: Iterable[Target] = told
            if any(target.audience for target in told):
                public = await asyncio.to_thread(self.targets.public, told)
            await self.send(Outgoing(topic, t.target_id, to_json(t)) for t in public)
            told = await asyncio.to_thread(self.targets.other_than, told)
