"""Seeded mutations: the same seed and number give the same mutant, on every machine."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import random
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any

NESTED = 10_000
"""Depth of a nested value: past the recursion limits of Python and of every parser."""

LONG = 200_000
"""Length of a long text in a mutant; those of 100 MB are in ``bombs.py``."""

MAX_MUTANT_BYTES = 2 * 10**6
"""A mutant of this length is not changed further: repetition upon repetition has no end."""

BYTES_OF_INTEREST = b"\x00\xff\x7f\x80<>&\"'[]{},:-.0129eET\n\r\t =/"

TOKENS = (
    b"NaN", b"nan", b"1e309", b"-1e309", b"-1", b"-0.0", b"0", b"360.0000001", b"-90.1", b"9" * 400,
    b"null", b"true", b"[]", b"{}", b'""', b"\xed\xa0\x80", b"\xff\xfe", b"\x00", b"\\u0000",
    b"\\ud800", b"&amp;", b"&lol;", b"]]>", b"<![CDATA[", b"<!--", b"2026-13-45T25:61:61",
    b"9999-12-31T23:59:60", b"0001-01-01T00:00:00", b"ivo://", b"-999.0", b"99999", b"1970-01-01",
)  # fmt: skip
"""What breaks a reader that trusts a value."""

VALUES: tuple[Callable[[random.Random], Any], ...] = (
    lambda _: None,
    lambda _: True,
    lambda _: "",
    lambda _: " ",
    lambda _: "\0",
    lambda _: "NaN",
    lambda _: -1,
    lambda _: 0,
    lambda _: -0.0,
    lambda _: 1e300,
    lambda _: -1e300,
    lambda _: 5e-324,
    lambda _: 2**63,
    lambda _: -(2**63) - 1,
    lambda _: float("inf"),
    lambda _: float("nan"),
    lambda rng: rng.uniform(-1e3, 1e3),
    lambda rng: rng.randrange(-(2**40), 2**40),
    lambda rng: "x" * rng.choice((201, 5_000, LONG)),
    lambda rng: [rng.random() for _ in range(rng.randrange(5))],
    lambda _: {},
    lambda _: {"a": {"b": []}},
    lambda rng: _nested(rng.choice((60, 300, 990))),
    lambda _: "\u202e\u2028\u00e9\U0001f980",
    lambda _: "9999-12-31T23:59:59.999999Z",
)
"""What a field is replaced by."""


def mutant(seeds: Sequence[bytes], kind: str, seed: int, index: int) -> bytes:
    """The mutant of that number: one of the seeds, changed once or a few times."""
    rng = random.Random(f"{kind}/{seed}/{index}")
    packet = rng.choice(seeds)
    forms = (*_MUTATIONS, *_OF_KIND.get(kind, ()), *_OF_KIND.get(kind, ()))
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        packet = rng.choice(forms)(packet, rng)
        if len(packet) > MAX_MUTANT_BYTES:
            break
    return packet


def _somewhere(packet: bytes, rng: random.Random) -> int:
    return rng.randrange(len(packet)) if packet else 0


def _flip_bits(packet: bytes, rng: random.Random) -> bytes:
    changed = bytearray(packet)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if changed:
            changed[_somewhere(packet, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _set_bytes(packet: bytes, rng: random.Random) -> bytes:
    changed = bytearray(packet)
    for _ in range(rng.choice((1, 2, 5))):
        if changed:
            changed[_somewhere(packet, rng)] = rng.choice(BYTES_OF_INTEREST)
    return bytes(changed)


def _truncate(packet: bytes, rng: random.Random) -> bytes:
    return packet[: _somewhere(packet, rng)]


def _behead(packet: bytes, rng: random.Random) -> bytes:
    return packet[rng.randrange(min(len(packet), 40) + 1) :]


def _cut_out(packet: bytes, rng: random.Random) -> bytes:
    at = _somewhere(packet, rng)
    return packet[:at] + packet[at + rng.choice((1, 4, 80, 300, 2880)) :]


def _insert(packet: bytes, rng: random.Random) -> bytes:
    at = _somewhere(packet, rng)
    more = rng.choice((rng.choice(TOKENS), rng.randbytes(rng.randrange(1, 40)), b"[" * NESTED))
    return packet[:at] + more + packet[at:]


def _repeat_slice(packet: bytes, rng: random.Random) -> bytes:
    at = _somewhere(packet, rng)
    piece = packet[at : at + rng.choice((8, 100, 3000))]
    return packet[:at] + piece * rng.choice((2, 3, 20)) + packet[at:]


def _swap_slices(packet: bytes, rng: random.Random) -> bytes:
    a, b, c, d = sorted(rng.randrange(len(packet) + 1) for _ in range(4))
    return packet[:a] + packet[c:d] + packet[b:c] + packet[a:b] + packet[d:]


def _put_token(packet: bytes, rng: random.Random) -> bytes:
    """Replace a number or a quoted text by a token."""
    found = list(re.finditer(rb'-?\d[\d.eE+-]*|"[^"]{0,80}"|>[^<]{1,80}<', packet[:200_000]))
    if not found:
        return packet
    place = rng.choice(found)
    token = rng.choice(TOKENS)
    said = place[0]
    quoted = said[:1] + token + said[-1:] if said[:1] in (b'"', b">") else token
    return packet[: place.start()] + quoted + packet[place.end() :]


def _pack(packet: bytes, rng: random.Random) -> bytes:
    """Wrap or unwrap: gzip, base64, a byte order mark, white space, UTF-16."""
    form = rng.randrange(6)
    if form == 0:
        return gzip.compress(packet, 1, mtime=0)
    if form == 1:
        return base64.b64encode(packet)
    if form == 2:
        return b"\xef\xbb\xbf" + packet
    if form == 3:
        return b" " * 5_000 + packet
    if form == 4:
        return packet.decode("latin-1").encode("utf-16")
    try:
        return zlib.decompressobj(wbits=47).decompress(packet, 2**22)
    except zlib.error:
        return packet * 2


_MUTATIONS = (
    _flip_bits, _flip_bits, _set_bytes, _truncate, _behead, _cut_out, _insert, _repeat_slice,
    _swap_slices, _put_token, _pack,
)  # fmt: skip


def _nested(depth: int) -> Any:
    value: Any = 1
    for turn in range(depth):
        value = [value] if turn % 2 else {"a": value}
    return value


def _json_field(packet: bytes, rng: random.Random) -> bytes:
    """Change one field of a JSON document: its value, its name, its place or its number."""
    try:
        document = json.loads(packet)
    except (ValueError, RecursionError):
        return _put_token(packet, rng)
    places = _places(document) if isinstance(document, dict | list) else []
    if not places:
        return _put_token(packet, rng)
    (parent, key), (other, other_key) = rng.choice(places), rng.choice(places)
    form = rng.randrange(6)
    if form == 0:  # two fields change places
        parent[key], other[other_key] = other[other_key], parent[key]
    elif form == 1 and isinstance(parent, dict):
        parent[rng.choice((key.upper(), "", "a" * 5_000, key + "\0"))] = parent.pop(key)
    elif form == 2 and isinstance(parent, dict):
        del parent[key]
    else:
        parent[key] = _changed(parent[key], rng)
    try:
        return json.dumps(document, ensure_ascii=False).encode(errors="surrogatepass")
    except (ValueError, RecursionError):  # a field moved into itself
        return _put_token(packet, rng)


def _places(document: Any) -> list[tuple[Any, Any]]:
    found, rest = [], [document]
    while rest:
        value = rest.pop()
        keys = value if isinstance(value, dict) else range(len(value))
        for key in list(keys)[:200]:
            found.append((value, key))
            if isinstance(value[key], dict | list):
                rest.append(value[key])
    return found


def _changed(value: Any, rng: random.Random) -> Any:
    if isinstance(value, str) and len(value) > 2_000 and rng.random() < 0.8:
        return _changed_base64(value, rng)
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.4:
        return rng.choice((-value, value * 1e6, value + 1e-9, str(value), [value], value * 10**19))
    if isinstance(value, list) and value and rng.random() < 0.4:
        return value * min(rng.choice((2, 50, 3_000)), MAX_MUTANT_BYTES // len(repr(value)) + 1)
    return rng.choice(VALUES)(rng)


def _changed_base64(text: str, rng: random.Random) -> str:
    """Change the file inside: its bytes, its header, or its wrapping."""
    try:
        content = base64.b64decode(text)
    except (binascii.Error, ValueError):
        return text[: len(text) // 2]
    change = rng.choice((*_MUTATIONS, *_OF_KIND["fits"], *_OF_KIND["fits"]))
    return base64.b64encode(change(content, rng)).decode()


def _xml_element(packet: bytes, rng: random.Random) -> bytes:
    """Change one element: move, repeat, drop, nest or rename it."""
    found = list(re.finditer(rb"<(\w+)[^<>]*?(/>|>[^<]*</\1>)", packet[:200_000]))
    if not found:
        return _put_token(packet, rng)
    one, other = rng.choice(found), rng.choice(found)
    form = rng.randrange(5)
    if form == 0:
        first, last = sorted((one, other), key=lambda m: m.start())
        if first.end() <= last.start():
            between = packet[first.end() : last.start()]
            swapped = last[0] + between + first[0]
            return packet[: first.start()] + swapped + packet[last.end() :]
    if form == 1:
        return packet[: one.end()] + one[0] * rng.choice((1, 50, 2_000)) + packet[one.end() :]
    if form == 2:
        return packet[: one.start()] + packet[one.end() :]
    if form == 3:
        deep = rng.choice((45, 300, NESTED))
        nested = b"<Group>" * deep + one[0] + b"</Group>" * deep
        return packet[: one.start()] + nested + packet[one.end() :]
    return packet[: one.start()] + one[0].replace(one[1], other[1]) + packet[one.end() :]


_XML_TRICKS = (
    b'<!DOCTYPE a [<!ENTITY b "c">]>',
    b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd">',
    b'<?xml-stylesheet href="file:///etc/passwd"?>',
    b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>',
    b"&b;",
    b"&#0;",
    b"&#x1F980;",
    b"<![CDATA[1.5]]>",
    b"<!-- -- -->",
    b'<v::Param xmlns:v="v"/>',
    b'<Param name="TrigID" value="-1"/><Param name="TrigID"/>',
    b'<Param name="TrigID"><Value>1e5</Value></Param>',
)


def _xml_trick(packet: bytes, rng: random.Random) -> bytes:
    places = [0, *(m.end() for m in re.finditer(rb">", packet[:200_000]))]
    at = rng.choice(places)
    return packet[:at] + rng.choice(_XML_TRICKS) + packet[at:]


_FITS_KEYWORDS = (
    "NAXIS", "NAXIS1", "NAXIS2", "TFIELDS", "BITPIX", "PCOUNT", "GCOUNT", "NSIDE", "ORDERING",
    "TFORM1", "TFORM2", "TTYPE1", "TTYPE2", "TUNIT2", "COORDSYS", "PIXTYPE", "INDXSCHM", "XTENSION",
    "TZERO1", "TSCAL2", "END",
)  # fmt: skip
_FITS_VALUES = (
    "-1", "0", "1", "2", "999", "1000000000", "999999999999999999", "'K'", "'D'", "'999999999D'",
    "'0D'", "'1PD(9)'", "'1X'", "'RING'", "'NESTED'", "'NUNIQ'", "'GALACTIC'", "'UNIQ'", "'PROB'",
    "9223372036854775808", "1E300", "'deg-2'", "'pix-1'", "3", "1024", "536870912", "'", "''",
)  # fmt: skip


def _fits_card(packet: bytes, rng: random.Random) -> bytes:
    """Give one keyword of the header another value, or repeat the card."""
    if packet.startswith(b"\x1f\x8b"):
        try:
            plain = zlib.decompressobj(wbits=31).decompress(packet, 2**22)
        except zlib.error:
            return _flip_bits(packet, rng)
        return gzip.compress(_fits_card(plain, rng), 1, mtime=0)
    keyword = rng.choice(_FITS_KEYWORDS).encode()
    found = list(re.finditer(rb"(?<![A-Z0-9])" + keyword.ljust(8) + rb"=.{71}", packet[:30_000]))
    if not found:
        return _flip_bits(packet, rng)
    place = rng.choice(found)
    card = (keyword.ljust(8) + b"= " + rng.choice(_FITS_VALUES).rjust(20).encode()).ljust(80)
    return packet[: place.start()] + card[:80] + packet[place.end() :]


def _fits_numbers(packet: bytes, rng: random.Random) -> bytes:
    """Put NaN, infinities, huge or repeated numbers into the rows."""
    at = 8 * rng.randrange(len(packet) // 8 + 1)
    number = rng.choice((
        b"\x7f\xf8" + bytes(6), b"\x7f\xf0" + bytes(6), b"\xff\xf0" + bytes(6), b"\xff" * 8,
        b"\x80" + bytes(7), b"\x7f\xef" + b"\xff" * 6, bytes(8), b"\x7f" + b"\xff" * 7,
    ))  # fmt: skip
    many = rng.choice((1, 1, 16, 400))
    return packet[:at] + (number * many)[: len(packet) - at] + packet[at + 8 * many :]


def _length_field(packet: bytes, rng: random.Random) -> bytes:
    """Put a long of Avro or Thrift, huge or negative, where another may be."""
    at = rng.randrange(min(len(packet), rng.choice((60, 400, 100_000))) + 1)
    value = rng.choice((2**62, 2**31, 10**9, -(10**9), -1, 2**20, 65, -(2**63)))
    return packet[:at] + _zigzag(value) + packet[at + rng.choice((0, 1, 2)) :]


def _zigzag(value: int) -> bytes:
    rest = ((value << 1) ^ (value >> 63)) & (2**64 - 1)
    encoded = bytearray()
    while rest >= 0x80:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*encoded, rest])


_AVRO_TYPES = tuple(b"null int long double bytes array map fixed enum record".split())


def _schema_text(packet: bytes, rng: random.Random) -> bytes:
    """Change a type or a name in the schema of a container, of the same length or not."""
    found = list(re.finditer(rb'"(\w+)"', packet[:40_000]))
    if not found:
        return _length_field(packet, rng)
    place = rng.choice(found)
    other = rng.choice((*_AVRO_TYPES, rng.choice(found)[1], place[1][::-1]))
    if rng.random() < 0.5:
        other = other[: len(place[1])].ljust(len(place[1]), b"x")
    return packet[: place.start(1)] + other + packet[place.end(1) :]


def _confluent_id(packet: bytes, rng: random.Random) -> bytes:
    known = rng.choice((0, 1, 700, 701, 703, 900, 1000, 1101, 1102, 99_999, 2**31, 2**32 - 1))
    return b"\0" + known.to_bytes(4, "big") + packet[5:]


def _resealed(change: Callable[[bytes, random.Random], bytes]) -> Callable[..., bytes]:
    """Change what stands before a CRC-32, and set the CRC right again."""

    def resealed(packet: bytes, rng: random.Random) -> bytes:
        if not packet.startswith(b"SKYM"):
            return change(packet, rng)
        body = change(packet[:-4], rng)
        return body + zlib.crc32(body).to_bytes(4, "little")

    return resealed


def _regzipped(packet: bytes, rng: random.Random) -> bytes:
    """Change what is inside a gzip file."""
    try:
        plain = zlib.decompressobj(wbits=31).decompress(packet, 2**22)
    except zlib.error:
        return _flip_bits(packet, rng)
    return gzip.compress(rng.choice(_MUTATIONS[:9])(plain, rng), 1, mtime=0)


_AVRO = (_length_field, _length_field, _schema_text)

_OF_KIND: dict[str, tuple[Callable[[bytes, random.Random], bytes], ...]] = {
    "voevent": (_put_token, _xml_element, _xml_element, _xml_trick),
    "igwn": (_json_field,) * 5,
    "gcn": (_json_field,) * 5,
    "fits": (_fits_card, _fits_card, _fits_card, _fits_numbers),
    "localization": (_resealed(_flip_bits), _resealed(_fits_numbers), _json_field, _put_token),
    "ztf": _AVRO,
    "lsst": _AVRO,
    "confluent": (_confluent_id, _length_field, _fits_numbers),
    "optical_json": (_json_field,) * 5,
    "avro_file": _AVRO,
    "parquet_file": (_length_field, _length_field, _fits_numbers),
    "tar_file": (_regzipped,) * 4,
    "json_file": (_json_field,) * 5,
    "alert_record": (_json_field,) * 6,
    "event_record": (_json_field,) * 6,
    "pair_record": (_json_field,) * 6,
}
