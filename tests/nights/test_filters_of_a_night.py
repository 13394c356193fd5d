"""Ten thousand random filters on a replayed night: SQL and Python let the same revisions pass."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from sqlalchemy import insert, select

from correlator.filters import Filter, filter_of_text, json_of, predicate_of, read_filter, text_of
from correlator.filters.json_form import filter_of_object
from correlator.policy import Policy
from correlator.service.archive import archive_files, read_archive
from correlator.service.replay import ReplayOptions, replay
from correlator.simulation.archive import write_night
from correlator.simulation.night import NightConfig
from storage.coincidences import CoincidenceRevision, CoincidenceState
from storage.filters import passes
from storage.schema import coincidences
from storage.store import Store
from tests.correlator.filters.random_filters import Pool, random_filter

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

N_FILTERS = 10_000
C = coincidences.c
KEY = (C.coincidence_id, C.case_name, C.revision)

Keys = frozenset[tuple[str, str, int]]


def publishing_all() -> Policy:
    """A policy whose cases publish every candidate, so that a small night has many."""
    policy = Policy()
    cases = tuple(
        replace(c, min_log_lr=-1e9, min_detections=1, min_span_s=0.0, allow_prior_activity=True)
        for c in policy.cases
    )
    return replace(policy, cases=cases)


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Iterator[Store]:
    """The store of a replayed night."""
    folder = tmp_path_factory.mktemp("night") / "n"
    write_night(NightConfig(seed=3, n_alerts=5_000), folder)
    archive = read_archive(archive_files([folder / "alerts", folder / "notices"]))
    with Store.open("sqlite://") as store:
        asyncio.run(replay(archive, store, publishing_all(), ReplayOptions()))
        yield store


@pytest.fixture(scope="module")
def revisions(night) -> list[CoincidenceRevision]:
    """What was published in that night, all revisions."""
    every = filter_of_text("rank is null or rank is not null")
    return [sent.revision for sent in night.coincidences.sent(every) if sent.passes]


@pytest.fixture(scope="module")
def judged(revisions) -> list[tuple[Filter, Keys]]:
    """Random filters, and what the predicate of each lets pass."""
    # Of what stands in the end, which is the same in every replay, as the history is not.
    standing = [r.body for r in revisions if r.state == CoincidenceState.ACTIVE]
    rng, pool = Random(1), Pool(standing)
    found = []
    for _ in range(N_FILTERS):
        tree = random_filter(rng, pool)
        let_pass = predicate_of(tree)
        keys = [(r.coincidence_id, r.case, r.revision) for r in revisions if let_pass(r.body)]
        found.append((tree, frozenset(keys)))
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, night) -> Iterator[Store]:
    """The night's store, or a copy of its coincidences in PostgreSQL."""
    if request.param == "sqlite":
        yield night
        return
    server = request.getfixturevalue("postgres_server")
    with Store.open(server.new_database()) as copy:
        with night.engine.connect() as of, copy.engine.begin() as to:
            rows = [dict(row) for row in of.execute(select(coincidences)).mappings()]
            to.execute(insert(coincidences), rows)
        yield copy


def test_the_night_has_enough_to_choose_from(revisions, judged):
    standing = [r for r in revisions if r.state == CoincidenceState.ACTIVE]
    assert len(standing) > 100
    assert len({r.event_key for r in standing}) > 3
    # Most filters divide the night: neither all of it passes nor nothing.
    divides = sum(0 < len(keys) < len(revisions) for _, keys in judged)
    assert divides > N_FILTERS / 4


def test_sql_and_python_agree_on_every_filter(store, judged):
    different: list[Any] = []
    with store.engine.connect() as connection:
        for tree, keys in judged:
            found = connection.execute(select(*KEY).where(passes(tree)))
            if frozenset(map(tuple, found)) != keys:
                different.append(text_of(tree))
    assert different == []


def test_every_filter_is_read_as_it_was_written(judged):
    for tree, _ in judged:
        assert read_filter(text_of(tree)) == filter_of_object(json_of(tree)) == tree
