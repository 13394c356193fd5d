"""Error regions of the GCN unified schema that are no circles: ellipses and boxes with corners.

``ra_dec_error`` is, by the core schema, a radius or [semi-major axis, semi-minor axis, position
angle of the major axis from north through east]; MAXI's notices have instead
``rectangular_error_corners``. CHIME and DSA-110 send the smaller number first, so that nobody
knows which axis the angle is of: theirs, and regions too thin to be worth their cells, stay the
circle about them, which holds more sky and never less.
"""

from __future__ import annotations

from ingest_vo.systematics import RadiusMeaning
from skymaps.ellipses import ellipse
from skymaps.errors import SkyMapError
from skymaps.polygons import polygon
from skymaps.skymap import SkyMap

MIN_AXIS_RATIO = 0.05
"""Least ratio of the axes of an ellipse that is taken as one: it bounds the time for a notice."""


def ellipse_of(
    ra_deg: float, dec_deg: float, error: tuple[float, ...], meaning: RadiusMeaning
) -> SkyMap | None:
    """Map of an ellipse as the schema has it; None for a circle and for all that is neither."""
    if len(error) < 2:
        return None
    major, minor, angle = (*error, 0.0)[:3]
    if not MIN_AXIS_RATIO * major <= minor < major:
        return None
    try:
        return ellipse(ra_deg, dec_deg, major, minor, angle, meaning.level, meaning.systematics)
    except SkyMapError:
        return None


def box_of(corners_deg: tuple[tuple[float, float], ...], meaning: RadiusMeaning) -> SkyMap | None:
    """Map of a box; None where there is none, or one that :func:`polygon` does not take."""
    if not corners_deg or meaning.systematics:
        return None
    try:
        return polygon(corners_deg, meaning.level)
    except SkyMapError:
        return None
