"""The whole way: packets, the correlator's own server, ``rundataquery``, a target of the TOM."""

import io

import pytest
import requests
from django.core.management import call_command
from tom_dataproducts.models import PhotometryReducedDatum
from tom_dataservices.models import DataServiceQuery
from tom_targets.models import Target, TargetList
from tom_targets.utils import import_targets

pytestmark = pytest.mark.django_db

CASE = "kilonova"
LIST = f"correlator {CASE}"


@pytest.fixture(scope="module")
def address(night):
    with night.served() as address:
        yield address


def query_of_case():
    return DataServiceQuery.objects.create(
        name="kilonovae", data_service="Correlator", parameters={"case": CASE, "limit": 50}
    )


def extras(target):
    return dict(target.targetextra_set.values_list("key", "value"))


def test_a_token_opens_what_the_service_keeps_for_its_readers(night, settings, caplog):
    query = query_of_case()
    with night.served(CORRELATOR_API_ANONYMOUS="false") as address:
        settings.DATA_SERVICES = {"Correlator": {"base_url": address}}
        call_command("rundataquery", str(query.id))
        assert "a token is needed" in caplog.text
        assert not Target.objects.exists()
        settings.DATA_SERVICES["Correlator"]["api_key"] = night.token()
        call_command("rundataquery", str(query.id))
        assert Target.objects.count() == 1


def test_priority_and_retraction_reach_the_tom(night, address, settings):
    settings.DATA_SERVICES = {"Correlator": {"base_url": address}}
    query = query_of_case()
    (first,) = night.lists[0]
    call_command("rundataquery", str(query.id))
    (target,) = Target.objects.all()
    assert first["object_key"] == f"ztf:{target.name}"
    assert (target.ra, target.dec) == (first["ra_deg"], first["dec_deg"])
    assert extras(target)["status"] == "active"
    assert float(extras(target)["priority"]) == first["priority"]
    assert float(extras(target)["far_hz"]) > 0.0
    assert extras(target)["event_id"] == "S260314cu"
    (listed,) = TargetList.objects.get(name=LIST).targets.all()
    assert listed.name == target.name
    points = PhotometryReducedDatum.objects.filter(target=target)
    assert points.filter(brightness__isnull=False).count() >= first["n_detections"]
    n_points = points.count()

    imported = requests.get(f"{address}/api/v1/targets?format=tom-csv&case={CASE}", timeout=10)

    night.update()
    (second,) = night.lists[1]
    assert second["priority"] != first["priority"]
    call_command("rundataquery", str(query.id))
    (target,) = Target.objects.all()
    assert float(extras(target)["priority"]) == second["priority"]
    assert points.count() == n_points

    night.retract()
    assert night.lists[2] == []
    call_command("rundataquery", str(query.id))
    (target,) = Target.objects.all()
    assert extras(target)["status"] == "retracted"
    assert extras(target)["viability_reason"] == "the event is retracted"
    assert not TargetList.objects.get(name=LIST).targets.exists()

    Target.objects.all().delete()
    said = import_targets(io.StringIO(imported.text))
    assert said["errors"] == []
    (target,) = Target.objects.all()
    assert first["object_key"] == f"ztf:{target.name}"
    assert (target.ra, target.dec) == (first["ra_deg"], first["dec_deg"])
    assert float(extras(target)["priority"]) == first["priority"]
    assert extras(target)["event_id"] == "S260314cu"
