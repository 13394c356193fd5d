"""An author of the VOEvent Transport Protocol 2.0 (IVOA Note of 2017-01-09): sends one packet."""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass

from lxml import etree

from correlator.errors import CorrelatorError

MAX_MESSAGE_BYTES = 99_999
"""Largest message that Comet 3.1.0 takes [bytes]: the default of Twisted's receiver, which it
leaves as it is. A message that announces more ends the connection."""

ANSWER_WITHIN_S = 30.0
"""Longest wait for all of an answer [s]: Comet gives up a connection after 20 s."""

_LENGTH = struct.Struct(">I")


class NoAnswerError(CorrelatorError):
    """A broker did not say whether it has a packet: send it again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a broker said of a packet: ACK or NAK, and why."""

    is_ack: bool
    reason: str = ""


def framed(message: bytes) -> bytes:
    """A message as it travels: its length in 4 bytes, the highest first, then itself."""
    return _LENGTH.pack(len(message)) + message


def submit(
    address: tuple[str, int],
    packet: bytes,
    within_s: float = ANSWER_WITHIN_S,
    source: str | None = None,
) -> Answer:
    """Send a packet to a broker's port for authors.

    Parameters
    ----------
    address
        Host and port.
    within_s
        Longest wait for the answer [s].
    source
        Address that the connection comes from; None as the system has it.

    Raises
    ------
    NoAnswerError
        There is nobody, or no answer that is one of the protocol's came in time.
    """
    until = time.monotonic() + within_s
    origin = None if source is None else (source, 0)
    name = f"{address[0]}:{address[1]}"
    try:
        with socket.create_connection(address, within_s, origin) as connection:
            connection.sendall(framed(packet))
            (length,) = _LENGTH.unpack(_read(connection, _LENGTH.size, until))
            if length > MAX_MESSAGE_BYTES:
                raise NoAnswerError(f"broker {name}: an answer is short, got {length} bytes")
            return _answer_of(_read(connection, length, until), name)
    except OSError as error:
        raise NoAnswerError(f"broker {name}: does not answer: {error}") from error


def _read(connection: socket.socket, n_bytes: int, until: float) -> bytes:
    read = b""
    while len(read) < n_bytes:
        connection.settimeout(max(until - time.monotonic(), 0.001))
        part = connection.recv(n_bytes - len(read))
        if not part:
            raise ConnectionError("the connection ended before the answer")
        read += part
    return read


def _answer_of(message: bytes, name: str) -> Answer:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(message, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NoAnswerError(f"broker {name}: an answer is XML: {error}") from error
    role = root.get("role")
    if role not in ("ack", "nak"):
        raise NoAnswerError(f"broker {name}: an answer is ack or nak, got {role!r}")
    return Answer(role == "ack", (root.findtext("Meta/Result") or "").strip())
