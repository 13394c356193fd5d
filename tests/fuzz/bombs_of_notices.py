"""Bombs in XML and JSON, for the readers of notices."""

from __future__ import annotations

import base64
import json

from tests.fuzz.bomb_parts import FULL, HUNDRED_MB, MB, Bombs, filled, gzip_of_zeros
from tests.ingest_vo import notice_factory as notices


def _event(before: str = "", inside: str = "", *, attribute: str = "ivo://x.y/z#1") -> bytes:
    root = f'<VOEvent role="observation" version="2.0" ivorn="{attribute}">'
    return f'<?xml version="1.0"?>\n{before}{root}<What>{inside}</What></VOEvent>'.encode()


def _laughs() -> bytes:
    entities = "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "ha">' for n in range(12)
    )
    return _event(f"<!DOCTYPE VOEvent [{entities}]>", "<Description>&l11;</Description>")


def _quadratic() -> bytes:
    declared = f'<!DOCTYPE VOEvent [<!ENTITY a "{"a" * 100_000}">]>'
    return _event(declared, f"<Description>{'&a;' * 100_000}</Description>")


def _external(what: str) -> bytes:
    inside = '<Param name="TrigID" value="1"/><Description>&x;</Description>'
    return _event(f"<!DOCTYPE VOEvent [{what}]>", inside)


def _attributes() -> bytes:
    many = " ".join(f'a{n}="{n}"' for n in range(70_000))
    return _event(inside=f"<Param {many}/>")


def _namespaces() -> bytes:
    many = " ".join(f'xmlns:n{n}="urn:{n}"' for n in range(30_000))
    return _event(inside=f"<Param {many}/>")


def _params() -> bytes:
    return _event(inside="".join(f'<Param name="p{n}" value="{n}"/>' for n in range(25_000)))


def _groups() -> bytes:
    one = '<Group name="g"><Param name="a" value="1"/></Group>'
    return _event(inside=("<Group>" * 40 + one * 400 + "</Group>" * 40) * 40)


def _long(size: int) -> bytes:
    """A sound VOEvent of a size, of params."""
    one = b'<Param name="p" value="1"/>'
    return filled(_event()[: -len(b"</What></VOEvent>")], one, b"</What></VOEvent>", size)


def _targets() -> bytes:
    head = (
        b'{"$schema":"https://gcn.nasa.gov/schema/main/gcn/notices/boom/alert.schema.json",'
        b'"alert_datetime":"2025-11-30T10:28:57Z","data":{"targets":['
    )
    return filled(head, b'{"event_name":"a"},', b'{"event_name":"a"}]}}')


def _coincidence() -> bytes:
    """An alert whose combined map, which nobody reads, inflates to 1 GB."""
    bomb = base64.b64encode(gzip_of_zeros(10**9)).decode()
    return json.dumps(
        json.loads(notices.igwn()) | {"external_coinc": {"combined_skymap": bomb}}
    ).encode()


def _field(text: bytes) -> bytes:
    """A GCN notice with one field more."""
    return notices.gcn(ra=1, dec=2, ra_dec_error=1)[:-1] + b"," + text + b"}"


BOMBS: Bombs = {
    # XML
    "billion laughs": ("voevent", _laughs),
    "quadratic entities": ("voevent", _quadratic),
    "external entity": ("voevent", lambda: _external('<!ENTITY x SYSTEM "file:///etc/passwd">')),
    "external DTD": (
        "voevent",
        lambda: _event('<!DOCTYPE VOEvent SYSTEM "file:///etc/passwd">'),
    ),
    "parameter entities": (
        "voevent",
        lambda: _external('<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;'),
    ),
    "entity in UTF-16": (
        "voevent",
        lambda: _external('<!ENTITY x SYSTEM "file:///etc/passwd">').decode().encode("utf-16"),
    ),
    "entity in UTF-7": (
        "voevent",
        lambda: b'<?xml version="1.0" encoding="UTF-7"?>' + _laughs().replace(b"<", b"+ADw-"),
    ),
    "XInclude": (
        "voevent",
        lambda: _event(
            inside='<Param name="TrigID" value="1"/><xi:include '
            'xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'
        ),
    ),
    "deep XML": ("voevent", lambda: _event(inside="<Group>" * 60_000 + "</Group>" * 60_000)),
    "70,000 attributes": ("voevent", _attributes),
    "30,000 namespaces": ("voevent", _namespaces),
    "25,000 params": ("voevent", _params),
    "16,000 groups": ("voevent", _groups),
    "long ivorn": ("voevent", lambda: _event(attribute="ivo://a#" + "1" * 900_000)),
    "attribute of 100 MB": ("voevent", lambda: _event(attribute="a" * HUNDRED_MB)),
    "text of 100 MB": ("voevent", lambda: _event(inside="a" * HUNDRED_MB)),
    "XML of 50 MB": ("voevent", lambda: _long(50 * MB)),
    "XML of 1 MB": ("voevent", lambda: _long(1_000_000)),
    "end tags of 1 MB": ("voevent", lambda: _event(inside="<a></a>" * 140_000)),
    # JSON
    "a million targets": ("gcn", _targets),
    "a million neutrinos": (
        "gcn",
        lambda: filled(_field(b'"event_details":[')[:-1], b"{},", b"{}]}"),
    ),
    "a gzip bomb that nobody reads": ("igwn", _coincidence),
    "deep JSON": ("gcn", lambda: _field(b'"more":' + b"[" * 10_000 + b"]" * 10_000)),
    "deep JSON in a text": ("gcn", lambda: _field(b'"instrument":' + b"[" * 990 + b"]" * 990)),
    "deep JSON in a class": (
        "gcn",
        lambda: _field(b'"classification":{"GRB":' + b'{"a":' * 980 + b"1" + b"}" * 981),
    ),
    "deep JSON in a probability": (
        "igwn",
        lambda: notices.igwn(classification={"BBH": json.loads("[" * 900 + "]" * 900)}),
    ),
    "a million lists": ("gcn", lambda: filled(_field(b'"more":[')[:-1], b"[],", b"0]}")),
    "a million objects": ("gcn", lambda: filled(_field(b'"more":[')[:-1], b"{},", b"0]}")),
    "a million small objects": (
        "gcn",
        lambda: filled(_field(b'"more":[')[:-1], b'{"":{"":0}},', b"0]}"),
    ),
    "a million chains": (
        "gcn",
        lambda: filled(_field(b'"more":[')[:-1], b'{"":' * 900 + b"0" + b"}" * 900 + b",", b"0]}"),
    ),
    "a million corners": (
        "gcn",
        lambda: filled(
            notices.gcn(ra=1, dec=2)[:-1] + b',"rectangular_error_corners":[', b"[1,1],", b"[1,1]]}"
        ),
    ),
    "a million errors": (
        "gcn",
        lambda: filled(notices.gcn(ra=1, dec=2)[:-1] + b',"ra_dec_error":[', b"1,", b"1]}"),
    ),
    "a million ids": (
        "gcn",
        lambda: filled(notices.gcn(id=None, ra=1, dec=2)[:-1] + b',"id":[', b'"a",', b'"a"]}'),
    ),
    "a million classes": (
        "gcn",
        lambda: _field(
            b'"classification":{' + b",".join(b'"c%d":0.1' % n for n in range(600_000)) + b"}"
        ),
    ),
    "a number of 8 MB": ("gcn", lambda: _field(b'"far":' + b"1" * (FULL - 1_000))),
    "instrument of 8 MB": ("gcn", lambda: _field(b'"instrument":"' + b"a" * (FULL - 1_000) + b'"')),
    "type of 8 MB": ("gcn", lambda: _field(b'"subtype":"' + b"a" * (FULL - 1_000) + b'"')),
    "URL of 8 MB": (
        "gcn",
        lambda: _field(b'"healpix_url":"https://' + b"a" * (FULL - 1_000) + b'.fits"'),
    ),
    "instrument of NUL": ("gcn", lambda: _field(rb'"instrument":"\u0000"')),
    "text of 100 MB in JSON": ("gcn", lambda: _field(b'"instrument":"' + b"a" * HUNDRED_MB + b'"')),
    "name of 100 MB in JSON": ("gcn", lambda: _field(b'"' + b"a" * HUNDRED_MB + b'":1')),
}
