import gzip
import io
import tarfile

import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet

from correlator.errors import MalformedAlertError
from ingest_optical import packets
from ingest_optical.decoder import decode
from ingest_optical.packets import read_packets
from tests.ingest_optical.packet_factory import container, lsst_record, ztf_record

RECORDS = [ztf_record(candid=i) for i in (21, 22, 23)]


def written(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def ids(path):
    return [decode(packet).alert_id for packet in read_packets(path)]


def problem(path):
    (packet,) = read_packets(path)
    with pytest.raises(MalformedAlertError) as raised:
        decode(packet)
    assert str(raised.value).startswith(str(path))
    return raised.value.rule


def archive(members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def test_a_container_with_one_record_is_its_own_packet(tmp_path):
    data = container(RECORDS[:1])
    (packet,) = read_packets(written(tmp_path / "a.avro", data))
    assert packet.data == data
    assert packet.name == str(tmp_path / "a.avro")


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_a_container_with_many_records_is_many_packets(tmp_path, codec):
    path = written(tmp_path / "a.avro", container(RECORDS, codec=codec))
    assert ids(path) == ["21", "22", "23"]
    assert [packet.name for packet in read_packets(path)] == [f"{path}#{i}" for i in range(3)]


def test_a_container_that_breaks_in_the_middle_gives_what_stood_before(tmp_path):
    data = container(RECORDS)
    path = written(tmp_path / "a.avro", data[:-60] + b"\xff" * 44 + data[-16:])
    *good, bad = read_packets(path)
    assert [decode(packet).alert_id for packet in good] == ["21", "22"]
    with pytest.raises(MalformedAlertError, match="must follow its Avro schema"):
        decode(bad)


def test_a_confluent_framed_file_is_one_packet(tmp_path):
    (packet,) = read_packets(written(tmp_path / "a.avro", b"\0\0\0\x04\x4dbody"))
    assert packet.data == b"\0\0\0\x04\x4dbody"


def test_a_table_gives_a_packet_for_each_row_without_images_and_broker_columns(tmp_path):
    rows = [{**r, "cutoutScience": b"image", "cdsxmatch": "Star"} for r in RECORDS]
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.Table.from_pylist(rows), path)
    assert ids(path) == ["21", "22", "23"]
    first = next(iter(read_packets(path)))
    assert first.name == f"{path}#0"
    assert orjson.loads(first.data) == RECORDS[0]
    assert first.data == orjson.dumps(RECORDS[0], option=orjson.OPT_SORT_KEYS)


def test_a_table_of_lsst_alerts_is_known_by_its_source(tmp_path):
    path = tmp_path / "a.parquet"
    record = lsst_record(past=[{}], forced=[{}])
    parquet.write_table(pa.Table.from_pylist([record]), path)
    assert [decode(packet).survey for packet in read_packets(path)] == ["lsst"]


def test_a_table_without_alerts_names_the_columns_that_it_needs(tmp_path):
    path = tmp_path / "gcvs.parquet"
    parquet.write_table(pa.table({"ra": [1.0], "dec": [2.0]}), path)
    assert "must have the columns objectId" in problem(path)


def test_a_json_file_is_one_alert_or_a_list_of_alerts(tmp_path):
    data = orjson.dumps(RECORDS[0])
    one = written(tmp_path / "one.json", data)
    assert next(iter(read_packets(one))).data == data
    assert ids(one) == ["21"]
    assert ids(written(tmp_path / "many.json", orjson.dumps(RECORDS))) == ["21", "22", "23"]


@pytest.mark.parametrize(
    ("name", "data", "rule"),
    [
        ("a.json", b'{"ivorn": "x"}', "must have candidate, diaSource or diaSourcesList"),
        ("a.json", b"[1, 2]", "must have candidate, diaSource or diaSourcesList"),
        ("a.json", b"[]", "must have candidate, diaSource or diaSourcesList"),
        ("a.json", b"3", "must have candidate, diaSource or diaSourcesList"),
        ("a.json", b"nothing", "JSON file must be readable"),
        ("a.json", b"[NaN", "JSON file must be readable"),
        ("a.parquet", b"PAR1....", "parquet file must be readable"),
        ("a.tar.gz", b"\x1f\x8bnothing", "archive must be readable"),
        ("a.tgz", b"", "archive must be readable"),
        ("a.csv", b"ra,dec", "must end in one of .avro .parquet .json .tar.gz .tgz .tar"),
        ("a.avro", b"", "must be Avro or JSON"),
        ("a.avro", b"Obj\x01", "Avro long"),
        ("a.avro", container([]), "hold one record"),
    ],
)
def test_a_file_without_alerts_is_one_packet_with_a_named_problem(tmp_path, name, data, rule):
    assert rule in problem(written(tmp_path / name, data))


def test_an_archive_gives_its_avro_members(tmp_path):
    members = {
        "night/b.avro": container(RECORDS[1:]),
        "night/a.avro": container(RECORDS[:1]),
        "night/README": b"text",
    }
    path = written(tmp_path / "night.tar.gz", archive(members))
    assert ids(path) == ["22", "23", "21"]
    names = [packet.name for packet in read_packets(path)]
    assert names == [f"{path}!night/b.avro#0", f"{path}!night/b.avro#1", f"{path}!night/a.avro"]


def test_an_archive_cut_short_gives_what_stood_before(tmp_path):
    noise = bytes(range(256)) * 2000
    data = archive({"a.avro": container(RECORDS[:1]), "b.bin": noise, "c.avro": noise})
    path = written(tmp_path / "night.tar.gz", data[:-200])
    first, *_, last = read_packets(path)
    assert decode(first).alert_id == "21"
    assert "archive must be readable" in last.problem


def test_a_member_or_an_archive_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    path = written(tmp_path / "night.tgz", archive({"a.avro": bytes(2000)}))
    monkeypatch.setattr(packets, "MAX_PACKET_BYTES", 1000)
    assert "member must have at most 1000 bytes" in problem_of(path)
    monkeypatch.setattr(packets, "MAX_ARCHIVE_BYTES", 1500)
    assert "archive must have at most 1500 bytes" in problem_of(path)


@pytest.mark.parametrize("name", ["a.avro", "a.json"])
def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch, name):
    monkeypatch.setattr(packets, "MAX_FILE_BYTES", 10)
    assert "file must have at most 10 bytes" in problem_of(written(tmp_path / name, b"x" * 11))


def problem_of(path):
    (packet,) = read_packets(path)
    return packet.problem


def test_a_folder_is_read_in_order_and_past_what_is_broken(tmp_path):
    written(tmp_path / "b" / "2.avro", container(RECORDS[1:2]))
    written(tmp_path / "a.avro", container(RECORDS[:1]))
    written(tmp_path / "b" / "1.parquet", b"broken")
    written(tmp_path / "b" / "notice.xml", b"<xml/>")
    found = list(read_packets(tmp_path))
    assert [packet.name.removeprefix(f"{tmp_path}/") for packet in found] == [
        "a.avro",
        "b/1.parquet",
        "b/2.avro",
    ]
    assert [packet.problem is None for packet in found] == [True, False, True]


def test_a_path_that_does_not_exist_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(read_packets(tmp_path / "nowhere.avro"))


def plain_archive(members):
    return gzip.decompress(archive(members))


def test_a_plain_archive_gives_its_avro_members(tmp_path):
    members = {
        "b.avro": container(RECORDS[:1]),
        "README": b"text",
        "a.avro": container(RECORDS[1:]),
    }
    path = written(tmp_path / "night.tar", plain_archive(members))
    assert ids(path) == ["21", "22", "23"]


def test_a_plain_archive_whose_end_is_missing_is_whole(tmp_path):
    """One that is still being written, or was when the power failed."""
    data = plain_archive({"a.avro": container(RECORDS[:1])})
    path = written(
        tmp_path / "night.tar", data.rstrip(b"\0") + bytes(-len(data.rstrip(b"\0")) % 512)
    )
    assert ids(path) == ["21"]


def test_a_plain_archive_of_nothing_says_so(tmp_path):
    assert "archive must be readable" in problem(written(tmp_path / "night.tar", b""))
