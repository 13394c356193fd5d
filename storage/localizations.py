"""Localizations by the hash of their bytes, written before any event that names them."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from sqlalchemy import select

from skymaps.localization import Localization
from skymaps.wire import localization_of_bytes
from storage.database import Database
from storage.schema import localizations

CACHED_LOCALIZATIONS = 32
"""Localizations kept in memory: a map of 20,000 rows is about 1 MB."""


class LocalizationStore:
    """Immutable localizations; those used last stay in memory."""

    def __init__(self, database: Database, n_cached: int = CACHED_LOCALIZATIONS) -> None:
        self._database = database
        self._n_cached = n_cached
        self._cache: OrderedDict[str, Localization] = OrderedDict()
        self._turn = Lock()

    def put(self, localization: Localization) -> None:
        """Store a localization; a known one changes nothing."""
        sha256 = localization.sha256
        if self._cached(sha256) is not None:
            return
        body = localization.to_bytes()
        row = {
            "sha256": sha256,
            "kind": localization.kind,
            "area_90_deg2": localization.area_deg2(0.9),
            "n_bytes": len(body),
            "body": body,
        }
        self._database.upsert(localizations, [row])
        self._remember(sha256, localization)

    def get(self, sha256: str) -> Localization | None:
        """Localization of a hash; None when it is not stored."""
        if (known := self._cached(sha256)) is not None:
            return known
        found = select(localizations.c.body).where(localizations.c.sha256 == sha256)
        with self._database.reading() as connection:
            body = connection.execute(found).scalar()
        if body is None:
            return None
        localization = localization_of_bytes(body)
        self._remember(sha256, localization)
        return localization

    def _cached(self, sha256: str) -> Localization | None:
        with self._turn:
            if sha256 in self._cache:
                self._cache.move_to_end(sha256)
            return self._cache.get(sha256)

    def _remember(self, sha256: str, localization: Localization) -> None:
        with self._turn:
            self._cache[sha256] = localization
            while len(self._cache) > self._n_cached:
                self._cache.popitem(last=False)
