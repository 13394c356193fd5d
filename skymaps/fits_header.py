"""The header of one part of a FITS file (FITS standard 4.0, section 4), no more read than is asked.

Real maps have a hundred cards and more, their history among them; we ask for a dozen values.
"""

from __future__ import annotations

import re

from skymaps.errors import SkyMapError

BLOCK, CARD = 2880, 80

MAX_COLUMNS = 999
"""Limit of the FITS standard, of the axes too."""

MAX_ELEMENTS = 2**63 - 1
"""Beyond it lie products of axes with thousands of digits, which no message can hold."""

_BITS = ("8", "16", "32", "64", "-32", "-64")
_QUOTED = re.compile(r" *'((?:[^']|'')*)'")
_WHOLE = re.compile(r"\+?[0-9]{1,18}")


class Header:
    """Keywords, and what their first cards say; a value is made of it when it is asked for."""

    __slots__ = ("_cards",)

    def __init__(self) -> None:
        self._cards: dict[str, str] = {}

    def __contains__(self, keyword: str) -> bool:
        return keyword in self._cards

    def read(self, block: bytes) -> bool:
        """Take in the cards of a block; whether the header ends there."""
        text, cards = block.decode("latin-1"), self._cards
        for at in range(0, BLOCK, CARD):
            card = text[at : at + CARD]
            if card.startswith("END     "):
                return True
            if card[8:10] == "= ":
                cards.setdefault(card[:8].rstrip(), card[10:])
        return False

    def text(self, keyword: str, default: str = "") -> str:
        """Value of a keyword, a string without its quotes; ``default`` where there is none."""
        card = self._cards.get(keyword)
        if card is None:
            return default
        quoted = _QUOTED.match(card) if "'" in card else None
        if quoted:
            return quoted[1].replace("''", "'").strip()
        return card.partition("/")[0].strip()

    def whole(self, keyword: str) -> int:
        """Value of a keyword that must be a whole number, 0 or more."""
        value = self.text(keyword)
        if not _WHOLE.fullmatch(value):
            raise SkyMapError(f"{keyword} is a whole number in the FITS header", value)
        return int(value)

    def data_bytes(self) -> int:
        """Size of the data that follow, without the padding (FITS 4.0, eq. 1 and 2)."""
        axes = self.whole("NAXIS")
        if axes > MAX_COLUMNS:
            raise SkyMapError(f"NAXIS is at most {MAX_COLUMNS}", axes)
        if axes == 0:
            return 0
        size = 1
        for axis in range(1, axes + 1):
            size *= self.whole(f"NAXIS{axis}")
            if size > MAX_ELEMENTS:
                raise SkyMapError(f"a part of a FITS file has at most {MAX_ELEMENTS} elements")
        extra = self.whole("PCOUNT") if "PCOUNT" in self else 0
        groups = self.whole("GCOUNT") if "GCOUNT" in self else 1
        bits = self.text("BITPIX")
        if bits not in _BITS:
            raise SkyMapError("BITPIX is 8, 16, 32, 64, -32 or -64", bits)
        return abs(int(bits)) // 8 * groups * (extra + size)
