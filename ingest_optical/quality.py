"""Quality cuts: why an alert is not worth joining, by thresholds that have a source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from correlator.alert import Alert
from ingest_optical.first_look import FirstLook, KnownMeasures, Measures

_JUST_ABOVE_HALF = math.nextafter(0.5, 1.0)
"""For cuts that say "> 0.5": a PS1 score of exactly 0.5 is ZTF's "cannot tell"."""


@dataclass(frozen=True, slots=True)
class QualityCuts:
    """Thresholds of a gate; None switches a cut off.

    A measure of the detection itself that is unknown fails its cut, as a comparison with null does
    in every broker; a neighbour that is unknown is no neighbour.

    Attributes
    ----------
    name, source
        What the gate is called and where its numbers come from.
    min_real_bogus
        Least ``Quality.real_bogus`` (ZTF ``drb``, else ``rb``; LSST ``reliability``), 0 to 1.
    min_real_bogus_forest
        Least score of ZTF's random forest ``rb``, 0 to 1.
    max_bad_pixels
        Most prior-tagged bad pixels in a 5 x 5 pixel stamp.
    min_snr
        Least size of the flux in units of its error.
    max_fwhm_px, max_elongation
        Largest width [px] and axis ratio.
    max_abs_mag_difference
        Largest difference of aperture and PSF magnitude, either sign [mag].
    bright_limit_mag
        Magnitude at which, and above whose brightness, the detection is saturated [mag AB].
    require_positive
        Whether the source must be brighter than the template.
    forbidden_flags
        Survey flags none of which may be set.
    reject_linked_solar_system
        Whether an alert that the survey links to a Solar System object is out.
    solar_system_sep_arcsec
        A known Solar System object at this distance or nearer [arcsec].
    star_sep_arcsec, star_score
        A reference source at this distance or nearer [arcsec] with this score or more.
    gaia_sep_arcsec
        A Gaia source at this distance or nearer [arcsec].
    """

    name: str
    source: str
    min_real_bogus: float | None = None
    min_real_bogus_forest: float | None = None
    max_bad_pixels: int | None = None
    min_snr: float | None = None
    max_fwhm_px: float | None = None
    max_elongation: float | None = None
    max_abs_mag_difference: float | None = None
    bright_limit_mag: float | None = None
    require_positive: bool = False
    forbidden_flags: frozenset[str] = frozenset()
    reject_linked_solar_system: bool = False
    solar_system_sep_arcsec: float | None = None
    star_sep_arcsec: float | None = None
    star_score: float | None = None
    gaia_sep_arcsec: float | None = None


_RUBIN_GOOD_FLAGS = frozenset(
    {
        "isDipole",
        "pixelFlags",
        "pixelFlags_bad",
        "pixelFlags_saturated",
        "pixelFlags_streakCenter",
        "pixelFlags_interpolated",
        "pixelFlags_cr",
        "pixelFlags_nodata",
        "pixelFlags_streak",
        "pixelFlags_edge",
        "psfFlux_flag",
        "apFlux_flag",
        "forced_PsfFlux_flag",
        "forced_PsfFlux_flag_edge",
        "shape_flag",
        "centroid_flag",
    }
)

_ANTARES_LSST_FLAGS = frozenset(
    {
        "psfFlux_flag",
        "centroid_flag",
        "shape_flag",
        "isDipole",
        "pixelFlags_saturated",
        "pixelFlags_edge",
        "pixelFlags_cr",
        "pixelFlags_streak",
    }
)

PRESETS: Mapping[str, QualityCuts] = {
    cuts.name: cuts
    for cuts in (
        QualityCuts("none", "every alert passes"),
        QualityCuts(
            "fink",
            "Fink broker, bin/ztf/raw2science.py: rb >= 0.55 and nbad == 0",
            min_real_bogus_forest=0.55,
            max_bad_pixels=0,
        ),
        QualityCuts(
            "antares",
            "ANTARES level 1 (antares-devkit 0.11.1): bad_detection and bad_seeing",
            min_real_bogus_forest=0.55,
            max_bad_pixels=0,
            max_abs_mag_difference=1.0,
            max_fwhm_px=5.0,
            max_elongation=1.2,
        ),
        QualityCuts(
            "ztfrest",
            "ZTFReST (Andreoni et al. 2021) without braai and its bright-star cut, whose inputs "
            "no packet has: drb > 0.9, magpsf > 12, positive, ssdistnr >= 10 arcsec, no PS1 "
            "source with sgscore > 0.5 within 1.5 arcsec",
            min_real_bogus=math.nextafter(0.9, 1.0),
            bright_limit_mag=12.0,
            require_positive=True,
            solar_system_sep_arcsec=math.nextafter(10.0, 0.0),
            star_sep_arcsec=math.nextafter(1.5, 0.0),
            star_score=_JUST_ABOVE_HALF,
        ),
        QualityCuts(
            "nuztf",
            "nuztf, follow-up of gravitational waves and neutrinos: positive, drb >= 0.3",
            min_real_bogus=0.3,
            require_positive=True,
        ),
        QualityCuts("babamul", "BOOM/Babamul stream of ZTF: drb >= 0.2", min_real_bogus=0.2),
        QualityCuts(
            "fink-mm-prior",
            "Fink_MM conf/fink_mm.conf and ztf_join_gcn.py: ssdistnr > 5 arcsec or unknown; "
            "distpsnr1 > 2 arcsec or unknown, or sgscore1 < 0.5; neargaia > 5 arcsec or unknown",
            solar_system_sep_arcsec=5.0,
            star_sep_arcsec=2.0,
            star_score=0.5,
            gaia_sep_arcsec=5.0,
        ),
        QualityCuts(
            "antares-lsst",
            "ANTARES for LSST: reliability >= 0.6, no ssObjectId, eight flags",
            min_real_bogus=0.6,
            reject_linked_solar_system=True,
            forbidden_flags=_ANTARES_LSST_FLAGS,
        ),
        QualityCuts(
            "rubin-good",
            "Fink for LSST, b_good_quality: sixteen flags, psfFlux >= 0, psfFlux/psfFluxErr >= 6",
            min_snr=6.0,
            require_positive=True,
            forbidden_flags=_RUBIN_GOOD_FLAGS,
        ),
    )
}

DEFAULT_CUTS: Mapping[str, QualityCuts] = {
    # Two brokers share it, and it keeps ZTF21aagwbjr, the afterglow of GRB 210204A (rb 0.563).
    "ztf": PRESETS["fink"],
    # Not "rubin-good": a fading source is negative and a faint one has less than 6 sigma.
    "lsst": PRESETS["antares-lsst"],
}
"""Gate of each survey unless the user chooses another."""


def rejections(alert: Alert | FirstLook, cuts: QualityCuts) -> tuple[str, ...]:
    """Reasons not to join an alert, in a fixed order; empty means accepted.

    Everything that is compared stands in the packet's prefix, so that a first look and the whole
    alert have the same reasons, but for the distance to a Rubin ephemeris.
    """
    measures = KnownMeasures(alert.quality) if isinstance(alert, Alert) else alert.measures
    reasons: list[str] = []
    _judge_scores(measures, cuts, reasons)
    if _asks_for_detection(cuts):
        _judge_detection(alert, cuts, reasons)
    _judge_image(measures, cuts, reasons)
    if _asks_for_neighbours(cuts):
        _judge_neighbours(alert, cuts, reasons)
    return tuple(reasons)


def prior_filter(alert: Alert) -> tuple[str, ...]:
    """Reasons of Fink_MM's filter before its join; empty means accepted."""
    return rejections(alert, PRESETS["fink-mm-prior"])


# A first look reads what is asked for, so only what is cut on is asked for.


def _judge_scores(measures: Measures, cuts: QualityCuts, reasons: list[str]) -> None:
    if cuts.min_real_bogus is not None and _below(measures.real_bogus, cuts.min_real_bogus):
        reasons.append("low_real_bogus")
    least_forest = cuts.min_real_bogus_forest
    if least_forest is not None and _below(measures.real_bogus_forest, least_forest):
        reasons.append("low_real_bogus_forest")


def _asks_for_detection(cuts: QualityCuts) -> bool:
    return cuts.require_positive or cuts.min_snr is not None or cuts.bright_limit_mag is not None


def _judge_detection(alert: Alert | FirstLook, cuts: QualityCuts, reasons: list[str]) -> None:
    if cuts.min_snr is not None and _below(_snr(alert), cuts.min_snr):
        reasons.append("low_snr")
    if cuts.require_positive and not alert.detection.is_positive:
        reasons.append("negative_difference")
    mag_ab = alert.detection.mag_ab
    if cuts.bright_limit_mag is not None and mag_ab is not None and mag_ab <= cuts.bright_limit_mag:
        reasons.append("too_bright")


def _judge_image(measures: Measures, cuts: QualityCuts, reasons: list[str]) -> None:
    if cuts.max_bad_pixels is not None and _above(measures.n_bad_pixels, cuts.max_bad_pixels):
        reasons.append("bad_pixels")
    if cuts.max_fwhm_px is not None and _above(measures.fwhm_px, cuts.max_fwhm_px):
        reasons.append("wide")
    if cuts.max_elongation is not None and _above(measures.elongation, cuts.max_elongation):
        reasons.append("elongated")
    if cuts.max_abs_mag_difference is not None:
        difference = measures.mag_difference
        size = None if difference is None else abs(difference)
        if _above(size, cuts.max_abs_mag_difference):
            reasons.append("aperture_unlike_psf")
    if cuts.forbidden_flags:
        reasons += [f"flag_{flag}" for flag in measures.flags_among(cuts.forbidden_flags)]


def _judge_neighbours(alert: Alert | FirstLook, cuts: QualityCuts, reasons: list[str]) -> None:
    near = alert.surroundings
    linked = cuts.reject_linked_solar_system and near.solar_system_name is not None
    if linked or _within(near.solar_system_sep_arcsec, cuts.solar_system_sep_arcsec):
        reasons.append("solar_system_object")
    is_star = cuts.star_score is not None and (near.star_score or 0.0) >= cuts.star_score
    if is_star and _within(near.star_sep_arcsec, cuts.star_sep_arcsec):
        reasons.append("star")
    if _within(near.gaia_sep_arcsec, cuts.gaia_sep_arcsec):
        reasons.append("gaia_source")


def _asks_for_neighbours(cuts: QualityCuts) -> bool:
    return (
        cuts.reject_linked_solar_system
        or cuts.solar_system_sep_arcsec is not None
        or cuts.star_score is not None
        or cuts.gaia_sep_arcsec is not None
    )


def _snr(alert: Alert | FirstLook) -> float | None:
    error = alert.detection.flux_err_njy
    return abs(alert.detection.flux_njy) / error if error else None


def _below(value: float | None, least: float) -> bool:
    return value is None or value < least


def _above(value: float | None, most: float) -> bool:
    return value is None or value > most


def _within(sep_arcsec: float | None, limit_arcsec: float | None) -> bool:
    return limit_arcsec is not None and sep_arcsec is not None and sep_arcsec <= limit_arcsec
