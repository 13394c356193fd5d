"""A file of orbits as a whole: MPCORB.DAT or JSON, plain or gzipped, named by its content."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from correlator.orbits.answers import KnownOrbits
from correlator.orbits.elements import ELEMENTS, Orbit, Orbits
from storage.catalogs.description import Refusal
from storage.catalogs.errors import CatalogError
from storage.orbits.errors import MalformedOrbitError
from storage.orbits.mpcorb import orbit_of_line
from storage.orbits.rows import orbit_of_row

MAX_ORBITS = 5_000_000
"""Three times what is known in 2026; some 3 GB of memory while they are read."""

MAX_ARRAY_BYTES = 2**30
"""Largest JSON array, which is decoded as a whole and takes some ten times as much memory. Rows of
one line each and MPCORB.DAT have no such bound."""

MAX_LINE_BYTES = 2**20
"""A row of ``mpc_orbits`` with its covariances has some 10 kB."""

_HEADER_LINES = 100
"""MPCORB.DAT begins with some 40 lines for people, which end with a line of dashes."""

_VERSION_DIGITS = 12

_GZIP = b"\x1f\x8b"
_DASHES = b"-----"


@dataclass(frozen=True, slots=True, eq=False)
class OrbitFile:
    """What a file of orbits holds.

    Attributes
    ----------
    file
        Its name.
    version
        First 12 hex digits of the SHA-256 of the orbits: the same orbits, the same version,
        in whatever order and form.
    orbits
        By name.
    refused
        Records that are no orbits: the rule, how many break it, and the first of them.
    """

    file: str
    version: str
    orbits: Orbits
    refused: tuple[Refusal, ...]

    @property
    def key(self) -> str:
        """Name that stands for exactly these orbits: ``orbits@3f9a60c1d2e4``."""
        return f"orbits@{self.version}"

    def known(self) -> KnownOrbits:
        """The orbits as the surveys see them, to ask about objects.

        Raises
        ------
        ConfigurationError
            REBOUND is not installed.
        """
        return KnownOrbits.of(self.orbits, self.version)


def read_orbits(path: Path) -> OrbitFile:
    """The orbits of a file, and what of it is none.

    Raises
    ------
    CatalogError
        The file cannot be read, or has no orbit at all, or more than there are bodies.
    """
    orbits: dict[str, Orbit] = {}
    refused: dict[str, Refusal] = {}
    try:
        with _opened(path) as file:
            for said in _records(file, path):
                if isinstance(said, MalformedOrbitError):
                    before = refused.get(said.rule) or Refusal(said.rule, 0, str(said))
                    refused[said.rule] = Refusal(said.rule, before.n_rows + 1, before.first)
                elif len(orbits) >= MAX_ORBITS:
                    raise CatalogError(path, f"a file has at most {MAX_ORBITS} orbits")
                else:
                    orbits[said.name] = said
    except (OSError, EOFError, zlib.error, orjson.JSONDecodeError) as error:
        raise CatalogError(path, "a file of orbits must be readable", error) from error
    refusals = tuple(refused[rule] for rule in sorted(refused))
    if not orbits:
        raise CatalogError(path, "a file of orbits has orbits", refusals[:1] or None)
    columns = Orbits.of([orbits[name] for name in sorted(orbits)])
    return OrbitFile(path.name, _version(columns), columns, refusals)


def _records(file: io.BufferedReader[Any], path: Path) -> Iterator[Orbit | MalformedOrbitError]:
    """Each orbit, or what is wrong with it; of two of a name the second is refused."""
    begin = file.peek(1)[:1]
    if begin == b"[":
        read: Callable[[Any, str], Orbit] = orbit_of_row
        records: Iterable[tuple[int, Any]] = enumerate(_array(file, path), start=1)
    elif begin == b"{":
        read, records = _orbit_of_json, _lines(file)
    else:
        read, records = _orbit_of_bytes, _after_header(_lines(file))
    names: set[str] = set()
    for number, raw in records:
        record = f"{path.name}:{number}"
        try:
            orbit = read(raw, record)
            if orbit.name in names:
                raise MalformedOrbitError(record, "a name occurs once", orbit.name)
        except MalformedOrbitError as error:
            yield error
        else:
            names.add(orbit.name)
            yield orbit


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader[Any]]:
    with path.open("rb") as file:
        if file.peek(2)[:2] == _GZIP:
            with io.BufferedReader(gzip.GzipFile(fileobj=file)) as unpacked:
                yield unpacked
        else:
            yield file


def _array(file: io.BufferedReader[Any], path: Path) -> list[object]:
    whole = file.read(MAX_ARRAY_BYTES + 1)
    if len(whole) > MAX_ARRAY_BYTES:
        raise CatalogError(path, f"a JSON array has at most {MAX_ARRAY_BYTES} bytes")
    rows = orjson.loads(whole)
    return rows if isinstance(rows, list) else [rows]


def _lines(file: io.BufferedReader[Any]) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers; one that is too long comes in pieces."""
    for number in itertools.count(1):
        line = file.readline(MAX_LINE_BYTES)
        if not line:
            return
        if line := line.rstrip():
            yield number, line


def _after_header(lines: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """The lines after the first one of dashes; all of them where there is none."""
    head = list(itertools.islice(lines, _HEADER_LINES))
    dashes = (k for k, (_, line) in enumerate(head) if line.startswith(_DASHES))
    return itertools.chain(head[next(dashes, -1) + 1 :], lines)


def _orbit_of_bytes(line: bytes, record: str) -> Orbit:
    try:
        text = line.decode("ascii")
    except UnicodeDecodeError:
        # Names have letters that are not ASCII; they stand after the elements.
        text = line.decode("utf-8", "replace")
    return orbit_of_line(text, record)


def _orbit_of_json(line: bytes, record: str) -> Orbit:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise MalformedOrbitError(record, "a line must be a JSON object", line) from error
    return orbit_of_row(row, record)


def _version(orbits: Orbits) -> str:
    content = hashlib.sha256()
    content.update("\n".join(orbits.names).encode())
    for name in (*ELEMENTS, "h_mag", "g_slope"):
        content.update(getattr(orbits, name).astype("<f8").tobytes())
    return content.hexdigest()[:_VERSION_DIGITS]
