"""Slim alerts of real size, in the order of their times: what the edge leaves of a survey's night.

They are a load night's (`correlator.simulation.load_sky`): 2.9 alerts an object, histories that
grow, 1.8 kB in the median; a real ZTF night behind the gate has 1.9 kB (849 alerts).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from correlator.simulation.load_sky import NIGHT_S, draw_sky, object_id
from correlator.wire import to_json


class SlimRecord(NamedTuple):
    """A slim alert ready to be produced."""

    time_unix_s: float
    key: bytes
    value: bytes


def slim_night(n: int, start_unix_s: float, seed: int = 1) -> Iterator[SlimRecord]:
    """So many alerts of one night, the same for the same seed."""
    return _records(n, start_unix_s, seed, first_object=0)


def slim_nights(rate_per_night: int, start_unix_s: float) -> Iterator[SlimRecord]:
    """Night after night without a day between, each with objects of its own; without end."""
    night = 0
    while True:
        begin = start_unix_s + night * NIGHT_S
        yield from _records(rate_per_night, begin, night, first_object=night * rate_per_night)
        night += 1


def _records(n: int, start_unix_s: float, seed: int, first_object: int) -> Iterator[SlimRecord]:
    sky = draw_sky(n, start_unix_s, (), np.random.default_rng(seed))
    for at in np.argsort(sky.time_unix_s, kind="stable").tolist():
        name = object_id(first_object + int(sky.owner[at]))
        alert = replace(sky.alert(at), object_id=name)
        yield SlimRecord(alert.time_unix_s, name.encode(), to_json(alert))
