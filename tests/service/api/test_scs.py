"""Cone searches as analysts ask them: by pyvo, behind a real port."""

import io
import warnings
from dataclasses import replace

import httpx
import pytest
import pyvo
import requests
from astropy.io import votable
from astropy.io.votable.exceptions import W06
from astropy.io.votable.ucd import check_ucd
from pyvo.dal import DALQueryError

from correlator.policy import DAY_S
from correlator.service.api import scs
from correlator.service.api.access import AccessRules
from correlator.service.cone_columns import COINCIDENCES, OBJECTS
from correlator.service.cone_table import Verbosity, error_of, results_of
from correlator.service.serving import create_service
from correlator.service.settings import Settings
from storage.schema import coincidences, objects
from storage.store import Store
from storage.tokens import Scope
from tests.builders import DEC_DEG, RA_DEG, T0_UNIX_S, a_coincidence, a_summary, an_alert, an_object
from tests.service.api.asking import NOW_UNIX_S
from tests.service.api.live import facades_over, served
from tests.storage.writers import put_alerts

OFFSETS_DEG = (0.1, 0.2, 0.3)


def fill(store):
    """Three objects north of a place, the first two of them coincidences."""
    ids = [f"ZTF25aaaaaa{letter}" for letter in "abc"]
    put_alerts(
        store,
        *(
            an_alert(f"200000000000000000{n}", object_id, RA_DEG, DEC_DEG + off)
            for n, (object_id, off) in enumerate(zip(ids, OFFSETS_DEG, strict=True))
        ),
    )
    found = [
        a_coincidence(
            rank=n + 1,
            object_key=f"ztf:{object_id}",
            object=a_summary(dec_deg=DEC_DEG + off),
        )
        for n, (object_id, off) in enumerate(zip(ids[:2], OFFSETS_DEG, strict=False))
    ]
    store.coincidences.publish(found[0].pair.event_key, found, T0_UNIX_S, "gone")
    return store


KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=KINDS)
def filled(request):
    is_server = request.param == "postgresql"
    server = request.getfixturevalue("postgres_server") if is_server else None
    with Store.open(server.new_database() if server else "sqlite:///:memory:") as opened:
        yield fill(opened)


@pytest.fixture(scope="module")
def url(filled):
    with served(facades_over(filled)) as at:
        yield at


def searched(url, radius_deg, **other):
    service = pyvo.dal.SCSService(url)
    return service.search(pos=(RA_DEG, DEC_DEG), radius=radius_deg, **other)


def test_pyvo_finds_objects_with_place_and_id(url):
    found = searched(f"{url}/scs/objects", 0.25)
    assert sorted(r.id for r in found) == ["ztf:ZTF25aaaaaaa", "ztf:ZTF25aaaaaab"]
    assert sorted(r.pos.dec.deg for r in found) == pytest.approx([DEC_DEG + 0.1, DEC_DEG + 0.2])
    table = found.to_table()
    assert table["last_mag_ab"].tolist() == pytest.approx([19.5, 19.5])
    assert table["last_mjd"].tolist() == pytest.approx([(T0_UNIX_S / DAY_S + 40_587.2)] * 2)
    assert str(table["ra_deg"].unit) == "deg"


@pytest.mark.parametrize("path", ["/scs", "/scs/coincidences"])
def test_pyvo_finds_coincidences_and_they_say_which_object_and_event(filled, url, path):
    found = searched(f"{url}{path}", 1.0)
    published = filled.coincidences.current()
    assert sorted(r.id for r in found) == sorted(f"{r.coincidence_id}/{r.case}" for r in published)
    assert {r["event_key"] for r in found} == {"fermi-gbm:781692805"}
    assert {r["object_key"] for r in found} == {r.object_key for r in published}
    assert sorted(r["rank"] for r in found) == [1, 2]
    assert found[0]["delta_t_d"] == pytest.approx(0.1)


def test_the_cone_is_exact_and_its_edge_belongs_to_it(url):
    for radius_deg, n in ((0.0999, 0), (0.1001, 1), (0.2001, 2), (180.0, 3)):
        assert len(searched(f"{url}/scs/objects", radius_deg)) == n


def test_verbosity_says_how_many_columns(url):
    counts = []
    for verbosity in (1, 2, 3):
        found = searched(f"{url}/scs", 1.0, verbosity=verbosity)
        counts.append(len(found.fieldnames))
        assert {"id", "ra_deg", "dec_deg"} <= set(found.fieldnames)
    assert counts == [5, 15, len(COINCIDENCES)]
    # What is not measured is null, and its column says why.
    (p_assoc,) = [f for f in found.fielddescs if f.name == "p_assoc"]
    assert found.to_table()["p_assoc"].mask.all()
    assert "background" in p_assoc.description


def test_a_radius_of_zero_and_no_rows_ask_for_the_columns_only(url):
    for asked in ({"SR": 0}, {"SR": 1, "MAXREC": 0}):
        answer = requests.get(f"{url}/scs/objects", {"RA": RA_DEG, "DEC": DEC_DEG} | asked)
        table = parsed(answer.content).get_first_table()
        assert len(table.array) == 0
        assert [f.ucd for f in table.fields][:3] == ["ID_MAIN", "POS_EQ_RA_MAIN", "POS_EQ_DEC_MAIN"]


def test_a_cut_answer_says_so_and_a_whole_one_does_not(url):
    statuses = []
    for most in (1, 2, 3, 10**17):
        asked = {"RA": RA_DEG, "DEC": DEC_DEG, "SR": 1, "MAXREC": most}
        tree = parsed(requests.get(f"{url}/scs/objects", asked).content)
        (resource,) = tree.resources
        statuses.append([i.value for i in resource.infos if i.name == "QUERY_STATUS"])
        assert len(tree.get_first_table().array) == min(most, 3)
    assert statuses == [["OK", "OVERFLOW"], ["OK", "OVERFLOW"], ["OK"], ["OK"]]


def test_pages_are_joined(url, monkeypatch):
    monkeypatch.setattr(scs, "_PAGE_ROWS", 1)
    assert len(searched(f"{url}/scs/objects", 1.0)) == 3
    assert len(searched(f"{url}/scs", 1.0)) == 2


def test_names_of_parameters_are_of_any_case_and_others_are_passed_over(url):
    asked = {"ra": RA_DEG, "Dec": DEC_DEG, "sR": 0.15, "verb": 1, "REQUEST": "queryData"}
    assert (
        len(parsed(requests.get(f"{url}/scs/objects", asked).content).get_first_table().array) == 1
    )


WRONG = [
    ({"DEC": 0, "SR": 1}, "RA must be said"),
    ({"RA": 0, "SR": 1}, "DEC must be said"),
    ({"RA": 0, "DEC": 0}, "SR must be said"),
    ({"RA": "as3f", "DEC": 0, "SR": 1}, "RA lies in"),
    ({"RA": "nan", "DEC": 0, "SR": 1}, "RA lies in"),
    ({"RA": 361, "DEC": 0, "SR": 1}, "RA lies in"),
    ({"RA": 0, "DEC": "91.0", "SR": 1}, "DEC lies in"),
    ({"RA": 0, "DEC": 0, "SR": 181}, "SR lies in"),
    ({"RA": 0, "DEC": 0, "SR": -1}, "SR lies in"),
    ({"RA": [0, 1], "DEC": 0, "SR": 1}, "RA is said twice"),
    ({"RA": 0, "DEC": 0, "SR": 1, "VERB": 4}, "VERB is"),
    ({"RA": 0, "DEC": 0, "SR": 1, "MAXREC": -1}, "MAXREC is"),
    ({"RA": 0, "DEC": 0, "SR": 1, "RESPONSEFORMAT": "fits"}, "RESPONSEFORMAT is"),
    ({"RA": '"><x&', "DEC": 0, "SR": 1}, "RA lies in"),
]


@pytest.mark.parametrize(("asked", "said"), WRONG)
def test_wrong_parameters_are_told_in_a_table_in_both_ways(url, asked, said):
    answer = requests.get(f"{url}/scs", asked)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-votable+xml"
    tree = parsed(answer.content)
    (resource,) = tree.resources
    # SCS 1.03 and DALI 1.1
    assert [(i.name, said in i.value) for i in tree.infos] == [("Error", True)]
    assert [(i.name, i.value, said in i.content) for i in resource.infos] == [
        ("QUERY_STATUS", "ERROR", True)
    ]


def test_pyvo_hears_of_an_error(url):
    with pytest.raises(DALQueryError, match="SR lies in"):
        searched(f"{url}/scs", -1.0)


def test_a_token_that_does_not_count_and_too_many_requests_are_told_by_http_too(filled):
    slow = AccessRules(False, 0.1, 0.1)
    with served(facades_over(filled, slow)) as at:
        asked = {"RA": RA_DEG, "DEC": DEC_DEG, "SR": 1}
        refused = requests.get(f"{at}/scs", asked)
        assert (refused.status_code, refused.headers["www-authenticate"][:6]) == (401, "Bearer")
        assert parsed(refused.content).infos[0].name == "Error"
        often = requests.get(f"{at}/scs", asked)
        assert (often.status_code, int(often.headers["retry-after"])) == (429, 10)
        with pytest.raises(DALQueryError, match="wait 10"):
            searched(f"{at}/scs", 1.0)


@pytest.mark.slow
def test_what_is_not_for_everybody_is_only_for_those_of_its_audience():
    with Store.open("sqlite:///:memory:") as store:
        only_for_those_of_its_audience(fill(store))


def only_for_those_of_its_audience(store):
    with store.engine.begin() as connection:
        for table in (objects, coincidences):
            mine = table.c.object_key == "ztf:ZTF25aaaaaaa"
            connection.execute(table.update().where(mine).values(audience="partners"))
    with served(facades_over(store)) as at:
        for audience, hidden in ((None, 1), ((), 1), (("others",), 1), (("partners",), 0)):
            session = requests.Session()
            if audience is not None:
                token = store.tokens.create("tests", [Scope.READ], audience, NOW_UNIX_S)
                session.headers["Authorization"] = f"Bearer {token}"
            for path, n in (("/scs", 2), ("/scs/objects", 3)):
                service = pyvo.dal.SCSService(f"{at}{path}", session=session)
                found = service.search(pos=(RA_DEG, DEC_DEG), radius=1.0)
                assert len(found) == n - hidden


def test_every_column_has_a_ucd_of_the_ivoa_and_those_of_the_standard_once():
    for columns in (OBJECTS, COINCIDENCES):
        ucds = [c.ucd for c in columns]
        assert sorted(u for u in ucds if u.isupper()) == [
            "ID_MAIN",
            "POS_EQ_DEC_MAIN",
            "POS_EQ_RA_MAIN",
        ]
        for ucd in ucds[3:]:
            assert check_ucd(ucd, check_controlled_vocabulary=True, has_colon=True), ucd
        assert len({c.name for c in columns}) == len(columns)
        assert all(c.description for c in columns)


HOSTILE = 'ZTF"<&>\x00\x0b\ud800é☃'


def test_what_packets_say_stays_text():
    obj = replace(an_object(), object_id=HOSTILE)
    tree = parsed(results_of(OBJECTS, [obj], Verbosity.ALL, "<about> & more"))
    (row,) = tree.get_first_table().array
    assert row["object_id"] == 'ZTF"<&>??\\ud800\\xe9\\u2603'
    assert parsed(error_of(HOSTILE)).infos[0].value == row["object_id"]


def parsed(content):
    """As strictly as Astropy reads, which knows no UCDs of the first kind; SCS wants three."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        tree = votable.parse(io.BytesIO(content), verify="warn")
    others = [w for w in told if not (w.category is W06 and "_MAIN" in str(w.message))]
    assert [str(w.message) for w in others] == []
    return tree


async def test_the_service_has_page_interface_and_facades_and_counts_a_caller_once(filled):
    settings = Settings(api_anonymous_rate_hz=0.3, _env_file=None)
    transport = httpx.ASGITransport(app=create_service(filled, settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        cone = await client.get("/scs?RA=150&DEC=20&SR=1")
        assert cone.headers["content-type"] == "application/x-votable+xml"
        alerts = await client.get("/skyportal/v1/ztf/alerts?objectId=ZTF25aaaaaaa")
        assert alerts.json()["status"] == "success"
        assert (await client.get("/api/v1/livez")).status_code == 200
        assert (await client.get("/")).headers["content-type"].startswith("text/html")
        # Three requests were allowed, to whichever of them.
        assert [
            (await client.get(path)).status_code
            for path in ("/scs", "/skyportal/v1/alerts", "/api/v1/status", "/")
        ] == [429] * 4
