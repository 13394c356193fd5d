"""Records on their way out, and what is told of a coincidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from correlator.wire import to_json
from storage.coincidences import CoincidenceRevision
from streams.log import Headers
from streams.topics import COINCIDENCES, COINCIDENCES_STATE, REVISIONS


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to be produced.

    Attributes
    ----------
    place
        What its partition is chosen by, unless that is the key.
    """

    topic: str
    key: str
    value: bytes
    headers: Headers = ()
    place: str | None = None


class Send(Protocol):
    """Produce records and return when the broker has them all."""

    async def __call__(self, records: Iterable[Outgoing]) -> None: ...  # noqa: D102


def revision_record(revision: CoincidenceRevision) -> Outgoing:
    """A revision for the workers, who know of all."""
    return Outgoing(REVISIONS.name, revision.event_key, to_json(revision))


def records_of(revision: CoincidenceRevision) -> list[Outgoing]:
    """What everybody is told of a revision: itself, and that it is the highest of its coincidence.

    Raises
    ------
    ValueError
        It is not public.
    """
    if revision.audience:
        raise ValueError(f"revision of {revision.coincidence_id} is for {revision.audience}")
    value = to_json(revision)
    key, place = f"{revision.coincidence_id}/{revision.case}", revision.event_key
    return [
        Outgoing(COINCIDENCES.name, place, value),
        Outgoing(COINCIDENCES_STATE.name, key, value, place=place),
    ]
