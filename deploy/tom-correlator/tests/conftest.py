import ipaddress
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from correlator import Night


def pytest_collection_modifyitems(items):
    """First the test that lives through the night, which takes its time; then what it left."""
    items.sort(key=lambda item: item.path.name != "test_served.py")


@pytest.fixture(autouse=True)
def at_home(monkeypatch):
    """Nothing here, and nothing of the TOM, leaves this machine."""
    connect = socket.socket.connect

    def checked(sock, address):
        if isinstance(address, tuple) and not ipaddress.ip_address(address[0]).is_loopback:
            raise ConnectionRefusedError(f"a test would leave this machine for {address}")
        return connect(sock, address)

    monkeypatch.setattr(socket.socket, "connect", checked)


@pytest.fixture(scope="session")
def night(tmp_path_factory):
    """A night as it began."""
    return Night(tmp_path_factory.mktemp("night"))


@pytest.fixture(scope="session")
def retracted_night(night):
    """The night when all of it was told, its merger taken back."""
    night.retract()
    return night


@pytest.fixture(scope="session")
def item(retracted_night):
    """A target as the correlator itself writes it."""
    (item,) = retracted_night.lists[1]
    return item


class Loopback:
    """A service that answers what a test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers = {}
        self.asked = []

    def says(self, path, *answers):
        """The answers to a path, in turn; the last one stays. Of each: status, body, headers."""
        self.answers[f"/api/v1/{path}"] = list(answers)

    def lists(self, *items):
        """The answer of ``/targets``."""
        self.says("targets", (200, {"items": list(items), "next": None}, {}))

    def answer(self, target, headers):
        url = urlsplit(target)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.asked.append((url.path, asked, headers.get("Authorization")))
        waiting = self.answers.get(url.path, [(404, {"detail": "there is no such thing"}, {})])
        status, body, more = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if callable(body):
            body = body(asked)
        return status, body if isinstance(body, bytes) else json.dumps(body).encode(), more


@pytest.fixture
def loopback(settings):
    service = Loopback()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body, headers = service.answer(self.path, self.headers)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    service.address = f"http://127.0.0.1:{server.server_port}"
    settings.DATA_SERVICES = {"Correlator": {"base_url": service.address, "api_key": "secret"}}
    yield service
    server.shutdown()
    server.server_close()
    thread.join()
