"""Swift's notices of one burst: BAT position and XRT position."""

from __future__ import annotations

import numpy as np

from correlator.simulation.notices import (
    Burst,
    SimulatedNotice,
    file_name,
    flags,
    iso,
    sky_group,
    trigger_params,
    utc,
)
from correlator.simulation.scatter import within_r90
from correlator.simulation.voevent import Group, Param, Place, VOEvent, xml_of

FRAME = "UTC-FK5-GEO"
BAT_R90_DEG = 0.05
XRT_R90_DEG = 0.0013
"""Published 90 % radii: 3 arcmin always, some 4.7 arcsec (reference notices 4)."""

BAT_DELAY_S = 18.0
XRT_DELAY_S = 370.0
_XRT_OBSERVED_S = 156.0


def swift_notices(
    burst: Burst, trigger: int, rng: np.random.Generator
) -> tuple[str, tuple[SimulatedNotice, ...]]:
    """Trigger number and packets of a burst that BAT finds and XRT confirms."""
    t0 = burst.t0_unix_s
    bat_at = within_r90(burst.ra_deg, burst.dec_deg, BAT_R90_DEG, rng)
    xrt_at = within_r90(burst.ra_deg, burst.dec_deg, XRT_R90_DEG, rng)
    bat_ivorn = f"ivo://nasa.gsfc.gcn/SWIFT#BAT_GRB_Pos_{trigger}-201"
    xrt_ivorn = f"ivo://nasa.gsfc.gcn/SWIFT#XRT_Pos_{trigger}-202"
    bat = _notice(
        bat_ivorn, 61, "BAT", trigger, t0, t0 + BAT_DELAY_S, bat_at, BAT_R90_DEG,
        _bat_params(t0, rng), (),
    )  # fmt: skip
    xrt = _notice(
        xrt_ivorn, 67, "XRT", trigger, t0 + _XRT_OBSERVED_S, t0 + XRT_DELAY_S, xrt_at,
        XRT_R90_DEG, _xrt_params(rng), (("followup", bat_ivorn),),
    )  # fmt: skip
    return str(trigger), (bat, xrt)


def _notice(
    ivorn: str,
    packet_type: int,
    instrument: str,
    trigger: int,
    observed_unix_s: float,
    sent_unix_s: float,
    at: tuple[float, float],
    r90_deg: float,
    params: tuple[Param | Group, ...],
    cites: tuple[tuple[str, str], ...],
) -> SimulatedNotice:
    packet = VOEvent(
        ivorn=ivorn,
        role="observation",
        author_ivorn="ivo://nasa.gsfc.tan/gcn",
        author_title="Swift (simulated)",
        date=iso(sent_unix_s, 0),
        what=(
            Param("Packet_Type", str(packet_type)),
            Param("Pkt_Ser_Num", "1"),
            *trigger_params(trigger, observed_unix_s, "Segment_Num", 0),
            *params,
            Param("Coords_Type", "1", "dn"),
            Param("Coords_String", "source_object"),
            sky_group(*at, sent_unix_s),
        ),
        place=Place(
            "GEOLUN", FRAME, iso(observed_unix_s, 2), f"{at[0]:.4f}", f"{at[1]:.4f}",
            f"{r90_deg:.4f}",
        ),
        how=f"Swift Satellite, {instrument} Instrument",
        reference="http://gcn.gsfc.nasa.gov/swift.html",
        importance=0.9,
        cites=cites,
    )  # fmt: skip
    name = file_name(sent_unix_s, f"swift_{trigger}_{instrument}", "xml")
    return SimulatedNotice(sent_unix_s, name, xml_of(packet))


def _bat_params(t0_unix_s: float, rng: np.random.Generator) -> tuple[Param | Group, ...]:
    background_start = utc(t0_unix_s - 14.0)
    return (
        Param("Burst_Inten", str(int(rng.integers(600, 9000))), "cts"),
        Param("Integ_Time", "1.024", "sec", "time.interval"),
        Param("Trig_Index", str(int(rng.integers(100, 300)))),
        Param("Rate_Signif", f"{rng.uniform(15.0, 70.0):.2f}", "sigma", "stat.snr"),
        Param("Image_Signif", f"{rng.uniform(8.0, 20.0):.2f}", "sigma", "stat.snr"),
        Param("Bkg_Time", f"{background_start:%H:%M:%S}.00", "sec", "time.start"),
        Param("Bkg_Dur", "8.00", "sec", "time.duration"),
        flags(
            "Solution_Status", Point_Source=True, GRB_Identified=True, Target_of_Interest=False,
            Target_Imag_Trig=False, Target_Rate_Trig=True, Def_NOT_a_GRB=False,
            Lo_Image_Signif=False, VERY_Lo_Image_Signif=False, Target_in_Flt_Catalog=False,
            Target_in_Gnd_Catalog=False, Target_in_Blk_Catalog=False, StarTrack_Lost_Lock=False,
            Near_Bright_Star=False, Spatial_Prox_Match=False, Temporal_Prox_Match=False,
            Test_Submission=False,
        ),
        flags("Misc_Flags", Flt_Generated=True, Gnd_Generated=False, CRC_Error=False),
    )  # fmt: skip


def _xrt_params(rng: np.random.Generator) -> tuple[Param | Group, ...]:
    return (
        Param("Burst_Inten", f"{10.0 ** rng.uniform(-10.5, -9.0):.2e}", "erg/cm2/sec"),
        Param("Det_Signif", f"{rng.uniform(6.0, 15.0):.2f}", "sigma", "stat.snr"),
        flags(
            "Solution_Status", Cosmic_Ray=False, Def_NOT_a_GRB=False,
            Target_in_Gnd_Catalog=False, Spatial_Prox_Match=False, Temporal_Prox_Match=False,
            Test_Submission=False,
        ),
        flags("Misc_Flags", Flt_Generated=False, Gnd_Generated=True, CRC_Error=False),
    )  # fmt: skip
