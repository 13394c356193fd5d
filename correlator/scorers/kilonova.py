"""How much more a light curve is like AT2017gfo's than like what is no kilonova."""

from __future__ import annotations

import numpy as np

from correlator.features.curves import Floats, Ints, first_of
from correlator.scorers.score import Batch, Scorer, Value
from correlator.scorers.templates import BLUE_TO_RED, Shapes, backgrounds, kilonova

OLDEST_D = 15.0
"""Age up to which a kilonova can be seen; the templates say nothing beyond."""

OFFSET_MAG = 3.0
"""Width of the brightness that every class may have: how bright it is says nothing here."""

_BANDS = tuple(BLUE_TO_RED.values())


def _rule(batch: Batch) -> list[Value]:
    n, mags = len(batch.objects), batch.magnitudes
    young = np.array([f.age_d is not None and f.age_d <= OLDEST_D for f in batch.features])
    used = ~np.isnan(mags.mag_err_ab) & np.isin(mags.band, _BANDS) & young[mags.owner]
    owner, band, day = mags.owner[used], mags.band[used], mags.day[used]
    mag, err = mags.mag_ab[used], mags.mag_err_ab[used]
    n_points = np.bincount(owner, minlength=n)
    day = day - first_of(owner, n, day)[owner]
    longest = np.array([f.onset_interval_d for f in batch.features], dtype=np.float64)
    ours = _log_evidence(kilonova(day, band), n, owner, mag, err, longest)
    others = {
        name: _log_evidence(shapes, n, owner, mag, err, longest)
        for name, shapes in backgrounds(day, band).items()
    }
    table = np.stack(list(others.values()))
    ratio = ours - _log_mean(table, np.full(n, len(table)))
    names = list(others)
    nearest = np.argmax(table, axis=0)
    return [
        _said(f.age_d, int(points), value, names[best])
        for f, points, value, best in zip(
            batch.features, n_points, ratio.tolist(), nearest, strict=True
        )
    ]


def _said(age_d: float | None, n_points: int, value: float, rival: str) -> Value:
    if age_d is None:
        return None, "below its template"
    if age_d > OLDEST_D:
        return None, f"older than the templates, {age_d:.0f} d"
    if n_points < 2:
        return None, "fewer than two measured points in g r i z y"
    return value, f"{n_points} points; the nearest rival is {rival}"


def _log_evidence(
    shapes: Shapes, n: int, owner: Ints, mag: Floats, err: Floats, longest_d: Floats
) -> Floats:
    """Log of the mean likelihood of the shapes of a class, with the offset integrated out.

    The offset is Gaussian about the weighted mean of the points, wider than anything that they
    leave open, and the same for each class. A shape that was seen later after its beginning than
    the last limit allows has no part; the youngest always has one.
    """
    weight = 1.0 / (err * err + shapes.scatter_mag**2)
    total = np.bincount(owner, weight, n)
    centre = np.bincount(owner, weight * mag, n) / np.where(total > 0.0, total, 1.0)
    norm = np.bincount(owner, np.log(weight), n) - np.log1p(OFFSET_MAG**2 * total)
    found = np.empty((len(shapes.mag), n))
    for row, shape in zip(found, shapes.mag, strict=True):
        mean = np.bincount(owner, weight * shape, n) / np.where(total > 0.0, total, 1.0)
        off = (mag - centre[owner]) - (shape - mean[owner])
        # Both have their weighted means taken away, so that the offset's best value is 0.
        row[:] = 0.5 * (norm - np.bincount(owner, weight * off * off, n))
    ages = shapes.first_seen_d
    if np.isnan(ages).all():
        return _log_mean(found, np.full(n, len(found)))
    limit = np.fmax(np.where(np.isnan(longest_d), np.inf, longest_d), ages.min())
    allowed = ages[:, None] <= limit[None, :]
    found[~allowed] = -np.inf
    return _log_mean(found, allowed.sum(axis=0))


def _log_mean(logs: Floats, number: Ints) -> Floats:
    """Log of the mean of ``exp(logs)`` over the rows, of which ``number`` count."""
    most = logs.max(axis=0)
    total = np.zeros(logs.shape[1])
    # Row by row: numpy's own sum rounds otherwise for one column than for many.
    for row in logs:
        total += np.exp(row - most)
    found: Floats = most + np.log(total / number)
    return found


KILONOVA = Scorer(
    "kilonova",
    "1",
    "log (base e) of the likelihood as AT2017gfo over that as a supernova, dwarf nova, flare, "
    "afterglow or variable with equal weights, by shape and colour alone",
    "AT2017gfo's published photometry; docs/science/scorers.md",
    _rule,
)
