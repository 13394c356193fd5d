"""Whether the service lives, can answer, and how old its data are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from correlator.audience import Reader
from correlator.service.api.access import Access, Caller
from correlator.service.times import iso_utc
from storage.store import Store
from storage.summary import Summary

KEPT_S = 30.0
"""How long a summary is told again: the latest of ten million objects takes a second [s]."""

MAX_READERS = 100
"""Readers whose summaries are kept."""


class Alive(BaseModel):
    """That there is an answer."""

    status: str


class Status(BaseModel):
    """What the caller may see of the store, and how old the latest of it is."""

    status: str
    as_of: str
    events: int
    notices: int
    coincidences: int
    targets: int
    latest_alert_time: str | None
    latest_event_time: str | None
    latest_notice_time: str | None
    latest_published_time: str | None


class Summaries:
    """Summaries of the last half minute, one a reader; one is made at a time."""

    def __init__(self, store: Store, now_unix_s: Callable[[], float]) -> None:
        self._store = store
        self._now_unix_s = now_unix_s
        self._kept: OrderedDict[Reader, tuple[float, Summary]] = OrderedDict()
        self._turn = Lock()

    def of(self, reader: Reader) -> Status:
        """What a reader may see; it was so at ``as_of``."""
        with self._turn:
            now_unix_s = self._now_unix_s()
            at_unix_s, summary = self._kept.get(reader, (0.0, None))
            if summary is None or not 0.0 <= now_unix_s - at_unix_s < KEPT_S:
                at_unix_s, summary = now_unix_s, self._store.summary.of(reader)
                self._kept[reader] = at_unix_s, summary
                while len(self._kept) > MAX_READERS:
                    self._kept.popitem(last=False)
        return Status(
            status="ok",
            as_of=iso_utc(at_unix_s) or "",
            events=summary.n_events,
            notices=summary.n_notices,
            coincidences=summary.n_coincidences,
            targets=summary.n_targets,
            latest_alert_time=iso_utc(summary.alert_unix_s),
            latest_event_time=iso_utc(summary.event_unix_s),
            latest_notice_time=iso_utc(summary.notice_unix_s),
            latest_published_time=iso_utc(summary.published_unix_s),
        )


def status_router(store: Store, access: Access, now_unix_s: Callable[[], float]) -> APIRouter:
    """``/livez`` and ``/readyz`` for whoever restarts us, ``/status`` for people."""
    router = APIRouter(tags=["status"])
    reading = Depends(access.reading)
    summaries = Summaries(store, now_unix_s)

    @router.get("/livez", summary="Whether the process answers")
    async def livez() -> Alive:
        """Answer, without asking the store; needs no token and is not counted."""
        return Alive(status="ok")

    @router.get("/readyz", summary="Whether the store answers")
    async def readyz() -> Alive:
        """Ask the store for nothing; 503 when it is away."""
        await run_in_threadpool(store.summary.ping)
        return Alive(status="ok")

    @router.get("/status", summary="What the store holds, and how old it is")
    async def status(caller: Caller = reading) -> Status:
        """Count what stands, and say when the latest of it was; at most half a minute old."""
        return await run_in_threadpool(summaries.of, caller.reader)

    return router
