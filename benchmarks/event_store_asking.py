"""The questions of readers, as they ask the store itself and as they ask over HTTP."""

from __future__ import annotations

import http.client
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import local
from typing import NamedTuple, Protocol
from urllib.parse import urlencode

import orjson

from benchmarks.event_store_coincidences import a_merger
from benchmarks.processes import Process, running
from correlator.audience import PUBLIC_READER
from correlator.errors import ConfigurationError
from correlator.object import OpticalObject
from correlator.service.times import iso_utc
from storage.search import Region
from storage.store import Store

LEVEL = 0.9
PAGE_ROWS = 1_000

_STARTS_WITHIN_S = 60.0
_ANSWERS_WITHIN_S = 120.0


class Cone(NamedTuple):
    """A cone and a half-open time."""

    ra_deg: float
    dec_deg: float
    radius_deg: float
    since_unix_s: float
    until_unix_s: float


class Asking(Protocol):
    """One way to ask; each answer is the keys of the objects that came."""

    def one(self, object_key: str) -> int:
        """An object by its key with its light curve: how many points that has."""
        ...

    def cone(self, cone: Cone) -> list[str]:
        """Objects in a cone that were seen in a time."""
        ...

    def page(self) -> list[str]:
        """The first page of the credible region of the merger."""
        ...

    def whole(self) -> Iterator[list[str]]:
        """All of that region, as it comes."""
        ...

    def cpu_s(self) -> float:
        """Processor time so far of the process that answers [s]; a database server's own aside."""
        ...


class OfStore:
    """Readers that have the store at hand, as a server has it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def one(self, object_key: str) -> int:
        """See :class:`Asking`."""
        obj = self._store.search.object(PUBLIC_READER, object_key)
        assert obj is not None
        return len(self._store.search.light_curve(PUBLIC_READER, object_key))

    def cone(self, cone: Cone) -> list[str]:
        """See :class:`Asking`."""
        region = Region.cone(*cone[:3])
        return _keys(self._store.search.objects(PUBLIC_READER, region, *cone[3:]).rows)

    def page(self) -> list[str]:
        """See :class:`Asking`."""
        return _keys(self._store.search.objects(PUBLIC_READER, self._region()).rows)

    def whole(self) -> Iterator[list[str]]:
        """See :class:`Asking`."""
        yield from map(_keys, self._store.search.stream_objects(PUBLIC_READER, self._region()))

    def cpu_s(self) -> float:
        """See :class:`Asking`."""
        return time.process_time()

    def _region(self) -> Region:
        event = self._store.events.get(a_merger().event.event_key)
        assert event is not None
        assert event.localization_sha256 is not None
        localization = self._store.localizations.get(event.localization_sha256)
        assert localization is not None
        return Region.credible(localization, LEVEL)


class OverHttp:
    """Readers of a server, each thread with one connection that it keeps."""

    def __init__(self, process: Process, host: str, port: int) -> None:
        self._process = process
        self._address = host, port
        self._local = local()
        self._opened: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        """Close every connection, when nobody asks any more."""
        while self._opened:
            self._opened.pop().close()

    def one(self, object_key: str) -> int:
        """See :class:`Asking`."""
        self._get(f"/objects/{object_key}")
        return len(_items(self._get(f"/objects/{object_key}/lightcurve")))

    def cone(self, cone: Cone) -> list[str]:
        """See :class:`Asking`."""
        asked = {
            "ra": cone.ra_deg, "dec": cone.dec_deg, "radius": cone.radius_deg,
            "since": iso_utc(cone.since_unix_s), "until": iso_utc(cone.until_unix_s),
            "limit": PAGE_ROWS,
        }  # fmt: skip
        return _named(_items(self._get(f"/objects?{urlencode(asked)}")))

    def page(self) -> list[str]:
        """See :class:`Asking`."""
        return _named(_items(self._get(f"/objects?{self._of_merger()}&limit={PAGE_ROWS}")))

    def whole(self) -> Iterator[list[str]]:
        """See :class:`Asking`."""
        answer = self._asked(f"/objects?{self._of_merger()}&format=ndjson")
        while lines := answer.readlines(_READ_BYTES):
            yield [orjson.loads(line)["object_key"] for line in lines]

    def cpu_s(self) -> float:
        """See :class:`Asking`."""
        return self._process.cpu_s()

    def wait(self) -> None:
        """Return when the server answers.

        Raises
        ------
        ConfigurationError
            It does not.
        """
        give_up = time.monotonic() + _STARTS_WITHIN_S
        while time.monotonic() < give_up:
            try:
                socket.create_connection(self._address, timeout=1.0).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise ConfigurationError(f"no server at {self._address} after {_STARTS_WITHIN_S} s")

    def _of_merger(self) -> str:
        return urlencode({"event": a_merger().event.event_key, "credible": LEVEL})

    def _get(self, path: str) -> bytes:
        return self._asked(path).read()

    def _asked(self, path: str) -> http.client.HTTPResponse:
        try:
            answer = self._sent(path)
        except (http.client.RemoteDisconnected, ConnectionError):
            # A server closes a connection on which nobody asked for a while.
            self._local.connection = None
            answer = self._sent(path)
        if answer.status != 200:
            raise ConfigurationError(f"{path}: {answer.status} {answer.read()[:500]!r}")
        return answer

    def _sent(self, path: str) -> http.client.HTTPResponse:
        connection: http.client.HTTPConnection | None
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(*self._address, timeout=_ANSWERS_WITHIN_S)
            connection.connect()
            # What is sent at once is small: it must not wait for an acknowledgement.
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._local.connection = connection
            self._opened.append(connection)
        connection.request("GET", f"/api/v1{path}")
        return connection.getresponse()


_READ_BYTES = 1 << 20


@contextmanager
def served(store_url: str, folder: Path) -> Iterator[OverHttp]:
    """A ``correlator serve`` of its own over a store, which ends with the context."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "correlator.service.cli", "serve", "--port", str(port)]
    # Twenty readers of one address: how often that may ask is not what is measured.
    settings = {"CORRELATOR_API_ANONYMOUS_RATE_HZ": "100000"}
    with running("serve", command, folder, "unused", store_url, "bench", settings) as process:
        asking = OverHttp(process, "127.0.0.1", port)
        asking.wait()
        process.check()
        try:
            yield asking
        finally:
            asking.close()


def _keys(rows: list[OpticalObject]) -> list[str]:
    return [obj.object_key for obj in rows]


def _items(content: bytes) -> list[dict[str, object]]:
    found: list[dict[str, object]] = orjson.loads(content)["items"]
    return found


def _named(rows: list[dict[str, object]]) -> list[str]:
    return [str(row["object_key"]) for row in rows]
