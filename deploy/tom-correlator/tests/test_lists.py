"""Target lists through ``rundataquery`` and the pages of a TOM, against a service of the tests.

Its items are what the correlator itself writes, changed where a test needs more than one.
"""

import copy
import threading

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client as Browser
from django.urls import reverse
from tom_dataservices.dataservices import (
    NotConfiguredError,
    QueryServiceError,
    get_data_service_class,
)
from tom_dataservices.models import DataServiceQuery
from tom_targets.models import Target, TargetList

from tom_correlator import client
from tom_correlator.data_service import CorrelatorDataService
from tom_correlator.forms import CorrelatorForm

pytestmark = pytest.mark.django_db

CASE = "kilonova"


@pytest.fixture
def query():
    """A saved query, made by the form as the page makes it."""
    form = CorrelatorForm({"case": CASE, "data_service": "Correlator", "query_save": True})
    assert form.is_valid(), form.errors
    return form.save()


def run(query):
    call_command("rundataquery", str(query.id))


def extras(name):
    return dict(Target.objects.get(name=name).targetextra_set.values_list("key", "value"))


def numbered(item, rank, **other):
    """Another target like one: at another place of the list."""
    key = f"ztf:ZTF26aaaaaa{chr(96 + rank)}"
    changed = copy.deepcopy(item) | {
        "rank": rank,
        "object_key": key,
        "target_id": f"{CASE}/{key}",
        "coincidence_id": f"id-{rank}",
        "priority": 10.0 - rank,
    }
    return changed | other


def test_the_plug_in_is_found():
    assert get_data_service_class("Correlator") is CorrelatorDataService


def test_a_query_asks_with_token_and_in_few_words(loopback, query):
    loopback.lists()
    run(query)
    assert loopback.asked == [
        ("/api/v1/targets", {"case": CASE, "limit": "50"}, "Token secret"),
    ]


def test_a_form_wants_a_case_and_at_most_what_a_page_shows():
    said = {"data_service": "Correlator"}
    assert "case" in CorrelatorForm(said).errors
    assert "limit" in CorrelatorForm(said | {"case": CASE, "limit": 100}).errors
    assert CorrelatorForm(said | {"case": CASE, "limit": 99}).is_valid()


def test_a_second_run_brings_priority_position_and_whatever_is_unknown_by_now(
    loopback, query, item
):
    loopback.lists(item)
    run(query)
    name = item["object_key"].partition(":")[2]
    held = extras(name)
    assert float(held["priority"]) == item["priority"]
    assert held["rank"] == "1"
    assert held["event_id"] == "S260314cu"
    assert held["viable"] == "True"
    assert item["last_band"] == held["last_band"]
    changed = item | {"priority": 1.25, "ra_deg": item["ra_deg"] + 0.001, "last_band": None}
    loopback.lists(changed)
    run(query)
    assert Target.objects.get().ra == changed["ra_deg"]
    assert extras(name)["priority"] == "1.25"
    assert "last_band" not in extras(name)


def test_what_did_not_change_is_not_saved_again(loopback, query, item):
    loopback.lists(item)
    run(query)
    target = Target.objects.get()
    earlier = "2001-01-01T00:00:00+00:00"
    target.targetextra_set.filter(key="updated_at").update(value=earlier)
    run(query)
    assert Target.objects.get().modified == target.modified
    assert extras(target.name)["updated_at"] == earlier
    loopback.lists(item | {"priority": 1.0})
    run(query)
    assert extras(target.name)["updated_at"] > earlier


def test_extras_of_others_stay(loopback, query, item):
    loopback.lists(item)
    run(query)
    target = Target.objects.get()
    target.save(extras={"observer": "Ada"})
    loopback.lists(item | {"priority": 0.5})
    run(query)
    assert extras(target.name)["observer"] == "Ada"
    assert extras(target.name)["priority"] == "0.5"


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [
        ({"state": "retracted", "reason": "the event is retracted"}, "retracted", None),
        ({"state": "expired", "reason": "the event is closed"}, "expired", None),
        ({"state": "active", "reason": None}, "retired", "it is no longer among the targets"),
        (None, "retired", "it is no longer among the targets"),
    ],
)
def test_what_left_the_list_says_why(loopback, query, item, end, status, reason):
    loopback.lists(item, numbered(item, 2))
    run(query)
    name = item["object_key"].partition(":")[2]
    assert TargetList.objects.get(name=f"correlator {CASE}").targets.count() == 2
    loopback.lists(numbered(item, 2))
    gone = item | {"state": "retired", "rank": None, "retired_reason": reason}
    loopback.says(f"targets/{CASE}/{item['object_key']}", (200, gone, {}))
    if end is not None:
        loopback.says(f"coincidences/{item['coincidence_id']}", (200, end, {}))
    run(query)
    held = extras(name)
    assert held["status"] == status
    assert held["viable"] == "False"
    assert held["viability_reason"] == (reason or end["reason"])
    assert "rank" not in held
    assert extras("ZTF26aaaaaab")["status"] == "active"
    assert [t.name for t in TargetList.objects.get(name=f"correlator {CASE}").targets.all()] == [
        "ZTF26aaaaaab"
    ]


def test_what_the_service_shows_no_longer_is_shown_no_longer(loopback, query, item):
    loopback.lists(item)
    run(query)
    loopback.lists()
    for _ in range(2):
        run(query)
        held = extras("ZTF26kncwcpc")
        assert held["status"] == "retired"
        assert held["viability_reason"].startswith("the correlator has it no longer")
        assert "priority" not in held
        assert "last_mag_ab" not in held
    assert [path for path, *_ in loopback.asked].count(f"/api/v1/targets/{item['target_id']}") == 1
    loopback.lists(item)
    run(query)
    assert extras("ZTF26kncwcpc")["status"] == "active"


def test_an_object_that_fits_another_event_better_leaves_the_list_of_the_first(
    loopback, query, item
):
    loopback.lists(item)
    run(query)
    loopback.lists(item | {"event_key": "lvk:S260315b", "coincidence_id": "another"})
    run(query)
    assert extras("ZTF26kncwcpc")["event_id"] == "S260315b"
    lists = TargetList.objects.filter(targets__name="ZTF26kncwcpc").values_list("name", flat=True)
    assert set(lists) == {f"correlator {CASE}", "correlator lvk:S260315b"}


def test_a_retraction_reaches_what_had_left_the_list_before(loopback, query, item):
    loopback.lists(item)
    run(query)
    loopback.lists()
    gone = item | {"state": "retired", "rank": None, "retired_reason": "outranked"}
    loopback.says(f"targets/{CASE}/{item['object_key']}", (200, gone, {}))
    run(query)
    name = item["object_key"].partition(":")[2]
    assert extras(name)["status"] == "retired"
    end = {"state": "retracted", "reason": "the event is retracted"}
    loopback.says(f"coincidences/{item['coincidence_id']}", (200, end, {}))
    run(query)
    assert extras(name)["viability_reason"] == "the event is retracted"
    assert extras(name)["status"] == "retracted"
    loopback.asked.clear()
    run(query)
    assert [path for path, *_ in loopback.asked] == ["/api/v1/targets"]


def test_what_is_beyond_the_limit_is_refreshed_and_not_retracted(loopback, query, item):
    items = [numbered(item, rank) for rank in range(1, 4)]
    loopback.lists(*items)
    run(query)
    items[2]["priority"] = 3.5
    loopback.says(
        "targets",
        (200, {"items": items[:1], "next": None}, {}),
        (200, {"items": items[:2], "next": "on"}, {}),
        (200, {"items": items[2:], "next": None}, {}),
    )
    loopback.asked.clear()
    run(query)
    assert extras("ZTF26aaaaaac")["priority"] == "3.5"
    assert {extras(f"ZTF26aaaaaa{letter}")["status"] for letter in "abc"} == {"active"}
    assert [asked.get("cursor") for path, asked, _ in loopback.asked[:3]] == [None, None, "on"]


def test_what_is_retired_and_not_known_makes_no_target(loopback, query, item):
    loopback.lists(item | {"state": "retired", "rank": None})
    run(query)
    assert not Target.objects.exists()


def test_a_row_that_breaks_a_rule_is_told_and_the_rest_is_taken(loopback, query, item, caplog):
    strange = [{"ra_deg": 400.0}, {"object_key": None}, {"priority_terms": 3}, {"catalogs": [3]}]
    loopback.lists(item, *(numbered(item, n, **bad) for n, bad in enumerate(strange, start=2)))
    run(query)
    assert [target.name for target in Target.objects.all()] == ["ZTF26kncwcpc"]
    told = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == len(strange)
    assert "ra is of [0, 360] deg, not 400.0" in told[0]


def test_an_object_of_two_lists_is_one_target_in_both(loopback, query, item):
    loopback.lists(item)
    run(query)
    form = CorrelatorForm({"case": "grb-afterglow", "data_service": "Correlator"})
    assert form.is_valid()
    afterglow = item | {"case": "grb-afterglow", "priority": item["priority"] + 1.0}
    loopback.lists(afterglow | {"event_key": "fermi-gbm:1"})
    other = form.save()
    run(other)
    name = item["object_key"].partition(":")[2]
    assert extras(name)["case"] == "grb-afterglow"
    loopback.lists(item)
    run(query)
    assert extras(name)["case"] == "grb-afterglow"
    lists = TargetList.objects.filter(targets__name=name).values_list("name", flat=True)
    assert set(lists) == {
        "correlator kilonova",
        "correlator grb-afterglow",
        "correlator fermi-gbm:1",
        "correlator lvk:S260314cu",
    }


POINTS = [
    {"kind": "detection", "time": "2026-03-15T04:41:00Z", "band": "g", "mag_ab": 18.4,
     "mag_err_ab": 0.1},
    {"kind": "detection", "time": "2026-03-15T05:41:00Z", "band": "g", "mag_ab": None,
     "mag_err_ab": None},
    {"kind": "limit", "time": "2026-03-14T04:41:00Z", "band": "r", "mag_ab": 20.5,
     "mag_err_ab": None},
    {"kind": "forced", "time": "2026-03-13T04:41:00Z", "band": "r", "mag_ab": 21.0,
     "mag_err_ab": None},
    {"kind": "detection", "time": "yesterday", "band": "g", "mag_ab": 18.4, "mag_err_ab": 0.1},
]  # fmt: skip


def test_the_light_curve_comes_once(loopback, query, item, caplog):
    loopback.lists(item)
    loopback.says(
        f"objects/{item['object_key']}/lightcurve", (200, {"items": POINTS, "next": None}, {})
    )
    for _ in range(2):
        run(query)
    target = Target.objects.get()
    names = ("bandpass", "brightness", "brightness_error", "limit", "instrument", "source_name")
    points = target.photometryreduceddatum_set.order_by("timestamp").values_list(*names)
    assert list(points) == [
        ("r", None, None, 20.5, "ZTF", "Correlator"),
        ("g", 18.4, 0.1, None, "ZTF", "Correlator"),
    ]
    told = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 2  # of each run one, and of no point that is there already
    assert all("yesterday" in text for text in told)


def test_groups_see_what_a_run_brings(loopback, query, item, settings):
    observer = User.objects.create(username="observer")
    observer.groups.add(Group.objects.create(name="observers"))
    settings.DATA_SERVICES["Correlator"]["groups"] = ["observers"]
    loopback.lists(item)
    run(query)
    assert observer.has_perm("tom_targets.view_target", Target.objects.get())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((400, {"detail": "case: no such case"}, {}), "no such case"),
        ((401, {"detail": "the token is unknown"}, {}), "the token is unknown"),
        ((500, b"oops", {}), "answered 500"),
        ((200, b"<html>", {}), "no JSON object"),
        ((200, {"items": 3}, {}), "no list of items"),
        ((200, [], {}), "no JSON object"),
        ((429, {"detail": "too many"}, {"Retry-After": "3600"}), "try again in 3600 s"),
        ((503, {"detail": "the store is away"}, {}), "the store is away"),
        ((302, b"", {"Location": "http://127.0.0.1:1/"}), "cannot be asked"),
    ],
)
def test_a_refusal_is_told_and_changes_nothing(loopback, query, item, caplog, answer, said):
    loopback.lists(item)
    run(query)
    before = extras("ZTF26kncwcpc")
    loopback.says("targets", answer)
    run(query)
    assert extras("ZTF26kncwcpc") == before
    assert said in caplog.text
    assert "underlying query service" in caplog.text


def test_a_token_is_for_its_service_alone(loopback, query):
    elsewhere = loopback.address.replace("127.0.0.1", "localhost")
    loopback.says("targets", (302, b"", {"Location": f"{elsewhere}/api/v1/caught"}))
    run(query)
    assert [(path, token) for path, _, token in loopback.asked] == [
        ("/api/v1/targets", "Token secret"),
        ("/api/v1/caught", None),
    ]


def test_whoever_is_asked_to_wait_waits(loopback, query, item, monkeypatch):
    waited = []
    monkeypatch.setattr(client.time, "sleep", waited.append)
    busy = (429, {"detail": "too many"}, {"Retry-After": "2"})
    loopback.says("targets", busy, busy, (200, {"items": [item], "next": None}, {}))
    run(query)
    assert waited == [2.0, 2.0]
    assert Target.objects.count() == 1


def test_waiting_has_an_end(loopback, query, monkeypatch, caplog):
    waited = []
    monkeypatch.setattr(client.time, "sleep", waited.append)
    loopback.says("targets", (429, {"detail": "too many"}, {"Retry-After": "7"}))
    run(query)
    assert sum(waited) <= client.PATIENCE_S
    assert "too many" in caplog.text


def test_a_service_that_hangs_is_left(loopback, query, monkeypatch, caplog):
    released = threading.Event()
    monkeypatch.setattr(client, "TIMEOUT_S", (0.5, 0.5))
    loopback.says("targets", (200, lambda _: released.wait(20) and {}, {}))
    run(query)
    released.set()
    assert "does not answer in time" in caplog.text


def test_an_answer_without_end_is_left(loopback, query, monkeypatch, caplog):
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 10_000)
    loopback.says("targets", (200, b" " * 200_000, {}))
    run(query)
    assert "over 10000 bytes" in caplog.text


def test_an_installation_without_address_is_told_so(query, settings, caplog):
    settings.DATA_SERVICES = {}
    run(query)
    assert "Configuration Error" in caplog.text
    settings.DATA_SERVICES = {"Correlator": {"base_url": "correlator.example.org"}}
    with pytest.raises(NotConfiguredError, match=r"with http\(s\)://"):
        CorrelatorDataService().query_targets({"case": CASE, "limit": 1})


@pytest.fixture
def browser():
    user = User.objects.create_superuser("ada", password="of tests")
    browser = Browser()
    browser.force_login(user)
    return browser


def test_a_person_asks_sees_and_takes(loopback, item, browser):
    loopback.lists(item, numbered(item, 2))
    asked = {"data_service": "Correlator", "case": CASE, "limit": 5}
    page = browser.get(reverse("dataservices:create") + "?data_service=Correlator")
    assert b"Science case" in page.content
    page = browser.post(reverse("dataservices:create"), asked, follow=True)
    assert b"ZTF26kncwcpc" in page.content
    assert b"ZTF26aaaaaab" in page.content
    chosen = {"data_service": "Correlator", "query_id": "", "selected_results": ["1"]}
    browser.post(reverse("dataservices:create-target"), chosen)
    assert [target.name for target in Target.objects.all()] == ["ZTF26aaaaaab"]


def test_what_the_service_says_is_no_html_in_a_page(loopback, browser):
    loopback.says("targets", (400, {"detail": "no <script>alert(1)</script>"}, {}))
    asked = {"data_service": "Correlator", "case": CASE, "filter": "<b>"}
    page = browser.post(reverse("dataservices:create"), asked, follow=True)
    assert b"&lt;script&gt;alert(1)" in page.content
    assert b"<script>alert(1)" not in page.content


def test_a_person_does_not_wait(loopback, browser, monkeypatch):
    monkeypatch.setattr(client.time, "sleep", lambda _: pytest.fail("it waits"))
    loopback.says("targets", (429, {"detail": "too many"}, {"Retry-After": "1"}))
    asked = {"data_service": "Correlator", "case": CASE}
    page = browser.post(reverse("dataservices:create"), asked, follow=True)
    assert b"try again in 1 s" in page.content


def test_the_data_of_a_target_can_be_updated_from_its_page(loopback, query, item, browser):
    loopback.lists(item)
    run(query)
    loopback.says(f"objects/{item['object_key']}/lightcurve", (200, {"items": POINTS}, {}))
    target = Target.objects.get()
    browser.post(
        reverse("dataservices:update-data"), {"target": target.pk, "data_service": "Correlator"}
    )
    assert target.photometryreduceddatum_set.count() == 2


def test_another_target_has_no_light_curve_here(loopback):
    target = Target.objects.create(name="M31", type="SIDEREAL", ra=10.0, dec=41.0)
    with pytest.raises(QueryServiceError, match="M31 is no target of the correlator"):
        CorrelatorDataService().query_reduced_data(target)


def test_a_saved_query_is_what_the_form_said(query):
    saved = DataServiceQuery.objects.get()
    asked = CorrelatorDataService().build_query_parameters(saved.parameters)
    assert asked == {"case": CASE, "limit": 50}
