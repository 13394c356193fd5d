"""Everything that is served over HTTP as one application: the page, and the interface beside it."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI

from correlator.errors import ConfigurationError
from correlator.service.api.access import AccessRules
from correlator.service.api.app import PREFIX, ApiOptions, access_of, create_api
from correlator.service.api.facades import mount_facades
from correlator.service.api.problems import tell_problems
from correlator.service.page import create_page
from correlator.service.settings import Settings
from storage.store import Store

KEEP_ALIVE_S = 30
"""How long a connection may be silent between two requests [s]."""

MAX_HEADER_BYTES = 65_536
"""Longest request line, and longest header [bytes]."""


def create_service(store: Store, settings: Settings) -> FastAPI:
    """Make the page over a store, with ``/api/v1``, SkyPortal's alerts and cone searches.

    Where everybody needs a token there is no page, for it asks for none.
    """
    options = _options(settings)
    access = access_of(store, options)
    if settings.api_anonymous:
        service = create_page(store, settings.author(), access)
    else:
        service = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        tell_problems(service)
    service.mount(PREFIX, create_api(store, options, access))
    mount_facades(service, store, access)
    return service


def _options(settings: Settings) -> ApiOptions:
    rules = AccessRules(
        settings.api_anonymous, settings.api_anonymous_rate_hz, settings.api_token_rate_hz
    )
    return ApiOptions(rules, settings.site)


async def serve_http(store: Store, settings: Settings, host: str, port: int) -> None:
    """Serve until interrupted.

    Raises
    ------
    ConfigurationError
        The address is taken.
    """
    config = uvicorn.Config(
        create_service(store, settings),
        host=host,
        port=port,
        log_level="warning",
        server_header=False,
        # Whoever is counted must not choose the address that is counted.
        proxy_headers=bool(settings.api_proxies),
        forwarded_allow_ips=settings.api_proxies or "",
        timeout_keep_alive=KEEP_ALIVE_S,
        http="h11",  # the other one has no bound
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
    )
    try:
        await uvicorn.Server(config).serve()
    except SystemExit as error:
        raise ConfigurationError(f"the page cannot be served at {host}:{port}") from error
