"""What other programs ask for in words of their own: SkyPortal's brokers, and cone searches."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.routing import Route

from correlator.service.api.access import Access
from correlator.service.api.headers import Headers
from correlator.service.api.problems import tell_problems
from correlator.service.api.scs import PATHS, scs_router
from correlator.service.api.skyportal import PREFIX, skyportal_router
from correlator.service.skyportal_alerts import SURVEYS
from storage.store import Store


def mount_facades(service: FastAPI, store: Store, access: Access) -> None:
    """Put the facades into an application; requests count for the same callers as others do."""
    service.mount(PREFIX, skyportal_app(store, access))
    cones = _app()
    cones.include_router(scs_router(store, access))
    # Not mounted: of a mount the bare path is redirected, which not every client follows.
    service.router.routes.extend(Route(path, cones) for path in PATHS)


def skyportal_app(store: Store, access: Access) -> FastAPI:
    """All surveys, and each below its name; to be mounted at :data:`skyportal.PREFIX`."""
    app = _app()
    app.include_router(skyportal_router(store, access))
    for survey in SURVEYS:
        app.include_router(skyportal_router(store, access, (survey,)), prefix=f"/{survey}")
    return app


def _app() -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    tell_problems(app)
    app.add_middleware(Headers)
    return app
