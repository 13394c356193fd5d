"""Rows of a store of millions: objects and their alerts, in the order in which they came.

Ids, places, times and fluxes differ from row to row; the rest of each body is that of a form, made
once by the classes of the product and cut open where a value stands. An object was seen one to
fifteen times within sixty days, ever brighter, somewhere north of -30 deg, and is what folding its
alerts gives. Alerts come night after night: those of one object lie far apart in the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from correlator.alert import Alert, Detection, Limit, Quality, Surroundings, mag_of_flux
from correlator.object import OpticalObject, apply_alert
from correlator.policy import DAY_S
from correlator.simulation.load_sky import SOUTHERN_EDGE_SINE
from correlator.wire import to_json
from skymaps.healpix import index_29_of
from storage.share import key_hash

Floats = NDArray[np.float64]
Values = tuple[Any, ...]

UNTIL_UNIX_S = 1_790_000_000.0
LENGTH_S = 60 * DAY_S
MOST_ALERTS = 15
MEAN_ALERTS = 8
HISTORY = 3
"""Earlier detections that an alert repeats."""

ERROR_NJY = 256.0
"""A power of two, so that the ratio of flux and error is exact."""

AT_ONCE = 50_000

ALERT_COLUMNS = (
    "survey", "object_id", "alert_id", "time_unix_s", "ra_deg", "dec_deg", "index_29", "band",
    "flux_njy", "mag_ab", "real_bogus", "body",
)  # fmt: skip
OBJECT_COLUMNS = (
    "object_key", "survey", "object_id", "version", "ra_deg", "dec_deg", "index_29", "key_hash",
    "first_unix_s", "time_unix_s", "n_detections", "real_bogus", "is_contested", "body",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects in columns of shape ``(n,)``, by number.

    Attributes
    ----------
    n_alerts
        How often each was seen.
    ra_deg, dec_deg
        About where.
    first_unix_s, every_s
        When at first, and then how often.
    step
        By how much its signal-to-noise ratio grows from alert to alert.
    """

    n_alerts: NDArray[np.int64]
    ra_deg: Floats
    dec_deg: Floats
    first_unix_s: Floats
    every_s: Floats
    step: Floats

    @classmethod
    def drawn(cls, n_alerts: int, seed: int = 1) -> Objects:
        """Objects that have so many alerts together."""
        rng = np.random.default_rng(seed)
        counts = rng.integers(1, MOST_ALERTS + 1, n_alerts // MEAN_ALERTS * 2 + MOST_ALERTS)
        n = int(np.searchsorted(np.cumsum(counts), n_alerts)) + 1
        counts = counts[:n]
        counts[-1] -= counts.sum() - n_alerts
        every_s = rng.uniform(1.5, 4.0, n) * DAY_S
        seen_s = (counts - 1) * every_s
        first = UNTIL_UNIX_S - rng.uniform(seen_s, np.maximum(LENGTH_S, seen_s))
        return cls(
            counts,
            rng.uniform(0.0, 360.0, n),
            np.degrees(np.arcsin(rng.uniform(SOUTHERN_EDGE_SINE, 1.0, n))),
            first,
            every_s,
            rng.integers(1, 9, n) / 4.0,
        )

    def __len__(self) -> int:
        return len(self.n_alerts)

    def times(self, rows: NDArray[np.int64], nth: int) -> Floats:
        """Times of the nth alerts of some objects [s since the Unix epoch]."""
        return np.round(self.first_unix_s[rows] + nth * self.every_s[rows], 3)

    def fluxes(self, rows: NDArray[np.int64], nth: int) -> Floats:
        """Fluxes of the nth alerts [nJy]."""
        return np.asarray(ERROR_NJY * (5.0 + (nth + 1) * self.step[rows]))

    def places(self, rows: NDArray[np.int64], nth: int) -> tuple[Floats, Floats]:
        """RA and dec of the nth alerts [deg], some hundredths of an arcsecond apart."""
        ra = np.round(self.ra_deg[rows] + 1e-5 * np.sin(nth), 7) % 360.0
        return ra, np.round(np.clip(self.dec_deg[rows] + 1e-5 * np.cos(nth), -90.0, 90.0), 7)


def object_name(number: int) -> str:
    """Id of an object by the survey."""
    return f"ZTF26{number:09d}"


def alert_chunks(objects: Objects) -> Iterator[list[Values]]:
    """Rows of the alerts, first the first ones of all objects, then the second ones ..."""
    for nth in range(MOST_ALERTS):
        seen = np.flatnonzero(objects.n_alerts > nth)
        form, band = _alert_form(nth), _band(nth)
        for start in range(0, len(seen), AT_ONCE):
            rows = seen[start : start + AT_ONCE]
            yield [
                (
                    *("ztf", v["name"], v[f"a{nth}"], v[f"t{nth}"], v["ra"], v["dec"], v["ix"]),
                    *(band, v[f"f{nth}"], mag_of_flux(v[f"f{nth}"]), 0.93, form % v),
                )
                for v in _values(objects, rows, nth, range(max(0, nth - HISTORY), nth + 1))
            ]


def object_chunks(objects: Objects) -> Iterator[list[Values]]:
    """Rows of the objects, by number."""
    for start in range(0, len(objects), AT_ONCE):
        some = np.arange(start, min(start + AT_ONCE, len(objects)))
        by_number: dict[int, Values] = {}
        for n in np.unique(objects.n_alerts[some]).tolist():
            rows, form = some[objects.n_alerts[some] == n], _object_form(n)
            for row, v in zip(rows.tolist(), _values(objects, rows, n - 1, range(n)), strict=True):
                name = v["name"]
                by_number[row] = (
                    *(f"ztf:{name}", "ztf", name, n, v["ra"], v["dec"], v["ix"], key_hash(name)),
                    *(v["t0"], v[f"t{n - 1}"], n, 0.93, False, form % v),
                )
        yield [by_number[row] for row in some.tolist()]


def new_alerts(number: int, ra_deg: float, dec_deg: float, times: Sequence[float]) -> list[Alert]:
    """Alerts of an object at some times [s since the Unix epoch], each as bright."""
    place = ra_deg, dec_deg, int(index_29_of(ra_deg, dec_deg)[0])
    ids = [f"26{number:010d}{nth:02d}" for nth in range(len(times))]
    fluxes = [20.0 * ERROR_NJY] * len(times)
    limits = [times[0] - days * DAY_S for days in _LIMIT_DAYS]
    name = object_name(number)
    return [_alert(n, name, ids, times, fluxes, place, limits) for n in range(len(times))]


_LIMIT_DAYS = 5.0, 3.0, 1.0


def _values(
    objects: Objects, rows: NDArray[np.int64], nth: int, seen: range
) -> Iterator[dict[str, Any]]:
    """What stands in the bodies of some objects of which some alerts are told, the nth last."""
    ra, dec = objects.places(rows, nth)
    first = objects.times(rows, 0)
    columns: dict[str, list[Any]] = {
        "ra": ra.tolist(), "dec": dec.tolist(), "ix": index_29_of(ra, dec).tolist(),
        "t0": first.tolist(), "name": [object_name(n) for n in rows.tolist()],
    }  # fmt: skip
    for i, days in enumerate(_LIMIT_DAYS):
        columns[f"l{i}"] = np.round(first - days * DAY_S, 3).tolist()
    for i in seen:
        columns[f"t{i}"] = objects.times(rows, i).tolist()
        columns[f"f{i}"] = objects.fluxes(rows, i).tolist()
        columns[f"a{i}"] = [f"26{n:010d}{i:02d}" for n in rows.tolist()]
    columns["snr"] = (objects.fluxes(rows, nth) / ERROR_NJY).tolist()
    names = list(columns)
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(names, values, strict=True))


def _band(nth: int) -> str:
    return "gr"[nth % 2]


def _alert(
    nth: int,
    name: str,
    ids: Sequence[str],
    times: Sequence[float],
    fluxes: Sequence[float],
    place: tuple[float, float, int],
    limits: Sequence[float],
) -> Alert:
    """The nth alert of an object that was seen at some times."""
    seen = [
        Detection(ids[i], times[i], _band(i), fluxes[i], ERROR_NJY)
        for i in range(max(0, nth - HISTORY), nth + 1)
    ]
    return Alert(
        survey="ztf",
        schema_version="4.02",
        alert_id=ids[nth],
        object_id=name,
        ra_deg=place[0],
        dec_deg=place[1],
        index_29=place[2],
        exposure_s=30.0,
        detection=seen[-1],
        history=tuple(seen[:-1]),
        limits=tuple(Limit(time_unix_s, "g", 20.6) for time_unix_s in limits),
        survey_first_unix_s=times[0],
        quality=Quality(0.93, 0.9, None, 0, 2.1, 1.1, 0.02),
        surroundings=Surroundings(star_score=0.02, star_sep_arcsec=5.4),
    )


def _stand_in(nth: int) -> tuple[Alert, dict[str, str]]:
    """The nth alert with values that stand nowhere else, and by what to replace each."""
    ids = [f"ALERT{i:02d}" for i in range(nth + 1)]
    times = [1_600_000_000.125 + i for i in range(nth + 1)]
    fluxes = [ERROR_NJY * (1000.25 + i) for i in range(nth + 1)]
    limits = [1_500_000_000.125 + i for i in range(len(_LIMIT_DAYS))]
    place = 101.0001, -7.0003, 1_234_567_890_123
    alert = _alert(nth, "NAME", ids, times, fluxes, place, limits)
    named: dict[str, str] = {"NAME": "name", "101.0001": "ra", "-7.0003": "dec"}
    named |= {"1234567890123": "ix", str(1000.25 + nth): "snr"}
    for letter, values in (("a", ids), ("t", times), ("f", fluxes), ("l", limits)):
        named |= {str(value): f"{letter}{i}" for i, value in enumerate(values)}
    return alert, named


@cache
def _alert_form(nth: int) -> str:
    alert, named = _stand_in(nth)
    return cut_open(to_json(alert).decode(), named)


@cache
def _object_form(n_alerts: int) -> str:
    obj: OpticalObject | None = None
    named: dict[str, str] = {}
    for nth in range(n_alerts):
        alert, named = _stand_in(nth)
        obj = apply_alert(obj, alert)
    assert obj is not None
    return cut_open(to_json(obj).decode(), named)


def cut_open(text: str, named: Mapping[str, str]) -> str:
    """A text with ``%(name)s`` for each of some values, wherever it stands as a whole."""
    longest_first = sorted(named, key=len, reverse=True)
    whole = "|".join(re.escape(value) for value in longest_first)
    pattern = re.compile(rf"(?<![\w.\-])(?:{whole})(?![\w.])")
    return pattern.sub(lambda found: f"%({named[found[0]]})s", text.replace("%", "%%"))
