"""An HTTPS server on loopback that answers as badly as a test wishes, and its authority."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "maps.example"
Answer = Callable[[socket.socket], None]


def certificates(folder, names=(HOST,), addresses=()):
    """A certificate of its own authority: file of certificate and key, and who trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.datetime.now(datetime.UTC)
    known = [x509.DNSName(n) for n in names]
    known += [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(known), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = folder / "server.pem"
    file.write_bytes(pem + private)
    return file, ssl.create_default_context(cadata=pem.decode())


class MapServer:
    """Answers by path; every request is remembered as it came."""

    def __init__(self, certificate):
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[str] = []
        self.names: list[str | None] = []
        self._tls.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def on(self, path, *answers):
        """Answer a path with these, the last of them ever after."""
        self.answers[path] = list(answers)

    @property
    def paths(self):
        return [request.split(" ")[1] for request in self.requests]

    def close(self):
        self._ends.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(10.0)

    def _serve(self):
        while not self._ends.is_set():
            try:
                plain, _ = self._listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._handle, args=(plain,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _handle(self, plain):
        plain.settimeout(10.0)
        with plain, contextlib.suppress(OSError), self._tls.wrap_socket(plain, True) as tls:
            request = b""
            while b"\r\n\r\n" not in request:
                if not (part := tls.recv(65536)):
                    return
                request += part
            self.requests.append(request.decode())
            answers = self.answers.get(self.paths[-1], [status(404)])
            (answers.pop(0) if len(answers) > 1 else answers[0])(tls)
            with contextlib.suppress(OSError):
                tls.unwrap()

    def waits(self, seconds):
        """Wait for a while, or until the server ends."""
        self._ends.wait(seconds)


def head(code=200, *lines):
    return ("\r\n".join([f"HTTP/1.1 {code} OK", *lines]) + "\r\n\r\n").encode()


def content(body, *lines):
    """The whole of a body."""
    return lambda s: s.sendall(head(200, f"Content-Length: {len(body)}", *lines) + body)


def status(code):
    if code in (204, 304):
        return lambda s: s.sendall(head(code))
    return lambda s: s.sendall(head(code, "Content-Length: 5") + b"sorry")


def redirect(location, code=302):
    return lambda s: s.sendall(head(code, f"Location: {location}", "Content-Length: 0"))


def endless(sent):
    """More and more, without a length; ``sent`` counts the bytes."""

    def answer(s):
        s.sendall(head(200, "Connection: close"))
        while True:
            s.sendall(b"\0" * 65536)
            sent.append(65536)

    return answer


@contextlib.contextmanager
def a_map_server(folder, **names) -> Iterator[tuple[MapServer, ssl.SSLContext]]:
    """A running server, and who trusts it."""
    file, trusted = certificates(folder, **names)
    server = MapServer(file)
    try:
        yield server, trusted
    finally:
        server.close()
