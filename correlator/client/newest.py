"""The highest revision wins: notices come again, and at times late."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from correlator.client.notice import Notice

MOST_KEYS = 1_000_000
"""Keys that are remembered, those that were seen last: 100 bytes each."""


class Newest:
    """Tells what is new from what was seen, or overtaken, before.

    Parameters
    ----------
    most_keys
        Of how many keys the revision is remembered.
    """

    def __init__(self, most_keys: int = MOST_KEYS) -> None:
        self._most_keys = most_keys
        self._revisions: OrderedDict[tuple[str, str], int] = OrderedDict()

    def takes(self, notice: Notice) -> bool:
        """Whether a notice is of a higher revision than any of its key so far; then it is noted."""
        key = notice.topic, notice.key
        if notice.revision <= self._revisions.get(key, 0):
            return False
        self._revisions[key] = notice.revision
        self._revisions.move_to_end(key)
        if len(self._revisions) > self._most_keys:
            self._revisions.popitem(last=False)
        return True


def latest(notices: Iterable[Notice], *, include_gone: bool = False) -> dict[str, Notice]:
    """The state that notices leave: the highest revision of each key, in the order of first sight.

    Parameters
    ----------
    include_gone
        Those that were taken back, too.
    """
    found: dict[str, Notice] = {}
    for notice in notices:
        known = found.get(notice.key)
        if known is None or notice.revision > known.revision:
            found[notice.key] = notice
    return {key: notice for key, notice in found.items() if include_gone or notice.passes}
