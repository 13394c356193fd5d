"""Answers that no client wants: redirects, and those that break off or are no JSON."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from correlator.client import Client, ClientError


@contextmanager
def served(handle, address="127.0.0.1"):
    """URL of a server that answers by a function."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            handle(self)
            self.close_connection = True

        def log_message(self, *_):
            pass

    with HTTPServer((address, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://{address}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def answer(handler, status, *headers, body=b""):
    handler.send_response(status)
    for name, value in headers:
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def test_a_token_follows_no_redirect():
    heard = []

    def listen(handler):
        heard.append(handler.headers["Authorization"])
        answer(handler, 200, ("Content-Length", "2"), body=b"{}")

    with served(listen, "127.0.0.2") as other:

        def redirect(handler):
            answer(handler, 302, ("Location", other), ("Content-Length", "0"))

        with served(redirect) as url, pytest.raises(ClientError, match="302"):
            Client(url, "mmc_secret").get("events")
    assert heard == []


def test_what_breaks_off_or_is_no_json_is_said_by_name(tmp_path):
    def torn(handler):
        answer(handler, 200, ("Transfer-Encoding", "chunked"), body=b"5\r\nPAR1.\r\n")

    path = tmp_path / "all.parquet"
    with served(torn) as url:
        for ask in (
            lambda: Client(url).download("events", path),
            lambda: Client(url).get("events"),
        ):
            with pytest.raises(ClientError, match="is answered whole"):
                ask()
    assert list(tmp_path.iterdir()) == []

    def page(handler):
        answer(handler, 200, ("Content-Length", "6"), body=b"<html>")

    with served(page) as url, pytest.raises(ClientError, match="answers with JSON"):
        Client(url).get("events")
