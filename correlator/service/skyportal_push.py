"""Telling a SkyPortal of coincidences, as often as one likes: each revision has its effect once."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

from correlator.service.skyportal_client import SkyPortalError
from correlator.service.skyportal_memory import Memory
from correlator.service.skyportal_posts import (
    Json,
    Standing,
    annotation_entry,
    candidate_post,
    dateobs_of,
    link_post,
)
from correlator.service.skyportal_row import ORIGIN
from correlator.service.skyportal_told import Told
from correlator.wire import EventRecord


class Asked(Protocol):
    """What is asked of a SkyPortal; :class:`correlator.service.skyportal_client.SkyPortal`."""

    @property
    def url(self) -> str: ...  # noqa: D102
    async def get(self, *path: str) -> Any: ...  # noqa: D102
    async def post(self, *path: str, body: Json) -> Any: ...  # noqa: D102
    async def put(self, *path: str, body: Json) -> Any: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Groups:
    """Who shall see it there.

    Attributes
    ----------
    filter_ids
        Filters whose scanning page has the candidates.
    group_ids
        Groups that may read the annotations.
    origin
        Of the annotations.
    """

    filter_ids: tuple[int, ...]
    group_ids: tuple[int, ...]
    origin: str = ORIGIN


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one coincidence.

    Attributes
    ----------
    done
        What was changed there, in order: ``candidate``, ``annotation``, ``link:...``.
    kept
        What was left as it was, and why.
    error
        Why the rest was not done; None when all was.
    """

    key: str
    revision: int
    state: str
    done: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    error: str | None = None


class Pusher:
    """Tells one SkyPortal of coincidences.

    A candidate is posted, the annotation of the origin gets one entry an event, and the object is
    linked to the events that are there, ``pending``. What was taken back is said in the annotation,
    and its link becomes ``rejected``. What a person there decided is never changed.
    """

    def __init__(self, portal: Asked, groups: Groups, memory: Memory) -> None:
        self._portal = portal
        self._groups = groups
        self._memory = memory
        self._localizations: dict[str, str | None] = {}

    async def push(self, told: Told) -> Outcome:
        """Tell of one revision; what fails is in the outcome, and the next run does it again.

        Raises
        ------
        SkyPortalError
            The token is not taken: nothing further would be.
        """
        steps = _Steps(dict(self._memory.links(told.key)))
        if self._memory.revision(told.key) == told.revision.revision:
            steps.kept.append("told before")
            return _outcome(told, steps, None)
        try:
            await (self._active(told, steps) if told.is_active else self._gone(told, steps))
        except SkyPortalError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                raise
            self._memory.remember(told.key, None, steps.links, is_told=True)
            return _outcome(told, steps, str(error))
        is_told = _NEVER not in steps.kept
        self._memory.remember(told.key, told.revision.revision, steps.links, is_told)
        return _outcome(told, steps, None)

    async def _active(self, told: Told, steps: _Steps) -> None:
        await self._candidate(told, steps)
        await self._annotate(told, steps)
        for event in told.events:
            await self._link(told, event, Standing.PENDING, steps)

    async def _gone(self, told: Told, steps: _Steps) -> None:
        """Take back what was told; what never was is not told now."""
        entry = await self._entry(told)
        if entry is None or entry.get("coincidence_id") != told.revision.coincidence_id:
            steps.kept.append(_NEVER)
            return
        await self._annotate(told, steps)
        if told.is_retracted:
            for event in told.events:
                await self._link(told, event, Standing.REJECTED, steps)

    async def _candidate(self, told: Told, steps: _Steps) -> None:
        try:
            await self._portal.post(
                "candidates", body=candidate_post(told, self._groups.filter_ids)
            )
        except SkyPortalError as error:
            if _ALREADY not in error.message.lower():
                raise
            steps.kept.append("candidate: there already")
        else:
            steps.done.append("candidate")

    async def _annotation(self, told: Told) -> tuple[int | None, Json]:
        """Id and data of the annotation of our origin; no id when there is none."""
        found = await self._portal.get("sources", told.object_id, "annotations")
        for said in found if isinstance(found, list) else []:
            if isinstance(said, dict) and said.get("origin") == self._groups.origin:
                data, number = said.get("data"), said.get("id")
                if isinstance(number, int):
                    return number, data if isinstance(data, dict) else {}
        return None, {}

    async def _entry(self, told: Told) -> Json | None:
        try:
            _, data = await self._annotation(told)
        except SkyPortalError as error:
            if error.status in _NOT_THERE:
                return None
            raise
        entry = data.get(told.event_name)
        return entry if isinstance(entry, dict) else None

    async def _annotate(self, told: Told, steps: _Steps) -> None:
        """Set our entry of the event, and leave the entries of others as they are."""
        number, data = await self._annotation(told)
        entry, known = annotation_entry(told), data.get(told.event_name)
        if isinstance(known, dict) and known.get("prior_activity"):
            # Once active before the event, always: SkyPortal's own crossmatch keeps it, too.
            entry["prior_activity"] = True
        if known == entry:
            steps.kept.append("annotation: says so already")
            return
        body: Json = {"origin": self._groups.origin, "data": data | {told.event_name: entry}}
        if self._groups.group_ids:
            body["group_ids"] = list(self._groups.group_ids)
        at = ("sources", told.object_id, "annotations")
        if number is None:
            await self._portal.post(*at, body=body)
        else:
            await self._portal.put(*at, str(number), body=body)
        steps.done.append("annotation")

    async def _link(self, told: Told, event: EventRecord, wanted: Standing, steps: _Steps) -> None:
        if event.event_unix_s is None:
            return
        dateobs = dateobs_of(event.event_unix_s)
        name = await self._localization(dateobs)
        if name is None:
            steps.kept.append(f"link: {event.event_id} is not there")
            return
        standing = await self._standing(dateobs, told.object_id)
        if standing == wanted:
            steps.kept.append(f"link: {event.event_id} is {standing} already")
        elif standing in _OURS_TO_CHANGE or steps.links.get(dateobs) == standing:
            body = link_post(told, event.event_unix_s, name, wanted)
            await self._portal.post("sources_in_gcn", dateobs, body=body)
            steps.links[dateobs] = str(wanted)
            steps.done.append(f"link: {event.event_id} {wanted}")
        else:
            steps.kept.append(f"link: {event.event_id} is {standing} by somebody there")

    async def _localization(self, dateobs: str) -> str | None:
        """Name of the newest localization of an event; None when the event is not there."""
        if dateobs not in self._localizations:
            try:
                event = await self._portal.get("gcn_event", dateobs)
            except SkyPortalError as error:
                if error.status not in _NOT_THERE:
                    raise
                event = None
            self._localizations[dateobs] = _newest_name(event)
        return self._localizations[dateobs]

    async def _standing(self, dateobs: str, object_id: str) -> str | None:
        found = await self._portal.get("sources_in_gcn", dateobs, object_id)
        rows = found if isinstance(found, list) else [found]
        said = [row.get("status") for row in rows if isinstance(row, dict)]
        return str(said[0]) if said and said[0] is not None else None


_NEVER = "never told"

_ALREADY = "duplicate key"
"""What PostgreSQL says of a candidate that is there: SkyPortal hands it on."""

_NOT_THERE = (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
"""SkyPortal says 400 of an event that it does not have, and 403 or 404 of an object."""

_OURS_TO_CHANGE = (None, Standing.PENDING)
"""Nobody there has decided."""


@dataclass(slots=True)
class _Steps:
    links: dict[str, str]
    done: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def _outcome(told: Told, steps: _Steps, error: str | None) -> Outcome:
    revision = told.revision
    return Outcome(
        told.key,
        revision.revision,
        str(revision.state),
        tuple(steps.done),
        tuple(steps.kept),
        error,
    )


def _newest_name(event: Any) -> str | None:
    """Name of the localization of an event that was made last."""
    found = event.get("localizations") if isinstance(event, dict) else None
    named = [x for x in found or [] if isinstance(x, dict) and x.get("localization_name")]
    newest = max(named, key=lambda x: str(x.get("created_at") or ""), default=None)
    return None if newest is None else str(newest["localization_name"])
