"""An application behind a real port on loopback, for clients that know nothing of ours."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from correlator.service.api.access import Access, AccessRules
from correlator.service.api.facades import mount_facades
from storage.store import Store
from tests.service.api.asking import NOW_UNIX_S


@contextlib.contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The URL of an application that answers until the block ends."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30.0)
        listening.close()
        assert not thread.is_alive()


def facades_over(store: Store, rules: AccessRules | None = None) -> FastAPI:
    """The facades alone over a store, their clocks standing still."""
    app = FastAPI(openapi_url=None)
    rules = rules or AccessRules(True, 1e6, 1e6)
    access = Access(store.tokens, rules, lambda: NOW_UNIX_S, lambda: 0.0)
    mount_facades(app, store, access)
    return app
