"""The map desk: which maps are wanted, when each is tried for, and what becomes of it.

It works beside the stream, of which it holds nothing up. What is wanted follows from the store; in
memory is only when to try next. A fetched map goes to ``notices.raw`` as a packet like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

import structlog

from correlator.errors import MalformedPacketError
from correlator.notice import Notice
from ingest_vo.fetched_map import SOURCE, SUFFIX, envelope_of
from ingest_vo.reader import to_notice
from skymaps.errors import SkyMapError
from storage.notices import WantedMap
from storage.store import Store
from streams.audiences import headers_of_audience
from streams.map_cache import MapCache
from streams.map_fetch import Fetch
from streams.map_url import MapFetchError, MapNotThereError, NoMapError
from streams.outgoing import Outgoing, Send
from streams.records import persisting
from streams.settings import MapSettings
from streams.topics import DEAD_LETTER, NOTICES_RAW

log = structlog.get_logger(__name__)

MOST_WANTED = 10_000
"""Most that is waited for; what is beyond it is asked of the store at the next start."""

MOST_NO_MAPS = 3
"""So often may a file be no map: one that its mission is writing just now is none yet."""

_LOOK_S = 60.0


@dataclass(slots=True)
class _Wait:
    """When a notice's map is tried for, and how often the file was no map."""

    host: str
    due_unix_s: float
    n_no_maps: int = 0


def next_try_unix_s(received_unix_s: float, now_unix_s: float, settings: MapSettings) -> float:
    """When to try next after a try at a moment: at pauses that double, from the receipt on.

    It is a function of the receipt, so that a restart goes on where the last process was.
    """
    pause_s, due = settings.first_pause_s, received_unix_s + settings.first_pause_s
    while due <= now_unix_s:
        pause_s = min(2.0 * pause_s, settings.longest_pause_s)
        due += pause_s
    return due


def still_wanted_maps(
    store: Store, now_unix_s: float, include_tests: bool, settings: MapSettings | None = None
) -> list[WantedMap]:
    """Maps that are waited for at a moment, by the receipt of the notices that name them."""
    since = now_unix_s - (settings or MapSettings()).given_up_after_s
    found = store.notices.wanted_maps(SOURCE, SUFFIX, since)
    return [wanted for wanted in found if include_tests or not wanted.is_test]


@dataclass
class MapDesk:
    """Fetches the maps of the notices that one process handles, a few at a time, one a host.

    Parameters
    ----------
    fetch
        The bytes of a URL.
    now
        The clock [s since the Unix epoch].
    include_tests
        Whether maps of tests are wanted.
    """

    store: Store
    settings: MapSettings
    fetch: Fetch
    send: Send
    now: Callable[[], float]
    include_tests: bool = False
    _waits: dict[str, _Wait] = field(default_factory=dict)
    _tries: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _loop: asyncio.AbstractEventLoop | None = None
    _owns: bool = False
    _asks: bool = False

    def __post_init__(self) -> None:
        self._cache = MapCache(self.settings.cache)

    @property
    def n_wanted(self) -> int:
        """Maps that are waited for."""
        return len(self._waits)

    def own(self, is_ours: bool) -> None:
        """Whether the notices are ours to handle now; if so, the store says what was left."""
        self._owns, self._asks = is_ours, is_ours
        if not is_ours:
            self._waits.clear()
        self._changed.set()

    def heard(self, notice: Notice) -> None:
        """A notice is in the store: its map is wanted, if it names one. Any thread may say so."""
        if notice.skymap_url is None or notice.source == SOURCE or self._loop is None:
            return
        if self.include_tests or not notice.is_test:
            hear = partial(self._hear, notice.notice_id, notice.skymap_url)
            self._loop.call_soon_threadsafe(hear)

    def _hear(self, notice_id: str, url: str) -> None:
        if self._owns:  # else its owner hears it
            self._wait_for(notice_id, url, self.now() + self.settings.first_pause_s)
            self._changed.set()

    async def run(self) -> None:
        """Try for what is due, for ever."""
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                self._changed.clear()
                if self._asks:
                    await persisting(self._ask_store, whatever=True)
                self._start_due()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), self._pause_s())
        finally:
            self._loop = None
            tries = list(self._tries.values())
            for task in tries:
                task.cancel()
            await asyncio.gather(*tries, return_exceptions=True)

    async def _ask_store(self) -> None:
        now = self.now()
        ask = partial(still_wanted_maps, self.store, now, self.include_tests, self.settings)
        for wanted in await asyncio.to_thread(ask):
            self._wait_for(wanted.notice_id, wanted.url, now)
        self._asks = False
        if self._waits:
            log.info("maps_wanted", n=len(self._waits))

    def _wait_for(self, notice_id: str, url: str, due_unix_s: float) -> None:
        if len(self._waits) >= MOST_WANTED and notice_id not in self._waits:
            log.warning("map_not_waited_for", notice_id=notice_id, most=MOST_WANTED)
            return
        try:
            host = urlsplit(url).netloc
        except ValueError:
            host = url
        self._waits.setdefault(notice_id, _Wait(host, due_unix_s))

    def _start_due(self) -> None:
        now = self.now()
        due = sorted((w.due_unix_s, n) for n, w in self._waits.items() if w.due_unix_s <= now)
        for _, notice_id in due:
            host = self._waits[notice_id].host
            if len(self._tries) < self.settings.at_once and host not in self._tries:
                task = asyncio.create_task(self._try(notice_id, self._waits[notice_id]))
                self._tries[host] = task
                task.add_done_callback(partial(self._tried, host))

    def _tried(self, host: str, task: asyncio.Task[None]) -> None:
        del self._tries[host]
        self._changed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("map_try_failed", exc_info=error)

    def _pause_s(self) -> float:
        """Until something is due that nothing keeps from being tried [s]."""
        free = [w.due_unix_s for w in self._waits.values() if w.host not in self._tries]
        if not free or len(self._tries) >= self.settings.at_once:
            return _LOOK_S
        return min(max(min(free) - self.now(), 0.0), _LOOK_S)

    async def _try(self, notice_id: str, wait: _Wait) -> None:
        wanted = await persisting(self._still_wanted, notice_id, whatever=True)
        if wanted is None:
            self._waits.pop(notice_id, None)
            return
        try:
            await self._fetch_for(wanted)
        except MapFetchError as error:
            if isinstance(error, NoMapError):
                wait.n_no_maps += 1
            if error.is_final or wait.n_no_maps >= MOST_NO_MAPS:
                await self._bury(wanted, error)
            elif self._waits_on(wanted, wait, error):
                return
        except Exception:
            wait.due_unix_s = self.now() + self.settings.longest_pause_s
            raise
        self._waits.pop(notice_id, None)

    def _waits_on(self, wanted: WantedMap, wait: _Wait, error: MapFetchError) -> bool:
        """Whether there is a next try; if so, when."""
        now, received = self.now(), wanted.received_unix_s
        wait.due_unix_s = next_try_unix_s(received, now, self.settings)
        said = {"notice_id": wanted.notice_id, "url": wanted.url, "error": str(error)}
        if wait.due_unix_s > received + self.settings.given_up_after_s:
            log.warning("map_given_up", **said)
            return False
        log.info("map_not_there", next_try_in_s=round(wait.due_unix_s - now, 1), **said)
        return True

    async def _bury(self, wanted: WantedMap, error: MapFetchError) -> None:
        """The notice into the dead letter: to put it back is to try for its map once more."""
        log.error("map_refused", notice_id=wanted.notice_id, error=str(error))
        said = {
            "source": NOTICES_RAW.name,
            "name": f"map of {wanted.notice_id}",
            "rule": error.rule,
            "reason": str(error),
            "key": wanted.notice_id,
        }
        headers = tuple((name, text.encode(errors="replace")) for name, text in said.items())
        headers += headers_of_audience(wanted.audience)
        packet = await asyncio.to_thread(self._packet, wanted)
        letter = Outgoing(DEAD_LETTER.name, NOTICES_RAW.name, packet, headers)
        await persisting(self.send, [letter], whatever=True)

    async def _still_wanted(self, notice_id: str) -> WantedMap | None:
        ask = partial(self.store.notices.wanted_maps, SOURCE, SUFFIX, 0.0, notice_id)
        found = await asyncio.to_thread(ask)
        return found[0] if found else None

    def _packet(self, wanted: WantedMap) -> bytes:
        return self.store.notices.packet(wanted.notice_id, wanted.content_sha256) or b""

    async def _fetch_for(self, wanted: WantedMap) -> None:
        mark = f"{wanted.notice_id}\0{wanted.content_sha256}"
        content = await asyncio.to_thread(self._cache.begun, mark)
        if content is None:
            content = await self.fetch(wanted.url)
        async with self._reading:  # one at a time: the memory of reading is bounded for each
            envelope = await asyncio.to_thread(self._envelope, wanted, content)
        try:
            await asyncio.to_thread(self._cache.begin, mark, content)
        except OSError as error:
            log.warning("map_not_cached", folder=str(self.settings.cache), error=str(error))
        key = f"{wanted.notice_id}{SUFFIX}"
        headers = headers_of_audience(wanted.audience)
        outgoing = [Outgoing(NOTICES_RAW.name, key, envelope, headers)]
        await persisting(self.send, outgoing, whatever=True)
        await asyncio.to_thread(self._cache.end, mark)
        log.info(
            "map_fetched", notice_id=wanted.notice_id, url=wanted.url, n_bytes=len(content),
            after_s=round(self.now() - wanted.received_unix_s, 1),
        )  # fmt: skip

    def _envelope(self, wanted: WantedMap, content: bytes) -> bytes:
        try:
            envelope = envelope_of(self._packet(wanted), wanted.url, content)
            found = to_notice(envelope, wanted.notice_id).localization
        except (SkyMapError, MalformedPacketError) as error:
            rule = f"what is fetched is a sky map: {error.rule}"
            raise NoMapError(wanted.url, rule, error.value) from None
        has_map = self.store.notices.has_map
        if found is None or has_map(SOURCE, wanted.event_key, wanted.url, found.sha256):
            # GBM writes each ground map of a trigger over the one before.
            rule = "a sky map is not the one of an earlier notice"
            raise MapNotThereError(wanted.url, rule, found and found.sha256)
        return envelope
