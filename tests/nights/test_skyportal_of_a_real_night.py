"""SkyPortal's crossmatch over a real night of ZTF, against the packets' own columns."""

import math

import pytest
from pyarrow import parquet

from correlator.errors import MalformedAlertError
from correlator.service.skyportal_row import jd_of as jd_of_unix_s
from ingest_optical.decoder import decode
from ingest_optical.packets import read_packets
from storage.store import Store
from tests.service.api.live import facades_over, served
from tests.service.api.skyportal_reader import Crossmatch, Event, GenericBroker
from tests.storage.writers import put_alerts

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

DAY_S = 86_400.0


@pytest.fixture(scope="module")
def folder(real_data):
    return real_data / "nights" / "2024-01-15" / "alerts"


@pytest.fixture(scope="module")
def raw(folder):
    """The candidates of the packets by object, as the files have them."""
    by_object = {}
    for file in sorted(folder.rglob("*.parquet")):
        names = ["objectId", "candid", "candidate", "prv_candidates"]
        for row in parquet.ParquetFile(file).read(columns=names).to_pylist():
            by_object.setdefault(row["objectId"], []).append(row)
    return by_object


@pytest.fixture(scope="module")
def url(folder):
    alerts = []
    for packet in read_packets(folder):
        try:
            alerts.append(decode(packet))
        except MalformedAlertError as error:
            pytest.fail(str(error))
    with Store.open("sqlite:///:memory:") as store:
        put_alerts(store, *alerts)
        with served(facades_over(store)) as at:
            yield f"{at}/skyportal/v1/ztf"


def is_positive(candidate):
    return candidate["isdiffpos"] in {"t", "1"}


def test_every_object_that_brightened_is_a_row_with_the_packets_own_values(raw, url):
    broker = GenericBroker(url)
    rows = broker.query_alerts(ra=0.0, dec=0.0, radius=180.0, radius_units="deg")
    found = {row["objectId"]: row for row in rows}
    assert len(found) == len(rows)
    brightened = {
        name for name, packets in raw.items() if any(is_positive(p["candidate"]) for p in packets)
    }
    # Others may have brightened once before; those that did tonight are all there.
    assert brightened <= set(found) <= set(raw)
    assert len(brightened) > 300
    for name in brightened:
        candidate = found[name]["candidate"]
        tonight = {p["candid"]: p["candidate"] for p in raw[name] if is_positive(p["candidate"])}
        said = tonight[candidate["candid"]]
        assert candidate["magpsf"] == pytest.approx(said["magpsf"], abs=1e-5)
        assert candidate["sigmapsf"] == pytest.approx(said["sigmapsf"], rel=1e-4)
        assert candidate["fid"] == said["fid"]
        # The middle of an exposure and not its beginning.
        assert (candidate["jd"] - said["jd"]) * DAY_S == pytest.approx(15.0, abs=1.0)
        if len(raw[name]) == 1:
            assert (candidate["ra"], candidate["dec"]) == (said["ra"], said["dec"])
            for field in ("drb", "sgscore1", "distpsnr1", "ssdistnr"):
                # ZTF's -999 is no value.
                value = None if said[field] is None or said[field] < 0.0 else said[field]
                assert candidate[field] == pytest.approx(value, abs=1e-6)
        assert candidate["jdstarthist"] <= said["jdstarthist"] + 1e-4


def test_a_crossmatch_takes_what_lies_in_the_circle_and_measures_all_of_it(raw, url):
    latest = max(p["candidate"]["jd"] for packets in raw.values() for p in packets)
    centre = max(raw.values(), key=len)[0]["candidate"]
    event = Event("1", latest - 0.5, centre["ra"], centre["dec"], 5.0)
    crossmatch = Crossmatch(GenericBroker(url), "ZTF")
    matched = crossmatch.run(event)
    expected = {
        name
        for name, packets in raw.items()
        if any(is_positive(p["candidate"]) for p in packets)
        and event.separation_deg(packets[0]["candidate"]["ra"], packets[0]["candidate"]["dec"])
        < event.error_deg - 0.01
        and max(p["candidate"]["jd"] for p in packets if is_positive(p["candidate"])) > latest - 1.4
    }
    assert expected
    assert expected <= set(matched)
    assert crossmatch.undated == 0
    for name in matched:
        kept = [p for p in crossmatch.photometry[name] if p["origin"] is None]
        assert kept
        magnitudes = sorted(23.9 - 2.5 * math.log10(p["flux"]) for p in kept)
        known = {round(p["candidate"]["magpsf"], 4) for p in raw[name]} | {
            round(past["magpsf"], 4)
            for p in raw[name]
            for past in p["prv_candidates"] or []
            if past.get("magpsf") is not None
        }
        assert all(min(abs(m - k) for k in known) < 1e-3 for m in magnitudes)


def test_the_dates_of_a_window_are_julian_dates_of_rows(url):
    broker = GenericBroker(url)
    asked = {"ra": 0.0, "dec": 0.0, "radius": 180.0, "radius_units": "deg"}
    jds = [row["jd"] for row in broker.query_alerts(**asked)]
    assert jds == sorted(jds)
    middle = jds[len(jds) // 2]
    later = [row["jd"] for row in broker.query_alerts(**asked, jd_start=middle)]
    assert later == [jd for jd in jds if jd >= middle]
    assert jds[0] > jd_of_unix_s(1_700_000_000.0)
