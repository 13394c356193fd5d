"""Real packets: every one of them, against readings that do not pass through our code."""

import collections
import dataclasses
import datetime as dt
import io
import json
import math
import statistics

import fastavro
import pytest
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from correlator.errors import MalformedAlertError
from correlator.service.alert_row import alert_row
from ingest_optical.decoder import decode, decode_prefix
from ingest_optical.packets import RawPacket, read_packets
from ingest_optical.quality import PRESETS, prior_filter, rejections
from tests.ingest_optical.test_decoder import assert_alert_or_named_error

pytestmark = pytest.mark.real_data


def understood(*paths):
    """Alerts and errors of all packets below the paths, with the packets."""
    alerts, errors = [], []
    for path in paths:
        for packet in read_packets(path):
            try:
                alerts.append((packet, decode(packet)))
            except MalformedAlertError as problem:
                errors.append((packet, problem))
    return alerts, errors


@pytest.fixture(scope="session")
def night(real_data):
    alerts, errors = understood(real_data / "nights" / "2024-01-15" / "alerts")
    assert errors == []
    return alerts


@pytest.fixture(scope="session")
def rubin(real_data):
    alerts, errors = understood(
        *sorted((real_data / "optical/lsst/fink").rglob("*.parquet")),
        real_data / "optical/lsst/boom",
    )
    assert errors == []
    return alerts


@pytest.fixture(scope="session")
def ztf(real_data):
    alerts, errors = understood(real_data / "optical/ztf", real_data / "optical/fink/ztf")
    assert [problem.rule[:12] for _, problem in errors] == ["a JSON alert"]  # AMPEL's light curve
    return alerts


def test_every_alert_of_a_night_is_understood(night):
    assert len(night) == 849
    assert len({alert.alert_id for _, alert in night}) == 849
    assert len({alert.object_id for _, alert in night}) == 846
    assert {(alert.survey, alert.schema_version) for _, alert in night} == {("ztf", "4.02")}


def test_every_real_lsst_alert_is_understood(rubin):
    assert len(rubin) == 178 + 1
    by_id = {alert.alert_id: alert for _, alert in rubin}
    assert len(by_id) == 164 + 1
    asteroids = [a for a in by_id.values() if a.object_id.startswith("sso")]
    assert len(asteroids) == 38
    assert all(a.surroundings.solar_system_name for a in asteroids)
    assert all(0.0 < a.surroundings.solar_system_sep_arcsec < 1.0 for a in asteroids)
    versions = collections.Counter(a.schema_version for a in by_id.values())
    assert versions == {"10.0": 164, "9.0": 1}


def test_every_real_ztf_packet_is_understood(ztf):
    assert collections.Counter(alert.schema_version for _, alert in ztf) == {
        "1.8": 34,
        "3.0": 30,
        "3.1": 1,
        "3.2": 9,
        "3.3": 321,
        "4.01": 17,
        "4.02": 216,
    }


def test_ids_need_and_keep_64_bits(night, rubin):
    for _, alert in (*night, *rubin):
        assert int(alert.alert_id) > 2**32
        assert float(alert.alert_id) >= 1e15
    assert any(int(float(a.alert_id)) != int(a.alert_id) for _, a in night)


def test_a_first_look_agrees_with_the_whole_alert(night, rubin, ztf):
    for packet, alert in (*night, *ztf, *rubin):
        prefix = decode_prefix(packet)
        expected = dataclasses.replace(alert, history=(), limits=(), forced=())
        if alert.survey == "lsst":
            # Designation and ephemeris stand after the history.
            expected = dataclasses.replace(expected, surroundings=prefix.surroundings)
        assert prefix == expected
        named = prefix.surroundings.solar_system_name is not None
        assert named == (alert.surroundings.solar_system_name is not None)
        for cuts in PRESETS.values():
            # The distance to a Rubin ephemeris stands after the history too.
            if alert.survey == "ztf" or cuts.solar_system_sep_arcsec is None:
                assert rejections(prefix, cuts) == rejections(alert, cuts)


def test_a_row_decodes_to_the_same_alert_again(night, rubin):
    for packet, alert in (*night[:50], *rubin[:20]):
        assert decode(RawPacket(packet.name, None, bytes(packet.data))) == alert


def test_a_history_is_ordered_and_never_holds_the_own_detection(night, rubin, ztf):
    for _, alert in (*night, *rubin, *ztf):
        times = [d.time_unix_s for d in alert.history]
        assert times == sorted(times)
        assert len(times) <= 128
        assert alert.alert_id not in {d.source_id for d in alert.history}
        assert len({d.source_id for d in alert.history}) == len(times)


def test_ztf_exposures_start_with_the_image_that_is_named_after_its_time(real_data, night):
    """IPAC names an image by UTC day fraction when it was ordered: an independent clock.

    The exposure starts then or up to a minute later. A TAI clock would show 37 s in the median, a
    ``jd`` at the middle of the exposure 15 s.
    """
    told = {alert.alert_id: alert for _, alert in night}
    waits_s = []
    for path in sorted((real_data / "nights/2024-01-15/alerts").glob("*.parquet")):
        for row in parquet.read_table(path, columns=["candidate"]).column(0).to_pylist():
            alert = told[str(row["candid"])]
            stamp = row["pdiffimfilename"].split("/")[-1].split("_")[1]
            day = dt.datetime.strptime(stamp[:8], "%Y%m%d").replace(tzinfo=dt.UTC)
            ordered_unix_s = day.timestamp() + float(f"0.{stamp[8:]}") * 86_400.0
            waits_s.append(alert.time_unix_s - alert.exposure_s / 2 - ordered_unix_s)
    assert len(waits_s) == 849
    # Six digits of a day: 0.09 s.
    assert -0.1 < min(waits_s) < max(waits_s) < 60.0
    assert statistics.median(waits_s) < 1.0


def test_long_exposures_have_their_own_middle(real_data, ztf):
    told = {alert.alert_id: alert for _, alert in ztf}
    n_long = 0
    for path in sorted((real_data / "optical/fink/ztf").glob("*.parquet")):
        for row in parquet.read_table(path, columns=["candidate"]).column(0).to_pylist():
            if row["exptime"] == 240.0:
                middle = Time(row["jd"], format="jd", scale="utc").unix + 120.0
                assert told[str(row["candid"])].time_unix_s == pytest.approx(middle, abs=1e-4)
                n_long += 1
    assert n_long == 19


def test_lsst_times_are_37_s_behind_their_tai(real_data, rubin):
    told = {alert.alert_id: alert for _, alert in rubin}
    path = real_data / "optical/lsst/fink/ftransfer_lsst_2026-03-27_all107_nocutouts.parquet"
    sources = parquet.read_table(path, columns=["diaSource"]).column(0).to_pylist()
    for source in sources:
        alert = told[str(source["diaSourceId"])]
        expected = Time(source["midpointMjdTai"], format="mjd", scale="tai").unix
        assert alert.time_unix_s == pytest.approx(expected, abs=1e-5)
        naive = (source["midpointMjdTai"] - 40_587.0) * 86_400.0
        assert naive - alert.time_unix_s == pytest.approx(37.0, abs=1e-5)
    assert len(sources) == 107


def test_packets_of_2016_are_36_s_behind_their_tai(real_data):
    alerts, _ = understood(real_data / "optical/lsst/ampel/schema_701.avro")
    path = real_data / "optical/lsst/ampel/schema_701.avro"
    sources = [r["diaSource"] for r in fastavro.reader(io.BytesIO(path.read_bytes()))]
    assert len(alerts) == len(sources) == 10
    for (_, alert), source in zip(alerts, sources, strict=True):
        naive = (source["midpointMjdTai"] - 40_587.0) * 86_400.0
        assert naive - alert.time_unix_s == pytest.approx(36.0, abs=1e-5)


def test_magnitudes_and_signs_are_those_of_the_packets(real_data, night):
    told = {alert.alert_id: alert.detection for _, alert in night}
    for path in sorted((real_data / "nights/2024-01-15/alerts").glob("*.parquet")):
        for row in parquet.read_table(path, columns=["candidate"]).column(0).to_pylist():
            detection = told[str(row["candid"])]
            size_njy = abs(detection.flux_njy)
            assert 31.4 - 2.5 * math.log10(size_njy) == pytest.approx(row["magpsf"], abs=1e-9)
            assert detection.is_positive == (row["isdiffpos"] == "t")


def test_a_sentinel_never_survives(night, ztf):
    for _, alert in (*night, *ztf):
        row = alert_row(alert)
        assert -999.0 not in row.values()
        assert "null" not in row.values()
        assert json.loads(json.dumps(row)) == row


def test_the_prior_filter_of_fink_mm_leaves_what_fink_mm_leaves(night):
    """Fink_MM's own night: 59 alerts with its star score of 0.5, 53 with a score of 0."""
    alerts = [alert for _, alert in night]
    assert sum(not prior_filter(alert) for alert in alerts) == 59
    any_star = dataclasses.replace(PRESETS["fink-mm-prior"], star_score=0.0)
    assert sum(not rejections(alert, any_star) for alert in alerts) == 53


def test_the_afterglow_of_grb_210204a_passes_the_default_gate(real_data):
    path = real_data / "truth" / "fink_ZTF21aagwbjr_alerts.parquet"
    alerts = [decode(packet) for packet in read_packets(path)]
    assert [alert.alert_id for alert in alerts] == [
        "1498212661615015007",
        "1496327991615015006",
        "1496256161615015006",
    ]
    assert {alert.object_id for alert in alerts} == {"ZTF21aagwbjr"}
    assert alerts[2].ra_deg == pytest.approx(117.0803, abs=1e-3)
    assert [rejections(alert, PRESETS["fink"]) for alert in alerts] == [(), (), ()]


def test_forced_limits_of_real_packets_never_precede_the_first_source(rubin):
    """Rubin delivers no limits from before the discovery yet; this fails once it does."""
    for _, alert in rubin:
        first = min(d.time_unix_s for d in (*alert.history, alert.detection))
        assert all(limit.time_unix_s >= first for limit in alert.limits)
        assert {limit.n_sigma for limit in alert.limits} <= {3.0}


@pytest.mark.slow
def test_rubins_forced_photometry_is_that_of_the_record(real_data):
    """Restated from the tables: every measurement with flux and error, at its TAI moment."""
    n_told = 0
    for path in sorted((real_data / "optical/lsst/fink").rglob("*.parquet")):
        rows = parquet.read_table(path, columns=["prvDiaForcedSources"]).to_pylist()
        for packet, row in zip(read_packets(path), rows, strict=True):
            expected = {
                str(f["diaForcedSourceId"]): (f["band"], f["psfFlux"], f["psfFluxErr"])
                for f in row["prvDiaForcedSources"] or ()
                if f["psfFlux"] is not None and f["psfFluxErr"]
            }
            whole = decode(packet, max_points=None)
            assert {
                f.forced_id: (f.band, f.flux_njy, f.flux_err_njy) for f in whole.forced
            } == expected
            assert list(whole.forced) == sorted(
                whole.forced, key=lambda f: (f.time_unix_s, f.forced_id)
            )
            slim = decode(packet)
            assert set(slim.forced) <= set(whole.forced)
            assert len(slim.forced) <= 16
            assert all(abs(f.snr) >= 3.0 for f in slim.forced)
            n_told += len(whole.forced)
    assert n_told > 10_000


def test_ztfs_forced_fluxes_agree_with_the_magnitudes_of_the_same_images(ztf):
    """The zero points are right: 35 images have a detection and a forced flux."""
    ratios = []
    for packet, _ in ztf:
        alert = decode(packet, max_points=None)
        by_time = {d.time_unix_s: d for d in (*alert.history, alert.detection)}
        for forced in alert.forced:
            if (detection := by_time.get(forced.time_unix_s)) is not None:
                assert forced.band == detection.band
                ratios.append(forced.flux_njy / detection.flux_njy)
    assert len(ratios) >= 35
    assert statistics.median(ratios) == pytest.approx(1.0, abs=0.05)
    assert 0.5 < min(ratios) <= max(ratios) < 1.2


def test_what_is_no_alert_is_a_named_error(real_data):
    files = sorted(p for p in (real_data / "optical").rglob("*") if p.is_file())
    # The alerts themselves are the other tests' matter.
    _, errors = understood(*(p for p in files if p.parent.name != "fink" or p.suffix != ".parquet"))
    kinds = collections.Counter(problem.rule.split(",")[0][:44] for _, problem in errors)
    assert kinds == {
        "an optical packet file must end in one of .a": 65,
        "a JSON alert must have candidate": 5,
        "a filter of Lasair's must send its light cur": 32,
        "a table of alerts must have the columns obje": 5,
        "the schema must be an alert of ZTF or LSST": 4,
        "diaObjectId or ssObjectId must be known": 8,
    }
    assert all(packet.data for packet, _ in errors)


@pytest.fixture(scope="session")
def seeds(real_data):
    files = (
        "ztf/brokers_v4/2695378462115010012.avro",
        "ztf/ampel/516171791415015025.avro",
        "lsst/boom/7912941781254298_confluent_id900.avro",
        "fink/ztf/fink_broker_raw_part-00001.parquet",
    )
    return [next(iter(read_packets(real_data / "optical" / name))).data for name in files]


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 3),
    st.lists(st.tuples(st.floats(0.0, 1.0), st.binary(min_size=1, max_size=10)), max_size=5),
    st.sampled_from([200, 30_000, 10**9]),
)
def test_a_damaged_real_packet_is_an_alert_or_a_named_error(seeds, which, damage, region):
    data = bytearray(seeds[which])
    for where, written in damage:
        at = int(where * (min(region, len(data)) - 1))
        data[at : at + len(written)] = written
    packet = RawPacket("damaged", None, bytes(data))
    for understand in (decode_prefix, decode):
        assert_alert_or_named_error(understand, packet)
