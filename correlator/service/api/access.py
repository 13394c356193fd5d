"""Who asks, what they may do and read, and how often: the dependencies of every route.

A token is sent as ``Authorization: Bearer <token>``; ``Token`` and ``token`` are the same. It does
what its scopes say and no more, and reads what is public or of its audiences. Whoever shows none
may read what is public, unless the installation wants a token of everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.concurrency import run_in_threadpool

from correlator.audience import PUBLIC_READER, Reader
from correlator.service.api.problems import Problem
from correlator.service.api.rates import RateLimiter
from correlator.service.times import iso_utc
from storage.tokens import Scope, Token, TokenStore

SCHEMES = ("bearer", "token")
"""Of the header ``Authorization``, in any case of letters: they mean the same."""

MAX_SECRET_LENGTH = 256
"""Longest token that is looked for [characters]."""

CHALLENGE = 'Bearer realm="correlator"'

BEARER = HTTPBearer(
    scheme_name="bearer", auto_error=False, description="`Authorization: Bearer <token>`."
)
TOKEN = APIKeyHeader(
    name="Authorization",
    scheme_name="token",
    auto_error=False,
    description="`Authorization: Token <token>` or `token <token>`: the same tokens.",
)
"""Both are here for the documentation: the header is read in one place, :func:`_secret_of`."""

_Reads = Annotated[object, Security(BEARER, scopes=[Scope.READ])]
_ReadsToo = Annotated[object, Security(TOKEN, scopes=[Scope.READ])]
_Subscribes = Annotated[object, Security(BEARER, scopes=[Scope.SUBSCRIBE])]
_SubscribesToo = Annotated[object, Security(TOKEN, scopes=[Scope.SUBSCRIBE])]
_Writes = Annotated[object, Security(BEARER, scopes=[Scope.WRITE])]
_WritesToo = Annotated[object, Security(TOKEN, scopes=[Scope.WRITE])]
_Rules = Annotated[object, Security(BEARER, scopes=[Scope.ADMIN])]
_RulesToo = Annotated[object, Security(TOKEN, scopes=[Scope.ADMIN])]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a request.

    Attributes
    ----------
    name
        Of the token; None for one that shows none.
    reader
        With whose eyes the store is read.
    scopes
        What the caller may do.
    """

    name: str | None
    reader: Reader
    scopes: frozenset[Scope]


ANONYMOUS = Caller(None, PUBLIC_READER, frozenset({Scope.READ}))


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What an installation grants.

    Attributes
    ----------
    lets_anonymous_read
        Whether public data are for those without a token, too.
    anonymous_rate_hz, token_rate_hz
        Requests of an address without a token, and of a token without a rate of its own [1/s].
    """

    lets_anonymous_read: bool = True
    anonymous_rate_hz: float = 5.0
    token_rate_hz: float = 20.0


class Access:
    """The dependencies that a route can have: each gives the caller, or refuses the request.

    Parameters
    ----------
    tokens
        Where tokens are checked.
    now_unix_s
        The clock by which they expire [s since the Unix epoch].
    monotonic_s
        The clock of the rates [s].
    """

    def __init__(
        self,
        tokens: TokenStore,
        rules: AccessRules,
        now_unix_s: Callable[[], float],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._tokens = tokens
        self._rules = rules
        self._now_unix_s = now_unix_s
        self._limiter = RateLimiter(monotonic_s)

    async def passing(self, request: Request) -> None:
        """Whoever looks at what is open: counted by the address, whatever token is shown."""
        self._count(request, _address_of(request), self._rules.anonymous_rate_hz)

    async def reading(
        self, request: Request, _bearer: _Reads = None, _token: _ReadsToo = None
    ) -> Caller:
        """Whoever reads: of scope ``read``, or anonymous."""
        return await self._caller(request, Scope.READ)

    async def subscribing(
        self, request: Request, _bearer: _Subscribes = None, _token: _SubscribesToo = None
    ) -> Caller:
        """Whoever makes subscriptions: of scope ``subscribe``."""
        return await self._caller(request, Scope.SUBSCRIBE)

    async def writing(
        self, request: Request, _bearer: _Writes = None, _token: _WritesToo = None
    ) -> Caller:
        """Whoever says something of coincidences: of scope ``write``."""
        return await self._caller(request, Scope.WRITE)

    async def admin(
        self, request: Request, _bearer: _Rules = None, _token: _RulesToo = None
    ) -> Caller:
        """Whoever runs the service: of scope ``admin``."""
        return await self._caller(request, Scope.ADMIN)

    async def _caller(self, request: Request, scope: Scope) -> Caller:
        token = await self._token_of(request)
        if token is None:
            self._count(request, _address_of(request), self._rules.anonymous_rate_hz)
            if scope is not Scope.READ or not self._rules.lets_anonymous_read:
                raise Problem(401, "a token is needed", {"WWW-Authenticate": CHALLENGE})
            return ANONYMOUS
        self._count(request, f"token {token.token_id}", token.rate_hz or self._rules.token_rate_hz)
        if token.expires_soon(self._now_unix_s()):
            request.state.token_expires = iso_utc(token.expires_unix_s)
        if scope not in token.scopes:
            challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{scope}"'
            raise Problem(403, f"the token has no scope {scope}", {"WWW-Authenticate": challenge})
        return Caller(token.name, token.reader, token.scopes)

    async def _token_of(self, request: Request) -> Token | None:
        """The token that is shown, if any is; one that does not count is refused."""
        said = request.headers.getlist("authorization")
        if not said:
            return None
        secret = _secret_of(said[0]) if len(said) == 1 else None
        token = None
        if secret is not None:
            token = await run_in_threadpool(self._tokens.check, secret, self._now_unix_s())
        if token is None:
            # Guesses are counted as what they are: requests of somebody unknown.
            self._count(request, _address_of(request), self._rules.anonymous_rate_hz)
            challenge = f'{CHALLENGE}, error="invalid_token"'
            detail = "the token is unknown, expired or revoked, or no `Bearer <token>`"
            raise Problem(401, detail, {"WWW-Authenticate": challenge})
        return token

    def _count(self, request: Request, name: str, rate_hz: float) -> None:
        allowance = self._limiter.take(name, rate_hz)
        request.state.counted_as = name
        request.state.rate_headers = allowance.headers()
        if allowance.is_refused:
            detail = f"more than {rate_hz:g} requests a second; wait {allowance.retry_s:.1f} s"
            raise Problem(429, detail, allowance.headers())


def _secret_of(said: str) -> str | None:
    """The token in a header ``Authorization``; None when there is none."""
    scheme, _, secret = said.strip().partition(" ")
    secret = secret.strip()
    if scheme.lower() not in SCHEMES or not secret or len(secret) > MAX_SECRET_LENGTH:
        return None
    return secret if secret.isascii() and secret.isprintable() else None


def _address_of(request: Request) -> str:
    """Whom requests without a token are counted for: an address, or a network of IPv6 of one."""
    host = request.client.host if request.client else "nowhere"
    try:
        address = ip_address(host)
    except ValueError:
        return f"address {host}"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return f"address {address.ipv4_mapped}"
    if isinstance(address, IPv6Address):
        # A household has a /64 and could take another address for every request.
        return f"address {address.exploded[:19]}"
    return f"address {host}"
