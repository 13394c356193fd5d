"""The application ``/api/v1``: the routers of all nouns over one store."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import FastAPI

from correlator.service.api.access import Access, AccessRules
from correlator.service.api.alerts import alerts_router
from correlator.service.api.coincidences import coincidences_router
from correlator.service.api.documentation import document
from correlator.service.api.events import events_router
from correlator.service.api.feedback import feedback_router
from correlator.service.api.filters import filters_router
from correlator.service.api.headers import Headers
from correlator.service.api.localizations import localizations_router
from correlator.service.api.notices import notices_router
from correlator.service.api.objects import objects_router
from correlator.service.api.pairs import pairs_router
from correlator.service.api.problems import tell_problems
from correlator.service.api.schemas import schemas_router
from correlator.service.api.status import status_router
from correlator.service.api.subscriptions import subscriptions_router
from correlator.service.api.targets import targets_router
from correlator.service.api.tokens import tokens_router
from storage.store import Store

PREFIX = "/api/v1"
"""Where the interface is mounted."""


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """What an installation chooses, and the clocks of the interface.

    Attributes
    ----------
    rules
        Who may ask, and how often.
    default_site
        Site of target lists when none is asked for; None leaves them as they are stored.
    now_unix_s, monotonic_s
        Clocks, by which tokens expire and rates are counted [s].
    """

    rules: AccessRules = field(default_factory=AccessRules)
    default_site: str | None = None
    now_unix_s: Callable[[], float] = time.time
    monotonic_s: Callable[[], float] = time.monotonic


def access_of(store: Store, options: ApiOptions) -> Access:
    """Who may ask: one for all that is served, so that a caller is counted once."""
    return Access(store.tokens, options.rules, options.now_unix_s, options.monotonic_s)


def create_api(
    store: Store, options: ApiOptions | None = None, access: Access | None = None
) -> FastAPI:
    """Make the interface over a store; it is to be mounted at :data:`PREFIX`."""
    chosen = options or ApiOptions()
    access = access or access_of(store, chosen)
    api = FastAPI(
        title="Multi-messenger correlator",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    now_unix_s = chosen.now_unix_s
    # In the order in which the documentation shows them.
    for router in (
        coincidences_router(store, access),
        feedback_router(store, access, now_unix_s),
        targets_router(store, access, chosen.default_site),
        pairs_router(store, access),
        events_router(store, access),
        notices_router(store, access),
        localizations_router(store, access),
        objects_router(store, access),
        alerts_router(store, access),
        filters_router(store, access, now_unix_s),
        schemas_router(access),
        subscriptions_router(store, access, now_unix_s),
        tokens_router(store, access, now_unix_s),
        status_router(store, access, now_unix_s),
    ):
        api.include_router(router)
    document(api)
    tell_problems(api)
    api.add_middleware(Headers)
    return api
