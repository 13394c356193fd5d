"""Joint events: events of different missions that are one burst, by their times and their places.

A joint event is a function of the set of events: the connected component of pairwise links. What
an update or a retraction of a member changes follows from computing it anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from correlator.audience import Audience, union
from correlator.coincidence import Miss, admission
from correlator.event import Event
from correlator.notice import Messenger
from correlator.policy import EventClass, JointRules, PairWindow, Policy
from skymaps.errors import SkyMapError
from skymaps.localization import Localization
from skymaps.overlap import combined, overlap

PREFIX = "joint:"
"""What the id of a joint event begins with, and that of no event of one mission."""


@dataclass(frozen=True, slots=True)
class JointLink:
    """Two events that agree.

    Attributes
    ----------
    event_keys
        Of the earlier and of the later event.
    delta_t_s
        T0 of the later minus T0 of the earlier [s].
    window_s
        Length of the window in which the pair's classes may come [s].
    i_omega
        Overlap integral; None where one of them has no localization.
    far_hz
        Rate of pairs that agree as well by chance [Hz].
    is_targeted
        Whether the FAR is RAVEN's targeted one, in which the FAR of a sub-threshold event counts;
        else the untargeted one, of the rates of the two classes.
    """

    event_keys: tuple[str, str]
    delta_t_s: float
    window_s: float
    i_omega: float | None
    far_hz: float
    is_targeted: bool


@dataclass(frozen=True, slots=True)
class JointEvent:
    """Events that are one burst.

    Attributes
    ----------
    joint_id
        ``joint:`` and the key of the earliest member by (T0, key).
    aliases
        What the id would be of each other member: ids that it may have had, or will have.
    event_keys
        Members by (T0, key).
    event_unix_s
        T0 of the earliest member [s since the Unix epoch].
    links
        Pairs of members that agree, by their keys.
    localization
        Product of the members' localizations; None where fewer than two have one, or where they
        exclude each other as a whole.
    lead_key
        The member whose class is worth most, of those that have a localization if any has.
    event
        What it is to the join: under the joint id, at the combined place, of the class and the time
        of its lead. Its version is the sum of the members'.
    """

    joint_id: str
    aliases: tuple[str, ...]
    event_keys: tuple[str, ...]
    event_unix_s: float
    links: tuple[JointLink, ...]
    localization: Localization | None
    lead_key: str
    event: Event

    @property
    def audience(self) -> Audience:
        """Who may read it: whoever may read all its members."""
        return self.event.audience

    @property
    def far_hz(self) -> float:
        """FAR of the least likely chance among its links [Hz]."""
        return min(link.far_hz for link in self.links)


def joint_events(events: Iterable[Event], policy: Policy) -> list[JointEvent]:
    """The joint events that a set of events implies, by id.

    Retracted events, tests (unless the policy includes them) and what is no burst have no part.
    """
    admitted = sorted((e for e in events if _takes_part(e, policy)), key=_by_time)
    links = list(_links(admitted, policy.joint))
    known = {event.event_key: event for event in admitted}
    found = [_joint(keys, links, known, policy) for keys in _components(links)]
    return sorted(found, key=lambda joint: joint.joint_id)


def link_of(a: Event, b: Event, rules: JointRules) -> JointLink | None:
    """How two events agree, in either order; None when they do not.

    Two triggers of one series are two bursts, however near: its mission has looked.
    """
    first, other = sorted((a, b), key=_by_time)
    window = _window_of(first, other, rules)
    if window is None or _series(first) == _series(other):
        return None
    if not _meet(first, other, window, rules):
        return None
    i_omega = None
    if first.localization is not None and other.localization is not None:
        i_omega = overlap(first.localization, other.localization)
        if not i_omega > rules.min_overlap:
            return None
    far_hz, is_targeted = _far(first, other, window, i_omega, rules)
    keys = first.event_key, other.event_key
    delta_t_s = _t0(other) - _t0(first)
    return JointLink(keys, delta_t_s, window.length_s, i_omega, far_hz, is_targeted)


def untargeted_far_hz(window_s: float, a_hz: float, b_hz: float, i_omega: float | None) -> float:
    """Rate of chance pairs of two classes: (th - tl) R_a R_b / I (RAVEN, peers.md 1.1)."""
    return window_s * a_hz * b_hz / (1.0 if i_omega is None else i_omega)


def targeted_far_hz(
    window_s: float,
    fars_hz: tuple[float, float],
    largest_hz: tuple[float, float],
    i_omega: float | None,
) -> float:
    """Rate of chance pairs as improbable as this one: Z (1 + ln(Zmax / Z)) / I, Z <= Zmax.

    Z is the window times both FARs, Zmax that of the largest FARs that are looked at (RAVEN).
    """
    most = window_s * largest_hz[0] * largest_hz[1]
    z = min(window_s * fars_hz[0] * fars_hz[1], most)
    if z <= 0.0:
        return 0.0
    return z * (1.0 + math.log(most / z)) / (1.0 if i_omega is None else i_omega)


def _takes_part(event: Event, policy: Policy) -> bool:
    return admission(event, policy) in (None, Miss.NO_LOCALIZATION)


def _by_time(event: Event) -> tuple[float, str]:
    return _t0(event), event.event_key


def _t0(event: Event) -> float:
    assert event.event_unix_s is not None  # noqa: S101 - who takes part has one
    return event.event_unix_s


def _series(event: Event) -> str:
    """The series of a mission in which the event's id is unique."""
    return event.event_key.rpartition(":")[0]


def _links(admitted: Sequence[Event], rules: JointRules) -> Iterator[JointLink]:
    """All links; only events that are near enough in time are compared."""
    for at, first in enumerate(admitted):
        latest = _end(first, rules) + rules.longest_s
        for other in admitted[at + 1 :]:
            if _t0(other) > latest:
                break
            link = link_of(first, other, rules)
            if link is not None:
                yield link


def _window_of(first: Event, other: Event, rules: JointRules) -> PairWindow | None:
    """The window of two events' classes, turned so that it counts from the first."""
    a, b = first.event_class, other.event_class
    for window in rules.windows:
        if (window.first, window.other) == (a, b):
            return window
        if (window.first, window.other) == (b, a):
            start_s, end_s = -window.end_s, -window.start_s
            return PairWindow(window.other, window.first, start_s, end_s, window.source)
    return None


def _meet(first: Event, other: Event, window: PairWindow, rules: JointRules) -> bool:
    """Whether some moments of the two T0 intervals lie the window apart."""
    shortest, longest = _t0(other) - _end(first, rules), _end(other, rules) - _t0(first)
    return longest >= window.start_s and shortest <= window.end_s


def _end(event: Event, rules: JointRules) -> float:
    """End of the T0 interval of an event, as far as it counts."""
    end = max(_t0(event), event.event_end_unix_s or -math.inf)
    return min(end, _t0(event) + rules.longest_event_s)


def _far(
    first: Event, other: Event, window: PairWindow, i_omega: float | None, rules: JointRules
) -> tuple[float, bool]:
    rates = _rate_hz(first, rules), _rate_hz(other, rules)
    fars = [
        event.far_hz if event.event_class is EventClass.GW_SUBTHRESHOLD else None
        for event in (first, other)
    ]
    if fars == [None, None]:
        return untargeted_far_hz(window.length_s, *rates, i_omega), False
    # Of a confident side the rate at which such events come is both its FAR and the largest one.
    own = [rate if far is None else far for far, rate in zip(fars, rates, strict=True)]
    return targeted_far_hz(window.length_s, (own[0], own[1]), rates, i_omega), True


def _rate_hz(event: Event, rules: JointRules) -> float:
    """How often events like this one come, or at most come [Hz]."""
    kind = event.event_class
    if kind is None or kind is EventClass.GW_SUBTHRESHOLD:
        return rules.subthreshold_rate_hz
    is_burst = kind in (EventClass.GRB, EventClass.X_RAY_TRANSIENT)
    by_mission = rules.mission_rates_hz.get(event.mission) if is_burst else None
    return rules.class_rates_hz[kind] if by_mission is None else by_mission


def _components(links: Sequence[JointLink]) -> Iterator[set[str]]:
    """Keys of the events that hang together."""
    neighbours: dict[str, set[str]] = {}
    for link in links:
        one, other = link.event_keys
        neighbours.setdefault(one, set()).add(other)
        neighbours.setdefault(other, set()).add(one)
    while neighbours:
        found: set[str] = set()
        waiting = [next(iter(neighbours))]
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting.extend(neighbours.pop(key) - found)
        yield found


def _joint(
    keys: set[str], links: Iterable[JointLink], known: dict[str, Event], policy: Policy
) -> JointEvent:
    members = sorted((known[key] for key in keys), key=_by_time)
    ids = [PREFIX + event.event_key for event in members]
    mine = sorted((k for k in links if k.event_keys[0] in keys), key=lambda k: k.event_keys)
    place = _combination(members)
    lead = min(members, key=lambda event: _worth(event, policy))
    return JointEvent(
        joint_id=ids[0],
        aliases=tuple(ids[1:]),
        event_keys=tuple(event.event_key for event in members),
        event_unix_s=_t0(members[0]),
        links=tuple(mine),
        localization=place.localization,
        lead_key=lead.event_key,
        event=replace(
            lead,
            event_key=ids[0],
            event_id=ids[0].removeprefix(PREFIX),
            mission="+".join(sorted({event.mission for event in members})),
            version=sum(event.version for event in members),
            localization=place.localization,
            localization_notice_id=None,
            far_hz=min(link.far_hz for link in mine),
            significance=None,
            significance_kind=None,
            notices=(),
            log_overlap=place.log_overlap,
            audience=union(event.audience for event in members),
        ),
    )


def _worth(event: Event, policy: Policy) -> tuple[bool, float, bool, float, str]:
    assert event.event_class is not None  # noqa: S101 - who takes part has one
    value = policy.values[event.event_class]
    # Of equal ones a merger: the kilonova is sought longer, and a neutron star is worth more.
    is_other = event.messenger is not Messenger.GRAVITATIONAL_WAVE
    return event.localization is None, -value, is_other, *_by_time(event)


class _Combination(NamedTuple):
    """What all members say together of the place, and how well they agree on it."""

    localization: Localization | None
    log_overlap: float | None


_NOWHERE = _Combination(None, None)


def _combination(members: Sequence[Event]) -> _Combination:
    """Product of the members' localizations, in the order of their keys."""
    located = sorted((e for e in members if e.localization is not None), key=lambda e: e.event_key)
    places = [e.localization for e in located if e.localization is not None]
    if len(places) < 2:
        return _NOWHERE
    product, *others = places
    log_overlaps = []
    for other in others:
        agreement = overlap(product, other)
        if not agreement > 0.0:
            return _NOWHERE
        log_overlaps.append(math.log(agreement))
        try:
            product = combined(product, other)
        except SkyMapError:
            return _NOWHERE
    return _Combination(product, math.fsum(log_overlaps))
