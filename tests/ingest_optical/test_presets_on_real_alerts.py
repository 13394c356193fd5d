"""Each preset on every real alert, against its source's rule written out on the packet's fields."""

import collections
import io

import fastavro
import orjson
import pytest
from pyarrow import parquet

from correlator.errors import MalformedAlertError
from ingest_optical.decoder import decode_prefix
from ingest_optical.packets import read_packets
from ingest_optical.quality import PRESETS, rejections

UNKNOWN = -999.0


def known(value):
    return value is not None and value != UNKNOWN


def real_bogus(c):
    return c["drb"] if known(c.get("drb")) else c["rb"]


def near(c, name, limit):
    return known(c.get(name)) and 0.0 <= c[name] <= limit


def is_star(c, least):
    return known(c["sgscore1"]) and c["sgscore1"] >= least


def is_good(c):
    return c["rb"] >= 0.55 and c["nbad"] == 0


# What passes, in the words of each source (shared reference notes, optical 2); a null fails.
ZTF_RULES = {
    "none": lambda c: True,
    "fink": is_good,
    "antares": lambda c: (
        is_good(c)
        and known(c["magdiff"])
        and -1.0 <= c["magdiff"] <= 1.0
        and c["fwhm"] <= 5.0
        and c["elong"] <= 1.2
    ),
    "ztfrest": lambda c: (
        real_bogus(c) > 0.9
        and c["magpsf"] > 12.0
        and c["isdiffpos"] in ("t", "1")
        and not (near(c, "ssdistnr", 1e9) and c["ssdistnr"] < 10.0)
        and not (near(c, "distpsnr1", 1e9) and c["distpsnr1"] < 1.5 and c["sgscore1"] > 0.5)
    ),
    "nuztf": lambda c: c["isdiffpos"] in ("t", "1") and real_bogus(c) >= 0.3,
    "babamul": lambda c: real_bogus(c) >= 0.2,
    "fink-mm-prior": lambda c: (
        not near(c, "ssdistnr", 5.0)
        and not (near(c, "distpsnr1", 2.0) and is_star(c, 0.5))
        and not near(c, "neargaia", 5.0)
    ),
}
ZTF_PASSED = {
    "none": 1477,
    "babamul": 1433,
    "fink": 1378,
    "antares": 1127,
    "nuztf": 861,
    "ztfrest": 272,
    "fink-mm-prior": 251,
}
"""Most of the packets were chosen by Fink's cuts: of a raw stream much less passes."""

ANTARES_FLAGS = "psfFlux_flag centroid_flag shape_flag isDipole pixelFlags_saturated"
ANTARES_FLAGS += " pixelFlags_edge pixelFlags_cr pixelFlags_streak"
FINK_FLAGS = "isDipole pixelFlags pixelFlags_bad pixelFlags_saturated pixelFlags_streakCenter"
FINK_FLAGS += " pixelFlags_interpolated pixelFlags_cr pixelFlags_nodata pixelFlags_streak"
FINK_FLAGS += " pixelFlags_edge psfFlux_flag apFlux_flag forced_PsfFlux_flag"
FINK_FLAGS += " forced_PsfFlux_flag_edge shape_flag centroid_flag"

RUBIN_RULES = {
    "none": lambda s: True,
    "antares-lsst": lambda s: (
        s["reliability"] >= 0.6
        and not s["ssObjectId"]
        and not any(s[flag] for flag in ANTARES_FLAGS.split())
    ),
    "rubin-good": lambda s: (
        s["psfFlux"] >= 0.0
        and s["psfFlux"] / s["psfFluxErr"] >= 6.0
        and not any(s[flag] for flag in FINK_FLAGS.split())
    ),
}
RUBIN_PASSED = {"none": 164, "rubin-good": 93, "antares-lsst": 74}


@pytest.fixture(scope="module")
def ztf(real_data):
    """All alerts of ZTF's, each once, with the candidate as another reader has it."""
    found = {}
    folders = "optical/ztf", "optical/fink/ztf", "nights/2024-01-15/alerts"
    for packet in (p for folder in folders for p in read_packets(real_data / folder)):
        try:
            alert = decode_prefix(packet)
        except MalformedAlertError:
            continue
        if packet.data[:4] == b"Obj\x01":
            (record,) = fastavro.reader(io.BytesIO(packet.data))
        else:
            record = orjson.loads(packet.data)
        found[alert.alert_id] = alert, record["candidate"]
    return list(found.values())


@pytest.mark.real_data
def test_each_preset_of_ztf_passes_what_its_source_passes(ztf):
    passed = collections.Counter()
    for alert, candidate in ztf:
        for name, rule in ZTF_RULES.items():
            reasons = rejections(alert, PRESETS[name])
            assert (not reasons) == rule(candidate), (name, alert.alert_id, reasons)
            passed[name] += not reasons
    assert passed == ZTF_PASSED


@pytest.mark.real_data
def test_the_reasons_of_a_rejection_are_counted(ztf):
    """An alert has each of its reasons, so that their sum exceeds the rejected."""
    reasons = [rejections(alert, PRESETS["antares"]) for alert, _ in ztf]
    counts = collections.Counter(reason for each in reasons for reason in each)
    assert counts == {"elongated": 258, "low_real_bogus_forest": 99, "wide": 47}
    assert sum(map(bool, reasons)) == 1477 - 1127 < sum(counts.values())


@pytest.mark.slow
@pytest.mark.real_data
def test_each_preset_of_rubin_passes_what_its_source_passes(real_data):
    passed, seen = collections.Counter(), set()
    for path in sorted((real_data / "optical/lsst/fink").rglob("*.parquet")):
        sources = parquet.read_table(path, columns=["diaSource"]).column(0).to_pylist()
        for packet, source in zip(read_packets(path), sources, strict=True):
            if source["diaSourceId"] in seen:
                continue
            seen.add(source["diaSourceId"])
            alert = decode_prefix(packet)
            for name, rule in RUBIN_RULES.items():
                reasons = rejections(alert, PRESETS[name])
                assert (not reasons) == rule(source), (name, alert.alert_id, reasons)
                passed[name] += not reasons
    assert passed == RUBIN_PASSED


def test_every_preset_has_a_rule_here():
    assert {*ZTF_RULES, *RUBIN_RULES} == set(PRESETS)
