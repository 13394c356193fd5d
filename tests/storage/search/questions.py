"""What tests ask of a store, and of whom: readers, regions, all pages."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from sqlalchemy import update

from correlator.audience import OPERATOR, PUBLIC_READER, Reader, audience_text
from storage.search import Region
from tests.builders import (
    T0_UNIX_S,
)

ON_SHARED_STORES = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MEMBER, OTHER = Reader(("alpha",)), Reader(("alpha", "beta"))
READERS = [PUBLIC_READER, MEMBER, OTHER, OPERATOR]
AUDIENCES = [(), (), ("alpha",), ("beta",), ("alpha", "beta")]


def all_of(page_after):
    """Rows of all pages; the last page is the first that says so."""
    rows, after = [], None
    for _ in range(10_000):
        page = page_after(after)
        rows += page.rows
        if page.after is None:
            return rows
        after = page.after
    raise AssertionError("it never ends")


def set_audiences(store, table, audience_of):
    """Give rows their audience by their key, as if they had been made of such data."""
    key = list(table.primary_key.columns)
    with store.engine.begin() as connection:
        for row in connection.execute(table.select()).mappings().all():
            text = audience_text(audience_of(row))
            connection.execute(
                update(table).where(*(c == row[c.name] for c in key)).values(audience=text)
            )


def the_places():
    rng = np.random.default_rng(11)
    ra, dec = rng.uniform(0.0, 360.0, 80), np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, 80)))
    places = [*zip(ra.tolist(), dec.tolist(), strict=True)]
    crowd = rng.normal(0.0, 1.0, (60, 2)).tolist()
    places += [((0.5 + x) % 360.0, y) for x, y in crowd]
    places += [(0.0, 90.0), (200.0, 90.0), (77.0, -90.0), (0.0, 0.0), (359.9999, 0.0)]
    # Several objects at one place.
    return places + [places[0]] * 3 + [places[100]] * 3


def audience_of_number(number):
    return AUDIENCES[number % len(AUDIENCES)]


right_ascensions, declinations = st.floats(0.0, 360.0), st.floats(-90.0, 90.0)
regions = st.one_of(
    st.none(),
    st.builds(Region.cone, right_ascensions, declinations, st.floats(0.0, 180.0)),
    st.builds(Region.cone, st.just(0.3), st.just(0.0), st.floats(0.0, 3.0)),
    st.builds(
        lambda a, b, c, d: Region.box(a, b, min(c, d), max(c, d)),
        right_ascensions, right_ascensions, declinations, declinations,
    ),
    st.lists(st.integers(0, 12 * 4**2 - 1), max_size=30).map(
        lambda cells: Region.moc("2/" + " ".join(map(str, cells)) if cells else "")
    ),
)  # fmt: skip
moments = st.none() | st.integers(-1, 8).map(lambda day: T0_UNIX_S + day * 86_400.0)
limits = st.sampled_from([3, 20, 1000])
