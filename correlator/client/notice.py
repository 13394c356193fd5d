"""One notice as it came: the JSON document, and what is asked of it most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from correlator.client.errors import ClientError

Json = dict[str, Any]

MAJOR_VERSION = "/v1."
"""In the URL of the schemas that this client reads: later minor versions only add fields."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice of a topic.

    Attributes
    ----------
    document
        As `docs/operations/our_notices.md` has it; fields of later versions included.
    topic, partition, offset
        Where it was read.
    time_unix_s
        When the broker took it [s since the Unix epoch].
    passes
        False where it takes back what an earlier one said: the coincidence is gone, or the filter
        lets it pass no longer.
    """

    document: Json
    topic: str
    partition: int
    offset: int
    time_unix_s: float
    passes: bool

    @property
    def key(self) -> str:
        """``COINCIDENCE/CASE``: the same for all revisions."""
        return str(self.document["id"][0])

    @property
    def revision(self) -> int:
        """Counts from 1; with the key it names the notice, however often it comes."""
        return int(self.document["record_number"])

    @property
    def summary(self) -> str:
        """The notice in a line for people."""
        return str(self.document["additional_info"])

    @property
    def state(self) -> str:
        """Of the coincidence: ``active``, ``retracted`` or ``expired``."""
        return str(self.document["coincidence"]["state"])


def notice_of(
    value: bytes | None, topic: str, partition: int, offset: int, time_unix_s: float
) -> Notice:
    """The notice of a record.

    Raises
    ------
    ClientError
        The record is no notice of ours, or one of another major version.
    """
    where = f"{topic}/{partition}@{offset}"
    try:
        document = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        raise ClientError(where, "a notice is JSON", repr((value or b"")[:60])) from None
    is_ours = isinstance(document, dict) and MAJOR_VERSION in str(document.get("$schema"))
    if not is_ours:
        said = document.get("$schema") if isinstance(document, dict) else type(document).__name__
        raise ClientError(where, "a notice is of our schema of version 1", said)
    try:
        block = document["coincidence"]
        subscription = block.get("subscription")
        passes = block["state"] == "active"
        if subscription is not None:
            passes = bool(subscription["passes"])
        found = Notice(document, topic, partition, offset, time_unix_s, passes)
        _ = found.key, found.revision, found.summary
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ClientError(where, "a notice has what its schema says", repr(error)) from None
    return found
