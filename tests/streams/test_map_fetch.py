"""Fetching from a server that lies: what is taken, what is refused, and where nothing is sent."""

import asyncio
import socket
import ssl
import tracemalloc

import pytest
import uvloop

from ingest_vo.fetched_map import envelope_of
from skymaps.errors import SkyMapError
from streams.map_fetch import FetchLimits, MapFetcher
from streams.map_url import MapAddressError, MapNotThereError, MapRefusedError
from tests.fuzz.bombs_of_maps import BOMBS
from tests.ingest_vo.notice_factory import gbm
from tests.streams.map_server import (
    HOST,
    MapServer,
    a_map_server,
    certificates,
    content,
    endless,
    head,
    redirect,
    status,
)

URL = f"https://{HOST}/a.fits"
BODY = bytes(range(256)) * 1000
QUICK = FetchLimits(
    max_bytes=2**20, total_s=20.0, silence_s=10.0, slow_after_s=0.3, min_bytes_per_s=1e6
)


@pytest.fixture
def served(tmp_path):
    with a_map_server(tmp_path, names=(HOST, "b.example")) as found:
        yield found


@pytest.fixture
def server(served):
    return served[0]


@pytest.fixture
def fetch(served):
    server, trusted = served
    return a_fetcher(server, trusted)


def a_fetcher(server, trusted, *, hosts=(HOST, "b.example"), limits=QUICK, addresses=None,
              is_allowed=lambda address: address == "127.0.0.1"):  # fmt: skip
    """A fetcher whose names all lead to a server on loopback, or to given addresses in turn."""
    left = list(addresses or [])

    async def resolve(_host):
        found = left.pop(0) if left else ["127.0.0.1"]
        return [(address, server.port) for address in found]

    return MapFetcher(hosts, limits, resolve=resolve, is_allowed=is_allowed, trusted=trusted)


async def test_a_file_comes_as_it_lies_there_and_little_is_said_about_us(server, fetch):
    server.on("/a.fits", content(BODY, "Set-Cookie: a=b", "Content-Encoding: gzip"))
    assert await fetch(URL) == BODY
    assert await fetch(URL) == BODY
    for request in server.requests:
        lines = {line.split(":")[0].lower() for line in request.split("\r\n")[1:] if line}
        assert lines <= {"host", "accept", "accept-encoding", "user-agent", "connection"}
        assert "Accept-Encoding: identity" in request
        assert f"Host: {HOST}\r\n" in request
    assert server.names == [HOST, HOST]


async def test_the_plain_spelling_of_a_url_is_asked_for_by_https(server, fetch):
    server.on("/a.fits", content(BODY))
    assert await fetch(URL.replace("https", "http")) == BODY


@pytest.mark.parametrize("code", [404, 408, 425, 429, 500, 502, 503])
async def test_what_is_not_there_may_come(server, fetch, code):
    server.on("/a.fits", status(code))
    with pytest.raises(MapNotThereError, match=f"is there, got '{code}'") as missing:
        await fetch(URL)
    assert not missing.value.is_final


@pytest.mark.parametrize("code", [204, 206, 304, 400, 401, 403, 410])
async def test_what_is_denied_is_final(server, fetch, code):
    server.on("/a.fits", status(code))
    with pytest.raises(MapRefusedError, match="gives it to everybody") as refused:
        await fetch(URL)
    assert refused.value.is_final


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://169.254.169.254/", "https://x/"])
async def test_a_url_that_is_refused_sends_nothing(server, fetch, url):
    with pytest.raises(MapRefusedError):
        await fetch(url)
    assert server.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["fe80::1"],
        ["fd00::1"],
        ["::ffff:127.0.0.1"],
        ["224.0.0.1"],
        ["240.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
    ],
)
async def test_a_name_that_leads_inside_is_refused_and_nothing_is_sent(served, answer):
    server, trusted = served
    server.on("/a.fits", content(BODY))
    resolving = a_fetcher(server, trusted, addresses=[answer])
    fetch = MapFetcher((HOST,), QUICK, resolve=resolving._resolve, trusted=trusted)
    with pytest.raises(MapAddressError, match="has public addresses") as refused:
        await fetch(URL)
    assert refused.value.value in answer
    assert (server.requests, server.names) == ([], [])


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to(served):
    """A name that leads elsewhere when it is asked again: it is asked once."""
    server, trusted = served
    server.on("/a.fits", content(BODY))
    asked = []

    async def resolve(host):
        asked.append(host)
        return [("127.0.0.1" if len(asked) == 1 else "127.0.0.2", server.port)]

    fetch = MapFetcher(
        (HOST,), QUICK, resolve=resolve, is_allowed=lambda a: a == "127.0.0.1", trusted=trusted
    )
    assert await fetch(URL) == BODY
    assert asked == [HOST]
    with pytest.raises(MapAddressError):
        await fetch(URL)  # a new fetch asks anew, and checks anew
    assert len(server.requests) == 1


async def test_the_systems_own_names_are_checked_too(server):
    """No name of the machine itself, with nothing of the test's in between but the list."""
    with pytest.raises(MapAddressError):
        await MapFetcher(("localhost",), QUICK)("https://localhost/a.fits")
    assert server.names == []


async def test_redirects_are_followed_within_the_list(server, fetch):
    server.on("/a.fits", redirect("/b.fits", 301))
    server.on("/b.fits", redirect("https://b.example/c.fits", 307))
    server.on("/c.fits", redirect("d.fits"))
    server.on("/d.fits", content(BODY))
    assert await fetch(URL) == BODY
    assert server.names == [HOST, HOST, "b.example", "b.example"]


async def test_the_fourth_redirect_is_one_too_many(server, fetch):
    server.on("/a.fits", redirect("/a.fits"))
    with pytest.raises(MapRefusedError, match="3 redirects away at most"):
        await fetch(URL)
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "location",
    ["https://127.0.0.1/", "https://[::1]/", "http://maps.example/b", "file:///etc/passwd",
     "https://evil.example/", "//169.254.169.254/latest", "https://maps.example:22/", ""],
)  # fmt: skip
async def test_a_redirect_elsewhere_is_refused(server, fetch, location):
    server.on("/a.fits", redirect(location))
    with pytest.raises(MapRefusedError):
        await fetch(URL)
    assert set(server.paths) == {"/a.fits"}


async def test_a_redirect_to_a_name_that_leads_inside_is_refused(served):
    server, trusted = served
    server.on("/a.fits", redirect("https://b.example/b.fits"))
    fetch = a_fetcher(server, trusted, addresses=[["127.0.0.1"], ["127.0.0.2"]])
    with pytest.raises(MapAddressError):
        await fetch(URL)
    assert server.paths == ["/a.fits"]


async def test_a_certificate_of_another_name_is_refused(tmp_path):
    with a_map_server(tmp_path, names=("other.example",)) as (server, trusted):
        with pytest.raises(MapNotThereError, match="ertificate"):
            await a_fetcher(server, trusted)(URL)
        assert server.requests == []


async def test_the_certificate_must_be_of_the_name_and_not_of_the_address(tmp_path):
    with a_map_server(tmp_path, names=(), addresses=("127.0.0.1",)) as (server, trusted):
        with pytest.raises(MapNotThereError, match="ertificate"):
            await a_fetcher(server, trusted)(URL)
        assert server.requests == []


async def test_a_certificate_that_nobody_signed_is_refused(served):
    server, _ = served
    with pytest.raises(MapNotThereError, match="ertificate"):
        await a_fetcher(server, ssl.create_default_context())(URL)
    assert server.requests == []


async def test_no_proxy_and_no_password_of_the_environment_is_used(
    server, fetch, monkeypatch, tmp_path
):
    (tmp_path / "netrc").write_text(f"machine {HOST} login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    server.on("/a.fits", content(BODY))
    assert await fetch(URL) == BODY
    assert "Authorization" not in server.requests[0]


async def test_a_length_that_is_too_large_is_refused_before_the_content(server, fetch):
    server.on("/a.fits", lambda s: s.sendall(head(200, "Content-Length: 1099511627776")))
    with pytest.raises(MapRefusedError, match="at most 1048576 B, got '1099511627776'"):
        await fetch(URL)


async def test_content_without_an_end_stops_at_the_limit(server, fetch):
    sent = []
    server.on("/a.fits", endless(sent))
    tracemalloc.start()
    try:
        with pytest.raises(MapRefusedError, match="at most 1048576 B"):
            await fetch(URL)
        assert tracemalloc.get_traced_memory()[1] < 8 * QUICK.max_bytes
    finally:
        tracemalloc.stop()


async def test_chunks_that_claim_to_be_few_stop_at_the_limit(server, fetch):
    def answer(s):
        s.sendall(head(200, "Transfer-Encoding: chunked"))
        for _ in range(64):
            s.sendall(b"10000\r\n" + b"\0" * 65536 + b"\r\n")

    server.on("/a.fits", answer)
    with pytest.raises(MapRefusedError, match="at most 1048576 B"):
        await fetch(URL)


async def test_content_that_is_cut_short_may_come_whole_later(server, fetch):
    server.on("/a.fits", lambda s: s.sendall(head(200, "Content-Length: 1000") + b"x" * 10))
    with pytest.raises(MapNotThereError, match="answers"):
        await fetch(URL)


async def test_a_server_that_drips_is_left(server, fetch):
    def answer(s):
        s.sendall(head(200, "Content-Length: 100000"))
        for _ in range(1000):
            s.sendall(b"x")
            server.waits(0.05)

    server.on("/a.fits", answer)
    with pytest.raises(MapNotThereError, match="comes with 1000000 B/s"):
        await fetch(URL)


@pytest.mark.parametrize("drips_head", [True, False])
async def test_a_server_that_takes_too_long_is_left(served, drips_head):
    server, trusted = served

    def answer(s):
        for byte in head(200, *["X-Wait: x"] * 1000) if drips_head else b"":
            s.sendall(bytes([byte]))
            server.waits(0.05)
        server.waits(10.0)

    server.on("/a.fits", answer)
    limits = FetchLimits(max_bytes=2**20, total_s=0.5, silence_s=10.0)
    with pytest.raises(MapNotThereError, match="comes in time"):
        await a_fetcher(server, trusted, limits=limits)(URL)


async def test_a_server_that_falls_silent_is_left(served):
    server, trusted = served
    server.on("/a.fits", lambda s: (s.sendall(head(200, "Content-Length: 9")), server.waits(10.0)))
    limits = FetchLimits(total_s=20.0, silence_s=0.3)
    with pytest.raises(MapNotThereError):
        await a_fetcher(server, trusted, limits=limits)(URL)


async def test_a_head_without_an_end_is_left(server, fetch):
    def answer(s):
        s.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            s.sendall(b"X: " + b"y" * 60000 + b"\r\n")

    server.on("/a.fits", answer)
    with pytest.raises(MapNotThereError, match="answers"):
        await fetch(URL)


async def test_nobody_there_is_not_there(served):
    _, trusted = served
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    async def resolve(_host):
        return [("127.0.0.1", port)]

    fetch = MapFetcher((HOST,), QUICK, resolve=resolve, is_allowed=lambda _: True, trusted=trusted)
    with pytest.raises(MapNotThereError, match="answers"):
        await fetch(URL)


async def test_a_name_that_is_unknown_is_not_there(served):
    async def resolve(_host):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    with pytest.raises(MapNotThereError, match="unknown"):
        await MapFetcher((HOST,), QUICK, resolve=resolve)(URL)


async def test_what_is_given_up_from_outside_ends_at_once(server, fetch):
    server.on("/a.fits", lambda _: server.waits(10.0))
    task = asyncio.create_task(fetch(URL))
    while not server.requests:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_it_is_the_same_on_the_loop_that_a_worker_runs_on(server, fetch):
    server.on("/a.fits", content(BODY))
    server.on("/b.fits", redirect("https://127.0.0.1/"))
    server.on("/c.fits", lambda s: (s.sendall(head(200, "Content-Length: 9")), server.waits(0.5)))

    async def ask():
        assert await fetch(URL) == BODY
        with pytest.raises(MapRefusedError):
            await fetch(f"https://{HOST}/b.fits")
        with pytest.raises(MapNotThereError):
            await fetch(f"https://{HOST}/c.fits")

    uvloop.run(ask())


def test_no_setting_lets_a_map_come_from_inside(tmp_path):
    """Loopback is refused by what a fetcher is made of when nobody says otherwise."""
    file, _ = certificates(tmp_path)
    server = MapServer(file)
    try:
        fetch = MapFetcher((HOST,))
        assert not fetch._is_allowed("127.0.0.1")
        assert fetch._trusted.verify_mode == ssl.CERT_REQUIRED
        assert fetch._trusted.check_hostname
    finally:
        server.close()


@pytest.mark.parametrize(
    "name",
    [
        "a header of 1e9 rows",
        "a gzipped header of 1e9 rows",
        "999 huge axes",
        "NSIDE 2**29",
        "64 empty parts",
        "a map of 786,432 cells",
        pytest.param("a gzip bomb of 1 GB", marks=pytest.mark.slow),
        pytest.param("a gzip bomb before the table", marks=pytest.mark.slow),
        pytest.param("a gzip file in a gzip file", marks=pytest.mark.slow),
        pytest.param("a map of 12 million cells", marks=pytest.mark.slow),
        pytest.param("a multi-order map of 2 million cells", marks=pytest.mark.slow),
    ],
)
async def test_a_bomb_is_fetched_and_goes_off_nowhere(served, name):
    server, trusted = served
    bomb = BOMBS[name][1]()
    server.on("/a.fits", content(bomb))
    found = await a_fetcher(server, trusted, limits=FetchLimits())(URL)
    assert found == bomb
    notice = gbm("Fin_Pos", 115, params={"LocationMap_URL": URL})
    tracemalloc.start()
    try:
        with pytest.raises(SkyMapError):
            envelope_of(notice, URL, found)
        assert tracemalloc.get_traced_memory()[1] < 250 * 2**20
    finally:
        tracemalloc.stop()
