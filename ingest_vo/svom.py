"""SVOM: ECLAIRs, GRM, MXT and VT notices.

``Burst_Id`` joins the four instruments. The packet type says what a notice is, never its topic or
its Instrument: a retraction comes on the topic of the retracted instrument, repeats the whole
position, says role=observation, and on GRM's topic can say Instrument=ECLAIRs.
``Within_ECLAIRs_R90`` of MXT errs both ways and is not used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from correlator.errors import MalformedNoticeError
from correlator.nature import Nature, Verdict
from correlator.notice import Messenger, Notice
from ingest_vo import systematics
from ingest_vo.systematics import RadiusMeaning
from ingest_vo.voevent import VOEventPacket
from ingest_vo.voevent_notice import UNLOCALIZED_RANK, frame


@dataclass(frozen=True, slots=True)
class _Kind:
    """What one packet type is about."""

    instrument: str | None
    messenger: Messenger
    rank: int
    nature: Nature | None
    meaning: RadiusMeaning | None


_ECLAIRS, _MXT = systematics.SVOM_ECLAIRS, systematics.SVOM_MXT

_KINDS = {
    # GRM triggers on solar flares too and has no class; its radius is unknown, its positions
    # were 22 to 140 deg off: time only.
    201: _Kind("GRM", Messenger.GAMMA_RAY, 0, None, None),
    202: _Kind("ECLAIRs", Messenger.GAMMA_RAY, 10, Nature.GRB, _ECLAIRS),
    203: _Kind("ECLAIRs", Messenger.GAMMA_RAY, UNLOCALIZED_RANK, Nature.KNOWN_SOURCE, _ECLAIRS),
    204: _Kind("ECLAIRs", Messenger.GAMMA_RAY, 20, Nature.GRB, _ECLAIRS),
    205: _Kind("ECLAIRs", Messenger.GAMMA_RAY, 20, Nature.GRB, _ECLAIRS),
    209: _Kind("MXT", Messenger.X_RAY, 30, Nature.GRB, _MXT),
    210: _Kind("MXT", Messenger.X_RAY, 30, Nature.GRB, _MXT),
    211: _Kind("VT", Messenger.OPTICAL, 40, Nature.GRB, _MXT),
    219: _Kind(None, Messenger.GAMMA_RAY, UNLOCALIZED_RANK, None, _ECLAIRS),
}
"""GRM trigger, ECLAIRs wakeup, catalogue, slewing, not slewing, MXT initial and update, VT,
retraction (FSC notice documentation)."""

_RETRACTION = 219


def to_notice(packet: VOEventPacket) -> Notice:
    """Notice of a VOEvent of SVOM."""
    burst_id = packet.text("Burst_Id")
    if burst_id is None:
        raise MalformedNoticeError(packet.name, "an SVOM notice must have a Burst_Id")
    kind = _KINDS.get(packet.packet_type or 0)
    if kind is None:
        raise MalformedNoticeError(
            packet.name, "Packet_Type of an SVOM notice must be known", packet.packet_type
        )
    base = frame(
        packet, mission="SVOM", instrument=kind.instrument or packet.text("Instrument"),
        stream="svom", event_id=burst_id, messenger=kind.messenger, notice_type=_type_of(packet),
    )  # fmt: skip
    t0, end = _t0(packet, kind.instrument)
    significance = packet.positive("SNR")
    return replace(
        base,
        verdicts=_verdicts(base, packet, kind),
        event_unix_s=t0,
        event_end_unix_s=end,
        localization=None if kind.meaning is None else kind.meaning.circle(
            packet.name, packet.ra_deg, packet.dec_deg, packet.radius_deg
        ),
        localization_rank=kind.rank,
        sequence=packet.notice_unix_s or 0.0,
        significance=significance,
        significance_kind=None if significance is None else "SNR",
    )  # fmt: skip


def _verdicts(base: Notice, packet: VOEventPacket, kind: _Kind) -> tuple[Verdict, ...]:
    if packet.packet_type == _RETRACTION and not base.is_retraction:
        return (*base.verdicts, Verdict(Nature.RETRACTED, "Packet_Type"))
    if kind.nature is None:
        return base.verdicts
    return (*base.verdicts, Verdict(kind.nature, "Packet_Type"))


def _type_of(packet: VOEventPacket) -> str:
    """Word after the Burst_Id in the IVORN: ``eclairs-wakeup``, ``mxt-initial_qf4``."""
    _, underscore, word = packet.local_id.partition("_")
    return word if underscore and word else packet.local_id


def _t0(packet: VOEventPacket, instrument: str | None) -> tuple[float | None, float | None]:
    """T0, and the end of its interval where the trigger was found in an image.

    ``Alert_Seq_T0`` is T0; packets before 2026-04-12 lack it. Then T0 is the end of GRM's time
    window (equal to Alert_Seq_T0 in all real packets that have both), and anywhere inside that of
    ECLAIRs. Of MXT and VT the times are their observation's.
    """
    stated = packet.time("Alert_Seq_T0")
    start, end = packet.time("Time_Window_Start"), packet.time("Time_Window_End")
    if instrument in ("MXT", "VT"):
        return stated, None
    if instrument == "GRM":
        return (stated if stated is not None else end), None
    t0 = stated if stated is not None else start
    if t0 is None:
        t0 = packet.required_time()
    open_ended = stated is None or packet.text("Trigger_Type") == "IMT"
    return t0, end if open_ended and end is not None and end > t0 else None
