"""When and where real packets say it was: clocks, exposures, signs, and what stands for nothing.

The moments of the table are astropy's, of the dates in the packets as fastavro and pyarrow give
them. Which clock a survey's date runs on is not in the packet: two tests ask independent clocks
(here Fink's; in `test_real_packets` IPAC's, which names the images of ZTF).
"""

import collections
import io

import fastavro
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time
from pyarrow import parquet

from ingest_optical.decoder import decode
from ingest_optical.packets import read_packets
from skymaps.healpix import index_29_of
from tests.ingest_optical.packet_factory import lsst_json_packet, ztf_packet

ZTF, FINK_ZTF, FINK = "optical/ztf", "optical/fink/ztf/fink_science", "optical/lsst/fink"
AMPEL, V4 = f"{ZTF}/ampel", f"{ZTF}/brokers_v4"
JANUARY, JUNE = "fink_science_rubin_v10_25alerts", "fink_filters_faint_trails_10alerts"
MARCH = "ftransfer_lsst_2026-03-27_all107_nocutouts"

MIDDLES = [
    # The first alert of a file with this exposure [s]; its beginning (ZTF, UTC) or middle (Rubin,
    # TAI) as the packet says, and its middle in UTC. Before 3.1 ZTF does not say how long: 30 s.
    (f"{AMPEL}/516171791415015025.avro", None, "2018-06-01", "04:07:23.002", "04:07:38.002"),
    (f"{AMPEL}/ZTF18abxhyqv.tar.gz", 30.0, "2018-11-05", "06:50:48.002", "06:51:03.002"),
    (f"{ZTF}/alerce/820128985115015000.avro", 30.0, "2019-04-01", "03:05:44.002", "03:05:59.002"),
    (f"{AMPEL}/ZTF18acruwxq.tar.gz", 30.0, "2020-10-23", "08:17:27.001", "08:17:42.001"),
    (f"{V4}/2695378462115010012.avro", 30.0, "2024-05-19", "09:04:58.996", "09:05:13.996"),
    (f"{FINK_ZTF}_hostless.nocut.parquet", 240.0, "2024-04-10", "09:16:41.998", "09:18:41.998"),
    # 36 leap seconds in 2016, 37 since 2017.
    ("optical/lsst/ampel/schema_701.avro", None, "2016-03-07", "07:54:09.930", "07:53:33.930"),
    ("optical/lsst/boom", None, "2025-10-13", "05:35:39.168", "05:35:02.168"),
    (f"{FINK}/{JANUARY}.parquet", None, "2026-01-01", "05:25:01.976", "05:24:24.976"),
    (f"{FINK}/{JUNE}.parquet", None, "2026-06-28", "09:38:40.493", "09:38:03.493"),
]


@pytest.mark.real_data
@pytest.mark.parametrize(("file", "exposure_s", "day", "said", "middle"), MIDDLES)
def test_the_middle_of_an_exposure_is_in_utc(real_data, file, exposure_s, day, said, middle):
    alerts = map(decode, read_packets(real_data / file))
    alert = next(alert for alert in alerts if alert.exposure_s == exposure_s)
    expected = Time(f"{day}T{middle}", scale="utc").unix
    assert alert.time_unix_s == pytest.approx(expected, abs=1e-3)
    # And from what the packet says, by the rule of its survey.
    scale, after_s = ("utc", (exposure_s or 30.0) / 2) if alert.survey == "ztf" else ("tai", 0.0)
    expected = Time(f"{day}T{said}", scale=scale).unix + after_s
    assert alert.time_unix_s == pytest.approx(expected, abs=1e-3)


@pytest.mark.real_data
def test_rubin_s_clock_runs_ahead_of_utc(real_data):
    """By the clock of Fink (UTC), as it stands, Rubin has processed alerts after Fink took them."""
    naive_s = []
    for name in (JANUARY, MARCH):
        path = real_data / FINK / f"{name}.parquet"
        for row in parquet.read_table(path, columns=["diaSource", "brokerIngestMjd"]).to_pylist():
            processed = row["diaSource"]["timeProcessedMjdTai"]
            naive_s.append(86_400.0 * (row["brokerIngestMjd"] - processed))
    assert len(naive_s) == 132
    # Up to 31 s too early: whatever Rubin's clock is, it is at least that much ahead of UTC.
    assert sum(wait < 0.0 for wait in naive_s) == 68
    assert -31.0 < min(naive_s) < -30.0
    assert min(wait + 37.0 for wait in naive_s) > 0.0


def records_of(data):
    return list(fastavro.reader(io.BytesIO(data)))


@pytest.mark.real_data
def test_each_spelling_of_a_sign_in_real_packets_is_the_sign_of_its_flux(real_data):
    spellings = collections.Counter()
    for packet in read_packets(real_data / "optical/ztf"):
        if packet.problem or packet.data[:4] != b"Obj\x01":
            continue
        (record,) = records_of(packet.data)
        alert = decode(packet, max_points=None)
        signs = {d.source_id: d.is_positive for d in (*alert.history, alert.detection)}
        for row in (record["candidate"], *(record.get("prv_candidates") or ())):
            if row["candid"] is not None:
                assert signs[str(row["candid"])] == (row["isdiffpos"] in ("t", "1"))
                spellings[row["isdiffpos"]] += 1
    assert spellings == {"t": 1401, "f": 387, "1": 85, "0": 10}


@pytest.mark.real_data
def test_what_stands_for_nothing_in_rubin_s_packets_is_nothing(real_data):
    """An id is 0 where the schema says null; an absent record is one of nulls in Fink's tables."""
    kinds = collections.Counter()
    path = real_data / FINK / f"{MARCH}.parquet"
    columns = ["diaSource", "ssSource", "diaObject"]
    rows = parquet.read_table(path, columns=columns).to_pylist()
    for alert, row in zip(map(decode, read_packets(path)), rows, strict=True):
        source, ephemeris, dia_object = (row[name] for name in columns)
        is_linked, is_static = bool(source["ssObjectId"]), bool(source["diaObjectId"])
        kinds[source["ssObjectId"] == 0, source["diaObjectId"] == 0] += 1
        assert is_linked != is_static
        assert is_linked == any(ephemeris.values())
        assert is_static == any(dia_object.values())
        assert alert.object_id == (
            f"sso{source['ssObjectId']}" if is_linked else str(source["diaObjectId"])
        )
        assert (alert.surroundings.solar_system_name is not None) == is_linked
        assert alert.survey_first_unix_s is None
    assert kinds == {(True, False): 82, (False, True): 25}


PLACES = [(0.0, 360.0, 10.0), (0.0, 360.0, -60.0), (10.0, 200.0, 90.0), (10.0, 200.0, -90.0)]


@pytest.mark.parametrize("packet_at", [ztf_packet, lsst_json_packet])
@pytest.mark.parametrize(("ra_deg", "same_ra_deg", "dec_deg"), PLACES)
def test_one_place_is_one_place_however_it_is_written(packet_at, ra_deg, same_ra_deg, dec_deg):
    """Both ends of right ascension, and the poles, at any right ascension."""
    one = decode(packet_at(ra=ra_deg, dec=dec_deg))
    other = decode(packet_at(ra=same_ra_deg, dec=dec_deg))
    apart = SkyCoord(one.ra_deg, one.dec_deg, unit="deg").separation(
        SkyCoord(other.ra_deg, other.dec_deg, unit="deg")
    )
    assert apart.arcsec < 1e-9
    for alert in (one, other):
        assert alert.index_29 == index_29_of([alert.ra_deg], [alert.dec_deg])[0]
    if abs(dec_deg) < 90.0:
        assert one.index_29 == other.index_29
    else:
        # Four faces meet at a pole: the places are the same, their cells are neighbours.
        assert one.index_29 != other.index_29


@pytest.mark.parametrize("packet_at", [ztf_packet, lsst_json_packet])
def test_a_step_over_the_end_of_right_ascension_is_a_small_step(packet_at):
    before, after = (decode(packet_at(ra=ra, dec=0.0)) for ra in (359.9999999, 1e-7))
    assert before.ra_deg > 359.0
    assert after.ra_deg < 1.0
    assert before.index_29 != after.index_29
