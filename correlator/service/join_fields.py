"""The fields that ``--where`` of ``correlator join`` may name: a filter over rows of pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from correlator.errors import ConfigurationError, FilterError
from correlator.filters import Field, Kind, filter_of_text
from correlator.filters.fields import unit_vector
from correlator.filters.predicate import predicate_over

Row = Mapping[str, Any]

_OF = {
    Kind.TEXT: (
        "object_id", "alert_id", "mission", "event_id", "notice_id", "notice_type", "survey",
        "band", "solar_system_name", "rejections",
    ),
    Kind.NUMBER: (
        "delta_t_s", "separation_deg", "credible_level", "probdensity_per_sr", "far_hz",
        "significance", "history_start_delta_s", "first_record_delta_s", "alert_delta_s", "ra_deg",
        "dec_deg", "mag_ab", "n_history", "n_limits", "real_bogus", "solar_system_sep_arcsec",
        "star_score", "star_sep_arcsec", "gaia_sep_arcsec", "exposure_s",
    ),
    Kind.BOOL: ("is_test", "is_burst", "is_positive"),
    Kind.TIME: ("event_time", "time"),
}  # fmt: skip


def _field(name: str, kind: Kind) -> Field[Row]:
    def take(row: Row) -> Any:
        value = row[name]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return Field(name, kind, name, take)


JOIN_FIELDS: dict[str, Field[Row]] = {
    name: _field(name, kind) for kind, names in _OF.items() for name in names
}
"""Columns of a joined pair, and conditions of its alert and notice, by name."""


def compile_where(text: str) -> Callable[[Row], bool]:
    """The rows that a filter lets pass, in the language of filters (docs/operations/filters.md).

    A row has every name of ``JOIN_FIELDS``, times in seconds since the Unix epoch.

    Raises
    ------
    ConfigurationError
        It is no filter of these fields; says where and why, and which fields there are.
    """
    try:
        tree = filter_of_text(text, JOIN_FIELDS)
    except FilterError as error:
        known = ", ".join(sorted(JOIN_FIELDS))
        raise ConfigurationError(f"--where: {error}; fields are {known}") from None
    return predicate_over(tree, JOIN_FIELDS, _place)


def _place(row: Row) -> tuple[float, float, float]:
    return unit_vector(row["ra_deg"], row["dec_deg"])
