"""One row of ``correlator notice --json``: what we understood of one packet."""

from __future__ import annotations

from correlator.notice import Notice
from correlator.service.times import iso_utc
from ingest_vo.systematics import holds_systematics
from skymaps.localization import Localization
from skymaps.shapes import Circle
from skymaps.skymap import SkyMap
from storage.columns import nature_columns

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def notice_row(notice: Notice) -> dict[str, Json]:
    """Keys of the command contract, of values that JSON knows.

    ``ra_deg``, ``dec_deg`` and the ``radius_*`` are those of a circle and null for a map;
    ``localization`` is null for a notice that neither holds nor names a place on the sky.
    """
    circle = notice.localization if isinstance(notice.localization, Circle) else None
    return {
        "source": notice.source,
        "mission": notice.mission,
        "instrument": notice.instrument,
        "notice_type": notice.notice_type,
        "notice_id": notice.notice_id,
        "event_id": notice.event_id,
        "event_time": iso_utc(notice.event_unix_s),
        "notice_time": iso_utc(notice.notice_unix_s),
        "role": notice.role,
        "is_test": notice.is_test,
        "is_retraction": notice.is_retraction,
        "is_burst": notice.is_burst,
        "supersedes": list(notice.supersedes),
        "ra_deg": None if circle is None else circle.ra_deg,
        "dec_deg": None if circle is None else circle.dec_deg,
        "radius_deg": None if circle is None else circle.radius_deg,
        "radius_level": None if circle is None else circle.level,
        "radius_includes_systematics": None if circle is None else holds_systematics(circle),
        "localization": _localization(notice.localization, notice.skymap_url),
        "far_hz": notice.far_hz,
        "significance": notice.significance,
        "classification": dict(notice.classification),
        **nature_columns(notice.verdicts),
    }


def _localization(localization: Localization | None, url: str | None) -> dict[str, Json] | None:
    if localization is None and url is None:
        return None
    sky_map = localization if isinstance(localization, SkyMap) else None
    return {
        "kind": None if localization is None else localization.kind,
        "area_90_deg2": None if localization is None else localization.area_deg2(0.9),
        "n_rows": None if sky_map is None else sky_map.n_rows,
        "has_distance": None if localization is None else bool(sky_map and sky_map.has_distance),
        "url": url,
    }
