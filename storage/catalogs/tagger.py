"""Alerts with what the local catalogues have near them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from correlator.alert import Alert
from correlator.crossmatch import CatalogAnswer
from skymaps.healpix import Positions
from storage.catalogs.catalog import Catalog, CatalogStore
from storage.catalogs.errors import CatalogError

Tag = Callable[[Sequence[Alert]], list[Alert]]
"""Alerts to the same alerts with tags."""

KEPT_TAGS = 3
"""Entries of one catalogue that an alert carries, the nearest: an alert stays below 4 kB."""

_LOOK_EVERY_S = 30.0
"""How often it is looked whether a catalogue has a new version [s]."""


class Tagger:
    """Asks the current version of every catalogue about alerts, many at once.

    A new catalogue, or a new version of one, is asked from half a minute after it was built.

    Parameters
    ----------
    store
        The catalogues; none need be there.
    moment_s
        Any clock that only goes forward [s].
    """

    def __init__(self, store: CatalogStore, moment_s: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._moment_s = moment_s
        self._looks_at_s = -np.inf
        self._catalogs: dict[str, Catalog | CatalogError] = {}

    def tagged(self, alerts: Sequence[Alert]) -> list[Alert]:
        """The same alerts, each with the answer of every catalogue, sorted by its name.

        One that cannot be read answers "unknown", with the reason, and holds nothing up.
        """
        self._look()
        if not alerts or not self._catalogs:
            return list(alerts)
        places = Positions(
            np.array([alert.ra_deg for alert in alerts]),
            np.array([alert.dec_deg for alert in alerts]),
            np.array([alert.index_29 for alert in alerts], dtype=np.int64),
        )
        said = [self._answers(name, places) for name in sorted(self._catalogs)]
        return [
            replace(alert, tags=answers)
            for alert, answers in zip(alerts, zip(*said, strict=True), strict=True)
        ]

    def _answers(self, name: str, places: Positions) -> list[CatalogAnswer]:
        catalog = self._catalogs[name]
        if isinstance(catalog, Catalog):
            try:
                return list(map(_nearest, catalog.answers(places)))
            except _BROKEN as error:
                # It is opened again at the next look.
                self._catalogs[name] = catalog = _named(name, error)
        return [CatalogAnswer.unknown(name, str(catalog))] * len(places)

    def _look(self) -> None:
        """Open what is new, and what could not be read; forget what is gone."""
        if self._moment_s() < self._looks_at_s:
            return
        self._looks_at_s = self._moment_s() + _LOOK_EVERY_S
        known, self._catalogs = self._catalogs, {}
        for name in self._store.names():
            try:
                self._catalogs[name] = self._current(name, known.get(name))
            except _BROKEN as error:
                self._catalogs[name] = _named(name, error)

    def _current(self, name: str, held: Catalog | CatalogError | None) -> Catalog:
        version = self._store.current(name)
        if isinstance(held, Catalog) and held.description.version == version:
            return held
        return self._store.open(f"{name}@{version}")


_BROKEN = (CatalogError, LookupError, OSError, TypeError, ValueError, pa.ArrowException)
"""What asking a catalogue raises whose files are not as they were built, or of a later release."""


def _named(name: str, error: Exception) -> CatalogError:
    if isinstance(error, CatalogError):
        return error
    said = f"{type(error).__name__}: {error}"
    return CatalogError(name, "its files are as they were built", said)


def untagged(alerts: Sequence[Alert]) -> list[Alert]:
    """The alerts as they are: no catalogue is asked."""
    return list(alerts)


def _nearest(answer: CatalogAnswer) -> CatalogAnswer:
    return replace(answer, tags=answer.tags[:KEPT_TAGS])
