"""Writer schemas by Confluent id: the observatory's package, a folder, the schema registry."""

from __future__ import annotations

import http.client
import json
import math
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from correlator.errors import ConfigurationError, MalformedAlertError
from ingest_optical.avro import MAX_SCHEMA_BYTES, writer_schema
from ingest_optical.lsst_schemas import schema_of_id

RUBIN_REGISTRY = "https://rubin-alert-schemas.slac.stanford.edu/schema-registry"
"""Rubin's public registry (LSST alert distribution technote)."""

_PAUSES_S = (0.5, 1.0, 2.0)
"""Waits before each new try; the reader stands still meanwhile."""

_WITHIN_S = 10.0
"""How long a registry may take for one answer [s]."""

_UNKNOWN_FOR_S = 60.0
"""How long an id that nobody knew is not asked for again [s]: each of its packets would ask."""

_NOT_FOUND = 404

_MAX_ANSWER_BYTES = 4 * MAX_SCHEMA_BYTES
"""Largest answer that is read: a schema in JSON in JSON, quotes escaped twice."""

Fetch = Callable[[str], bytes | None]
"""Gets the bytes at a URL, None where there is nothing; raises OSError where nobody answers."""


class Registry:
    """The writer schemas of Confluent-framed packets.

    A schema never changes under its id, so what was fetched once is kept for good: in memory, and
    as ``ID.avsc`` in the folder.

    Parameters
    ----------
    url
        Base URL of a Confluent schema registry; None to ask nobody.
    folder
        Where fetched schemas are kept; None for memory only.
    fetch, sleep, clock
        The network and the time; others in tests.
    """

    def __init__(
        self,
        url: str | None,
        folder: Path | None,
        fetch: Fetch | None = None,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ConfigurationError(f"schema registry {url}: must begin with http:// or https://")
        self._url = None if url is None else url.rstrip("/")
        self._folder = folder
        self._fetch = fetch or _fetch
        self._sleep, self._clock = sleep, clock
        self._known: dict[int, bytes] = {}
        self._unknown_until: dict[int, float] = {}

    def schema(self, schema_id: int) -> bytes | None:
        """The schema of an id as JSON; None when neither package nor registry has one."""
        if (known := self._known.get(schema_id)) is not None:
            return known
        if self._clock() < self._unknown_until.get(schema_id, -math.inf):
            return None
        found = schema_of_id(schema_id) or self._kept(schema_id) or self._fetched(schema_id)
        if found is None:
            self._unknown_until[schema_id] = self._clock() + _UNKNOWN_FOR_S
        else:
            self._known[schema_id] = found
        return found

    def _kept(self, schema_id: int) -> bytes | None:
        if self._folder is None:
            return None
        try:
            return _usable((self._folder / f"{schema_id}.avsc").read_bytes(), schema_id)
        except FileNotFoundError:
            return None

    def _fetched(self, schema_id: int) -> bytes | None:
        if self._url is None:
            return None
        answer = self._answer(f"{self._url}/schemas/ids/{schema_id}")
        schema = None if answer is None else _schema_of_answer(answer)
        found = None if schema is None else _usable(schema, schema_id)
        if found is not None and self._folder is not None:
            _keep(self._folder, f"{schema_id}.avsc", found)
        return found

    def _answer(self, url: str) -> bytes | None:
        for pause_s in (*_PAUSES_S, None):
            try:
                return self._fetch(url)
            except OSError:
                if pause_s is None:
                    return None
                self._sleep(pause_s)
        return None


def _fetch(url: str) -> bytes | None:
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - checked
    try:
        with urllib.request.urlopen(request, timeout=_WITHIN_S) as answer:  # noqa: S310
            return bytes(answer.read(_MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        if error.code == _NOT_FOUND:
            return None
        raise
    except http.client.HTTPException as error:  # an answer that is no HTTP
        raise OSError(str(error)) from error


def _schema_of_answer(answer: bytes) -> bytes | None:
    """The schema in an answer; Rubin's registry encodes the answer itself once more."""
    try:
        said = json.loads(answer)
        said = json.loads(said) if isinstance(said, str) else said
    except ValueError:
        return None
    schema = said.get("schema") if isinstance(said, dict) else None
    return schema.encode() if isinstance(schema, str) else None


def _usable(schema: bytes, schema_id: int) -> bytes | None:
    """A schema that can be read with, or None: a broken file or answer is as none."""
    try:
        writer_schema(schema, f"schema {schema_id}")
    except MalformedAlertError:
        return None
    return schema


def _keep(folder: Path, name: str, data: bytes) -> None:
    """Write a file whole or not at all; several readers may write it at once."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, half = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(half).replace(folder / name)
