"""``correlator up``: what ends it is said."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from correlator.service.commands import up
from correlator.service.settings import Settings


def test_a_watcher_that_fails_in_an_unknown_way_ends_the_command_loudly(monkeypatch, tmp_path):
    @asynccontextmanager
    async def running(*_):
        yield None

    async def watch(*_):
        raise AttributeError("a mistake of ours")

    async def serve(*_):
        await asyncio.sleep(3600.0)

    for name, value in {"running": running, "watch_inbox": watch, "serve_http": serve}.items():
        monkeypatch.setattr(up, name, value)
    with pytest.raises(AttributeError, match="a mistake of ours"):
        asyncio.run(up._run(Settings(), None, tmp_path, 0))
