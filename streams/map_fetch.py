"""Fetching one file by https from a host on the list, within bounds of size and time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from streams.map_url import (
    MapAddressError,
    MapFetchError,
    MapNotThereError,
    MapRefusedError,
    checked_redirect,
    checked_url,
    is_public,
)

MAX_REDIRECTS = 3

_CHUNK_BYTES = 2**16
_REDIRECTS = (301, 302, 303, 307, 308)
_LATER = (404, 408, 425, 429)
"""What may be another answer tomorrow; so may every 5xx."""

_HEADERS = {
    "Accept": "application/fits, image/fits, */*;q=0.5",
    # A compressed transfer would be one more thing to inflate: the file is taken as it lies there.
    "Accept-Encoding": "identity",
    "User-Agent": "multimessenger-correlator",
}

Resolve = Callable[[str], Awaitable[list[tuple[str, int]]]]
"""Addresses of a host, each with the port to connect to."""

Fetch = Callable[[str], Awaitable[bytes]]
"""The bytes that a URL stands for, or a :class:`streams.map_url.MapFetchError`."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Bounds of one fetch, all redirects included.

    Attributes
    ----------
    max_bytes
        Size of the file as it is sent; twice that is the most memory that a fetch takes [bytes].
    total_s, connect_s, silence_s
        Longest fetch, longest wait for a connection, and for the next bytes [s].
    slow_after_s, min_bytes_per_s
        After that time [s] the answer must have come with that rate on average [bytes/s].
    """

    max_bytes: int = 64 * 2**20
    total_s: float = 300.0
    connect_s: float = 15.0
    silence_s: float = 30.0
    slow_after_s: float = 20.0
    min_bytes_per_s: float = 4096.0


async def resolved(host: str) -> list[tuple[str, int]]:
    """Addresses of a host by the system's resolver, with the port of https."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    return [(str(sockaddr[0]), 443) for *_, sockaddr in found]


class MapFetcher:
    """Fetches files, one session a fetch: no cookies, no passwords, no proxy, no kept connections.

    A name is resolved once a connection, and the connection is made to the very address that was
    checked, while the certificate must be that of the name.

    Parameters
    ----------
    hosts
        Names that may be asked, to the letter.
    resolve, is_allowed, trusted
        How names are resolved, which addresses may be connected to, and whose certificates are
        believed. They are arguments for the sake of the tests; no setting reaches them.
    """

    def __init__(
        self,
        hosts: Collection[str],
        limits: FetchLimits | None = None,
        *,
        resolve: Resolve = resolved,
        is_allowed: Callable[[str], bool] = is_public,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self._hosts = frozenset(hosts)
        self._limits = limits or FetchLimits()
        self._resolve = resolve
        self._is_allowed = is_allowed
        self._trusted = trusted or ssl.create_default_context()

    async def __call__(self, url: str) -> bytes:
        """Bytes of a file, as they lie there.

        Raises
        ------
        MapRefusedError
            A URL, a redirect or an answer that is not taken: no further try is of use.
        MapAddressError
            The name leads to an address that is not public.
        MapNotThereError
            The file is not there, or its server does not answer well.
        """
        at = checked_url(url, self._hosts)
        try:
            async with asyncio.timeout(self._limits.total_s):
                return await self._follow(at)
        except TimeoutError:
            raise MapNotThereError(url, "a sky map comes in time") from None
        except (aiohttp.ClientError, OSError) as error:
            said = f"{type(error).__name__}: {error}"
            raise MapNotThereError(url, "the server of a sky map answers", said) from None

    async def _follow(self, url: str) -> bytes:
        at = url
        for _ in range(MAX_REDIRECTS + 1):
            found = await self._ask(at)
            if isinstance(found, bytes):
                return found
            at = checked_redirect(at, found, self._hosts)
        raise MapRefusedError(url, f"a sky map is {MAX_REDIRECTS} redirects away at most")

    async def _ask(self, url: str) -> bytes | str:
        """Content of a URL, or the place to which it redirects."""
        asked, limits = URL(url, encoded=True), self._limits
        if asked.scheme != "https" or asked.host not in self._hosts:
            raise MapRefusedError(url, "a URL reads the same to everybody", asked.host)
        sockets: list[socket.socket] = []
        connector = aiohttp.TCPConnector(
            socket_factory=_kept_in(sockets),
            resolver=_CheckedResolver(url, self._resolve, self._is_allowed),
            ssl=self._trusted,
            use_dns_cache=False,
            force_close=True,
        )
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=limits.connect_s, sock_read=limits.silence_s
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=timeout,
            headers=_HEADERS,
            trust_env=False,
            auto_decompress=False,
        )
        try:
            async with session, session.get(asked, allow_redirects=False) as response:
                if response.status in _REDIRECTS:
                    return response.headers.get("Location", "")
                _check_status(url, response.status)
                return await self._content(url, response)
        finally:
            # What is left in the middle would wait half a minute for the server's farewell.
            for each in sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    async def _content(self, url: str, response: aiohttp.ClientResponse) -> bytes:
        limits, loop = self._limits, asyncio.get_running_loop()
        promised = response.content_length
        if promised is not None and promised > limits.max_bytes:
            raise _too_large(url, limits, promised)
        began_s, content = loop.time(), bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            content += chunk
            if len(content) > limits.max_bytes:
                raise _too_large(url, limits, len(content))
            took_s = loop.time() - began_s
            if took_s > limits.slow_after_s and len(content) < took_s * limits.min_bytes_per_s:
                rule = f"a sky map comes with {limits.min_bytes_per_s:.0f} B/s"
                raise MapNotThereError(url, rule, f"{len(content)} B in {took_s:.0f} s")
        return bytes(content)


def _check_status(url: str, status: int) -> None:
    if status == HTTPStatus.OK:
        return
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise MapNotThereError(url, "a sky map is there", status)
    raise MapRefusedError(url, "the server of a sky map gives it to everybody", status)


def _too_large(url: str, limits: FetchLimits, n_bytes: int) -> MapFetchError:
    return MapRefusedError(url, f"a sky map's file has at most {limits.max_bytes} B", n_bytes)


def _kept_in(sockets: list[socket.socket]) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    """Makes sockets as aiohttp does, and remembers them."""

    def make(address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, _ = address
        sockets.append(socket.socket(family, kind, protocol))
        return sockets[-1]

    return make


class _CheckedResolver(AbstractResolver):
    """Resolves a name to addresses all of which are allowed, or to none.

    aiohttp connects to what it is given here, and does not come here for a host that is an address:
    the list of hosts has none.
    """

    def __init__(self, url: str, resolve: Resolve, is_allowed: Callable[[str], bool]) -> None:
        self._url = url
        self._resolve = resolve
        self._is_allowed = is_allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Addresses of a host, as aiohttp wants them."""
        del port, family
        found = await self._resolve(host)
        if not found:
            raise OSError(f"{host} has no address")
        for address, _ in found:
            if not self._is_allowed(address):
                raise MapAddressError(self._url, "a sky map's host has public addresses", address)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address, port in found
        ]

    async def close(self) -> None:
        """Nothing is open."""
