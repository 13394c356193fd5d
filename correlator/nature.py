"""What an event is, as the mission itself says: a burst, a solar flare, a test, taken back ..."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Nature(StrEnum):
    """What a packet says that it reports, from what overrides all else to what overrides none."""

    MOCK = "mock"
    """A drill of LVK, which looks like an event and comes on the topic of events."""
    TEST = "test"
    RETRACTED = "retracted"
    POINTING = "pointing"
    """Where a telescope turns to."""
    FOLLOW_UP = "follow-up"
    """A search about another's event, or objects near it: no event of its own."""
    KNOWN_SOURCE = "known-source"
    NO_BURST = "no-burst"
    """None, without saying what else: BAT's star tracker lost, a cosmic ray."""
    PARTICLES = "particles"
    BELOW_HORIZON = "below-horizon"
    """From the Earth's direction, as GBM has it."""
    TGF = "tgf"
    SOLAR_FLARE = "solar-flare"
    SGR = "sgr"
    """Of a soft gamma repeater; a giant flare of another galaxy looks like a short burst."""
    GRB = "grb"
    GW = "gw"
    """A gravitational-wave candidate that LVK takes for significant."""


DRILLS = frozenset({Nature.TEST, Nature.MOCK})

NO_BURSTS = frozenset(
    {
        Nature.POINTING,
        Nature.FOLLOW_UP,
        Nature.KNOWN_SOURCE,
        Nature.NO_BURST,
        Nature.PARTICLES,
        Nature.BELOW_HORIZON,
        Nature.TGF,
        Nature.SOLAR_FLARE,
    }
)
"""What has no counterpart that anybody could look for; a policy may say otherwise."""

BURSTS = frozenset({Nature.GRB, Nature.GW})

_ORDER = tuple(Nature)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that a packet says of what it reports.

    Attributes
    ----------
    field
        The field of the packet that says so: ``Most_Likely_Index``, ``role``.
    """

    nature: Nature
    field: str


def foremost(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The verdict that overrides the others; None of none."""
    return min(verdicts, key=lambda v: _ORDER.index(v.nature), default=None)


def of_the_sky(verdicts: Iterable[Verdict]) -> Verdict | None:
    """What the thing itself is, were it neither a test nor taken back; None where nobody says."""
    return foremost(v for v in verdicts if v.nature not in DRILLS | {Nature.RETRACTED})


def is_burst(verdict: Verdict | None) -> bool | None:
    """Whether the thing may have a counterpart; None where that is open."""
    if verdict is None:
        return None
    return True if verdict.nature in BURSTS else False if verdict.nature in NO_BURSTS else None
