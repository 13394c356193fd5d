"""A filter however it is spelled, and its id."""

from __future__ import annotations

import hashlib

from correlator.filters.canonical import text_of
from correlator.filters.json_form import filter_of_json
from correlator.filters.text_form import filter_of_text
from correlator.filters.tree import Filter

LANGUAGE_VERSION = 1
"""Counts up when a text that was a filter before means something else."""


def read_filter(said: str) -> Filter:
    """The filter of a text, or of JSON, which begins with a brace.

    Raises
    ------
    FilterError
        Says where and why it is none.
    """
    is_json = said[:1024].lstrip(" \t\r\n").startswith("{")
    return filter_of_json(said) if is_json else filter_of_text(said)


def filter_id(tree: Filter) -> str:
    """Id of what a filter says: the same however it was spelled, another for another tree."""
    said = f"{LANGUAGE_VERSION} {text_of(tree)}"
    return hashlib.sha256(said.encode()).hexdigest()[:24]
