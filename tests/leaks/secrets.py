"""What is private in a store, word by word, and which of it stands in some bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow.parquet
from sqlalchemy import select

from correlator.audience import Audience, Reader, audience_of_text
from skymaps.shapes import Circle
from storage.schema import metadata
from storage.store import Store

_WORD = re.compile(r"[A-Za-z0-9_.+-]{8,}")
_DIGIT = re.compile(r"\d")
_NO_NAME = re.compile(r"[+-]?\d+\.\d*(e[+-]?\d+)?|\d{4}-\d\d-\d\d.*")

NOT_OF_READERS = frozenset({"tokens", "subscriptions", "dead_letters"})
"""Tables whose audience is not of who may read the row over HTTP, or that only operators read."""

_PARQUET = b"PAR1"


def words_of(text: str) -> Iterator[str]:
    """Words of eight characters or more with three digits or more: ids, names, coordinates."""
    for word in _WORD.findall(text):
        if len(_DIGIT.findall(word)) >= 3:
            yield word.strip(".")


def names_of(text: str) -> Iterator[str]:
    """The same without times and fractional numbers, which two objects may well have in common."""
    return (word for word in words_of(text) if not _NO_NAME.fullmatch(word))


def coordinates_of(*degrees: float) -> Iterator[str]:
    """Coordinates as JSON has them, and as people read them with five decimals."""
    for number in degrees:
        yield from words_of(f"{number!r} {number:.5f}")


def text_of(data: bytes) -> str:
    """Bytes as text; of Parquet what the columns hold."""
    if data.startswith(_PARQUET):
        return repr(pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist())
    return data.decode("latin-1")


class Secrets:
    """The words of the private rows of a store that stand in no public one, with their audiences.

    Parameters
    ----------
    known
        Texts that everybody has: documentation.
    """

    def __init__(self, store: Store, known: Iterable[str] = ()) -> None:
        self._audiences: dict[str, set[Audience]] = {}
        public = {word for text in known for word in words_of(text)}
        for audience, words in _rows(store):
            if audience:
                for word in words:
                    self._audiences.setdefault(word, set()).add(audience)
            else:
                public.update(words)
        for word in public & self._audiences.keys():
            del self._audiences[word]

    def __len__(self) -> int:
        return len(self._audiences)

    def of(self, audience: Audience) -> set[str]:
        """Words that only those of an audience may read."""
        return {word for word, found in self._audiences.items() if found == {audience}}

    def found(self, data: bytes | str) -> set[str]:
        """The words that stand in some bytes, whoever may read them."""
        text = data if isinstance(data, str) else text_of(data)
        return {word for word in words_of(text) if word in self._audiences}

    def leaked(self, data: bytes | str, reader: Reader) -> set[str]:
        """The words in some bytes that a reader may not read."""
        return {
            word
            for word in self.found(data)
            if not any(reader.may_read(audience) for audience in self._audiences[word])
        }


def _rows(store: Store) -> Iterator[tuple[Audience, list[str]]]:
    """Every row that has an audience, as words."""
    tables = [t for t in metadata.sorted_tables if "audience" in t.c]
    with store.engine.connect() as connection:
        for table in tables:
            if table.name in NOT_OF_READERS:
                continue
            for row in connection.execute(select(table)):
                words = list(names_of(" ".join(map(_said, row))))
                if "ra_deg" in table.c and row.ra_deg is not None:
                    words += coordinates_of(row.ra_deg, row.dec_deg)
                yield audience_of_text(row.audience), words
    for event in store.events.all():
        sha = event.localization_sha256
        place = store.localizations.get(sha) if sha else None
        if isinstance(place, Circle):
            yield event.audience, list(coordinates_of(place.ra_deg, place.dec_deg))


def _said(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
