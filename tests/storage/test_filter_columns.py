"""What filters ask of the coincidences that an older release stored: there after the upgrade."""

from random import Random

import pytest
from sqlalchemy import make_url, select, text

from correlator.audience import OPERATOR
from correlator.wire import to_json
from storage import migrations
from storage.columns import COINCIDENCE_COLUMNS, coincidence_columns
from storage.engine import open_engine
from storage.schema import coincidences
from storage.search import Region
from storage.store import Store
from tests.builders import a_coincidence
from tests.correlator.filters.random_filters import random_coincidence
from tests.storage.conftest import POSTGRES_URL

N_ROWS = 1100
"""More than a page of the migration holds."""

ASKED = [coincidences.c[name] for name in ("coincidence_id", "case_name", *COINCIDENCE_COLUMNS)]


def revised(store: Store) -> list[tuple]:
    with store.engine.connect() as connection:
        rows = connection.execute(select(*ASKED, coincidences.c.revision, coincidences.c.body))
        return sorted((tuple(row) for row in rows), key=repr)


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRES_URL else [])])
def old_engine(request, file_url):
    """A store of the release before the columns, its tables in place and empty."""
    url = file_url
    if request.param == "postgresql":
        # A schema beside the tables of the other tests.
        aside = open_engine(POSTGRES_URL)
        with aside.begin() as connection:
            connection.execute(text("DROP SCHEMA IF EXISTS before_filters CASCADE"))
            connection.execute(text("CREATE SCHEMA before_filters"))
        aside.dispose()
        url = make_url(POSTGRES_URL).update_query_dict({"options": "-c search_path=before_filters"})
        url = url.render_as_string(hide_password=False)
    engine = open_engine(url)
    migrations.upgrade(engine, "0004")
    yield engine
    engine.dispose()


def test_what_was_published_before_can_be_asked_for_after_the_upgrade(old_engine):
    known = [random_coincidence(Random(n), n) for n in range(N_ROWS)]
    rows = [
        {
            "coincidence_id": c.pair.coincidence_id, "case_name": c.case, "revision": 1 + n % 2,
            "is_current": True, "state": "active", "event_key": c.pair.event_key,
            "object_key": c.pair.object_key, "published_unix_s": 1.0, "body": to_json(c).decode(),
        }
        for n, c in enumerate(known)
    ]  # fmt: skip
    # The first row is of revision 1.
    gone = {**rows[0], "revision": 2, "state": "retracted", "body": None}
    broken = {**rows[1], "revision": 8, "body": "{}"}
    names = ", ".join(rows[0])
    values = ", ".join(f":{name}" for name in rows[0])
    with old_engine.begin() as connection:
        connection.execute(
            text(f"INSERT INTO coincidences ({names}) VALUES ({values})"), [*rows, gone, broken]
        )
    migrations.upgrade(old_engine)
    assert migrations.check(old_engine) == ()
    store = Store(old_engine)
    wanted = [
        (c.pair.coincidence_id, c.case, *coincidence_columns(c).values(), row["revision"],
         row["body"])
        for c, row in zip(known, rows, strict=True)
    ]  # fmt: skip
    nothing = coincidence_columns(None).values()
    wanted += [
        (rows[0]["coincidence_id"], rows[0]["case_name"], *nothing, 2, None),
        (rows[1]["coincidence_id"], rows[1]["case_name"], *nothing, 8, "{}"),
    ]
    assert revised(store) == sorted(wanted, key=repr)
    again = a_coincidence()
    (made,) = store.coincidences.publish(again.pair.event_key, [again], 2.0, "unused")
    assert store.coincidences.history(made.coincidence_id) == [made]
    near = Region.cone(known[0].pair.object.ra_deg, known[0].pair.object.dec_deg, 1e-6)
    found = store.search.coincidences(OPERATOR, near, event_key=rows[0]["event_key"]).rows
    assert {1, 2} <= {r.revision for r in found}


def test_the_columns_are_those_of_the_table():
    after_key = [c.name for c in coincidences.c][10:-3]  # body, index_29 and audience
    assert sorted(after_key) == sorted(COINCIDENCE_COLUMNS)
    assert list(coincidence_columns(None)) == list(coincidence_columns(a_coincidence()))
    assert set(coincidence_columns(None).values()) == {None}
