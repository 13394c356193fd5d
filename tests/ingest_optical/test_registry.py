"""Where the schema of an id comes from, and what happens when nobody has it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from correlator.errors import ConfigurationError
from ingest_optical.lsst_schemas import schema_of_id
from ingest_optical.registry import Registry

SCHEMA = {"type": "record", "name": "lsst.v12_0.alert", "fields": [{"name": "x", "type": "long"}]}
TEXT = json.dumps(SCHEMA)
ANSWER = json.dumps({"schema": TEXT}).encode()


class Network:
    """Answers one after the other; an exception is raised."""

    def __init__(self, *answers):
        self.answers, self.asked, self.slept = list(answers), [], []
        self.now = 0.0

    def fetch(self, url):
        self.asked.append(url)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def registry(self, folder=None, url="https://registry.example/base/"):
        return Registry(url, folder, self.fetch, self.slept.append, lambda: self.now)


def test_a_schema_of_the_package_costs_no_question():
    network = Network()
    assert network.registry().schema(1101) == schema_of_id(1101)
    assert network.asked == []


@pytest.mark.parametrize("answer", [ANSWER, json.dumps(ANSWER.decode()).encode()])
def test_a_schema_of_the_registry_is_asked_for_once_and_kept(tmp_path, answer):
    """Rubin's registry encodes its answer twice, others once."""
    network = Network(answer)
    registry = network.registry(tmp_path / "schemas")
    assert [registry.schema(1200) for _ in range(3)] == [TEXT.encode()] * 3
    assert network.asked == ["https://registry.example/base/schemas/ids/1200"]
    assert [f.name for f in (tmp_path / "schemas").iterdir()] == ["1200.avsc"]
    assert Network().registry(tmp_path / "schemas").schema(1200) == TEXT.encode()


def test_a_registry_that_is_away_is_asked_again():
    network = Network(OSError("away"), TimeoutError(), ANSWER)
    assert network.registry().schema(1200) == TEXT.encode()
    assert network.slept == [0.5, 1.0]


def test_a_registry_that_stays_away_knows_nothing_for_a_minute():
    network = Network(*[OSError("away")] * 4, ANSWER)
    registry = network.registry()
    assert registry.schema(1200) is None
    network.now = 59.0
    assert registry.schema(1200) is None
    assert len(network.asked) == 4
    network.now = 61.0
    assert registry.schema(1200) == TEXT.encode()


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"<html>",
        b"{}",
        b"[1]",
        json.dumps({"schema": 3}).encode(),
        json.dumps({"schema": "no schema"}).encode(),
        json.dumps({"schema": '{"type": "record", "name": "r", "fields": []}'}).encode(),
    ],
)
def test_an_answer_without_a_usable_schema_is_no_schema_and_is_not_kept(tmp_path, answer):
    assert Network(answer).registry(tmp_path).schema(1200) is None
    assert list(tmp_path.iterdir()) == []


def test_a_kept_schema_that_is_broken_is_fetched_again(tmp_path):
    (tmp_path / "1200.avsc").write_bytes(TEXT.encode()[:20])
    assert Network(ANSWER).registry(tmp_path).schema(1200) == TEXT.encode()
    assert (tmp_path / "1200.avsc").read_bytes() == TEXT.encode()


def test_without_a_registry_only_the_package_is_asked():
    registry = Registry(None, None)
    assert registry.schema(1101) is not None
    assert registry.schema(1200) is None


def test_a_registry_must_be_on_the_web():
    with pytest.raises(ConfigurationError, match="must begin with http"):
        Registry("file:///etc", None)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/schemas/ids/1200":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(ANSWER)
        elif self.path == "/schemas/ids/1201":
            self.send_error(404)
        elif self.path == "/schemas/ids/1202":
            self.wfile.write(b"no HTTP\r\n\r\n")
        else:
            self.send_error(503)

    def log_message(self, *_):
        pass


def test_a_registry_over_http():
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        slept = []
        registry = Registry(f"http://127.0.0.1:{server.server_port}", None, sleep=slept.append)
        assert registry.schema(1200) == TEXT.encode()
        assert (registry.schema(1201), slept) == (None, [])
        assert registry.schema(1202) is None
        assert registry.schema(1203) is None
        assert len(slept) == 6
        server.shutdown()
