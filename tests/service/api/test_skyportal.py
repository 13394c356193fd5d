"""SkyPortal's own path through its generic broker, against the facade behind a real port."""

import math

import pytest
import requests

from correlator.alert import ForcedMeasurement, Surroundings
from correlator.coincidence import correlate
from correlator.policy import DAY_S, Policy
from correlator.ranking import rank_event
from correlator.service import skyportal_alerts
from correlator.service.api.access import AccessRules
from correlator.service.skyportal_row import jd_of as jd_of_unix_s
from storage.store import Store
from storage.tokens import Scope
from tests.builders import DEC_DEG, RA_DEG, T0_UNIX_S, a_circle, an_alert, an_event
from tests.service.api.asking import NOW_UNIX_S
from tests.service.api.live import facades_over, served
from tests.service.api.skyportal_reader import (
    Crossmatch,
    Event,
    GenericBroker,
    jd_of,
    saved_as_source,
)
from tests.storage.writers import put_alerts

INSIDE, OUTSIDE, BEFORE, SOUTH = "ZTF25aainside", "ZTF25aoutside", "ZTF25abefore", "313853517"
EVENT = an_event(localization=a_circle(radius_deg=2.0))
GCN_EVENT = Event("781692805", jd_of_unix_s(T0_UNIX_S), RA_DEG, DEC_DEG, 2.0)


def at(object_id, dec_deg, days, alert_id, **other):
    """An alert of an object that was first seen 0.1 d before."""
    when = T0_UNIX_S + days * DAY_S
    return an_alert(alert_id, object_id, RA_DEG, dec_deg, when, **other)


def fill(store):
    """An object in the circle, one outside, one that is too old, and one of Rubin's in it."""
    near = Surroundings(star_score=0.25, star_sep_arcsec=3.5, solar_system_sep_arcsec=15.0)
    forced = (
        ForcedMeasurement("f1", T0_UNIX_S + 0.3 * DAY_S, "g", 250.0, 50.0),
        ForcedMeasurement("f2", T0_UNIX_S + 0.3 * DAY_S, "r", -40.0, 50.0),
    )
    put_alerts(
        store,
        at(INSIDE, DEC_DEG + 0.5, 0.2, "2000000000000000001", surroundings=near, forced=forced),
        at(OUTSIDE, DEC_DEG + 2.5, 0.2, "2000000000000000002"),
        at(BEFORE, DEC_DEG - 0.75, -20.0, "2000000000000000003"),
        at(SOUTH, DEC_DEG - 1.0, 1.2, "170000000000000004", survey="lsst"),
    )
    keys = f"ztf:{INSIDE}", f"lsst:{SOUTH}"
    pairs = [correlate(store.alerts.get_object(key), EVENT, Policy()) for key in keys]
    found = rank_event(EVENT, pairs, Policy(), T0_UNIX_S + 2.0 * DAY_S).coincidences
    assert {c.pair.object_key for c in found} == set(keys)
    store.coincidences.publish(EVENT.event_key, found, T0_UNIX_S, "gone")
    store.localizations.put(EVENT.localization)
    return store


KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=KINDS)
def filled(request):
    """A store that no test changes."""
    is_server = request.param == "postgresql"
    server = request.getfixturevalue("postgres_server") if is_server else None
    with Store.open(server.new_database() if server else "sqlite:///:memory:") as opened:
        yield fill(opened)


@pytest.fixture(scope="module")
def url(filled):
    with served(facades_over(filled)) as at_url:
        yield f"{at_url}/skyportal/v1"


@pytest.fixture
def own():
    """A store that a test may change, and its URL."""
    with (
        Store.open("sqlite:///:memory:") as opened,
        served(facades_over(fill(opened))) as at_url,
    ):
        yield opened, f"{at_url}/skyportal/v1"


def token_of(store, *audience):
    return store.tokens.create("icare", [Scope.READ], audience, NOW_UNIX_S)


def test_the_crossmatch_of_skyportal_finds_annotates_and_measures_our_objects(filled, url):
    token = token_of(filled)
    of_ztf = Crossmatch(GenericBroker(f"{url}/ztf/", token), "ZTF")
    of_lsst = Crossmatch(GenericBroker(f"{url}/lsst", token), "LSST")
    assert of_ztf.run(GCN_EVENT) == [INSIDE]
    assert of_lsst.run(GCN_EVENT) == [SOUTH]

    assert of_ztf.objs == {INSIDE: {"ra": RA_DEG, "dec": DEC_DEG + 0.5, "score": None}}
    seen_jd = jd_of_unix_s(T0_UNIX_S + 0.2 * DAY_S)
    assert of_ztf.candidates == [
        {
            "obj_id": INSIDE,
            "filter_id": 42,
            "passed_at": seen_jd,
            "passing_alert_id": 2000000000000000001,
        }
    ]
    assert of_ztf.annotations[INSIDE]["781692805"] == {
        "delta_t": 0.2,
        "distance_arcmin": 30.0,
        "distance_ratio": 0.25,
        "event_mjd": round(T0_UNIX_S / DAY_S + 40_587.0, 6),
        "sgscore": 0.25,
        "distpsnr": 3.5,
        "ssdistnr": 15.0,
        "ndethist": 2,
        "age": 0.1,
    }
    assert of_lsst.annotations[SOUTH]["781692805"]["distance_arcmin"] == 60.0


def test_magnitudes_of_skyportal_are_those_of_the_fluxes_whatever_unit_it_thinks_of(filled, url):
    for survey, name, jansky in (("ZTF", INSIDE, 1e-3), ("LSST", SOUTH, 1e-9)):
        crossmatch = Crossmatch(GenericBroker(f"{url}/{survey.lower()}"), survey)
        crossmatch.run(GCN_EVENT)
        obj = filled.alerts.get_object(f"{survey.lower()}:{name}")
        points = crossmatch.photometry[name]
        own = [p for p in points if p["origin"] is None]
        # ZTF is kept in uJy with a zero point of 23.9, LSST in Jy with 8.9: the same magnitude.
        assert [p["flux"] for p in own] == pytest.approx(
            [d.flux_njy * jansky for d in obj.positive], rel=1e-9
        )
        assert [p["fluxerr"] for p in own] == pytest.approx(
            [d.flux_err_njy * jansky for d in obj.positive], rel=1e-9
        )
        assert [p["mjd"] for p in own] == pytest.approx(
            [d.time_unix_s / DAY_S + 40_587.0 for d in obj.positive], abs=1e-8
        )
        assert {p["filter"] for p in own} == {f"{survey.lower()}r"}
        magnitudes = [p["zp"] - 2.5 * math.log10(p["flux"]) for p in own]
        assert magnitudes == pytest.approx([d.mag_ab for d in obj.positive], abs=1e-9)


def test_forced_photometry_and_limits_go_with_one_object(filled, url):
    broker = GenericBroker(url)
    whole = broker.get_alert(INSIDE)
    forced = [p for p in saved_as_source(broker, INSIDE)["photometry"] if p["origin"] == "fp"]
    # The one that is fainter than the template has no magnitude; nor has a limit an error.
    assert [round(p["flux"], 9) for p in forced] == [0.25]
    assert [p["diffmaglim"] for p in whole["prv_nondetections"]] == [20.5]
    assert len(whole["prv_candidates"]) == 2


def test_a_source_can_be_saved_for_the_answer_names_its_survey(url):
    broker = GenericBroker(url)
    saved = saved_as_source(broker, SOUTH)
    assert (saved["id"], saved["origin"]) == (SOUTH, "LSST")
    assert (saved["ra"], saved["dec"]) == (RA_DEG, DEC_DEG - 1.0)
    assert len(saved["photometry"]) == 2


def test_our_annotation_says_what_skyportal_would_compute(filled, url):
    crossmatch = Crossmatch(GenericBroker(f"{url}/ztf"), "ZTF")
    crossmatch.run(GCN_EVENT)
    theirs = crossmatch.annotations[INSIDE]["781692805"]
    ours = crossmatch.broker.get_alert(INSIDE)["annotations"]["781692805"]
    # Ours counts from the first detection since the event, theirs from the alert itself.
    assert (theirs.pop("delta_t"), ours.pop("delta_t")) == (0.2, 0.1)
    assert theirs == {name: ours[name] for name in theirs}
    assert (ours["drb"], ours["ssmagnr"], ours["dist_mean"], ours["dist_std"]) == (None,) * 4
    assert ours["prior_activity"] is False
    (published,) = filled.coincidences.current(object_key=f"ztf:{INSIDE}")
    assert ours["coincidence_id"] == published.coincidence_id


def test_an_object_that_shone_long_before_is_found_by_the_archival_pass_only(url):
    archival = Crossmatch(GenericBroker(f"{url}/ztf"), "ZTF", days_before=32.0, days_after=-1.0)
    assert archival.run(GCN_EVENT) == [BEFORE]


@pytest.mark.slow
def test_the_next_pass_goes_on_where_the_last_one_ended(own):
    filled, url = own
    crossmatch = Crossmatch(GenericBroker(f"{url}/ztf"), "ZTF")
    crossmatch.run(GCN_EVENT)
    put_alerts(filled, at("ZTF25alater", DEC_DEG, 3.0, "2000000000000000005"))
    assert crossmatch.run(GCN_EVENT) == [INSIDE, "ZTF25alater"]  # the newest comes once more
    assert len(crossmatch.candidates) == 2
    assert crossmatch.run(GCN_EVENT) == ["ZTF25alater"]


def test_rows_are_in_order_of_time_and_come_in_pages(url):
    asked = {"ra": RA_DEG, "dec": DEC_DEG, "radius": 180, "radius_units": "arcmin"}
    whole = requests.get(f"{url}/alerts", params=asked, timeout=30).json()
    assert [r["objectId"] for r in whole["data"]] == [BEFORE, INSIDE, OUTSIDE, SOUTH]
    assert whole["totalMatches"] == 4
    pages = [
        requests.get(f"{url}/alerts", params=asked | {"numPerPage": 3, "pageNumber": n}, timeout=30)
        for n in (1, 2, 3)
    ]
    assert [len(p.json()["data"]) for p in pages] == [3, 1, 0]
    assert pages[0].json()["data"] + pages[1].json()["data"] == whole["data"]


def test_a_radius_without_a_unit_is_of_arcseconds(url):
    place = {"ra": RA_DEG, "dec": DEC_DEG + 0.5}
    broker = GenericBroker(url)
    assert [r["objectId"] for r in broker.query_alerts(**place, radius=1)] == [INSIDE]
    assert broker.query_alerts(ra=RA_DEG, dec=DEC_DEG, radius=1800.1)[0]["objectId"] == INSIDE
    assert broker.query_alerts(ra=RA_DEG, dec=DEC_DEG, radius=1799.9) == []


def test_objects_are_found_by_their_ids_and_by_those_of_their_alerts_among_them(url):
    broker = GenericBroker(url)
    assert [r["objectId"] for r in broker.query_alerts(objectId=INSIDE)] == [INSIDE]
    assert broker.query_alerts(objectId=INSIDE, candid=2000000000000000001)[0]["jd"]
    assert broker.query_alerts(objectId=INSIDE, candid=1) == []
    assert broker.query_alerts(objectId=INSIDE, survey="LSST") == []
    assert broker.query_alerts(objectId="ZTF00nothing") == []
    early = broker.query_alerts(objectId=INSIDE, jd_end=jd_of_unix_s(T0_UNIX_S + 0.15 * DAY_S))
    assert jd_of(early[0]) == pytest.approx(jd_of_unix_s(T0_UNIX_S + 0.1 * DAY_S))
    assert early[0]["candid"] is None  # "...-before" is no whole number
    assert broker.get_alert(f"ztf:{INSIDE}")["objectId"] == INSIDE


REFUSED = [
    ({}, 400, "say objectId, or ra, dec and radius"),
    ({"candid": "12"}, 400, "found by its object only"),
    ({"ra": 1, "dec": 91, "radius": 1}, 400, "declination"),
    ({"ra": 1, "dec": 1, "radius": -1}, 400, "radius"),
    ({"ra": "nan", "dec": 1, "radius": 1}, 400, "finite"),
    ({"ra": 1, "dec": 1, "radius": 1, "jd_start": "nan"}, 400, "finite"),
    ({"ra": "here", "dec": 1, "radius": 1}, 400, "ra"),
    ({"ra": 1, "dec": 1, "radius": 1, "radius_units": "parsec"}, 400, "radius_units"),
    ({"ra": 1, "dec": 1, "radius": 1, "numPerPage": 10**9}, 400, "numPerPage"),
]


@pytest.mark.parametrize(("asked", "status", "said"), REFUSED)
def test_what_cannot_be_asked_is_refused_in_the_envelope(url, asked, status, said):
    answer = requests.get(f"{url}/alerts", params=asked, timeout=30)
    assert answer.status_code == status
    envelope = answer.json()
    assert envelope["status"] == "error"
    assert said in envelope["message"]
    assert "data" not in envelope


HOSTILE = [
    "alerts/%00",
    "alerts/" + "a" * 3000,
    "alerts/%ff%fe",
    "alerts/..%2f..%2fetc",
    "alerts/ztf:'%20OR%201=1--",
    "alerts?objectId=%00",
    "alerts?objectId=%ed%a0%80",
    "alerts?objectId=" + "a" * 201,
    "alerts?ra=1e999&dec=0&radius=1",
    "alerts?ra=1e300&dec=0&radius=1&radius_units=deg",
    "alerts?ra=1&dec=1&radius=1&jd_start=1e308",
    "alerts?ra=1&dec=1&radius=1&jd_end=-1e308",
    "alerts?ra=1&dec=1&radius=1&survey=%27",
    "alerts?ra=1&dec=1&radius=1&pageNumber=9999999999999999999999",
    "nowhere",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_whatever_is_asked_the_service_does_not_fail(url, path):
    assert requests.get(f"{url}/{path}", timeout=30).status_code < 500


def test_an_object_that_is_not_there_is_no_failure_of_the_broker(url):
    with pytest.raises(requests.HTTPError) as failed:
        GenericBroker(url).get_alert("ZTF00nothing")
    assert failed.value.response.status_code == 404
    assert failed.value.response.json()["status"] == "error"


@pytest.mark.parametrize("scheme", ["Bearer", "token", "Token"])
def test_tokens_of_every_scheme_are_taken(filled, url, scheme):
    token = token_of(filled)
    head = {"Authorization": f"{scheme} {token}"}
    answer = requests.get(f"{url}/alerts", params={"objectId": INSIDE}, headers=head, timeout=30)
    assert answer.json()["status"] == "success"


def test_a_token_that_does_not_count_is_refused_in_the_envelope(url):
    with pytest.raises(requests.HTTPError) as failed:
        GenericBroker(url, "mmc_0_0").query_alerts(objectId=INSIDE)
    answer = failed.value.response
    assert (answer.status_code, answer.json()["status"]) == (401, "error")


def test_a_broker_that_asks_too_often_is_told_429_and_for_how_long(filled):
    slow = AccessRules(True, anonymous_rate_hz=0.2, token_rate_hz=0.2)
    with served(facades_over(filled, slow)) as at_url:
        token = token_of(filled)
        broker = GenericBroker(f"{at_url}/skyportal/v1", token)
        for _ in range(2):
            broker.query_alerts(objectId=INSIDE)
        with pytest.raises(requests.HTTPError) as failed:
            broker.query_alerts(objectId=INSIDE)
    answer = failed.value.response
    assert answer.status_code == 429  # what SkyPortal parks a broker for
    assert int(answer.headers["Retry-After"]) == 5
    assert answer.json()["status"] == "error"


def test_what_is_not_for_everybody_is_only_for_those_of_its_audience(own):
    store, url = own
    secret = "ZTF25asecret"
    put_alerts(store, at(secret, DEC_DEG, 0.2, "2000000000000000009", audience=("partners",)))
    tokens = [token_of(store), token_of(store, "others"), token_of(store, "partners")]
    for token, sees in zip([None, *tokens], [False, False, False, True], strict=True):
        broker = GenericBroker(url, token)
        found = broker.query_alerts(ra=RA_DEG, dec=DEC_DEG, radius=2, radius_units="deg")
        assert (secret in {r["objectId"] for r in found}) is sees
        assert bool(broker.query_alerts(objectId=secret)) is sees
        if not sees:
            with pytest.raises(requests.HTTPError):
                broker.get_alert(secret)


@pytest.mark.slow
def test_skyportal_files_what_is_not_for_everybody_under_no_public_stream(own):
    store, url = own
    put_alerts(store, at("ZTF25asecret", DEC_DEG, 0.2, "2000000000000000009", audience=("us",)))
    broker = GenericBroker(f"{url}/ztf", token_of(store, "us"))
    assert len(broker.get_alert("ZTF25asecret")["prv_candidates"]) == 2
    assert saved_as_source(broker, "ZTF25asecret")["photometry"] == []
    assert len(saved_as_source(broker, INSIDE)["photometry"]) == 3


def test_a_cone_of_too_many_objects_is_refused_and_not_cut(url, monkeypatch):
    monkeypatch.setattr(skyportal_alerts, "MAX_OBJECTS", 1)
    answer = requests.get(
        f"{url}/alerts",
        params={"ra": RA_DEG, "dec": DEC_DEG, "radius": 2, "radius_units": "deg"},
        timeout=30,
    )
    assert answer.status_code == 400
    assert "smaller cone" in answer.json()["message"]
