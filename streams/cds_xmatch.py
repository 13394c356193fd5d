"""Asking the cross-match service of CDS beside the stream, and never waiting for it.

Positions are offered without waiting; a task of its own asks for them, some hundred at a time, and
tells the answers. Whatever goes wrong, an answer is then ``unknown`` with its reason: nothing else
follows from an outage. What it says depends on the day, so that it belongs into no result that must
be the same in a replay (docs/adr/0019).
"""

from __future__ import annotations

import asyncio
import csv
import io
import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
import structlog

from correlator.crossmatch import CatalogAnswer, CatalogTag, SkyClass
from streams.cds_settings import MAX_RADIUS_ARCSEC, CdsSettings

log = structlog.get_logger(__name__)

Tell = Callable[[str, CatalogAnswer], None]
"""Takes the answer for a key."""


@dataclass(frozen=True, slots=True)
class _Asked:
    key: str
    ra_deg: float
    dec_deg: float


class _FailedError(Exception):
    """The service did not answer well; the words say how."""


@dataclass
class CdsXmatch:
    """A queue of positions, the task that asks for them, and a fuse.

    Every offered position gets exactly one answer, sooner or later: found, nothing there, or
    unknown.

    Parameters
    ----------
    tell
        Takes each answer; it must not wait.
    """

    settings: CdsSettings
    tell: Tell
    counts: Counter[str] = field(default_factory=Counter)
    _waiting: deque[_Asked] = field(default_factory=deque)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _n_failures: int = 0
    _open_until_s: float = -math.inf

    @property
    def name(self) -> str:
        """The catalogue in the answers: ``cds:simbad``."""
        return f"cds:{self.settings.table}"

    @property
    def n_waiting(self) -> int:
        """Positions that have no answer yet, but for those that are being asked for."""
        return len(self._waiting)

    def offer(self, key: str, ra_deg: float, dec_deg: float) -> None:
        """Ask for a position [deg] some time. Nothing is waited for, and nothing is raised."""
        if not (math.isfinite(ra_deg) and math.isfinite(dec_deg)):
            self._unknown(key, "the position is no number")
        elif len(self._waiting) >= self.settings.max_waiting:
            self._unknown(key, f"{self.settings.max_waiting} positions wait already")
        else:
            self._waiting.append(_Asked(key, ra_deg, dec_deg))
            self._changed.set()

    async def run(self) -> None:
        """Ask for what is offered, until cancelled; then what waits is unknown."""
        taken: list[_Asked] = []
        try:
            async with aiohttp.ClientSession(trust_env=False) as session:
                while True:
                    while not self._waiting:
                        self._changed.clear()
                        await self._changed.wait()
                    taken = [
                        self._waiting.popleft()
                        for _ in range(min(self.settings.batch, len(self._waiting)))
                    ]
                    await self._answer(session, taken)
                    taken = []
        finally:
            for asked in (*taken, *self._waiting):
                self._unknown(asked.key, "the asking was ended")
            self._waiting.clear()

    async def _answer(self, session: aiohttp.ClientSession, taken: list[_Asked]) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._open_until_s:
            self._all_unknown(taken, "the service failed, and is left alone for a while")
            await asyncio.sleep(0.0)
            return
        try:
            answers = await self._ask(session, taken)
        except _FailedError as failure:
            self._failed(str(failure), loop.time())
            self._all_unknown(taken, str(failure))
            return
        self._n_failures = 0
        for asked, answer in zip(taken, answers, strict=True):
            self._tell(asked.key, answer)

    def _failed(self, reason: str, now_s: float) -> None:
        self._n_failures += 1
        beyond = self._n_failures - self.settings.failures
        pause_s = 0.0
        if beyond >= 0:
            doubled = self.settings.pause_s * 2.0 ** min(beyond, 30)
            pause_s = min(doubled, self.settings.longest_pause_s)
            self._open_until_s = now_s + pause_s
        log.warning("cds_xmatch_failed", table=self.settings.table, reason=reason, pause_s=pause_s)

    async def _ask(
        self, session: aiohttp.ClientSession, taken: list[_Asked]
    ) -> list[CatalogAnswer]:
        """Answers of the service, one a position.

        Raises
        ------
        _FailedError
            It is away, too slow, or says something else.
        """
        form = aiohttp.FormData()
        for name, value in (
            ("request", "xmatch"),
            ("distMaxArcsec", f"{self.settings.radius_arcsec:g}"),
            ("selection", "all"),
            ("RESPONSEFORMAT", "csv"),
            ("cat2", self.settings.table),
            ("colRA1", "our_ra"),
            ("colDec1", "our_dec"),
        ):
            form.add_field(name, value)
        lines = [f"{i},{asked.ra_deg!r},{asked.dec_deg!r}" for i, asked in enumerate(taken)]
        positions = "\n".join(["our_row,our_ra,our_dec", *lines, ""])
        form.add_field("cat1", positions, filename="positions.csv", content_type="text/csv")
        timeout = aiohttp.ClientTimeout(total=self.settings.timeout_s)
        try:
            async with session.post(
                self.settings.url, data=form, timeout=timeout, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise _FailedError(f"HTTP {response.status}")
                content = await self._content(response)
        except TimeoutError:
            raise _FailedError(f"no answer in {self.settings.timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _FailedError(f"{type(error).__name__}: {error}") from None
        try:
            return await asyncio.to_thread(self._read, content.decode(), len(taken))
        except (ValueError, TypeError, LookupError, csv.Error) as error:
            raise _FailedError(f"it answers no table of ours: {error}") from None

    async def _content(self, response: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        async for chunk in response.content.iter_chunked(2**16):
            content += chunk
            if len(content) > self.settings.max_answer_bytes:
                raise _FailedError(f"more than {self.settings.max_answer_bytes} B")
        return bytes(content)

    def _read(self, text: str, n: int) -> list[CatalogAnswer]:
        rows = csv.DictReader(io.StringIO(text), strict=True)
        columns = rows.fieldnames or []
        if "our_row" not in columns or "angDist" not in columns:
            raise ValueError(f"columns {', '.join(columns)[:100]}")
        tags: list[list[CatalogTag]] = [[] for _ in range(n)]
        for row in rows:
            number = int(row["our_row"])
            if not 0 <= number < n:
                raise ValueError(f"row {number} was not asked for")
            tags[number].append(_tag(self.name, row))
        return [CatalogAnswer.of(self.name, sorted(some, key=_by_separation)) for some in tags]

    def _all_unknown(self, taken: list[_Asked], reason: str) -> None:
        for asked in taken:
            self._unknown(asked.key, reason)

    def _unknown(self, key: str, reason: str) -> None:
        self._tell(key, CatalogAnswer.unknown(self.name, reason))

    def _tell(self, key: str, answer: CatalogAnswer) -> None:
        self.counts[str(answer.state)] += 1
        self.tell(key, answer)


def _by_separation(tag: CatalogTag) -> tuple[float, str]:
    return tag.separation_arcsec, tag.object_id


def _tag(catalog: str, row: dict[str, str]) -> CatalogTag:
    """A row of the service's table; the names of SIMBAD's columns, and of VizieR's."""
    separation = float(row["angDist"])
    if not 0.0 <= separation <= MAX_RADIUS_ARCSEC:
        raise ValueError(f"angDist {separation}")
    ra, dec = _first(row, "ra", "RAdeg", "_RAJ2000"), _first(row, "dec", "DEdeg", "_DEJ2000")
    type_name = _first(row, "main_type", "otype", "Type")
    redshift = _first(row, "redshift", "z")
    values = () if redshift is None else (("z", float(redshift)),)
    return CatalogTag(
        catalog, "live",
        _first(row, "main_id", "Name", "Source", "DR3Name") or "",
        float(ra or "nan"), float(dec or "nan"), separation,
        _SIMBAD_CLASSES.get(type_name or ""), type_name, values,
    )  # fmt: skip


def _first(row: dict[str, str], *names: str) -> str | None:
    return next((row[name].strip() for name in names if (row.get(name) or "").strip()), None)


_SIMBAD_CLASSES = {
    **dict.fromkeys(
        ("G", "Galaxy", "GinCl", "GinGroup", "GinPair", "InteractingG", "PairG", "EmG", "HII_G",
         "LSB_G", "BlueCompactG", "StarburstG", "BClG", "rG", "RadioG"),
        SkyClass.GALAXY,
    ),
    **dict.fromkeys(
        ("AGN", "QSO", "Seyfert", "Seyfert1", "Seyfert2", "Seyfert_1", "Seyfert_2", "BLLac",
         "Blazar", "LINER"),
        SkyClass.AGN,
    ),
    **dict.fromkeys(("Star", "HighPM*", "PM*", "RGB*", "WhiteDwarf", "Low-Mass*"), SkyClass.STAR),
    **dict.fromkeys(
        ("V*", "Variable*", "RRLyr", "RRLyrae", "EB*", "EclBin", "LPV*", "LongPeriodV*", "Mira",
         "CV*", "CataclyV*", "Nova", "Cepheid", "Eruptive*", "Flare*", "BYDra", "RSCVnV*",
         "RSCVn", "delSctV*", "YSO"),
        SkyClass.VARIABLE_STAR,
    ),
    **dict.fromkeys(("SN", "Supernova", "Transient", "gammaBurst", "GRB"), SkyClass.TRANSIENT),
}  # fmt: skip
"""SIMBAD's main types, before and since June 2022; what is not here, a candidate above all, is
unknown (https://simbad.cds.unistra.fr/guide/otypes.htx)."""
