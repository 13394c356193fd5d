"""Which localizations a reader may ask for, and how little is read to tell."""

from contextlib import contextmanager

import pytest
from sqlalchemy import event, insert

from correlator.audience import PUBLIC_READER, Reader
from storage.schema import joint_events
from tests.builders import T0_UNIX_S, a_circle, a_notice

PLACE, OTHER = a_circle(), a_circle(33.0, 3.0, 1.5)


@contextmanager
def statements_of(store):
    said = []

    def hear(_connection, _cursor, statement, *_):
        said.append(statement)

    event.listen(store.engine, "before_cursor_execute", hear)
    yield said
    event.remove(store.engine, "before_cursor_execute", hear)


def put_joint(store, sha256, audience=None):
    row = {
        "joint_id": "joint:1", "revision": 1, "state": "live", "event_unix_s": T0_UNIX_S,
        "touched": 1, "published_unix_s": T0_UNIX_S, "body": f'{{"localization": "{sha256}"}}',
        "audience": audience,
    }  # fmt: skip
    with store.engine.begin() as connection:
        connection.execute(insert(joint_events), [row])


def test_a_localization_is_named_by_a_notice_or_by_a_stored_joint_event(store):
    store.notices.put(a_notice(), b"", "a file", 1.0)
    put_joint(store, OTHER.sha256, audience="ep")
    named = store.by_key.names_localization
    member = Reader(("ep",))
    assert named(PUBLIC_READER, PLACE.sha256)
    assert not named(member, OTHER.sha256)
    store.localizations.put(OTHER)
    assert named(member, OTHER.sha256)
    assert not named(PUBLIC_READER, OTHER.sha256)
    assert not named(member, "0" * 64)


def test_joint_events_are_read_for_what_is_stored_and_nothing_else_names(store):
    store.notices.put(a_notice(), b"", "a file", 1.0)
    for sha256 in (PLACE.sha256, "0" * 64):
        with statements_of(store) as said:
            store.by_key.names_localization(PUBLIC_READER, sha256)
        assert not any("joint_events" in statement for statement in said)


@pytest.mark.parametrize("store", ["sqlite://"], indirect=True)
def test_who_names_a_localization_is_told_by_an_index(store):
    with store.engine.connect() as connection:
        for table in ("notices", "events"):
            plan = connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE localization_sha256 = 'x'"
                " AND audience IS NULL LIMIT 1"
            ).all()
            assert f"ix_{table}_localization_sha256" in " ".join(row[3] for row in plan)
