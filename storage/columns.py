"""Columns that several tables have, of values that they hold whole."""

from __future__ import annotations

from correlator.nature import Verdict, foremost
from storage.database import Row


def nature_columns(verdicts: tuple[Verdict, ...]) -> Row:
    """The foremost verdict, for queries: ``nature`` and the packet's field that says so."""
    said = foremost(verdicts)
    return {
        "nature": None if said is None else str(said.nature),
        "nature_field": None if said is None else said.field,
    }
