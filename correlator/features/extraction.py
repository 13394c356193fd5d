"""From objects to their features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from correlator.features.colours import colours
from correlator.features.curves import Floats, curves_of, magnitudes_of
from correlator.features.photometry import counts, fluxes, history, rates
from correlator.features.place import (
    Context,
    absolute_mag,
    ecliptic_latitude_deg,
    galactic_latitude_deg,
    motion_arcsec_per_h,
    projected_kpc,
)
from correlator.features.vocabulary import Features
from correlator.object import OpticalObject
from correlator.policy import DAY_S

_NAMES = tuple(f.name for f in fields(Features))

_NO_CONTEXT = Context()


def features_of(
    obj: OpticalObject, as_of_unix_s: float | None = None, context: Context = _NO_CONTEXT
) -> Features:
    """Features of one object: those of a list of it alone; see :func:`features_of_many`."""
    return features_of_many([obj], [as_of_unix_s], [context])[0]


def features_of_many(
    objects: Sequence[OpticalObject],
    as_of_unix_s: Sequence[float | None] | None = None,
    contexts: Sequence[Context] | None = None,
) -> list[Features]:
    """Features of objects, each the same whatever the others are.

    Parameters
    ----------
    objects
        ``n`` objects.
    as_of_unix_s
        As of when, an object each [s since the Unix epoch]: what was taken later does not count.
        None is the time of the latest alert. Position, neighbours and the survey's score are those
        of the object as it is: an object does not remember the earlier ones.
    contexts
        What is known beside the packets, an object each.

    Raises
    ------
    ValueError
        The lists differ in length.
    """
    n = len(objects)
    ends = [None] * n if as_of_unix_s is None else list(as_of_unix_s)
    known = [_NO_CONTEXT] * n if contexts is None else list(contexts)
    if not len(ends) == len(known) == n:
        raise ValueError(f"{n} objects, {len(ends)} times and {len(known)} contexts")
    curves = curves_of(objects, ends)
    mags = magnitudes_of(curves)
    as_of_day = (_column(ends) - curves.base_unix_s) / DAY_S
    as_of_day[np.isnan(as_of_day)] = 0.0
    survey_day = (_column(o.survey_first_unix_s for o in objects) - curves.base_unix_s) / DAY_S
    survey_day[survey_day > as_of_day] = np.nan
    floats = history(curves, mags, as_of_day, survey_day) | rates(mags) | colours(mags)
    floats |= fluxes(curves) | _surroundings(objects) | _place(objects, ends, known)
    floats["peak_abs_mag"] = absolute_mag(floats["peak_mag_ab"], _column(c.dist_mpc for c in known))
    columns: dict[str, list[Any]] = {name: _values(x) for name, x in floats.items()}
    columns |= {name: x.tolist() for name, x in counts(curves).items()}
    return [Features(*row) for row in zip(*(columns[name] for name in _NAMES), strict=True)]


def _surroundings(objects: Sequence[OpticalObject]) -> dict[str, Floats]:
    near = [o.surroundings for o in objects]
    return {
        "real_bogus": _column(o.real_bogus for o in objects),
        "star_score": _column(x.star_score for x in near),
        "star_sep_arcsec": _column(x.star_sep_arcsec for x in near),
        "gaia_sep_arcsec": _column(x.gaia_sep_arcsec for x in near),
        "solar_system_sep_arcsec": _column(x.solar_system_sep_arcsec for x in near),
        "solar_system_linked": _column(_linked(o) for o in objects),
    }


def _linked(obj: OpticalObject) -> float | None:
    """Whether the survey took the object for one of the Solar System; only LSST says either."""
    return float(obj.object_id.startswith("sso")) if obj.survey == "lsst" else None


def _place(
    objects: Sequence[OpticalObject], ends: Sequence[float | None], contexts: Sequence[Context]
) -> dict[str, Floats]:
    ra_deg, dec_deg = _column(o.ra_deg for o in objects), _column(o.dec_deg for o in objects)
    host_sep_arcsec = _column(c.host_sep_arcsec for c in contexts)
    motion = (motion_arcsec_per_h(c.positions, end) for c, end in zip(contexts, ends, strict=True))
    return {
        "galactic_latitude_deg": galactic_latitude_deg(ra_deg, dec_deg),
        "ecliptic_latitude_deg": ecliptic_latitude_deg(ra_deg, dec_deg),
        "motion_arcsec_per_h": _column(motion),
        "host_sep_arcsec": host_sep_arcsec,
        "host_sep_kpc": projected_kpc(host_sep_arcsec, _column(c.dist_mpc for c in contexts)),
    }


def _column(values: Iterable[float | None]) -> Floats:
    """Values as an array; numpy turns None into NaN."""
    return np.array(list(values), dtype=np.float64)


def _values(column: Floats) -> list[float | None]:
    """An array as values; None for NaN, which alone is unlike itself."""
    return [x if x == x else None for x in column.tolist()]  # noqa: PLR0124
