"""What tests of archives share."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def no_power_cuts(monkeypatch):
    """Wait for no disk: a test of what is written needs no more than the files."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
