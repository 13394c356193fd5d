"""The sound packets that mutants are made of: the tests' own, and real ones where there are any."""

from __future__ import annotations

import base64
import io
import json
import math
import tarfile
from functools import cache, lru_cache
from pathlib import Path

import fastavro
import pyarrow as pa
from pyarrow import parquet

from correlator.wire import record_of_event, to_json
from ingest_optical.lsst_schemas import schema_json
from ingest_vo.fetched_map import envelope_of
from skymaps.shapes import Circle, SystematicComponent
from skymaps.skymap import SkyMap
from tests import builders
from tests.ingest_optical import packet_factory as optical
from tests.ingest_vo import notice_factory as notices
from tests.skymaps import sky_factory as sky

MAX_REAL_BYTES = 500_000
"""Real packets longer than this are left out: mutants of them are no worse, only slower."""

MAX_REAL_PACKETS = 40
"""Real packets of one kind, spread evenly over all that there are; of notices it is all."""

NOTICES = ("voevent", "igwn", "gcn")
"""Kinds of notices."""


@cache
def made(kind: str) -> tuple[bytes, ...]:
    """Sound packets of a kind that are made here, the same ones on every day."""
    return tuple(timeless(packet) for packet in _MADE[kind]())


def timeless(packet: bytes) -> bytes:
    """A gzip file without the time at which it was packed."""
    return packet[:4] + bytes(4) + packet[8:] if packet.startswith(b"\x1f\x8b") else packet


@lru_cache(maxsize=32)
def real(kind: str, folder: str) -> tuple[bytes, ...]:
    """Real packets of a kind below the folder of real data; none for a kind of our own."""
    if kind not in _REAL:
        return ()
    patterns, magic = _REAL[kind]
    paths = sorted(p for pattern in patterns for p in Path(folder).glob(pattern))
    packets = [p.read_bytes() for p in paths if p.stat().st_size <= MAX_REAL_BYTES]
    packets = [p for p in packets if p.startswith(magic)]
    if kind in NOTICES:
        return tuple(packets)
    step = max(len(packets) // MAX_REAL_PACKETS, 1)
    return tuple(packets[::step][:MAX_REAL_PACKETS])


_REAL = {
    "voevent": (("notices/**/*.xml",), b"<"),
    "igwn": (("notices/gw/**/*.json",), b"{"),
    "gcn": (("notices/**/*.json", "gcn-schema/**/*.example.json"), b"{"),
    "fits": (("notices/**/*.fits", "notices/**/*.fit", "notices/**/*.fits.gz"), b""),
    "ztf": (("optical/ztf/**/*.avro",), b"Obj\x01"),
    "lsst": (("optical/**/*.avro",), b"Obj\x01"),
    "confluent": (("optical/lsst/**/*.avro",), b"\x00"),
    "optical_json": (("optical/lsst/**/*.json", "optical/ztf/**/*.json"), b"{"),
    "avro_file": (("optical/**/*multi*.avro", "optical/**/*31alerts.avro"), b"Obj\x01"),
    "parquet_file": (("optical/**/*.parquet",), b"PAR1"),
    "json_file": (("optical/**/*.json",), b""),
}
"""Where real packets of a kind are, and how they begin."""


def _voevents() -> list[bytes]:
    return [
        notices.voevent(),
        notices.gbm("Fin_Pos", 115, params={"Burst_Signif": 12.5}),
        notices.svom("eclairs", 202, groups={"Detection": {"Image_SNR": 7.5}}),
        notices.swift("XRT_Pos", 67, cites={"ivo://nasa.gsfc.gcn/SWIFT#BAT_1": "supersedes"}),
        notices.voevent("ivo://gwnet/LVC#S240115k-1-Preliminary", params={"GraceID": "S240115k"}),
        notices.voevent("ivo://nasa.gsfc.gcn/AMON#ICECUBE_GOLD_Event2026-05-11T11:00:31.70_1"),
        notices.voevent("ivo://nasa.gsfc.gcn/INTEGRAL#Refined_1", params={"TrigID": 76008}),
        notices.voevent("ivo://nowhere.org/any#event-1"),
    ]


def _igwn() -> list[bytes]:
    uniq, density, _ = sky.random_map(4, max_order=3)
    packed = timeless(sky.multi_order_bytes(uniq, density, compress=True))
    zipped = base64.b64encode(packed).decode()
    return [
        notices.igwn(),
        notices.igwn(skymap=zipped),
        notices.igwn(alert_type="RETRACTION", event=None),
    ]


def _gcn() -> list[bytes]:
    flat = base64.b64encode(notices.multi_order_map()).decode()
    return [
        notices.gcn(ra=120.5, dec=-30.25, ra_dec_error=0.5, containment_probability=0.9),
        notices.gcn("fermi/gbm/alert", ra=1.0, dec=2.0, ra_dec_error=[1.0, 2.0, 45.0]),
        notices.gcn("einstein_probe/wxt/alert", ra=3.0, dec=4.0, ra_dec_error=0.05, image_snr=9),
        notices.gcn(
            ra=10.0, dec=10.0,
            rectangular_error_corners=[[9, 9], [11, 9], [11, 11], [9, 11]],
            classification={"GRB": 0.9, "SFLARE": 0.1},
        ),
        notices.gcn("chime/frb", healpix_file=flat, far=1e-7),
        envelope_of(
            notices.gbm("Fin_Pos", 115, params={"LocationMap_URL": "http://x.y/z.fits"}),
            "http://x.y/z.fits",
            notices.multi_order_map(),
        ),
    ]  # fmt: skip


def _fits() -> list[bytes]:
    uniq, density, order = sky.random_map(4, max_order=4)
    flat = sky.rasterised(uniq, density, order, sky.ORDER)
    return [
        sky.multi_order_bytes(uniq, density, sky.random_distance(4, len(uniq))),
        sky.multi_order_bytes(uniq, density, compress=True),
        sky.flat_file(flat, compress=True),
        sky.flat_file(flat, ring=True, vector=True, single=True),
        sky.flat_file(flat, explicit=True),
    ]


def _wire() -> list[bytes]:
    uniq, density, _ = sky.random_map(4, max_order=3)
    mu, sigma, norm = sky.random_distance(4, len(uniq))
    partial_uniq, partial_density, _ = sky.random_map(5, max_order=3, keep=0.4)
    parts = (SystematicComponent(0.9, 3.71), SystematicComponent(0.1, 14.3))
    return [
        Circle(150.0, 20.0, 2.0, 0.9, includes_systematics=True, source="tests").to_bytes(),
        Circle(0.0, -90.0, 180.0, 0.68, False, parts, "Connaughton 2015").to_bytes(),
        SkyMap.from_uniq(uniq, density, mu, sigma, norm).to_bytes(),
        SkyMap.from_uniq(partial_uniq, partial_density).to_bytes(),
    ]


def _ztf_past() -> list[dict[str, object]]:
    return [{"candid": 3}, optical.ztf_non_detection(2460322.5), {"isdiffpos": "f"}]


def _ztf() -> list[bytes]:
    record = optical.ztf_record(past=_ztf_past())
    spark = optical.ztf_schema(name="topLevelRecord")
    return [
        optical.ztf_packet(record).data,
        optical.container([record], codec="deflate"),
        optical.container([record], schema=spark),
        optical.babamul_packet().data,
    ]


def _lsst() -> list[bytes]:
    framed = _confluent()[0]
    schema = fastavro.parse_schema(json.loads(schema_json(10, 0) or b""))
    record = fastavro.schemaless_reader(io.BytesIO(framed[5:]), schema, None)
    return [optical.container([record], schema, codec) for codec in ("null", "deflate")]


def _confluent() -> list[bytes]:
    record = optical.lsst_record(past=[{}], forced=[{}, {"psfFlux": 900.0}])
    return [optical.lsst_confluent_packet(number, record).data for number in (1000, 701)]


def _optical_json() -> list[bytes]:
    flat = {f"i:{name}": value for name, value in optical.ZTF_CANDIDATE.items()}
    return [
        optical.lsst_json_packet(past=[{}], forced=[{}]).data,
        json.dumps(optical.ztf_record(past=_ztf_past())).encode(),
        json.dumps({**flat, "i:objectId": "ZTF24aaaaaaa", "i:schemavsn": "4.02"}).encode(),
        json.dumps(optical.lasair_object({}, {"diaSourceId": 5, "snr": math.nan})).encode(),
    ]


def _avro_file() -> list[bytes]:
    records = [optical.ztf_record(past=_ztf_past(), candid=n) for n in (1, 2, 3)]
    return [optical.container(records, codec=codec) for codec in ("null", "deflate")]


def parquet_bytes(rows: list[dict[str, object]], **how: object) -> bytes:
    """A Parquet file of rows."""
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), file, **how)
    return file.getvalue()


def _parquet_file() -> list[bytes]:
    rows = [optical.ztf_record(past=_ztf_past(), candid=n) for n in (1, 2, 3)]
    sources = [optical.lsst_record(past=[{}], forced=[{}], diaSourceId=n) for n in (1, 2)]
    return [
        parquet_bytes(rows, compression="none"),
        parquet_bytes(rows, compression="zstd", use_dictionary=False),
        parquet_bytes(sources, compression="snappy"),
    ]


def tar_gz(members: dict[str, bytes]) -> bytes:
    """A gzipped archive of members."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as archive:
        for name, content in members.items():
            told = tarfile.TarInfo(name)
            told.size = len(content)
            archive.addfile(told, io.BytesIO(content))
    return file.getvalue()


def _tar_file() -> list[bytes]:
    packets = {f"night/{n}.avro": packet for n, packet in enumerate(_ztf())}
    several = {"night/" + "long" * 50 + ".avro": _avro_file()[0]}
    return [tar_gz({**packets, "night/README": b"not a packet"}), tar_gz(several)]


def _json_file() -> list[bytes]:
    rows = [json.loads(packet) for packet in _optical_json()]
    return [json.dumps(rows).encode(), _optical_json()[0]]


def _records() -> list[bytes]:
    return [to_json(builders.an_alert())]


def _event_records() -> list[bytes]:
    event = builders.an_event(far_hz=1e-8, classification=(("BNS", 0.9), ("Terrestrial", None)))
    return [to_json(record_of_event(event))]


def _pair_records() -> list[bytes]:
    return [to_json(builders.a_pair_record()), to_json(builders.a_withdrawal())]


_MADE = {
    "voevent": _voevents,
    "igwn": _igwn,
    "gcn": _gcn,
    "fits": _fits,
    "localization": _wire,
    "ztf": _ztf,
    "lsst": _lsst,
    "confluent": _confluent,
    "optical_json": _optical_json,
    "avro_file": _avro_file,
    "parquet_file": _parquet_file,
    "tar_file": _tar_file,
    "json_file": _json_file,
    "alert_record": _records,
    "event_record": _event_records,
    "pair_record": _pair_records,
}

KINDS = tuple(_MADE)
"""Every kind of packet that some reader of ours takes."""
