"""A load night in its file: deliveries one by one, for a replay or for a broker."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from correlator.errors import ConfigurationError
from correlator.service.archive import Archive, Delivery
from correlator.simulation.load import RECORDS_FILE, TRUTH_FILE


class LoadNight:
    """The deliveries of a load night in their order, read as they are asked for.

    Parameters
    ----------
    folder
        What ``correlator simulate load --out`` has written.

    Raises
    ------
    ConfigurationError
        The folder holds no load night.
    """

    def __init__(self, folder: Path) -> None:
        self._records = folder / RECORDS_FILE
        if not self._records.is_file() or not (folder / TRUTH_FILE).is_file():
            raise ConfigurationError(
                f"{folder}: a load night has a {RECORDS_FILE} and a {TRUTH_FILE}"
            )
        self.truth: dict[str, Any] = orjson.loads((folder / TRUTH_FILE).read_bytes())

    def __len__(self) -> int:
        return int(self.truth["n_records"])

    @property
    def as_of_unix_s(self) -> float:
        """A moment after the last delivery [s since the Unix epoch], whole, so that a time in
        words names it exactly.
        """
        return float(math.ceil(self.truth["latest_unix_s"]))

    def __iter__(self) -> Iterator[Delivery]:
        """The deliveries, in the order in which they were written.

        Raises
        ------
        ConfigurationError
            The file is cut short or not in this form.
        """
        with self._records.open("rb", buffering=1 << 20) as file:
            while line := file.readline():
                try:
                    when, topic, key, length = orjson.loads(line)
                except ValueError:
                    raise ConfigurationError(
                        f"{self._records}: [time, topic, key, length] expected, got {line[:80]!r}"
                    ) from None
                value = file.read(length + 1)
                if len(value) != length + 1:
                    raise ConfigurationError(f"{self._records}: cut short in the record of {key}")
                yield Delivery(when, topic, key, value[:-1])

    def archive(self) -> Archive:
        """All deliveries in memory, as a replay takes them: it puts them in order by itself."""
        return Archive(
            list(self), n_alerts=self.truth["n_alerts"], n_notices=self.truth["n_notices"]
        )
