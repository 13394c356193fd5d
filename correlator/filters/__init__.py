"""Filters of published coincidences: one language, as text or as JSON, with one meaning."""

from correlator.filters.canonical import text_of
from correlator.filters.fields import FIELDS, Field, Kind
from correlator.filters.json_form import filter_of_json, json_of
from correlator.filters.predicate import Predicate, predicate_of
from correlator.filters.reading import filter_id, read_filter
from correlator.filters.text_form import filter_of_text
from correlator.filters.tree import Filter

__all__ = [
    "FIELDS", "Field", "Filter", "Kind", "Predicate", "filter_id", "filter_of_json",
    "filter_of_text", "json_of", "predicate_of", "read_filter", "text_of",
]  # fmt: skip
