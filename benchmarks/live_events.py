"""Live events, in number and kind as a worker has them in its book on a busy day."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from benchmarks import inputs
from correlator.event import Event, EventState
from correlator.notice import Messenger
from correlator.policy import DAY_S
from correlator.wire import record_of_event
from skymaps.fits import read_sky_map
from skymaps.localization import Localization
from skymaps.shapes import Circle
from storage.store import Store

N_EVENTS = 100

_R90_DEG = (5.1,) * 10 + (1.0,) * 10 + (0.5,) * 10 + (0.05,) * 40 + (0.002,) * 29
"""90 % radii of the circles: GBM's bursts, IceCube's tracks, ECLAIRs, BAT, XRT; with one map they
are 100 events. Chosen so that one alert in twenty makes a pair."""

_NEUTRINOS = range(10, 20)
"""Which of the circles are neutrinos'."""

_AGES_S = (0.1 * DAY_S, 2.5 * DAY_S)
"""The events happened so long before the first alert: every window is open."""

_CLASSES = (("BNS", 0.97), ("NSBH", 0.01), ("BBH", 0.01), ("Terrestrial", 0.01))


def live_events(start_unix_s: float, seed: int = 1) -> Iterator[Event]:
    """The events of a sky whose alerts begin at a moment, the same for the same seed."""
    rng = np.random.default_rng(seed)
    sky_map = read_sky_map(inputs.gw_map(None))
    shapes: list[Localization] = [sky_map]
    for radius_deg in _R90_DEG:
        dec_deg = math.degrees(math.asin(rng.uniform(-0.4, 0.95)))
        shapes.append(Circle(rng.uniform(0.0, 360.0), dec_deg, radius_deg, 0.9, True))
    for number, shape in enumerate(shapes):
        yield event(number, start_unix_s - rng.uniform(*_AGES_S), shape)


def event(number: int, t0_unix_s: float, localization: Localization) -> Event:
    """A live event: number 0 is a merger, some are neutrinos, the others bursts."""
    is_merger, is_neutrino = number == 0, number - 1 in _NEUTRINOS
    messenger = Messenger.NEUTRINO if is_neutrino else Messenger.GAMMA_RAY
    return Event(
        event_key=f"benchmark:{number}",
        event_id=str(number),
        mission="benchmark",
        messenger=Messenger.GRAVITATIONAL_WAVE if is_merger else messenger,
        state=EventState.LIVE,
        version=1,
        is_burst=True,
        event_unix_s=t0_unix_s,
        event_end_unix_s=t0_unix_s,
        localization=localization,
        localization_notice_id=None,
        far_hz=None,
        significance=None,
        significance_kind=None,
        classification=_CLASSES if is_merger else (),
        is_significant=True,
        notices=(),
    )


def put_events(store: Store, events: Iterable[Event]) -> None:
    """Let a store know events, as if their notices had come before."""
    for one in events:
        if one.localization is not None:
            store.localizations.put(one.localization)
        store.events.put(record_of_event(one))
