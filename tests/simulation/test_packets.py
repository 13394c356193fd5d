"""Alert packets decode, hold legal values, and agree with each other."""

import fastavro
import numpy as np
import pytest

from correlator.simulation.packets import object_ids, schema


@pytest.fixture(scope="module")
def records(night_folder):
    rows = []
    for path in sorted((night_folder / "alerts").iterdir()):
        with path.open("rb") as file:
            rows += list(fastavro.reader(file))
    return rows


@pytest.fixture(scope="module")
def candidates(records):
    return [r["candidate"] for r in records]


def values(rows, name):
    return np.array([row[name] for row in rows])


def test_the_schema_has_the_name_that_readers_know_and_valid_avro():
    parsed = fastavro.parse_schema(schema())
    assert parsed["name"] == "ztf.alert"
    assert [f["name"] for f in parsed["fields"]][:5] == [
        "schemavsn", "publisher", "objectId", "candid", "candidate",
    ]  # fmt: skip


def test_the_packets_say_that_they_are_simulated(records):
    assert {r["publisher"] for r in records} == {"simulated night, not ZTF"}


@pytest.mark.real_data
def test_every_field_has_the_type_that_ztf_gives_it(real_data):
    path = next((real_data / "optical" / "ztf" / "brokers_v4").glob("2695*.avro"))
    with path.open("rb") as file:
        real = fastavro.reader(file).writer_schema
    for part in ("candidate", "prv_candidates"):
        theirs = {f["name"]: f["type"] for f in fields_of(real, part)}
        for field in fields_of(schema(), part):
            assert field["type"] == theirs[field["name"]], (part, field["name"])


def fields_of(definition, part):
    kind = next(f["type"] for f in definition["fields"] if f["name"] == part)
    if isinstance(kind, list):
        kind = next(k for k in kind if k != "null")["items"]
    return kind["fields"]


def test_ids_are_unique_and_have_the_form_of_ztf(records):
    candids = [r["candid"] for r in records]
    assert len(set(candids)) == len(candids)
    assert all(10**18 < c < 2**63 for c in candids)
    assert all(r["candid"] == r["candidate"]["candid"] for r in records)
    names = {r["objectId"] for r in records}
    assert all(
        n[:3] == "ZTF" and n[3:5].isdigit() and n[5:].islower() and len(n) == 12 for n in names
    )


def test_no_two_sources_share_an_object_id():
    sources = np.arange(3_000)
    ids = np.concatenate([object_ids(f, sources, np.full(3_000, 26)) for f in range(0, 661, 60)])
    assert len(np.unique(ids)) == len(ids)


def test_fields_lie_in_their_legal_ranges(candidates):
    assert set(values(candidates, "fid")) == {1, 2}
    assert set(values(candidates, "isdiffpos")) == {"t", "f"}
    assert ((values(candidates, "rcid") >= 0) & (values(candidates, "rcid") < 64)).all()
    for name, lo, hi in (
        ("ra", 0.0, 360.0), ("dec", -30.0, 90.0), ("magpsf", 12.4, 21.4),
        ("sigmapsf", 0.01, 0.22), ("diffmaglim", 16.5, 21.5), ("rb", 0.0, 1.0),
        ("drb", 0.0, 1.0), ("nbad", 0, 25), ("fwhm", 0.5, 15.0), ("elong", 1.0, 4.0),
        ("scorr", 5.0, 60.0), ("exptime", 30.0, 30.0), ("ndethist", 1, 10_000),
    ):  # fmt: skip
        found = values(candidates, name)
        assert lo <= found.min(), name
        assert found.max() <= hi, name
    for name in ("sgscore1", "distpsnr1", "ssdistnr", "neargaia"):
        found = values(candidates, name)
        assert (((found >= 0.0) & (found < 91.0)) | (found == -999.0)).all(), name
    assert set(values(candidates, "ssdistnr") < 0.0) == {True, False}
    assert all((c["ssdistnr"] == -999.0) == (c["ssnamenr"] == "null") for c in candidates)


def test_the_beginning_of_a_history_is_not_after_the_alert(candidates):
    assert all(c["jdstarthist"] <= c["jd"] == c["jdendhist"] for c in candidates)
    assert all(c["ncovhist"] >= c["ndethist"] for c in candidates)


def test_histories_hold_detections_and_limits_of_the_thirty_days_before(records):
    n_detections = n_limits = 0
    for record in records:
        for row in record["prv_candidates"] or ():
            assert 0.0 < record["candidate"]["jd"] - row["jd"] <= 30.5
            if row["candid"] is None:
                n_limits += 1
                assert row["magpsf"] is None
                assert row["isdiffpos"] is None
                assert row["diffmaglim"] > 16.0
            else:
                n_detections += 1
                assert row["magpsf"] is not None
    assert n_detections > 0.05 * n_limits > 0


def test_an_alert_is_told_the_same_way_in_the_histories_that_follow(records):
    told = {r["candid"]: r["candidate"] for r in records}
    n = 0
    for record in records:
        for row in record["prv_candidates"] or ():
            if row["candid"] in told:
                n += 1
                own = told[row["candid"]]
                assert all(row[k] == own[k] for k in ("jd", "fid", "ra", "dec", "magpsf", "rb"))
    assert n > 100
