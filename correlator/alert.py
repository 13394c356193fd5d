"""An optical alert: one detection on a difference image with what its packet knows of the past."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from correlator.audience import PUBLIC, Audience
from correlator.crossmatch import CatalogAnswer

AB_ZERO_POINT_NJY = 31.4
"""Magnitude of a source of 1 nJy in the AB system (Oke & Gunn 1983; LSST DPDD)."""

_MAG_PER_RELATIVE_ERROR = 2.5 / math.log(10.0)


@dataclass(frozen=True, slots=True)
class Detection:
    """One measurement on one difference image; LSST ``diaSource``, ZTF ``candidate``.

    Attributes
    ----------
    source_id
        The survey's id of this measurement, unique in the survey.
    time_unix_s
        Middle of the exposure [s since the Unix epoch, UTC].
    band
        ``u g r i z y``.
    flux_njy, flux_err_njy
        Difference flux, negative when the source is fainter than in the template [nJy].
    """

    source_id: str
    time_unix_s: float
    band: str
    flux_njy: float
    flux_err_njy: float | None

    @property
    def is_positive(self) -> bool:
        """Whether the source is brighter than in the template."""
        return self.flux_njy > 0.0

    @property
    def mag_ab(self) -> float | None:
        """AB magnitude of the difference flux; None for a negative one."""
        return mag_of_flux(self.flux_njy) if self.flux_njy > 0.0 else None

    @property
    def mag_err_ab(self) -> float | None:
        """First-order magnitude error; None where the magnitude or the error is unknown."""
        if self.flux_njy <= 0.0 or self.flux_err_njy is None:
            return None
        return _MAG_PER_RELATIVE_ERROR * self.flux_err_njy / self.flux_njy


@dataclass(frozen=True, slots=True)
class Limit:
    """A non-detection: the place was exposed, nothing was found brighter than ``mag_ab``."""

    time_unix_s: float
    band: str
    mag_ab: float
    n_sigma: float = 5.0


@dataclass(frozen=True, slots=True)
class ForcedMeasurement:
    """The flux at the object's place on one image, whether or not anything was found there.

    Attributes
    ----------
    forced_id
        The survey's id of this measurement: LSST ``diaForcedSourceId``, ZTF ``pid`` of the image.
    time_unix_s
        Middle of the exposure [s since the Unix epoch, UTC].
    band
        ``u g r i z y``.
    flux_njy, flux_err_njy
        Difference flux, negative when the place is fainter than in the template [nJy]. One
        without a known error is no measurement and is left out.
    """

    forced_id: str
    time_unix_s: float
    band: str
    flux_njy: float
    flux_err_njy: float

    @property
    def snr(self) -> float:
        """Flux in units of its error; negative for a negative flux."""
        return self.flux_njy / self.flux_err_njy


@dataclass(frozen=True, slots=True)
class Quality:
    """What the survey says of the measurement itself. ``None`` is "not said"."""

    real_bogus: float | None = None
    """ZTF ``drb`` where present, else ``rb``; LSST ``reliability``; 0 bogus, 1 real."""
    real_bogus_forest: float | None = None
    """ZTF's older random-forest score ``rb``."""
    snr: float | None = None
    n_bad_pixels: int | None = None
    fwhm_px: float | None = None
    elongation: float | None = None
    mag_difference: float | None = None
    """ZTF ``magdiff``: aperture minus PSF magnitude."""
    flags: tuple[str, ...] = ()
    """Names of the survey's flags that are set, sorted (LSST)."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the survey says stands near the position. ``None`` is "nothing said"."""

    solar_system_name: str | None = None
    solar_system_sep_arcsec: float | None = None
    star_score: float | None = None
    """Star-likeness of the nearest reference source, 0 galaxy to 1 star (PS1 ``sgscore1``)."""
    star_sep_arcsec: float | None = None
    """Distance of that nearest reference source (``distpsnr1``)."""
    gaia_sep_arcsec: float | None = None

    def is_solar_system_object(self, within_arcsec: float) -> bool:
        """Whether what was seen is a known Solar System object.

        ZTF names the nearest one within 30 arcsec, so the distance decides. Rubin links its own
        sources, so one that is linked and whose distance is unknown is one.
        """
        if self.solar_system_sep_arcsec is None:
            return self.solar_system_name is not None
        return self.solar_system_sep_arcsec <= within_arcsec


@dataclass(frozen=True, slots=True)
class Alert:
    """One optical packet, normalised.

    Attributes
    ----------
    survey
        ``ztf`` or ``lsst``.
    alert_id, object_id
        The survey's ids as strings: ZTF ``candid`` and ``objectId``; LSST ``diaSourceId`` and
        ``diaObjectId``, or ``sso`` followed by ``ssObjectId`` for a Solar System object.
    ra_deg, dec_deg
        ICRS position of this detection [deg].
    index_29
        Order-29 NESTED HEALPix index of the position.
    detection
        The measurement that the alert announces.
    history
        Earlier measurements of the same object, by time; never the alert's own.
    limits
        Non-detections at the place, by time.
    survey_first_unix_s
        Beginning of the object's history by the survey's own count (ZTF ``jdstarthist``: first
        3-sigma detection at the position) [s since the Unix epoch].
    forced
        Forced photometry at the place, by time, each measurement once.
    tags
        What each catalogue that was asked has near the position; empty where none was.
    audience
        Who may read it, by the stream that it came from.
    """

    survey: str
    schema_version: str
    alert_id: str
    object_id: str
    ra_deg: float
    dec_deg: float
    index_29: int
    exposure_s: float | None
    detection: Detection
    history: tuple[Detection, ...] = ()
    limits: tuple[Limit, ...] = ()
    survey_first_unix_s: float | None = None
    quality: Quality = field(default_factory=Quality)
    surroundings: Surroundings = field(default_factory=Surroundings)
    forced: tuple[ForcedMeasurement, ...] = ()
    tags: tuple[CatalogAnswer, ...] = ()
    audience: Audience = PUBLIC

    @property
    def time_unix_s(self) -> float:
        """Middle of the exposure of the alert's own detection [s since the Unix epoch, UTC]."""
        return self.detection.time_unix_s


def mag_of_flux(flux_njy: float) -> float:
    """AB magnitude of a positive flux [nJy]."""
    return AB_ZERO_POINT_NJY - 2.5 * math.log10(flux_njy)


def flux_of_mag(mag_ab: float) -> float:
    """Flux [nJy] of an AB magnitude; the inverse of :func:`mag_of_flux`."""
    return float(10.0 ** (0.4 * (AB_ZERO_POINT_NJY - mag_ab)))
