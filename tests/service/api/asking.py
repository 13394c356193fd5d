"""An interface over a store in memory, and clients that ask it in this process."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from fastapi import FastAPI

from correlator.service.api.access import AccessRules
from correlator.service.api.app import PREFIX, ApiOptions, create_api
from storage.store import Store
from storage.tokens import Scope

NOW_UNIX_S = 1_760_100_000.0


@dataclass
class Clocks:
    """Two clocks that stand still until they are moved."""

    now_unix_s: float = NOW_UNIX_S
    monotonic_s: float = 0.0


@dataclass
class Asked:
    """An application, the store below it, and its clocks."""

    store: Store
    rules: AccessRules = field(default_factory=lambda: AccessRules(True, 1e6, 1e6))
    clocks: Clocks = field(default_factory=Clocks)

    def __post_init__(self) -> None:
        clocks = self.clocks
        options = ApiOptions(
            self.rules, None, lambda: clocks.now_unix_s, lambda: clocks.monotonic_s
        )
        self.api = create_api(self.store, options)
        self.app = FastAPI(openapi_url=None)
        self.app.mount(PREFIX, self.api)

    def token(self, *scopes: Scope, audience: tuple[str, ...] = (), name: str = "tests") -> str:
        """The secret of a new token."""
        return self.store.tokens.create(name, scopes, audience, self.clocks.now_unix_s)

    @asynccontextmanager
    async def client(self, token: str | None = None, scheme: str = "Bearer", host="127.0.0.1"):
        """A client below ``/api/v1``, with a token if one is given."""
        transport = httpx.ASGITransport(app=self.app, client=(host, 5))
        headers = {} if token is None else {"Authorization": f"{scheme} {token}"}
        base = f"http://test{PREFIX}"
        async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers) as one:
            yield one
