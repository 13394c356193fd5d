"""Every threshold of the correlator: its unit, its default and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from correlator.nature import NO_BURSTS, Nature

HOUR_S = 3600.0
DAY_S = 86_400.0

AT_POSITION_ARCSEC = 1.5
"""An entry of a catalogue so near is what is at the position (Fink's radius for VSX, GCVS, TNS)."""

SIGNIFICANT_PARALLAX = 5.0
"""Parallax over its error from which on it is a star of ours (Fink, LSST blocks: Plx/e_Plx > 5)."""

EXTRAGALACTIC_Z = 0.002
"""Redshift from which on it is outside: 600 km/s, more than a star bound to the Galaxy has near the
Sun (528 km/s; Deason et al. 2019)."""


class EventClass(StrEnum):
    """What an event is to the join: it chooses window, kernel and value."""

    GRB = "grb"
    X_RAY_TRANSIENT = "x-ray-transient"
    GW_CBC = "gw-cbc"
    GW_BURST = "gw-burst"
    GW_SUBTHRESHOLD = "gw-subthreshold"
    NEUTRINO = "neutrino"


@dataclass(frozen=True, slots=True)
class DelayWindow:
    """When the optical onset may lie, counted from T0, and how likely each delay is.

    Attributes
    ----------
    start_s, end_s
        Half-open interval ``[start_s, end_s)`` of onset minus T0 [s].
    scale_s
        E-folding time of the delay kernel [s]; None for a flat kernel.
    source
        Where the numbers come from.
    """

    start_s: float
    end_s: float
    scale_s: float | None
    source: str

    def __post_init__(self) -> None:
        if not self.start_s < self.end_s:
            raise ValueError(f"a window must have positive length, got {self}")

    @property
    def length_s(self) -> float:
        """W, the length of the window [s]."""
        return self.end_s - self.start_s


_SCIENCE_2 = (
    "SCIENCE 2: optical first detection 0..+5 d after GW, 0..+3 d after GRB, 0..+30 d after nu"
)

_WINDOWS: dict[EventClass, DelayWindow] = {
    # An afterglow shines from the burst on, so an onset interval that holds T0 is the best one;
    # a day of e-folding lets a field that is visited late still count.
    EventClass.GRB: DelayWindow(0.0, 3 * DAY_S, DAY_S, _SCIENCE_2),
    EventClass.X_RAY_TRANSIENT: DelayWindow(0.0, 3 * DAY_S, DAY_S, _SCIENCE_2),
    # AT2017gfo rose within a day (Villar et al. 2017); two days cover redder, slower models.
    EventClass.GW_CBC: DelayWindow(0.0, 5 * DAY_S, 2 * DAY_S, _SCIENCE_2),
    EventClass.GW_BURST: DelayWindow(0.0, 5 * DAY_S, None, _SCIENCE_2),
    EventClass.GW_SUBTHRESHOLD: DelayWindow(0.0, 5 * DAY_S, 2 * DAY_S, _SCIENCE_2),
    EventClass.NEUTRINO: DelayWindow(0.0, 30 * DAY_S, None, _SCIENCE_2),
}

_VALUES: dict[EventClass, float] = {
    # Relative worth of a telescope hour, in the order of the O4 target-of-opportunity programmes:
    # a merger with a neutron star first, a sub-threshold trigger last.
    EventClass.GRB: 1.0,
    EventClass.X_RAY_TRANSIENT: 0.7,
    EventClass.GW_CBC: 1.0,
    EventClass.GW_BURST: 1.0,
    EventClass.GW_SUBTHRESHOLD: 0.1,
    EventClass.NEUTRINO: 1.0,
}


@dataclass(frozen=True, slots=True)
class ScienceCase:
    """One target list: which events feed it and what a candidate must be to enter.

    Attributes
    ----------
    name
        ``kilonova``, ``grb-afterglow``, ...
    classes
        Event classes whose pairs may enter.
    min_log_lr
        Least log-likelihood ratio of a published coincidence.
    min_detections, min_span_s
        Positive detections after T0 and the time that they must span: two visits apart tell a
        transient from a moving object (nuztf: at least 2 detections more than 0.01 d apart).
    allow_prior_activity
        Whether a detection before T0 is no veto.
    fading_scale_s
        E-folding time of the urgency with the time since T0 [s].
    max_targets
        Length of the list.
    """

    name: str
    classes: frozenset[EventClass]
    min_log_lr: float = 0.0
    min_detections: int = 2
    min_span_s: float = 0.01 * DAY_S
    allow_prior_activity: bool = False
    fading_scale_s: float = DAY_S
    max_targets: int = 100


_PRIOR_ACTIVITY_LOG_LR: dict[EventClass, float] = {
    # The chance, taken as one in a thousand until it is measured on the stream, that a true
    # counterpart shows an unrelated earlier detection at its place.
    **dict.fromkeys(EventClass, -6.9),
    # A neutrino's source may have shone for months: AT2019dsg (Stein et al. 2021).
    EventClass.NEUTRINO: 0.0,
}

_CASES: tuple[ScienceCase, ...] = (
    ScienceCase(
        "kilonova",
        frozenset({EventClass.GW_CBC, EventClass.GW_BURST, EventClass.GW_SUBTHRESHOLD}),
        fading_scale_s=3 * DAY_S,
    ),
    ScienceCase("grb-afterglow", frozenset({EventClass.GRB, EventClass.X_RAY_TRANSIENT})),
    ScienceCase(
        "neutrino-counterpart",
        frozenset({EventClass.NEUTRINO}),
        # AT2019dsg shone for months before its neutrino (Stein et al. 2021).
        allow_prior_activity=True,
        fading_scale_s=30 * DAY_S,
    ),
)


@dataclass(frozen=True, slots=True)
class PairWindow:
    """How far apart two messengers of one source may come.

    Attributes
    ----------
    first, other
        Classes of the two events.
    start_s, end_s
        Closed interval of T0 of the other minus T0 of the first [s].
    source
        Where the numbers come from.
    """

    first: EventClass
    other: EventClass
    start_s: float
    end_s: float
    source: str

    def __post_init__(self) -> None:
        if not self.start_s < self.end_s:
            raise ValueError(f"a window must have positive length, got {self}")

    @property
    def length_s(self) -> float:
        """Th - tl, the length of the window [s]."""
        return self.end_s - self.start_s


_RAVEN = "ligo-raven 3.3, raven_coincidence_windows; SCIENCE 2"
_SAME_BURST = "SCIENCE 2: GRB - GRB same burst +-max(T90, 60 s); notices give no T90"
_BARET = "+-500 s: Baret et al. 2011, Astropart. Phys. 35, 1; SCIENCE 2 for neutrino - GW"

_GW_CLASSES = (EventClass.GW_CBC, EventClass.GW_BURST, EventClass.GW_SUBTHRESHOLD)
_BURST_CLASSES = (EventClass.GRB, EventClass.X_RAY_TRANSIENT)

_PAIR_WINDOWS: tuple[PairWindow, ...] = (
    PairWindow(EventClass.GW_CBC, EventClass.GRB, -1.0, 5.0, _RAVEN),
    PairWindow(EventClass.GW_SUBTHRESHOLD, EventClass.GRB, -1.0, 5.0, _RAVEN),
    PairWindow(EventClass.GW_BURST, EventClass.GRB, -60.0, 600.0, _RAVEN),
    *(PairWindow(gw, EventClass.NEUTRINO, -500.0, 500.0, _BARET) for gw in _GW_CLASSES),
    PairWindow(EventClass.GRB, EventClass.NEUTRINO, -500.0, 500.0, _BARET),
    PairWindow(EventClass.GRB, EventClass.GRB, -60.0, 60.0, _SAME_BURST),
    PairWindow(EventClass.GRB, EventClass.X_RAY_TRANSIENT, -60.0, 60.0, _SAME_BURST),
    PairWindow(EventClass.X_RAY_TRANSIENT, EventClass.X_RAY_TRANSIENT, -60.0, 60.0, _SAME_BURST),
)

_PER_YEAR_HZ = 1.0 / (365.25 * DAY_S)
_PER_DAY_HZ = 1.0 / DAY_S


@dataclass(frozen=True, slots=True)
class JointRules:
    """When events of different missions are one joint event, and how often by chance.

    Attributes
    ----------
    windows
        Of each pair of classes, in either order; a pair without one is never joined.
    min_overlap
        Least overlap integral of two events that both have a localization: above 1 they agree
        better than chance places would (SCIENCE 2).
    mission_rates_hz
        Bursts that a mission announces [Hz] (ligo-raven 3.3, R_ext by mission).
    class_rates_hz
        Events of a class [Hz], for missions that are not named: of bursts as many as Swift
        (assumed); of neutrinos 15 a year (gwcelery 3.0); of mergers one in three days and of
        other gravitational-wave bursts one a year, the thresholds of LVK's significant alerts
        (GCN 38356: where a side is confident its astrophysical rate counts, not its own FAR).
    subthreshold_rate_hz
        Largest FAR of a sub-threshold gravitational-wave alert, two a day (ligo-raven 3.3).
    longest_event_s
        Longest interval of T0 that counts, so that those near an event can be found by T0 [s].
    """

    windows: tuple[PairWindow, ...] = _PAIR_WINDOWS
    min_overlap: float = 1.0
    mission_rates_hz: dict[str, float] = field(
        default_factory=lambda: {
            "Fermi": 236.0 * _PER_YEAR_HZ,
            "Swift": 65.0 * _PER_YEAR_HZ,
            "INTEGRAL": 5.0 * _PER_YEAR_HZ,
            "AGILE": 5.0 * _PER_YEAR_HZ,
        }
    )
    class_rates_hz: dict[EventClass, float] = field(
        default_factory=lambda: {
            **dict.fromkeys(_BURST_CLASSES, 65.0 * _PER_YEAR_HZ),
            EventClass.NEUTRINO: 15.0 * _PER_YEAR_HZ,
            EventClass.GW_CBC: _PER_DAY_HZ / 3.0,
            EventClass.GW_BURST: _PER_YEAR_HZ,
        }
    )
    subthreshold_rate_hz: float = 2.0 * _PER_DAY_HZ
    longest_event_s: float = DAY_S

    @property
    def longest_s(self) -> float:
        """Farthest apart that the T0 intervals of two joined events lie [s]."""
        return max(max(-w.start_s, w.end_s) for w in self.windows)


@dataclass(frozen=True, slots=True)
class Policy:
    """The choices that the correlator makes, all in one place.

    Attributes
    ----------
    widest_level
        Credible level of the region in which a pair is a candidate at all (skyjoin.md: test the
        widest level, publish the level, let rules cut at 0.5 or 0.9).
    windows
        Delay window of each event class.
    values
        Worth of each event class in the priority; the neutron-star factor multiplies it.
    neutron_star_value, neutron_star_probability
        Factor for an event whose classes name a neutron star (BNS, NSBH) with more than that
        probability: more likely than not.
    follow_s
        How long after the end of its window an event stays open: alerts of that time still refine
        its pairs, later ones never change them (the alert window of ARCHITECTURE 2: 14 d) [s].
    longest_event_s
        Longest interval of T0 that counts; a longer one is cut when the event's closing is
        computed, so that the open events of a moment can be found by T0 [s].
    assumed_onset_s
        Length of the onset interval of an object without a limit (SCIENCE 2: 3 d, flagged).
    prior_tolerance_s
        A detection earlier than T0 by more than this is prior activity; covers the half exposure
        of 30 s and the error of a trigger time [s].
    prior_activity_log_lr
        Evidence against a counterpart when the object was active before T0, by event class.
    solar_system_sep_arcsec, star_sep_arcsec, star_score
        A known Solar System object nearer than 5 arcsec, or a reference source nearer than
        2 arcsec with a star score of at least 0.5, is no target (Fink_MM prior filter,
        reference fink 1.4).
    fade_scale_mag_per_day
        Fade rate that doubles the urgency (ZTFReST: fade faster than 0.3 mag/d).
    fade_significance
        A rate counts when it is larger than this many of its errors.
    max_fade_urgency
        Cap of the fade factor, against wild rates from two close points.
    full_night_h, least_night_h
        Hours up that give a target its full weight, and those that it has at least: a target
        that is not up tonight sinks in the list and stays in it [h].
    joint
        When events of different missions are one.
    kept_out
        What does not reach the join when the mission itself says that it is that; where it says
        nothing, the event is let in.
    include_tests
        Whether tests, mocks and drills reach the join.
    """

    widest_level: float = 0.99
    windows: dict[EventClass, DelayWindow] = field(default_factory=lambda: dict(_WINDOWS))
    values: dict[EventClass, float] = field(default_factory=lambda: dict(_VALUES))
    neutron_star_value: float = 3.0
    neutron_star_probability: float = 0.5
    follow_s: float = 14 * DAY_S
    longest_event_s: float = DAY_S
    assumed_onset_s: float = 3 * DAY_S
    prior_tolerance_s: float = 60.0
    prior_activity_log_lr: dict[EventClass, float] = field(
        default_factory=lambda: dict(_PRIOR_ACTIVITY_LOG_LR)
    )
    solar_system_sep_arcsec: float = 5.0
    star_sep_arcsec: float = 2.0
    star_score: float = 0.5
    fade_scale_mag_per_day: float = 0.3
    fade_significance: float = 2.0
    max_fade_urgency: float = 10.0
    full_night_h: float = 8.0
    least_night_h: float = 0.1
    cases: tuple[ScienceCase, ...] = _CASES
    joint: JointRules = field(default_factory=JointRules)
    kept_out: frozenset[Nature] = NO_BURSTS
    include_tests: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.widest_level < 1.0:
            raise ValueError(f"widest_level must lie in (0, 1), got {self.widest_level}")

    @property
    def longest_window_s(self) -> float:
        """End of the longest delay window [s]: how long an event is matched."""
        return max(w.end_s for w in self.windows.values())

    @property
    def longest_open_s(self) -> float:
        """No event closes later than that after its T0 [s]."""
        return self.longest_event_s + self.longest_window_s + self.follow_s
