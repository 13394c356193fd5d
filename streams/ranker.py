"""The one owner of an event's ranking: holds its pairs, ranks them when asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from correlator.coincidence import PairEvidence
from correlator.policy import Policy
from correlator.priority import Visibility
from correlator.ranking import Ranking, rank_event, rejections
from correlator.target import Target, target_list
from correlator.wire import PairRecord, pair_record
from streams.tables import EventBook


class Ranker:
    """Pairs by event, and which events changed since they were last ranked.

    Rivals change each other's place, so a ranking is made for a whole event at once, and for many
    changes at once: the caller asks at most once a second.
    """

    def __init__(self, book: EventBook, policy: Policy) -> None:
        self._book = book
        self._policy = policy
        self._pairs: dict[str, dict[str, PairRecord]] = defaultdict(dict)
        self._changed: set[str] = set()
        self._rankings: dict[str, Ranking] = {}

    def resume(self, pairs: Iterable[PairEvidence], published: Iterable[str]) -> None:
        """Take in the pairs that held before a restart.

        Parameters
        ----------
        published
            Keys of the events with published coincidences: the pairs of some may have been
            withdrawn after their last ranking.
        """
        for pair in pairs:
            self._pairs[pair.event_key][pair.object_key] = pair_record(pair)
            self._changed.add(pair.event_key)
        self._changed.update(published)

    def rank_again(self, rankings: Iterable[Ranking]) -> None:
        """Take rankings back that could not be published: their events count as changed."""
        self._changed.update(r.event_key for r in rankings)

    def apply(self, records: Iterable[PairRecord]) -> list[PairRecord]:
        """Take in pair records; those that were not out of date."""
        taken = []
        for record in records:
            known = self._pairs[record.event_key].get(record.object_key)
            if known is None or _replaces(record, known):
                self._pairs[record.event_key][record.object_key] = record
                self._changed.add(record.event_key)
                taken.append(record)
        return taken

    def pairs(self, event_key: str) -> list[PairEvidence]:
        """The pairs of an event that hold, by object."""
        records = self._pairs.get(event_key, {})
        return [e for key in sorted(records) if (e := records[key].evidence) is not None]

    def rank_changed(self, as_of_unix_s: float) -> list[Ranking]:
        """Rank the events that changed since the last call."""
        changed, self._changed = sorted(self._changed), set()
        return [r for key in changed if (r := self._rank(key, as_of_unix_s)) is not None]

    def rank_all(
        self, as_of_unix_s: float, visibilities: Mapping[str, Visibility] | None = None
    ) -> list[Ranking]:
        """Rank every event that has pairs, at one moment."""
        changed, self._changed = self._changed, set()
        keys = sorted({*self._pairs, *changed})
        return [r for k in keys if (r := self._rank(k, as_of_unix_s, visibilities)) is not None]

    def targets(self) -> dict[str, tuple[Target, ...]]:
        """The list of each science case, from the latest rankings."""
        rankings = [self._rankings[key] for key in sorted(self._rankings)]
        return {case.name: target_list(case, rankings) for case in self._policy.cases}

    def why_gone(self, event_key: str, object_key: str, case: str) -> str:
        """Why a pair is not among the coincidences of a science case any more."""
        record = self._pairs[event_key].get(object_key)
        if record is None or record.evidence is None:
            return (record and record.withdrawn_reason) or "the pair is withdrawn"
        rules = next(c for c in self._policy.cases if c.name == case)
        broken = rejections(record.evidence, rules, self._policy)
        return ", ".join(broken) or "it belongs to another science case now"

    def _rank(
        self,
        event_key: str,
        as_of_unix_s: float,
        visibilities: Mapping[str, Visibility] | None = None,
    ) -> Ranking | None:
        event = self._book.get(event_key)
        if event is None:
            # The pair came before its event's record: it is ranked when that arrives.
            self._changed.add(event_key)
            return None
        pairs = self.pairs(event_key)
        ranking = rank_event(event, pairs, self._policy, as_of_unix_s, visibilities)
        self._rankings[event_key] = ranking
        return ranking


def _replaces(record: PairRecord, known: PairRecord) -> bool:
    """Whether a record is of no lower version on either side (ARCHITECTURE 2)."""
    return (
        record.event_version >= known.event_version
        and record.object_version >= known.object_version
    )
