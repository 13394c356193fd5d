"""IceCube's notices of one track as AMON sends them: the first position, then the full scan."""

from __future__ import annotations

import numpy as np

from correlator.simulation.notices import SimulatedNotice, file_name, flags, iso, truncated_julian
from correlator.simulation.scatter import within_r90
from correlator.simulation.voevent import Param, Place, VOEvent, xml_of

FRAME = "UTC-FK5-GEO"

GOLD_TYPE, GOLD_STREAM = 173, 24
"""Packet type and AMON's stream of the gold alerts (GCN AMON page)."""

FIRST_DELAY_S, SCAN_DELAY_S = 35.0, 4_900.0
"""Typical times from the track to its two notices: half a minute, and the scan of over an hour."""

_RADII_DEG = ((0.9, 2.0), (0.5, 1.2))
"""Range of the 90 % radii of the first position and of the scan [deg] (reference notices)."""

_R50_PER_R90 = 0.59
"""Ratio of the radii in real packets: 0.7199 to 1.2199 deg."""


def icecube_notices(
    t0_unix_s: float, ra_deg: float, dec_deg: float, run: int, rng: np.random.Generator
) -> tuple[str, tuple[SimulatedNotice, ...]]:
    """Run and event number, and packets (revisions 0 and 1) of a track from a true position."""
    event = int(rng.integers(1_000_000, 70_000_000))
    signalness, far_per_year = rng.uniform(0.5, 0.9), rng.uniform(0.2, 1.5)
    notices = []
    for revision, delay_s in enumerate((FIRST_DELAY_S, SCAN_DELAY_S)):
        r90_deg = float(rng.uniform(*_RADII_DEG[revision]))
        at = within_r90(ra_deg, dec_deg, r90_deg, rng)
        said = (
            Param("signalness", f"{signalness:.4f}", "dn", "stat.probability"),
            Param("FAR", f"{far_per_year:.4f}", "yr^-1", "stat.probability"),
            Param("energy", f"{100.0 + 900.0 * signalness:.4f}", "TeV", "phys.energy"),
            Param("src_error_90", f"{r90_deg:.4f}", "deg", "stat.error.sys"),
            Param("src_error_50", f"{_R50_PER_R90 * r90_deg:.4f}", "deg", "stat.error.sys"),
        )
        notices.append(_notice(t0_unix_s, delay_s, (run, event, revision), said, at, r90_deg))
    return f"{run}_{event}", tuple(notices)


def _notice(
    t0_unix_s: float,
    delay_s: float,
    number: tuple[int, int, int],
    said: tuple[Param, ...],
    at: tuple[float, float],
    r90_deg: float,
) -> SimulatedNotice:
    run, event, revision = number
    day, second = truncated_julian(t0_unix_s)
    local = f"ICECUBE_GOLD_Event{iso(t0_unix_s, 2)}_{GOLD_STREAM}_{run}_{event:09d}_{revision}"
    packet = VOEvent(
        ivorn=f"ivo://nasa.gsfc.gcn/AMON#{local}",
        role="observation",
        author_ivorn="ivo://nasa.gsfc.tan/gcn",
        author_title="IceCube (simulated)",
        date=iso(t0_unix_s + delay_s, 0),
        what=(
            Param("Packet_Type", str(GOLD_TYPE)),
            Param("Pkt_Ser_Num", str(revision + 1)),
            Param("run_id", str(run), ucd="meta.id"),
            Param("event_id", str(event), ucd="meta.id"),
            Param("Event_TJD", str(day), "days", "time"),
            Param("Event_SOD", f"{second:.2f}", "sec", "time"),
            Param("Stream", str(GOLD_STREAM), "dn", "meta.id"),
            Param("Rev", str(revision), "dn", "meta.id"),
            *said,
            # False in every real packet, and every position of them is valid.
            flags("Trigger_ID", Test=False, RADec_valid=False, Retraction=False),
        ),
        place=Place(
            "GEOLUN", FRAME, iso(t0_unix_s, 2), f"{at[0]:.4f}", f"{at[1]:.4f}", f"{r90_deg:.4f}"
        ),
        how="GCN",
        reference="http://gcn.gsfc.nasa.gov/gcn/amon.html",
        importance=1.0,
        cites=(),
    )
    name = file_name(t0_unix_s + delay_s, f"icecube_{run}_{event}_{revision}", "xml")
    return SimulatedNotice(t0_unix_s + delay_s, name, xml_of(packet))
