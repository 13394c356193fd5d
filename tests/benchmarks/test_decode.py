"""What the decode benchmark times was found equal to fastavro's whole records, packet by packet."""

import dataclasses

import orjson
import pytest
from click.testing import CliRunner

from benchmarks import decode
from benchmarks.agreement import DisagreementError
from benchmarks.real_packets import RealPacket, lsst_packets, ztf_packets
from correlator.service.cli import correlator
from tests.ingest_optical.packet_factory import lsst_confluent_packet, lsst_record, ztf_packet

PAST = [{"candid": 11}]
OF_EACH_KIND = ["gate", "prefix", "full", "full-same-alert"]


@pytest.mark.real_data
def test_every_field_that_is_used_of_every_raw_ztf_packet_is_fastavro_s(real_data):
    packets = ztf_packets(real_data)
    assert len(packets) == 184
    for real in packets:
        decode.require_equal(real)


@pytest.mark.slow
@pytest.mark.real_data
def test_every_field_that_is_used_of_every_rubin_alert_is_fastavro_s(real_data):
    packets = lsst_packets(real_data)
    assert len(packets) == 1 + 164
    assert sum(real.n_past > 0 for real in packets) == 83
    assert max(real.n_past for real in packets) > 2000
    for real in packets:
        decode.require_equal(real)


@pytest.mark.parametrize(
    "packet",
    [
        ztf_packet(past=PAST),
        lsst_confluent_packet(900, lsst_record(past=[{}], forced=[{}])),
        lsst_confluent_packet(1101, lsst_record(past=[{}], forced=[{}])),
    ],
)
def test_a_packet_that_is_read_otherwise_is_not_timed(packet, monkeypatch):
    real = RealPacket(packet)
    decode.require_equal(real)
    whole = decode.decode(packet)
    for changed in (
        dataclasses.replace(whole, history=()),
        dataclasses.replace(whole, ra_deg=whole.ra_deg + 1e-12),
        dataclasses.replace(whole, schema_version="0"),
    ):
        monkeypatch.setattr(decode, "decode", lambda *_, said=changed: said)
        with pytest.raises(DisagreementError, match="nothing is timed"):
            decode.require_equal(real)


def test_each_kind_has_a_row_for_each_way_to_read(monkeypatch):
    packets = {
        "ztf": [RealPacket(ztf_packet(past=PAST)), RealPacket(ztf_packet(rb=0.1))],
        "lsst-no-history": [RealPacket(lsst_confluent_packet(1000, lsst_record()))],
    }
    monkeypatch.setattr(decode, "_kinds", lambda _: packets)
    rows = {row.name: row for row in decode.decode_rows(decode.DecodeSetting(None, rounds=1))}
    assert set(rows) == {f"decode-{kind}-{way}" for kind in packets for way in OF_EACH_KIND} | {
        "decode-ztf-gate-parsed-once"
    }
    assert {name: row.bar for name, row in rows.items() if row.bar} == {
        "decode-ztf-gate": 12.0,
        "decode-ztf-full": 2.0,
        "decode-lsst-no-history-gate": 1.3,
        "decode-lsst-no-history-full": 2.0,
    }
    assert all(
        row.value > 0.0 and row.peer_value > 0.0 and row.ratio > 0.0 for row in rows.values()
    )


def test_a_ratio_is_that_of_the_median_packet():
    """Packets of ratio 2, 4 and 9, each the median of its rounds."""
    mine = [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [1.0, 1.0, 1.0]]
    peers = [[2.0, 2.0, 90.0], [8.0, 8.0, 8.0], [9.0, 0.1, 9.0]]
    row = decode._row("n", mine, "p", peers, None)
    assert row.ratio == 4.0
    assert (row.value, row.peer_value, row.unit) == (1e6, 8e6, "us/packet")


@pytest.mark.slow
@pytest.mark.real_data
def test_the_command_measures_all_kinds(real_data):
    arguments = ["bench", "decode", "--json", "--rounds", "1", "--real-data", str(real_data)]
    result = CliRunner().invoke(correlator, arguments)
    assert result.exit_code == 0, result.output
    kinds = {row["name"].rpartition("-gate")[0] for row in orjson.loads(result.stdout)} - {""}
    assert kinds == {"decode-ztf", "decode-lsst-history", "decode-lsst-no-history"}
