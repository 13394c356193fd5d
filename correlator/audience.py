"""Who may read what: tags on input streams, which everything made of them inherits.

A record without tags is public. One with tags is for readers that hold *all* of them, for it was
made of data of each. Rights are granted to tokens (`storage.tokens`) and to whoever runs the
service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

Audience = tuple[str, ...]
"""Tags, sorted and distinct; none at all is public."""

PUBLIC: Audience = ()

MAX_TAGS_OF_A_READER = 8
"""Each combination of a reader's tags is a value that the store is asked for."""

_TAG = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


def audience_of(tags: Iterable[str]) -> Audience:
    """Tags in their one order.

    Raises
    ------
    ValueError
        A tag that is not of small letters, digits, dots, dashes and underscores, or too long.
    """
    found = sorted(set(tags))
    for tag in found:
        if not _TAG.fullmatch(tag):
            raise ValueError(
                f"audience {tag!r}: expected up to 32 of a-z, 0-9, '.', '_' and '-', "
                "a letter or digit first"
            )
    return tuple(found)


def union(audiences: Iterable[Audience]) -> Audience:
    """Audience of what is made of records of some audiences."""
    return tuple(sorted({tag for audience in audiences for tag in audience}))


def is_audience(tags: Audience) -> bool:
    """Whether tags stand as :func:`audience_of` gives them."""
    try:
        return not tags or audience_of(tags) == tags
    except ValueError:
        return False


def audience_text(audience: Audience) -> str | None:
    """An audience as the store holds it: tags with a blank between; None for the public."""
    return " ".join(audience) or None


def audience_of_text(text: str | None) -> Audience:
    """What :func:`audience_text` wrote."""
    return tuple(text.split()) if text else PUBLIC


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who reads, with the tags that they hold.

    Attributes
    ----------
    tags
        Audiences that the reader belongs to.
    reads_all
        Whether nothing is kept from them: whoever runs the service.

    Raises
    ------
    ValueError
        More than :data:`MAX_TAGS_OF_A_READER` tags.
    """

    tags: Audience = PUBLIC
    reads_all: bool = False

    def __post_init__(self) -> None:
        if len(self.tags) > MAX_TAGS_OF_A_READER:
            raise ValueError(
                f"a reader of {len(self.tags)} audiences: at most {MAX_TAGS_OF_A_READER}"
            )

    def may_read(self, audience: Audience) -> bool:
        """Whether a record of an audience is for this reader."""
        return self.reads_all or set(audience) <= set(self.tags)

    def texts(self) -> tuple[str, ...]:
        """Every stored text, none for the public, that this reader may read by their tags."""
        tags = audience_of(self.tags)
        return tuple(
            " ".join(some) for n in range(1, len(tags) + 1) for some in combinations(tags, n)
        )


PUBLIC_READER = Reader()
"""Whoever shows no token."""

OPERATOR = Reader(reads_all=True)
"""Whoever runs the service, with the store at hand."""
