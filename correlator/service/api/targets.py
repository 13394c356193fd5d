"""Target lists: where to point, per science case and site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from correlator.audience import Reader
from correlator.filters import Filter, predicate_of
from correlator.service.api.access import Access, Caller
from correlator.service.api.answers import json_answer
from correlator.service.api.columns import TARGETS, Row
from correlator.service.api.formats import WITH_TOM
from correlator.service.api.lists import Noun, list_answer
from correlator.service.api.models import list_of, one_of
from correlator.service.api.parameters import Filtered, Id, Paging, Placed
from correlator.service.api.problems import Problem, not_found
from correlator.service.api.regions import event_key_of, region_of
from correlator.service.api.tom import tom_csv
from correlator.service.rows import facts_columns, target_row
from correlator.service.site_view import seen_from
from correlator.target import Target, TargetState
from correlator.visibility import SITES
from storage.search import MAX_LIMIT, Region
from storage.search.page import After, Page
from storage.store import Store

MAX_TARGETS = 50_000
"""Targets that are looked at for a site, an event or a filter; of more the request is refused."""

_EXTRAS = (
    "status", "priority", "rank", "case", "event_id", "event_key", "mission", "event_time",
    "far_hz", "coincidence_id", "object_key", "credible_level", "log_lr", "object_class",
    "last_mag_ab", "last_band", "last_time", "retired_reason",
)  # fmt: skip

Site = StrEnum("Site", [(name.upper().replace("-", "_"), name) for name in sorted(SITES)])  # type: ignore[misc]


class State(StrEnum):
    """Which targets of a list."""

    ACTIVE = "active"
    RETIRED = "retired"
    ALL = "all"


def listed_row(target: Target) -> Row:
    """A target with what its event says of itself."""
    return target_row(target) | facts_columns(target.coincidence.event)


def _tom(found: Sequence[Target]) -> str:
    rows = [_tom_row(target) for target in found]
    return tom_csv(rows, _EXTRAS)


def _tom_row(target: Target) -> Row:
    row = listed_row(target)
    key = row["event_key"]
    event_id = key if key.startswith("joint:") else key.partition(":")[2]
    return row | {"status": row["state"], "event_id": event_id, "object_class": row["class"]}


_NOUN = Noun[Target]("targets", TARGETS, listed_row, WITH_TOM, _tom)


class TargetsQuery(Paging, Placed, Filtered):
    """Which targets, and from where they are looked at."""

    case: Id | None = Field(None, description="Science case.", examples=["kilonova"])
    state: State = State.ACTIVE
    object: Id | None = Field(None, description="Key of the object.")
    site: Site | None = Field(None, description="Weigh by the coming night at this site.")


def targets_router(store: Store, access: Access, default_site: str | None) -> APIRouter:
    """``/targets``; the list is weighed for the default site where none is named."""
    router = APIRouter(tags=["targets"])
    reading = Depends(access.reading)

    @router.get("/targets", summary="Ranked targets", responses=list_of("Target", WITH_TOM))
    async def targets(
        request: Request, query: Annotated[TargetsQuery, Query()], caller: Caller = reading
    ) -> Response:
        """List targets by science case and rank; then, where they are asked for, the retired."""
        lists = _Lists(store, caller.reader, query, query.site or default_site, query.tree())
        return await list_answer(request, caller, _NOUN, query, lists.page)

    @router.get("/targets/{target_id:path}", summary="One target", responses=one_of("Target"))
    async def target(
        request: Request,
        target_id: Annotated[Id, Path(description="`case/object`.")],
        caller: Caller = reading,
    ) -> Response:
        """Show a target, active or retired, as it is stored: of no site."""
        found = await run_in_threadpool(store.by_key.target, caller.reader, target_id)
        if found is None:
            raise not_found("target", target_id)
        return json_answer(request, caller, listed_row(found))

    return router


@dataclass(frozen=True, slots=True)
class _Lists:
    """Target lists as somebody asks for them."""

    store: Store
    reader: Reader
    query: TargetsQuery
    site: str | None
    tree: Filter | None

    def page(self, after: After | None, limit: int) -> Page[Target]:
        """A page: of the store, or of the list that is made for this request."""
        region = region_of(self.store, self.reader, self.query)
        if self.site is None and self.query.event is None and self.tree is None:
            return self._stored(region, after, limit)
        # Ranks are anew, so a place in the list is all that the next page can go on from.
        start = after[0] if after and isinstance(after[0], int) and after[0] >= 0 else 0
        made = self._made(region)
        end = start + limit
        return Page(made[start:end], (end,) if end < len(made) else None)

    def _stored(self, region: Region | None, after: After | None, limit: int) -> Page[Target]:
        query = self.query
        state = None if query.state is State.ALL else TargetState(query.state)
        return self.store.search.targets(
            self.reader, query.case, state, query.object, region, after, limit
        )

    def _made(self, region: Region | None) -> list[Target]:
        found = self._all(region)
        if self.tree is not None:
            passes = predicate_of(self.tree)
            found = [target for target in found if passes(target.coincidence)]
        if (named := self.query.event) is not None:
            key = event_key_of(self.store, self.reader, named)
            found = [target for target in found if target.coincidence.pair.event_key == key]
        site = None if self.site is None else SITES[self.site]
        made: list[Target] = []
        for case in sorted({target.case for target in found}):
            mine = [target for target in found if target.case == case]
            active = tuple(t for t in mine if t.state is TargetState.ACTIVE)
            made += seen_from(self.store, active, site)
            made += [t for t in mine if t.state is not TargetState.ACTIVE]
        return made

    def _all(self, region: Region | None) -> list[Target]:
        found: list[Target] = []
        after: After | None = None
        while True:
            page = self._stored(region, after, MAX_LIMIT)
            found += page.rows
            if page.after is None:
                return found
            if len(found) > MAX_TARGETS:
                raise Problem(400, f"more than {MAX_TARGETS} targets: name a case or a region")
            after = page.after
