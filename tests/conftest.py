"""Fixtures shared by all suites."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real packets; a machine without it skips, CI fails."""
    folder = os.environ.get("CORRELATOR_REAL_DATA")
    if folder and Path(folder).is_dir():
        return Path(folder)
    said = "CORRELATOR_REAL_DATA does not name the folder of real packets"
    if os.environ.get("CI"):
        pytest.fail(said)
    pytest.skip(said)
