"""VOEvents that Comet takes, and what reads a spool and a topic."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from streams.spool import Spool

STREAM = "ivo://org.test/stream"


def voevent(number, stream=STREAM, role="test", size=0):
    """A VOEvent that is valid by the schema, of about ``size`` bytes more."""
    filling = f"<Description>{'x' * size}</Description>" if size else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<voe:VOEvent xmlns:voe="http://www.ivoa.net/xml/VOEvent/v2.0" version="2.0" '
        f'role="{role}" ivorn="{stream}#{number}"><Who>{filling}<AuthorIVORN>{stream}</AuthorIVORN>'
        "<Date>2026-05-11T11:01:00</Date></Who></voe:VOEvent>"
    ).encode()


def ivorn_of(packet):
    return etree.fromstring(packet).get("ivorn")


def spooled(path: Path):
    """Name and bytes of everything in a spool."""
    spool = Spool(path)
    try:
        return [(each.name, each.packet) for _, each in spool.after(0, 10**6, 2**40)]
    finally:
        spool.close()
