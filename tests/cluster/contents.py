"""What a store holds, as the law of the whole compares it: by id, whatever engine keeps it.

Left out is what the law leaves out: revisions that are history, times of receipt and of
publication, priorities at other moments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from correlator.policy import Policy
from correlator.wire import to_json
from storage.coincidences import content_sha256
from storage.schema import alerts, dead_letters, notices, objects
from storage.store import Store

Content = dict[str, dict[str, str]]
"""Of each noun, a hash of each thing's content by its id."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one noun of a store differs from that of another."""

    noun: str
    n: int
    lost: tuple[str, ...]
    extra: tuple[str, ...]
    different: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        return not (self.lost or self.extra or self.different)

    def __str__(self) -> str:
        """In numbers, with the first of each."""
        parts = [
            f"{len(ids)} {what}{f' (first: {ids[0]})' if ids else ''}"
            for what, ids in (
                ("lost", self.lost),
                ("extra", self.extra),
                ("different", self.different),
            )
        ]
        return f"{self.noun}: {self.n}, {', '.join(parts)}"


def content_of(store_url: str) -> Content:
    """Everything in a store that the law fixes."""
    with Store.open(store_url, migrate=False) as store:
        with store.engine.connect() as connection:
            content = {
                "alerts": _rows(connection, alerts.c.alert_id, alerts.c.body),
                "notices": _rows(connection, notices.c.notice_id, notices.c.content_sha256),
                "objects": _rows(connection, objects.c.object_key, objects.c.body),
                "dead letters": _rows(
                    connection, dead_letters.c.packet_sha256, dead_letters.c.rule
                ),
            }
        content["events"] = {e.event_key: _sha(to_json(e)) for e in store.events.all()}
        joint = store.joint_events.live()
        content["joint events"] = {r.joint_id: _sha(to_json(r.body)) for r in joint}
        content["pairs"] = {p.coincidence_id: _sha(to_json(p)) for p in store.pairs.all_live()}
        content["coincidences"] = dict(_coincidences(store))
        content["targets"] = dict(_targets(store))
    return content


def compared(undisturbed: Content, found: Content) -> list[Comparison]:
    """What is lost, extra or different in a store, noun by noun."""
    return [
        Comparison(
            noun,
            len(found[noun]),
            lost=tuple(sorted(wanted.keys() - found[noun].keys())),
            extra=tuple(sorted(found[noun].keys() - wanted.keys())),
            different=tuple(
                sorted(k for k in wanted.keys() & found[noun].keys() if wanted[k] != found[noun][k])
            ),
        )
        for noun, wanted in undisturbed.items()
    ]


def _rows(connection: Connection, key: object, body: object) -> dict[str, str]:
    """Hash by id; an id with several rows (one notice id, two contents) has one of them all."""
    found: dict[str, list[str]] = {}
    cursor = connection.execution_options(yield_per=5_000).execute(select(key, body))
    for name, said in cursor:
        found.setdefault(name, []).append(_sha(said.encode()))
    return {name: "+".join(sorted(shas)) for name, shas in found.items()}


def _coincidences(store: Store) -> Iterator[tuple[str, str]]:
    for revision in store.coincidences.current():
        if revision.body is not None:
            yield f"{revision.coincidence_id}/{revision.case}", content_sha256(revision.body)


def _targets(store: Store) -> Iterator[tuple[str, str]]:
    for case in Policy().cases:
        for target in store.targets.list(case.name):
            yield target.target_id, f"{target.rank} {content_sha256(target.coincidence)}"


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
