"""What the documentation says can be asked is answered."""

from __future__ import annotations

import re
import shlex
import socket
import threading
import time
from pathlib import Path

import pytest
import uvicorn

from storage.tokens import Scope

REST = (Path(__file__).parents[3] / "docs/operations/rest.md").read_text()
BASE = "http://127.0.0.1:8000/api/v1"
CURLS = re.findall(r"^curl .*$", REST, re.MULTILINE)
PYTHON = re.findall(r"^```python\n(.*?)^```", REST, re.MULTILINE | re.DOTALL)


def test_there_are_examples():
    assert len(CURLS) > 10
    assert len(PYTHON) == 1


@pytest.mark.parametrize("line", CURLS)
async def test_every_line_of_curl_is_answered(written, line):
    token = written.token(*Scope)
    words = shlex.split(line.replace("$TOKEN", token))[1:]
    method, url, body, headers = "GET", "", None, {}
    while words:
        match words.pop(0):
            case "-H":
                name, _, value = words.pop(0).partition(": ")
                headers[name] = value
            case "-X":
                method = words.pop(0)
            case "-o":
                words.pop(0)
            case "--json":
                body, method = words.pop(0), "POST" if method == "GET" else method
                headers["Content-Type"] = "application/json"
            case url:
                assert url.startswith(BASE)
    async with written.client() as client:
        path = url.removeprefix(BASE)
        answer = await client.request(method, path, content=body, headers=headers)
    assert answer.status_code in {200, 201}, answer.text
    if answer.text.startswith('{"items":') and "subscriptions" not in url:
        assert answer.json()["items"]


@pytest.mark.slow
def test_the_python_runs(written):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(written.app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        names: dict = {}
        exec(PYTHON[0].replace(":8000", f":{port}"), names)
    finally:
        server.should_exit = True
        thread.join()
    assert len(names["targets"]) == 1
    assert len(names["objects"]) == 1
