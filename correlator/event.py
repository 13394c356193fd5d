"""An event: what all notices of one burst imply together, in whichever order they came.

The reducer is a function of the *set* of distinct notices: it keeps them sorted and derives the
state anew from the sorted set, so that order, repetition and restarts cannot change the answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from correlator.audience import PUBLIC, Audience, union
from correlator.nature import DRILLS, Nature, Verdict, foremost, is_burst, of_the_sky
from correlator.notice import Messenger, Notice
from correlator.policy import EventClass
from skymaps.localization import Localization

T = TypeVar("T")


class EventState(StrEnum):
    """Where an event stands; it expires by the caller's clock, which is not ours to know."""

    LIVE = "live"
    RETRACTED = "retracted"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Event:
    """One astrophysical occurrence, as the notices so far describe it.

    Attributes
    ----------
    event_key
        Unique over all missions: ``lvk:S240115k``.
    version
        Number of distinct notices folded in, and of tags of the audience; grows only.
    event_unix_s, event_end_unix_s
        T0 and the end of its interval (equal for an instant) [s since the Unix epoch].
    messenger
        Of the notices' messengers the first in the order of :class:`Messenger`: a gamma-ray burst
        stays one when its X-ray position arrives.
    localization, localization_notice_id
        The standing localization of the highest rank, and the notice that gave it.
    notices
        The distinct notices, sorted from the least to the most authoritative.
    verdicts
        What it is: test or mock, retracted, and what the most authoritative notice that says
        anything says of the thing itself, each with the packet's field.
    log_overlap
        Of a joint event the logarithm of how well its members' localizations agree
        (:class:`correlator.joint.JointEvent`); None for an event of one mission.
    audience
        Who may read it: whoever may read all its notices.
    """

    event_key: str
    event_id: str
    mission: str
    messenger: Messenger
    state: EventState
    version: int
    is_burst: bool | None
    event_unix_s: float | None
    event_end_unix_s: float | None
    localization: Localization | None
    localization_notice_id: str | None
    far_hz: float | None
    significance: float | None
    significance_kind: str | None
    classification: tuple[tuple[str, float | None], ...]
    is_significant: bool | None
    notices: tuple[Notice, ...]
    log_overlap: float | None = None
    verdicts: tuple[Verdict, ...] = ()
    audience: Audience = PUBLIC

    @property
    def is_retracted(self) -> bool:
        """Whether nothing of it stands; a test that was taken back is a test by its state."""
        return self.state is EventState.RETRACTED or any(
            verdict.nature is Nature.RETRACTED for verdict in self.verdicts
        )

    @property
    def event_class(self) -> EventClass | None:
        """What the event is to the join; None for what has no optical counterpart to look for."""
        match self.messenger:
            case Messenger.GRAVITATIONAL_WAVE:
                return _gravitational_wave_class(self)
            case Messenger.NEUTRINO:
                return EventClass.NEUTRINO
            case Messenger.GAMMA_RAY:
                return EventClass.GRB
            case Messenger.X_RAY:
                return EventClass.X_RAY_TRANSIENT
        return None


def apply_notice(event: Event | None, notice: Notice) -> Event:
    """Fold a notice into its event; a repeated notice returns the event unchanged.

    Raises
    ------
    ValueError
        The notice belongs to another event.
    """
    if event is None:
        return event_of([notice])
    if notice.event_key != event.event_key:
        raise ValueError(
            f"notice {notice.notice_id} is of {notice.event_key}, not {event.event_key}"
        )
    if any(
        _identity(notice) == _identity(known) and {*notice.audience} <= {*known.audience}
        for known in event.notices
    ):
        return event
    return event_of([*event.notices, notice])


def event_of(notices: Iterable[Notice]) -> Event:
    """The event that a set of notices implies.

    A notice that came by several streams is for those who may read all of them.

    Raises
    ------
    ValueError
        No notice, or notices of several events.
    """
    distinct = tuple(sorted(_distinct(notices), key=_authority))
    if len({n.event_key for n in distinct}) != 1:
        raise ValueError(f"notices of one event expected, got {[n.event_key for n in distinct]}")
    standing = _standing(distinct)
    best = standing or distinct
    located = [n for n in best if n.localization is not None and n.localization_rank >= 0]
    timed = [n for n in best if n.event_unix_s is not None]
    measured = next((n for n in reversed(best) if n.significance is not None), None)
    last, audience = distinct[-1], union(n.audience for n in distinct)
    return Event(
        event_key=last.event_key,
        event_id=last.event_id,
        mission=last.mission,
        messenger=min((n.messenger for n in best), key=list(Messenger).index),
        state=_state(distinct, standing),
        # A tag counts, for whatever changes an event must make another version of it.
        version=len(distinct) + len(audience),
        is_burst=is_burst(_latest(best, lambda n: of_the_sky(n.verdicts))),
        event_unix_s=timed[-1].event_unix_s if timed else None,
        event_end_unix_s=(timed[-1].event_end_unix_s or timed[-1].event_unix_s) if timed else None,
        localization=located[-1].localization if located else None,
        localization_notice_id=located[-1].notice_id if located else None,
        far_hz=_latest(best, lambda n: n.far_hz),
        significance=measured.significance if measured else None,
        significance_kind=measured.significance_kind if measured else None,
        classification=_latest(best, lambda n: n.classification or None) or (),
        is_significant=_latest(best, lambda n: n.is_significant),
        notices=distinct,
        verdicts=_verdicts(distinct, standing),
        audience=audience,
    )


def _distinct(notices: Iterable[Notice]) -> Iterable[Notice]:
    found: dict[tuple[str, str], Notice] = {}
    for notice in notices:
        known = found.get(_identity(notice), notice)
        both = union((known.audience, notice.audience))
        is_told = both == notice.audience
        found[_identity(notice)] = notice if is_told else replace(notice, audience=both)
    return found.values()


def _identity(notice: Notice) -> tuple[str, str]:
    # The same ivorn occurs with other content (tests), so the content counts too.
    return notice.notice_id, notice.content_sha256


def _authority(notice: Notice) -> tuple[int, float, float, str, str]:
    said = -math.inf if notice.notice_unix_s is None else notice.notice_unix_s
    return (notice.localization_rank, notice.sequence, said, *_identity(notice))


def _standing(notices: tuple[Notice, ...]) -> tuple[Notice, ...]:
    """Notices that no retraction takes back.

    A retraction takes back what its own instrument said, or everything when it names none
    (LVK; SVOM's GRM can be wrong while ECLAIRs stands).
    """
    withdrawn = {n.instrument for n in notices if n.is_retraction}
    if None in withdrawn:
        return ()
    return tuple(n for n in notices if not n.is_retraction and n.instrument not in withdrawn)


def _state(notices: tuple[Notice, ...], standing: tuple[Notice, ...]) -> EventState:
    if any(n.is_test for n in notices):
        return EventState.TEST
    return EventState.LIVE if standing else EventState.RETRACTED


def _verdicts(notices: tuple[Notice, ...], standing: tuple[Notice, ...]) -> tuple[Verdict, ...]:
    """One verdict at most of each kind, the one that overrides the others first."""
    drill = _latest(notices, lambda n: foremost(v for v in n.verdicts if v.nature in DRILLS))
    retraction = None if standing else _latest(notices, _retraction_in)
    sky = _latest(standing or notices, lambda n: of_the_sky(n.verdicts))
    return tuple(verdict for verdict in (drill, retraction, sky) if verdict is not None)


def _retraction_in(notice: Notice) -> Verdict | None:
    return next((v for v in notice.verdicts if v.nature is Nature.RETRACTED), None)


def _latest(notices: tuple[Notice, ...], say: Callable[[Notice], T | None]) -> T | None:
    """What the most authoritative notice says that says anything."""
    return next((said for n in reversed(notices) if (said := say(n)) is not None), None)


def _gravitational_wave_class(event: Event) -> EventClass:
    if event.is_significant is False:
        return EventClass.GW_SUBTHRESHOLD
    # Burst pipelines give no classes (reference notices 5).
    return EventClass.GW_CBC if event.classification else EventClass.GW_BURST
