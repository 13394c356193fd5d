"""Fermi: GBM and LAT notices of GCN classic.

A GBM trigger has one TrigID over its notices; LAT numbers its own triggers, and numbers the same
burst differently on board and off line. ISOTime is T0. LAT packets whose Burst_TJD is broken
carry a nonsense date in their IVORN and an ISOTime cut to the minute; they are taken as they are,
T0 then being anywhere in that minute.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from correlator.nature import Nature, Verdict
from correlator.notice import Messenger, Notice
from ingest_vo import rules, systematics
from ingest_vo.systematics import RadiusMeaning
from ingest_vo.voevent import VOEventPacket
from ingest_vo.voevent_notice import UNLOCALIZED_RANK, frame, trigger_id

GBM_CLASSES = {
    0: "ERROR", 1: "UNRELIABLE_LOCATION", 2: "LOCAL_PARTICLES", 3: "BELOW_HORIZON", 4: "GRB",
    5: "GENERIC_SGR", 6: "GENERIC_TRANSIENT", 7: "DISTANT_PARTICLES", 8: "SOLAR_FLARE",
    9: "CYG_X1", 10: "SGR_1806_20", 11: "GROJ_0422_32", 19: "TGF",
}  # fmt: skip
"""Most_Likely_Index of the flight software (Meegan et al. 2009, ApJ 702, 791; spelled as in
GBM's JSON notices)."""

GBM_NATURES = {
    "LOCAL_PARTICLES": Nature.PARTICLES,
    "BELOW_HORIZON": Nature.BELOW_HORIZON,
    "GRB": Nature.GRB,
    "GENERIC_SGR": Nature.SGR,
    "DISTANT_PARTICLES": Nature.PARTICLES,
    "SOLAR_FLARE": Nature.SOLAR_FLARE,
    "CYG_X1": Nature.KNOWN_SOURCE,
    "SGR_1806_20": Nature.KNOWN_SOURCE,
    "GROJ_0422_32": Nature.KNOWN_SOURCE,
    "TGF": Nature.TGF,
}
"""What each class is; the others (error, unreliable location, generic transient) leave it open."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """Rank of a stage's localization and the Param that holds its significance."""

    rank: int
    significance: str


_GBM_STAGES = {
    110: _Stage(0, "Trig_Signif"),
    111: _Stage(10, "Data_Signif"),
    112: _Stage(20, "Burst_Signif"),
    115: _Stage(30, "Burst_Signif"),
    119: _Stage(10, "Data_Signif"),
}

_LAT_RANKS = {120: 10, 121: 20, 122: 30, 128: 40}
"""Initial, updated, final and off-line position."""

MINUTE_S, DAY_S = 60.0, 86_400.0

UNIX_EPOCH_TJD = 587.0
"""1970-01-01 in Truncated Julian Days (JD 2440000.5)."""

_SUBTHRESHOLD = 131
_FINAL = 115
_LAT_KNOWN_SOURCE = 125


def to_notice(packet: VOEventPacket) -> Notice:
    """Notice of a VOEvent of Fermi."""
    kind = packet.packet_type
    if kind == _SUBTHRESHOLD:
        return _subthreshold(packet)
    if "#LAT_" in packet.ivorn:
        return _lat(packet, kind)
    if "#GBM_" in packet.ivorn:
        return _gbm(packet, kind)
    return frame(
        packet, mission="Fermi", instrument=None, stream="fermi", event_id=trigger_id(packet),
        messenger=Messenger.GAMMA_RAY,
    )  # fmt: skip


def _gbm(packet: VOEventPacket, kind: int | None) -> Notice:
    stage = _GBM_STAGES.get(kind or 0, _Stage(0, "Data_Signif"))
    base = frame(
        packet, mission="Fermi", instrument="GBM", stream="fermi-gbm",
        event_id=trigger_id(packet), messenger=Messenger.GAMMA_RAY,
    )  # fmt: skip
    meaning = _gbm_meaning(packet, kind)
    significance = packet.positive(stage.significance)
    # A trigger may have several FIN, all numbered 0: there the clock decides.
    sequence = packet.notice_unix_s if kind == _FINAL else packet.number("Sequence_Num")
    said, classification = _gbm_class(packet, kind)
    return replace(
        base,
        verdicts=(*base.verdicts, *said),
        event_unix_s=packet.required_time(),
        localization=meaning.circle(packet.name, packet.ra_deg, packet.dec_deg, packet.radius_deg),
        localization_rank=stage.rank,
        sequence=sequence or 0.0,
        skymap_url=_gbm_map_url(packet),
        significance=significance,
        significance_kind=None if significance is None else stage.significance,
        classification=classification,
    )


def _gbm_meaning(packet: VOEventPacket, kind: int | None) -> RadiusMeaning:
    if kind == _FINAL:
        return systematics.gbm_final(
            human=packet.is_set("Human_generated"), duration_class=packet.text("Long_short")
        )
    return systematics.GBM_GROUND if kind == 112 else systematics.GBM_FLIGHT


def _gbm_class(
    packet: VOEventPacket, kind: int | None
) -> tuple[tuple[Verdict, ...], tuple[tuple[str, float | None], ...]]:
    """Verdict, if any, and classes: by the flight software, or the duration of a final position.

    ``Def_NOT_a_GRB`` is false in every real packet, those of flares and TGFs included: unused.
    """
    index = packet.whole_number("Most_Likely_Index")
    if index is None:
        duration = (packet.text("Long_short") or "").lower()
        if duration not in ("long", "short"):
            return (), ()
        # A final position with a duration class is of a burst that GBM takes for a GRB; the
        # ground software fills the class in for any trigger.
        said = (Verdict(Nature.GRB, "Long_short"),) if kind == _FINAL else ()
        return said, ((duration, None),)
    likely = GBM_CLASSES.get(index, str(index))
    classes: dict[str, float | None] = {}
    for prefix in ("Sec_Most_Likely", "Most_Likely"):
        which = packet.whole_number(f"{prefix}_Index")
        percent = packet.number(f"{prefix}_Prob")
        if which is not None and percent:
            classes[GBM_CLASSES.get(which, str(which))] = percent / 100.0
    nature = GBM_NATURES.get(likely)
    said = () if nature is None else (Verdict(nature, "Most_Likely_Index"),)
    return said, tuple(sorted(classes.items()))


def _gbm_map_url(packet: VOEventPacket) -> str | None:
    """Where the HEALPix map will be; for a final position it stands beside the PNG it names."""
    url = packet.text("LocationMap_URL")
    if url is None or ".fit" in url:
        return url
    folder, _, file = url.rpartition("/")
    burst = file.removeprefix("glg_locplot_all_").rpartition(".")[0]
    return f"{folder}/glg_healpix_all_{burst}.fit" if burst.startswith("bn") else None


def _subthreshold(packet: VOEventPacket) -> Notice:
    base = frame(
        packet, mission="Fermi", instrument="GBM", stream="fermi-gbm-subthreshold",
        event_id=trigger_id(packet, "Trans_Num"), messenger=Messenger.GAMMA_RAY,
    )  # fmt: skip
    reliability = packet.number("Reliability")
    classes = (packet.text("Duration_class"), packet.text("Spectral_class"))
    return replace(
        base,
        event_unix_s=packet.required_time(),
        localization=systematics.GBM_GROUND.circle(
            packet.name, packet.ra_deg, packet.dec_deg, packet.radius_deg
        ),
        localization_rank=10,
        sequence=packet.notice_unix_s or 0.0,
        skymap_url=packet.text("HealPix_URL"),
        significance=reliability,
        significance_kind=None if reliability is None else "Reliability",
        classification=tuple(sorted((name, None) for name in classes if name)),
    )


def _lat(packet: VOEventPacket, kind: int | None) -> Notice:
    known = kind == _LAT_KNOWN_SOURCE
    base = frame(
        packet, mission="Fermi", instrument="LAT",
        stream="fermi-lat-monitor" if known else "fermi-lat",
        event_id=trigger_id(packet), messenger=Messenger.GAMMA_RAY,
    )  # fmt: skip
    t0 = packet.required_time()
    test_statistic = packet.positive("Image_Test_Stat")
    # Published as the name of the light curve's file: 0FGLJ1641.4+3939_86400.png.
    source = (packet.text("SourceName") or "").rpartition("_")[0] if known else None
    return replace(
        base,
        verdicts=(*base.verdicts, Verdict(Nature.KNOWN_SOURCE, "Packet_Type"))
        if known
        else base.verdicts,
        event_unix_s=t0,
        event_end_unix_s=t0 + MINUTE_S if _has_broken_clock(packet, t0) else None,
        localization=systematics.LAT.circle(
            packet.name, packet.ra_deg, packet.dec_deg, packet.radius_deg
        ),
        localization_rank=UNLOCALIZED_RANK if known else _LAT_RANKS.get(kind or 0, 0),
        sequence=packet.notice_unix_s or 0.0,
        significance=test_statistic,
        significance_kind=None if test_statistic is None else "Image_Test_Stat",
        classification=((rules.id_of(packet.name, "SourceName", source), None),) if source else (),
    )


def _has_broken_clock(packet: VOEventPacket, t0_unix_s: float) -> bool:
    """Whether Burst_TJD and Burst_SOD are of another day than ISOTime."""
    tjd, second = packet.number("Burst_TJD"), packet.number("Burst_SOD")
    if tjd is None or second is None:
        return False
    return abs((tjd - UNIX_EPOCH_TJD) * DAY_S + second - t0_unix_s) > DAY_S
