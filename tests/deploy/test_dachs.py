"""What is given to a DaCHS: the SQL runs with the analysts' role, and the descriptor fits it.

DaCHS itself is not here; the descriptor is only held to the table and to the IVOA's words.
"""

import re
from pathlib import Path

import pytest
from astropy.io.votable.ucd import check_ucd
from lxml import etree
from sqlalchemy import create_engine, make_url, text

from storage.store import Store
from storage.upkeep.analysts import give_role
from tests.builders import T0_UNIX_S, a_coincidence

DACHS = Path(__file__).parents[2] / "deploy" / "dachs"
SQL = (DACHS / "adopt.sql").read_text()


def columns_of_sql():
    selected = SQL.partition("SELECT\n")[2].partition("FROM correlator_there")[0]
    return [line.strip().rstrip(",").split(" ")[-1] for line in selected.strip().splitlines()]


def test_the_descriptor_names_the_columns_of_the_table_in_order():
    table = etree.parse(DACHS / "q.rd").find("table")
    assert [c.get("name") for c in table.iter("column")] == columns_of_sql()
    for column in table.iter("column"):
        ucd = column.get("ucd")
        assert check_ucd(ucd, check_controlled_vocabulary=True, has_colon=True), ucd
        assert column.get("description")


def adopted(**named):
    """The statements with psql's variables filled in, each on its own."""
    bare = re.sub(r"^--.*$", "", SQL, flags=re.MULTILINE)
    filled = re.sub(r":'(\w+)'", lambda m: "'" + named[m[1]] + "'", bare)
    return [s for s in filled.split(";") if s.strip()]


@pytest.mark.slow
def test_a_database_beside_ours_sees_public_coincidences_that_stand(postgres_server):
    ours = make_url(postgres_server.new_database())
    theirs = create_engine(postgres_server.new_database(), isolation_level="AUTOCOMMIT")
    with Store.open(ours.render_as_string(hide_password=False)) as store:
        give_role(store.engine, "dachs_reader")
        publish(store, "a", ("partners",), "b", (), "c", ())
        with theirs.connect() as there:
            for role in ("gavo", "gavoadmin", "untrusted"):
                there.execute(text(f"CREATE ROLE {role}"))
            for statement in adopted(
                host=ours.host, port=str(ours.port), dbname=ours.database,
                role="dachs_reader", password="is not asked for here",
            ):  # fmt: skip
                there.execute(text(statement.replace(":", r"\:")))
            assert seen(there) == ["ztf:b", "ztf:c"]
            publish(store, "b", ())  # the others are taken back
            assert seen(there) == ["ztf:b", "ztf:c"]
            there.execute(text("REFRESH MATERIALIZED VIEW CONCURRENTLY correlator.coincidences"))
            assert seen(there) == ["ztf:b"]
            row = there.execute(text("SELECT * FROM correlator.coincidences")).one()
            assert list(row._fields) == columns_of_sql()
            pair = a_coincidence().pair
            assert (row.ra, row.dec) == (pair.object.ra_deg, pair.object.dec_deg)
            assert row.event_mjd == pytest.approx(T0_UNIX_S / 86_400.0 + 40_587.0)
            assert row.delta_t_d == pytest.approx(0.1)
            there.execute(text("SET ROLE untrusted"))
            assert seen(there) == ["ztf:b"]
    theirs.dispose()


def publish(store, *said):
    names, audiences = said[::2], said[1::2]
    found = [
        a_coincidence(rank=n, object_key=f"ztf:{name}", audience=audience)
        for n, (name, audience) in enumerate(zip(names, audiences, strict=True), 1)
    ]
    store.coincidences.publish(found[0].pair.event_key, found, T0_UNIX_S, "gone")


def seen(connection):
    found = text("SELECT object_key FROM correlator.coincidences ORDER BY object_key")
    return list(connection.execute(found).scalars())
