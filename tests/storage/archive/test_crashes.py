"""A compaction and a writing command that are killed at any moment, and started again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.archive.parts import waiting_files, waiting_nights
from tests.ingest_optical.packet_factory import ztf_packet
from tests.storage.archive.some_nights import contents

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

JD_2024_01_15 = 2_460_324.5

N_PACKETS = 1_500


def words(*args):
    return [sys.executable, "-m", "correlator.service.cli", "archive", *map(str, args)]


def there(folder, sign):
    """Files and folders of a sign below a folder, whatever else comes and goes meanwhile."""
    found = (
        Path(parent) / name
        for parent, folders, files in os.walk(folder)
        for name in (*folders, *files)
    )
    return {path for path in found if path.match(sign)}


def wait_for(folder, sign, before, process):
    """Until a file or folder that is there only in mid-work is there, and not of an earlier try."""
    while there(folder, sign) <= before:
        assert process.poll() is None, f"it ended before there was {sign}"
        time.sleep(0.002)


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
    subprocess.run([*command, tmp_path / "whole"], check=True, timeout=200)
    for sign in (".*.half", ".building-*", ".building-*", ".building-*/catalog"):
        before = there(tmp_path / "killed", sign)
        with subprocess.Popen([*command, tmp_path / "killed"]) as process:
            wait_for(tmp_path / "killed", sign, before, process)
            time.sleep(rng.uniform(0.0, 0.1))
            process.kill()
    subprocess.run([*command, tmp_path / "killed"], check=True, timeout=200)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert waiting_nights(tmp_path / "killed") == []
    assert waiting_files(tmp_path / "killed", "20240115") == []
