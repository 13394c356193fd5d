"""Fermi GBM's notices: a long burst from alert to final position, and a terrestrial flash."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from correlator.simulation.notices import (
    Burst,
    SimulatedNotice,
    file_name,
    flags,
    iso,
    mission_elapsed_s,
    sky_group,
    trigger_params,
    utc,
)
from correlator.simulation.scatter import within_mixture
from correlator.simulation.voevent import Group, Param, Place, VOEvent, xml_of

FRAME = "UTC-FK5-GEO"

FLIGHT_SYSTEMATICS = ((0.897, 0.0), (0.103, 55.6))
GROUND_SYSTEMATICS = ((0.804, 3.72), (0.196, 13.7))
FINAL_SYSTEMATICS = ((0.579, 1.86), (0.421, 4.14))
"""Weight and 68 % radius [deg] of what the published radii leave out: the tail of the flight
positions, whose radii hold the core, and the ground positions (Connaughton et al. 2015, ApJS 216,
32); the robotic final positions of long bursts (Goldstein et al. 2020, ApJ 895, 40)."""

GRB_CLASS, SGR_LIKE_CLASS, TGF_CLASS = 4, 6, 19
"""``Most_Likely_Index`` of the flight software (Meegan et al. 2009, ApJ 702, 791)."""

_QUICKLOOK = "https://heasarc.gsfc.nasa.gov/FTP/fermi/data/gbm/triggers"


@dataclass(frozen=True, slots=True)
class _Stage:
    """What distinguishes the packets of one trigger."""

    type_name: str
    packet_type: int
    delay_s: float
    sequence: int
    serial: int


_ALERT = _Stage("GBM_Alert_", 110, 5.0, 1, 101)
_FLIGHT = _Stage("GBM_Flt_Pos_", 111, 26.0, 46, 102)
_GROUND = _Stage("GBM_Gnd_Pos_", 112, 95.0, 1, 103)
_FINAL = _Stage("GBM_Fin_Pos", 115, 640.0, 0, 104)
"""The final position's IVORN has no underscore before the date (reference notices 1)."""


def long_burst_notices(
    burst: Burst, rng: np.random.Generator
) -> tuple[str, tuple[SimulatedNotice, ...]]:
    """Trigger number and packets (ALERT, FLT, GND, FIN) of a long burst."""
    trigger = mission_elapsed_s(burst.t0_unix_s)
    signif = float(rng.uniform(8.0, 40.0))
    classes = ((GRB_CLASS, 97), (SGR_LIKE_CLASS, 2))
    radii = rng.uniform(6.0, 9.0), rng.uniform(2.5, 4.5), rng.uniform(1.5, 3.0)
    truth = burst.ra_deg, burst.dec_deg
    flight = within_mixture(*truth, radii[0], FLIGHT_SYSTEMATICS, rng)
    ground = within_mixture(*truth, radii[1], GROUND_SYSTEMATICS, rng)
    final = within_mixture(*truth, radii[2], FINAL_SYSTEMATICS, rng)
    ground_map = f"https://gcn.gsfc.nasa.gov/notices_f/gbm_gnd_loc_map_{trigger}.fits"
    final_map = f"{_folder(burst.t0_unix_s)}/glg_locplot_all_{_burst_name(burst.t0_unix_s)}.png"
    return str(trigger), (
        _alert(burst, trigger, signif),
        _flight(burst, trigger, 1.5 * signif, classes, 0.5, flight, radii[0]),
        _located(
            _GROUND, burst, trigger, (*_ground_params(burst, 1.8 * signif, final=False),), ground,
            radii[1], ground_map,
        ),
        _located(
            _FINAL, burst, trigger, (*_ground_params(burst, 0.0, final=True),), final, radii[2],
            final_map,
        ),
    )  # fmt: skip


def terrestrial_flash_notices(
    burst: Burst, rng: np.random.Generator
) -> tuple[str, tuple[SimulatedNotice, ...]]:
    """Trigger number and packets (ALERT, FLT) of a flash that the flight software calls a TGF."""
    trigger = mission_elapsed_s(burst.t0_unix_s)
    signif = float(rng.uniform(4.5, 9.0))
    radius = float(rng.uniform(18.0, 30.0))
    at = within_mixture(burst.ra_deg, burst.dec_deg, radius, ((1.0, 0.0),), rng)
    return str(trigger), (
        _alert(burst, trigger, signif),
        _flight(burst, trigger, signif, ((TGF_CLASS, 100), (0, 0)), 0.0, at, radius),
    )


def _alert(burst: Burst, trigger: int, signif: float) -> SimulatedNotice:
    what: tuple[Param | Group, ...] = (
        Param("Trig_Signif", f"{signif:.1f}", "sigma", "stat.snr"),
        Param("Trig_Dur", "0.256", "sec", "time.interval"),
        Param("Algorithm", "9"),
        flags("Misc_Flags", Flt_Generated=True, Gnd_Generated=False, CRC_Error=False),
        *_light_curve(burst.t0_unix_s),
        Param("Coords_Type", "0", "dn"),
        Param("Coords_String", "unavailable/inappropriate"),
    )
    return _notice(_ALERT, burst, trigger, what, (0.0, 0.0), 0.0)


def _flight(
    burst: Burst,
    trigger: int,
    signif: float,
    classes: tuple[tuple[int, int], tuple[int, int]],
    hardness: float,
    at: tuple[float, float],
    radius_deg: float,
) -> SimulatedNotice:
    (likely, percent), (second, second_percent) = classes
    params = (
        Param("Trig_Timescale", "0.512", "sec", "time.interval"),
        Param("Data_Timescale", "0.512", "sec", "time.interval"),
        Param("Data_Signif", f"{signif:.2f}", "sigma", "stat.snr"),
        Param("Algorithm", "3", "dn"),
        Param("Most_Likely_Index", str(likely), "dn"),
        Param("Most_Likely_Prob", str(percent)),
        Param("Sec_Most_Likely_Index", str(second), "dn"),
        Param("Sec_Most_Likely_Prob", str(second_percent)),
        Param("Hardness_Ratio", f"{hardness:.2f}", ucd="arith.ratio"),
        flags(
            "Trigger_ID", Def_NOT_a_GRB=False, Target_in_Blk_Catalog=False,
            Spatial_Prox_Match=False, Temporal_Prox_Match=False, Test_Submission=False,
        ),
        flags("Misc_Flags", Flt_Generated=True, Gnd_Generated=False),
    )  # fmt: skip
    return _located(_FLIGHT, burst, trigger, params, at, radius_deg, None)


def _ground_params(burst: Burst, signif: float, *, final: bool) -> tuple[Param | Group, ...]:
    origin = {"Human_generated": False, "Robo_generated": True} if final else {}
    duration = Param("Long_short", "Long" if burst.duration_s > 2.0 else "Short")
    identified = flags(
        "Trigger_ID", Def_NOT_a_GRB=False, Target_in_Blk_Catalog=False, **origin,
        Spatial_Prox_Match=False, Temporal_Prox_Match=False, Test_Submission=False,
    )  # fmt: skip
    return (
        Param("Data_Integ", "0.000" if final else "6.144", "sec", "time.interval"),
        Param("Burst_Signif", f"{signif:.2f}", "sigma", "stat.snr"),
        Param("Algorithm", "41731", "dn"),
        Group(identified.name, (*identified.params, duration)),
        flags("Misc_Flags", Flt_Generated=False, Gnd_Generated=True, CRC_Error=False),
    )


def _located(
    stage: _Stage,
    burst: Burst,
    trigger: int,
    params: tuple[Param | Group, ...],
    at: tuple[float, float],
    radius_deg: float,
    map_url: str | None,
) -> SimulatedNotice:
    located = () if map_url is None else (Param("LocationMap_URL", map_url, ucd="meta.ref.url"),)
    what = (
        *params,
        *_light_curve(burst.t0_unix_s),
        *located,
        Param("Coords_Type", "1", "dn"),
        Param("Coords_String", "source_object"),
        sky_group(*at, burst.t0_unix_s + stage.delay_s),
    )
    return _notice(stage, burst, trigger, what, at, radius_deg)


def _notice(
    stage: _Stage,
    burst: Burst,
    trigger: int,
    what: tuple[Param | Group, ...],
    at: tuple[float, float],
    radius_deg: float,
) -> SimulatedNotice:
    t0, sent = burst.t0_unix_s, burst.t0_unix_s + stage.delay_s
    is_alert = stage is _ALERT
    packet = VOEvent(
        ivorn=_ivorn(stage, t0, trigger),
        role="observation",
        author_ivorn="ivo://nasa.gsfc.tan/gcn",
        author_title="Fermi GBM (simulated)",
        date=iso(sent, 0),
        what=(
            Param("Packet_Type", str(stage.packet_type)),
            Param("Pkt_Ser_Num", "1"),
            *trigger_params(trigger, t0, "Sequence_Num", stage.sequence),
            *what,
        ),
        place=Place(
            "GEOLUN", FRAME, iso(t0, 2), f"{at[0]:.4f}", f"{at[1]:.4f}", f"{radius_deg:.4f}"
        ),
        how="Fermi Satellite, GBM Instrument",
        reference="http://gcn.gsfc.nasa.gov/fermi.html",
        importance=0.5 if is_alert else 0.95,
        cites=() if is_alert else (("followup", _ivorn(_ALERT, t0, trigger)),),
    )
    type_name = stage.type_name.rstrip("_")
    name = file_name(sent, f"fermi_{trigger}_{type_name}", "xml")
    return SimulatedNotice(sent, name, xml_of(packet))


def _ivorn(stage: _Stage, t0_unix_s: float, trigger: int) -> str:
    local = f"{stage.type_name}{iso(t0_unix_s, 2)}_{trigger}_{stage.sequence}-{stage.serial}"
    return f"ivo://nasa.gsfc.gcn/Fermi#{local}"


def _burst_name(t0_unix_s: float) -> str:
    """``bn260315432``: date and thousandths of the day."""
    return f"bn{utc(t0_unix_s):%y%m%d}{int(t0_unix_s % 86_400.0 / 86.4):03d}"


def _folder(t0_unix_s: float) -> str:
    return f"{_QUICKLOOK}/{utc(t0_unix_s):%Y}/{_burst_name(t0_unix_s)}/quicklook"


def _light_curve(t0_unix_s: float) -> tuple[Param, ...]:
    url = f"{_folder(t0_unix_s)}/glg_lc_medres34_{_burst_name(t0_unix_s)}.gif"
    return (Param("LightCurve_URL", url, ucd="meta.ref.url"),)
