"""The cross-match service of CDS, asked and waited for: for a command, never for the stream."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from correlator.crossmatch import CatalogAnswer
from skymaps.healpix import Positions
from streams.cds_settings import CdsSettings
from streams.cds_xmatch import CdsXmatch


def ask_cds(settings: CdsSettings, positions: Positions) -> list[CatalogAnswer]:
    """Its answer for each position; unknown, with the reason, where it gave none."""
    return asyncio.run(_asked(settings, positions))


async def _asked(settings: CdsSettings, positions: Positions) -> list[CatalogAnswer]:
    found: dict[str, CatalogAnswer] = {}
    is_done = asyncio.Event()
    is_done_at = len(positions)

    def tell(key: str, answer: CatalogAnswer) -> None:
        found[key] = answer
        if len(found) >= is_done_at:
            is_done.set()

    room = max(settings.max_waiting, is_done_at)
    asking = CdsXmatch(replace(settings, max_waiting=room), tell)
    places = zip(positions.ra_deg.tolist(), positions.dec_deg.tolist(), strict=True)
    for number, (ra_deg, dec_deg) in enumerate(places):
        asking.offer(str(number), ra_deg, dec_deg)
    task = asyncio.create_task(asking.run())
    if is_done_at:
        await asyncio.wait(
            {task, asyncio.create_task(is_done.wait())}, return_when="FIRST_COMPLETED"
        )
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return [found[str(number)] for number in range(is_done_at)]
