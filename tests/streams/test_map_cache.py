"""Fetched files: kept once, whole or not at all, bounded, and found again after a crash."""

import hashlib
import os

import pytest

from streams.map_cache import MapCache


def named(content, ending=".fits"):
    return hashlib.sha256(content).hexdigest() + ending


def test_a_file_has_the_name_of_its_content_and_is_there_once(tmp_path):
    cache = MapCache(tmp_path / "maps")
    assert cache.keep(b"SIMPLE").name == named(b"SIMPLE")
    assert cache.keep(b"SIMPLE").read_bytes() == b"SIMPLE"
    assert cache.keep(b"\x1f\x8bx").name == named(b"\x1f\x8bx", ".fits.gz")
    assert len(list((tmp_path / "maps").iterdir())) == 2


def test_what_is_begun_is_found_by_another_process_until_it_ends(tmp_path):
    MapCache(tmp_path).begin("a notice", b"SIMPLE")
    later = MapCache(tmp_path)
    assert later.begun("a notice") == b"SIMPLE"
    assert later.begun("another notice") is None
    later.end("a notice")
    later.end("a notice")
    assert MapCache(tmp_path).begun("a notice") is None
    assert (tmp_path / named(b"SIMPLE")).exists()


@pytest.mark.parametrize("harm", ["cut", "changed", "away", "mark"])
def test_what_was_harmed_is_not_taken(tmp_path, harm):
    cache = MapCache(tmp_path)
    cache.begin("a notice", b"SIMPLE")
    file = tmp_path / named(b"SIMPLE")
    (mark,) = (tmp_path / "begun").iterdir()
    match harm:
        case "cut":
            file.write_bytes(b"SIM")
        case "changed":
            file.write_bytes(b"SIMPLY")
        case "away":
            file.unlink()
        case "mark":
            mark.write_bytes(b"../../etc/passwd\xff")
    assert cache.begun("a notice") is None
    if harm != "mark":
        cache.keep(b"SIMPLE")
        assert cache.begun("a notice") == b"SIMPLE"


def test_what_was_used_least_lately_goes_first(tmp_path):
    cache = MapCache(tmp_path, max_files=3)
    for n in range(3):
        os.utime(cache.keep(b"%d" % n), (n, n))
    cache.keep(b"0")
    cache.keep(b"3")
    assert {p.read_bytes() for p in tmp_path.iterdir()} == {b"0", b"2", b"3"}


def test_the_size_is_bounded_but_for_what_came_last(tmp_path):
    cache = MapCache(tmp_path, max_bytes=100)
    for n in range(5):
        cache.keep(b"%d" % n * 40)
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) <= 100
    assert cache.keep(b"x" * 90).exists()
    assert [p.stat().st_size for p in tmp_path.iterdir()] == [90]


def test_a_disk_that_does_not_take_it_leaves_nothing(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        MapCache(tmp_path).keep(b"SIMPLE")
    assert list(tmp_path.iterdir()) == []
