"""What records of images say, in whatever pieces and order they come."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.errors import MalformedAlertError
from correlator.wire import of_json, to_json
from ingest_optical.decoder import look_at
from ingest_optical.exposures import CELL_ORDER, Exposure, ExposureLog
from ingest_optical.packets import read_packets
from skymaps.healpix import coarsen, index_29_of
from tests.ingest_optical.packet_factory import lsst_confluent_packet, lsst_record, ztf_packet

exposures = st.builds(
    Exposure,
    survey=st.just("ztf"),
    exposure_id=st.just("1"),
    time_unix_s=st.sampled_from([1.7e9, 1.7e9 + 1.0]),
    exposure_s=st.sampled_from([None, 30.0, 60.0]),
    band=st.sampled_from("gr"),
    limit_mag_ab=st.sampled_from([None, 20.0, 20.5]),
    cells_8=st.frozensets(st.integers(0, 5)).map(lambda cells: tuple(sorted(cells))),
    passed=st.just(()),
    rejected=st.just(()),
).flatmap(
    lambda e: st.lists(st.tuples(st.sampled_from("abcd"), st.booleans())).map(
        lambda ids: with_ids(e, ids)
    )
)


def with_ids(exposure, ids):
    passed = {i for i, is_passed in ids if is_passed}
    rejected = {i for i, _ in ids} - passed
    said = {name: getattr(exposure, name) for name in Exposure.__slots__}
    return Exposure(**said | {"passed": tuple(sorted(passed)), "rejected": tuple(sorted(rejected))})


@given(exposures, exposures, exposures)
def test_the_order_and_the_number_of_times_that_records_come_do_not_matter(a, b, c):
    assert a.joined(b) == b.joined(a)
    assert a.joined(b).joined(c) == a.joined(b.joined(c))
    assert a.joined(a) == a
    assert a.joined(b).joined(a) == a.joined(b)


def test_two_images_are_not_joined():
    one = a_log_of([ztf_packet()])[0]
    other = a_log_of([ztf_packet(pid=7)])[0]
    with pytest.raises(ValueError, match="one image must be joined with itself"):
        one.joined(other)


def a_log_of(packets, is_passed=True):
    log = ExposureLog()
    for packet in packets:
        assert log.note(look_at(packet), is_passed)
    return log.empty()


def joined(records):
    found = {}
    for record in records:
        known = found.get(record.exposure_id)
        found[record.exposure_id] = record if known is None else known.joined(record)
    return found


alerts = st.lists(
    st.tuples(st.integers(1, 3), st.integers(100, 106), st.floats(0.0, 360.0), st.booleans()),
    max_size=12,
)


@given(alerts, st.lists(st.integers(0, 11), max_size=4))
def test_any_division_of_the_alerts_among_readings_says_the_same(noted, cuts):
    def read(some):
        log = ExposureLog()
        for pid, candid, ra_deg, is_passed in some:
            log.note(look_at(ztf_packet(pid=pid, candid=candid, ra=ra_deg)), is_passed)
        return log.empty()

    ends = sorted({0, len(noted), *(cut for cut in cuts if cut < len(noted))})
    parts = [noted[begin:end] for begin, end in itertools.pairwise(ends)]
    twice = [record for part in (*parts, *parts[:1]) for record in read(part)]
    assert joined(twice) == joined(read(noted))


def test_an_exposure_of_ztf_says_when_where_and_how_deep():
    packets = [ztf_packet(candid=5, ra=10.0, dec=20.0), ztf_packet(candid=4, ra=11.0, dec=20.0)]
    log = ExposureLog()
    assert log.note(look_at(packets[0]), is_passed=True)
    assert log.note(look_at(packets[1]), is_passed=False)
    (exposure,) = log.empty()
    look = look_at(packets[0])
    cells = coarsen(index_29_of([10.0, 11.0], [20.0, 20.0]), CELL_ORDER).tolist()
    assert exposure == Exposure(
        survey="ztf",
        exposure_id="2570575813315",
        time_unix_s=look.detection.time_unix_s,
        exposure_s=30.0,
        band="r",
        limit_mag_ab=20.5,
        cells_8=tuple(sorted(cells)),
        passed=("5",),
        rejected=("4",),
    )
    assert (exposure.n_alerts, exposure.n_passed) == (2, 1)
    assert of_json(Exposure, to_json(exposure)) == exposure
    assert log.empty() == []


def test_an_exposure_of_lsst_is_a_detector_of_a_visit():
    (exposure,) = a_log_of([lsst_confluent_packet(1101, lsst_record())])
    assert exposure.exposure_id == "2026021800242/9"
    assert exposure.limit_mag_ab is None


def test_an_alert_without_an_image_is_not_counted():
    log = ExposureLog()
    assert not log.note(look_at(ztf_packet(pid=None)), is_passed=True)
    assert log.empty() == []


def test_a_place_that_cannot_be_is_refused_before_it_is_counted():
    log = ExposureLog()
    with pytest.raises(MalformedAlertError, match="ra must lie"):
        log.note(look_at(ztf_packet(ra=400.0)), is_passed=False)
    assert log.empty() == []


@pytest.mark.real_data
def test_every_alert_of_a_real_night_lies_on_one_image(real_data):
    log = ExposureLog()
    looks = [look_at(p) for p in read_packets(real_data / "nights" / "2024-01-15" / "alerts")]
    assert all(log.note(look, is_passed=True) for look in looks)
    found = log.empty()
    assert len(found) == 810
    assert sum(e.n_alerts for e in found) == 849
    assert all(e.limit_mag_ab is not None for e in found)
