"""What became of the targets that a TOM has from a list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from urllib.parse import quote

from tom_targets.models import TargetExtra

from tom_correlator.client import Client, Json, NotThereError
from tom_correlator.rows import ACTIVE, EXPIRED, RETIRED, RETRACTED

NOT_SHOWN = "the correlator has it no longer, or not for this token"

_PAGE = 1000
"""Targets of a page of a list."""

_MAX_PAGES = 20
"""Most pages of a list that are looked through."""


@dataclass(frozen=True)
class Tracked:
    """A target of the TOM of which more can be heard: active, or no more than out of its list."""

    status: str
    object_key: str
    case: str
    event_key: str
    coincidence_id: str

    def is_of(self, event: str) -> bool:
        """Whether it is of an event, named by its key or its id."""
        return event in {self.event_key, self.event_key.partition(":")[2]}


_KEYS = tuple(Tracked.__dataclass_fields__)


def tracked(case: str) -> list[Tracked]:
    """The targets that the TOM has from the list of a science case, the active ones first.

    What was retracted, is expired or is not shown any more stays so, unless a list or a topic says
    otherwise of itself.
    """
    open_ended = TargetExtra.objects.filter(key="status", value__in=[ACTIVE, RETIRED])
    lost = TargetExtra.objects.filter(key="viability_reason", value=NOT_SHOWN)
    rows = TargetExtra.objects.filter(
        target_id__in=open_ended.values("target_id"), key__in=_KEYS
    ).exclude(target_id__in=lost.values("target_id"))
    found: dict[int, dict[str, str]] = {}
    for target_id, key, value in rows.values_list("target_id", "key", "value"):
        found.setdefault(target_id, {})[key] = value
    held = [Tracked(**extras) for extras in found.values() if len(extras) == len(_KEYS)]
    return sorted((t for t in held if t.case == case), key=lambda t: (t.status, t.object_key))


def standings(client: Client, held: Iterable[Tracked], site: str | None) -> list[Json]:
    """What the service says of targets now; of one that it does not show, that it does not.

    Parameters
    ----------
    held
        Of one science case.
    site
        By whose night the list is weighed.

    Raises
    ------
    QueryServiceError
        The service cannot be asked, or refuses.
    """
    left = {each.object_key: each for each in held}
    found: list[Json] = []
    if left:
        asked = {"case": next(iter(left.values())).case, "site": site, "limit": _PAGE}
        for item in client.items("targets", asked, _MAX_PAGES):
            if left.pop(str(item.get("object_key")), None):
                found.append(item)
    return found + [_retired(client, each) for each in left.values()]


def _retired(client: Client, held: Tracked) -> Json:
    """A target that is no longer in its list.

    The target says only that it left. Whether its coincidence was taken back, or its event
    closed, says the coincidence.
    """
    try:
        found = client.get(f"targets/{quote(held.case, '')}/{quote(held.object_key, ':')}")
    except NotThereError:
        # Whatever it was, it is not ours to show any more.
        return {**asdict(held), "state": RETIRED, "retired_reason": NOT_SHOWN}
    return found if found.get("state") == ACTIVE else {**found, **_end_of(client, held)}


def _end_of(client: Client, held: Tracked) -> Json:
    """How a coincidence ended, in the words of a target; empty where it did not."""
    path = f"coincidences/{quote(held.coincidence_id, '')}"
    try:
        said = client.get(path, {"case": held.case})
    except NotThereError:
        return {}
    if said.get("state") not in {RETRACTED, EXPIRED}:
        return {}
    return {"state": said["state"], "retired_reason": said.get("reason")}
