"""A compaction and a writing command that are killed at any moment, and started again."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import pytest

from storage.archive.parts import waiting_files, waiting_nights
from tests.ingest_optical.packet_factory import ztf_packet
from tests.storage.archive.some_nights import contents

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

JD_2024_01_15 = 2_460_324.5

N_PACKETS = 3_000


def words(*args):
    return [sys.executable, "-m", "correlator.service.cli", "archive", *map(str, args)]


def test_a_writing_command_that_is_killed_at_any_moment_ends_with_the_same_files(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    rng = random.Random(5)
    for i in range(N_PACKETS):
        packet = ztf_packet(
            candid=2_570_000_000_000_000_000 + i,
            jd=JD_2024_01_15 + 0.0001 * i,
            ra=rng.uniform(0.0, 360.0),
            dec=rng.uniform(-30.0, 80.0),
            rb=rng.choice([0.1, 0.9]),
        )
        (raw / f"{i:05d}.avro").write_bytes(packet.data)
    command = words("write", raw, "--out")
    began = time.monotonic()
    subprocess.run([*command, tmp_path / "whole"], check=True, timeout=200)
    whole_s = time.monotonic() - began
    n_killed = n_in_compaction = 0
    for share in (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95):
        process = subprocess.Popen([*command, tmp_path / "killed"])
        time.sleep(share * whole_s)
        if process.poll() is None:
            n_killed += 1
            n_in_compaction += bool(list((tmp_path / "killed").glob("*/.building-*")))
            process.kill()
        process.wait(30.0)
    assert n_killed >= 3
    subprocess.run([*command, tmp_path / "killed"], check=True, timeout=200)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert waiting_nights(tmp_path / "killed") == []
    assert waiting_files(tmp_path / "killed", "20240115") == []
