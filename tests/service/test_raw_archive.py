"""Nights of raw packets on disk: what is there is readable, also after a crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from correlator.service.raw_archive import RawArchive
from ingest_optical.decoder import decode
from ingest_optical.packets import RawPacket, read_packets
from storage.archive.nights import night_of
from tests.builders import an_alert
from tests.ingest_optical.packet_factory import lsst_confluent_packet, lsst_record, ztf_packet

NOON_UNIX_S = 1_705_320_000.0
"""2024-01-15 12:00 UTC."""

HOUR_S = 3600.0


def keep(archive, packet, at=0, topic="ztf_20240115_programid1"):
    archive.append(decode(packet), packet, (topic, 3), at)


@pytest.mark.parametrize(
    ("survey", "hours", "night"),
    [
        ("ztf", -12.0, "20240115"),
        ("ztf", 11.9, "20240115"),
        ("ztf", 12.0, "20240116"),
        ("lsst", -0.1, "20240114"),
        ("lsst", 0.0, "20240115"),
        ("lsst", 23.9, "20240115"),
    ],
)
def test_a_night_has_the_date_that_its_survey_gives_it(survey, hours, night):
    assert night_of(survey, NOON_UNIX_S + hours * HOUR_S) == night


def test_packets_of_a_night_are_read_again_as_they_were(tmp_path):
    archive = RawArchive(tmp_path, now=lambda: NOON_UNIX_S)
    packets = [ztf_packet(candid=n) for n in (5, 6, 7)]
    for at, packet in enumerate(packets):
        keep(archive, packet, at)
    archive.close()
    (file,) = tmp_path.rglob("*.tar")
    assert file.parent == tmp_path / "ztf" / "20240115"
    assert file.name.startswith("ztf-20240115T120000")
    found = list(read_packets(file))
    assert [p.data for p in found] == [p.data for p in packets]
    assert found[1].name == f"{file}!ztf_20240115_programid1-3-1.avro"


def test_a_framed_packet_is_archived_as_it_is(tmp_path):
    packet = lsst_confluent_packet(1101, lsst_record())
    archive = RawArchive(tmp_path)
    keep(archive, packet)
    archive.close()
    (found,) = read_packets(tmp_path)
    assert decode(found) == decode(packet)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cut=st.integers(0, 12_000))
def test_a_file_cut_anywhere_gives_every_packet_before_the_cut(tmp_path, cut):
    file = Path(tmp_path) / "night.tar"
    if not file.exists():
        archive = RawArchive(tmp_path / "whole")
        for n in range(3):
            keep(archive, ztf_packet(candid=n + 1), n)
        archive.sync()
        (made,) = (tmp_path / "whole").rglob("*.tar")
        file.write_bytes(made.read_bytes())
        archive.close()
    whole = file.read_bytes()
    packets = [p.data for p in read_packets(file)]
    ends = [whole.index(p) + len(p) for p in packets]
    short = Path(tmp_path) / "short.tar"
    short.write_bytes(whole[:cut])
    found = [p.data for p in read_packets(short) if p.problem is None]
    assert found == [p for p, end in zip(packets, ends, strict=True) if end <= cut]


def test_what_was_synced_is_on_the_disk(tmp_path):
    archive = RawArchive(tmp_path)
    keep(archive, ztf_packet())
    archive.sync()
    assert [p.problem for p in read_packets(tmp_path)] == [None]
    keep(archive, ztf_packet(candid=9), 1)
    archive.sync()
    assert len(list(read_packets(tmp_path))) == 2
    archive.close()


def test_nights_that_come_in_turns_lie_in_their_own_folders_and_nothing_is_overwritten(tmp_path):
    clock = iter(range(10**6))
    archive = RawArchive(tmp_path, now=lambda: NOON_UNIX_S + next(clock))
    for n in range(20):
        alert = an_alert(alert_id=str(n), time_unix_s=NOON_UNIX_S + 86_400.0 * (n % 7))
        archive.append(alert, RawPacket("p", "ztf", b"Obj\x01" + bytes(n)), ("t", 0), n)
        archive.sync()
    archive.close()
    assert sorted(p.name for p in (tmp_path / "ztf").iterdir()) == [
        f"202401{day}" for day in range(15, 22)
    ]
    names = [p.name.rpartition("!")[2] for p in read_packets(tmp_path)]
    assert sorted(names) == sorted(f"t-0-{n}.avro" for n in range(20))
