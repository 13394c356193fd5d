"""A notice: one VOEvent, GCN or IGWN message, normalised and immutable."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from correlator.audience import PUBLIC, Audience
from correlator.nature import DRILLS, Nature, Verdict, is_burst, of_the_sky
from skymaps.localization import Localization


class Messenger(StrEnum):
    """What carried the news of the event, from what says most of its nature to what says least."""

    GRAVITATIONAL_WAVE = "gravitational-wave"
    NEUTRINO = "neutrino"
    GAMMA_RAY = "gamma-ray"
    X_RAY = "x-ray"
    RADIO = "radio"
    OPTICAL = "optical"


@dataclass(frozen=True, slots=True)
class Notice:
    """What we understood of one packet. ``None`` is "the packet does not say".

    Attributes
    ----------
    source
        Wire form: ``voevent``, ``igwn`` or ``gcn``; ``map`` where a fetched map came with it.
    mission, instrument
        ``Fermi``, ``GBM``; ``LVK``, None; ``Einstein Probe``, ``WXT``.
    notice_type
        The mission's own word: ``GBM_Fin_Pos``, ``PRELIMINARY``, ``eclairs-wakeup``.
    notice_id
        IVORN, or for JSON the mission's id with what distinguishes its messages.
    content_sha256
        Hash of the packet's bytes: the same id with other content occurs (tests).
    event_id
        The mission's own id of the event: ``727029942``, ``S240115k``, ``sb26051102``.
    stream
        The series in which ``event_id`` is unique: ``fermi-gbm``, ``lvk``, ``svom``.
    event_unix_s, event_end_unix_s
        When the sky did it (T0) [s since the Unix epoch]; the end only where T0 is an interval.
    notice_unix_s
        When the mission said it.
    role
        The packet's own role: ``observation``, ``test``, ``utility``, ``prediction``.
    verdicts
        What the packet says that it reports, each with the field that says so: test, mock,
        retraction, burst, solar flare ...; empty where it does not say.
    supersedes
        Ids of notices (or, where a packet names no notice, of events) that this one cites as
        superseded, followed up, retracted or coincident.
    localization
        The position on the sky with its uncertainty; None for a notice of time only.
    localization_rank, sequence
        Order of the localizations inside one event, never that of arrival: the highest
        ``(localization_rank, sequence, notice_id)`` wins. The rank is the mission's stage
        (FIN > GND > FLT), the sequence what counts inside a stage (time created, revision).
    skymap_url
        Where a better map can be had; fetched elsewhere, never here.
    far_hz
        False-alarm rate of the event [Hz].
    significance, significance_kind
        The mission's own measure and its name: ``12.3``, ``image_snr``.
    classification
        Class and probability, sorted by class: ``(("BBH", 0.97), ("Terrestrial", 0.03))``;
        probability None for a verdict without one.
    is_significant
        LVK's own flag; None elsewhere. False marks a sub-threshold event.
    audience
        Who may read it, by the stream that it came from.
    """

    source: str
    mission: str
    instrument: str | None
    notice_type: str
    notice_id: str
    content_sha256: str
    event_id: str
    stream: str
    messenger: Messenger
    role: str
    verdicts: tuple[Verdict, ...] = ()
    event_unix_s: float | None = None
    event_end_unix_s: float | None = None
    notice_unix_s: float | None = None
    supersedes: tuple[str, ...] = ()
    localization: Localization | None = None
    localization_rank: int = 0
    sequence: float = 0.0
    skymap_url: str | None = None
    far_hz: float | None = None
    significance: float | None = None
    significance_kind: str | None = None
    classification: tuple[tuple[str, float | None], ...] = ()
    is_significant: bool | None = None
    audience: Audience = PUBLIC

    @property
    def is_test(self) -> bool:
        """Test, mock, drill or injection by any of the packet's marks, whatever its role says."""
        return any(verdict.nature in DRILLS for verdict in self.verdicts)

    @property
    def is_retraction(self) -> bool:
        """Whether the notice takes the event (or its instrument's part of it) back."""
        return any(verdict.nature is Nature.RETRACTED for verdict in self.verdicts)

    @property
    def is_burst(self) -> bool | None:
        """True for a transient that may have a counterpart, False for what the mission itself
        calls something else (solar flare, TGF, known source, slew), None where it does not say.
        """
        return is_burst(of_the_sky(self.verdicts))

    @property
    def event_key(self) -> str:
        """Id of the event that is unique over all missions: ``fermi-gbm:727029942``.

        A test is never of the event of an observation, even where a mission gives both one id.
        """
        key = f"{self.stream}:{self.event_id}"
        return f"test:{key}" if self.is_test else key
