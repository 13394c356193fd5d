"""Talking to a SkyPortal: its envelope, its rate limit, and its token.

SkyPortal lets 5 requests a second in (`rate_limit` of its nginx) and answers 429 beyond; its token
goes into ``Authorization: token <token>``, and its answers are
``{"status": "success", "data": ...}`` or ``{"status": "error", "message": ...}``.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson
from yarl import URL

from correlator.errors import ConfigurationError, CorrelatorError

RATE_HZ = 5.0
"""Requests a second that a SkyPortal lets in, unless its installation says otherwise [1/s]."""

MAX_TRIES = 6
"""Of one request that is refused for the time being."""

MAX_WAIT_S = 3600.0
"""Longest wait that a ``Retry-After`` is believed [s]."""

TIMEOUT_S = 60.0
"""Longest wait for one answer [s]."""

MAX_ANSWER_BYTES = 64 * 2**20
"""Longest answer that is read [bytes]."""

_LATER = (429, 502, 503, 504)

Json = dict[str, Any]


class SkyPortalError(CorrelatorError):
    """A SkyPortal did not do what it was asked for.

    Attributes
    ----------
    status
        Of HTTP; None when there was no answer.
    message
        Why, in its words.
    """

    def __init__(self, request: str, status: int | None, message: str) -> None:
        self.status = status
        self.message = message
        said = "" if status is None else f" ({status})"
        super().__init__(f"SkyPortal, {request}{said}: {message[:300]}")


class SkyPortal:
    """One SkyPortal, asked for one thing after the other; use it as a context manager.

    Parameters
    ----------
    url
        Where it is, without ``/api``: https, or http on this machine.
    token
        Of a user or a bot there.
    rate_hz
        Requests a second at most [1/s].
    pause, clock_s
        Waits for some seconds, and tells them; arguments for the sake of the tests.

    Raises
    ------
    ConfigurationError
        A URL to which no token may be sent.
    """

    def __init__(
        self,
        url: str,
        token: str,
        rate_hz: float = RATE_HZ,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = checked_url(url)
        self._token = token
        self._interval_s = 1.0 / rate_hz
        self._pause = pause
        self._clock_s = clock_s
        self._next_s = 0.0
        self._session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return str(self._url)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={
                "Authorization": f"token {self._token}",
                "User-Agent": "multimessenger-correlator",
            },
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, *path: str) -> Any:
        """``data`` of what is at a path below ``/api``."""
        return await self._ask("GET", path, None)

    async def post(self, *path: str, body: Json) -> Any:
        """``data`` of what a new thing was answered with."""
        return await self._ask("POST", path, body)

    async def put(self, *path: str, body: Json) -> Any:
        """``data`` of what a change was answered with."""
        return await self._ask("PUT", path, body)

    async def _ask(self, method: str, path: tuple[str, ...], body: Json | None) -> Any:
        """Ask until there is an answer that is no refusal for the time being.

        Raises
        ------
        SkyPortalError
            It refused, for good or too often, or did not answer.
        """
        said = f"{method} /{'/'.join(('api', *path))}"
        for nth in range(1, MAX_TRIES + 1):
            await self._take_turn()
            status, content, retry_after = await self._once(method, path, body, said)
            if status not in _LATER:
                return _data(content, status, said)
            if nth < MAX_TRIES:
                await self._pause(wait_s(retry_after, nth, datetime.now(UTC)))
        raise SkyPortalError(said, status, f"refused {MAX_TRIES} times")

    async def _take_turn(self) -> None:
        now_s = self._clock_s()
        due_s = max(now_s, self._next_s)
        self._next_s = due_s + self._interval_s
        if due_s > now_s:
            await self._pause(due_s - now_s)

    async def _once(
        self, method: str, path: tuple[str, ...], body: Json | None, said: str
    ) -> tuple[int, bytes, str | None]:
        if self._session is None:
            raise RuntimeError("a SkyPortal is asked inside its context")
        url = self._url.joinpath("api", *path, encoded=False)
        content = None if body is None else orjson.dumps(body)
        headers = {"Content-Type": "application/json"} if content else {}
        try:
            # A redirect would carry the token elsewhere.
            async with self._session.request(
                method, url, data=content, headers=headers, allow_redirects=False
            ) as answer:
                got = await answer.content.read(MAX_ANSWER_BYTES + 1)
                while not answer.content.at_eof() and len(got) <= MAX_ANSWER_BYTES:
                    got += await answer.content.read(MAX_ANSWER_BYTES + 1 - len(got))
                if len(got) > MAX_ANSWER_BYTES:
                    raise SkyPortalError(said, answer.status, "its answer is too long")
                return answer.status, got, answer.headers.get("Retry-After")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SkyPortalError(said, None, f"{type(error).__name__}: {error}") from error


def checked_url(url: str) -> URL:
    """A URL that a token may be sent to.

    Raises
    ------
    ConfigurationError
        It is neither https, nor http on this machine.
    """
    try:
        at = URL(url)
        host = at.host
    except ValueError as error:
        raise ConfigurationError(f"--url {url!r}: {error}") from error
    if not host or at.user or at.query_string or at.fragment:
        raise ConfigurationError(f"--url {url!r}: expected https://HOST[/PATH]")
    if at.scheme != "https" and not (at.scheme == "http" and _is_here(host)):
        raise ConfigurationError(
            f"--url {url!r}: a token is only sent by https, or to this machine"
        )
    return at


def wait_s(retry_after: str | None, nth: int, now: datetime) -> float:
    """How long to wait after the n-th refusal [s]: as it says, else twice as long each time."""
    if retry_after is None:
        return float(2**nth)
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            until = parsedate_to_datetime(retry_after)
        except ValueError:
            return float(2**nth)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        seconds = (until - now).total_seconds()
    return float(2**nth) if math.isnan(seconds) else min(max(seconds, 0.0), MAX_WAIT_S)


def _data(content: bytes, status: int, said: str) -> Any:
    try:
        answer = orjson.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or answer.get("status") not in {"success", "error"}:
        raise SkyPortalError(said, status, "its answer is no envelope of SkyPortal's")
    if status != HTTPStatus.OK or answer.get("status") != "success":
        raise SkyPortalError(said, status, str(answer.get("message")))
    return answer.get("data")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
