"""Babamul's ZTF alerts (BOOM): a ZTF candidate with a light curve in fluxes, and without ids.

The fluxes are in 1e-6 nJy, whatever the documentation says: they follow from the magnitudes in the
same packet, which is checked. An earlier detection has a time and a filter and no ``candid``, so
these are what names it, the alert's own detection and the forced photometry too; in an object that
is also read from ZTF's own packets each would count twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from correlator.alert import Alert, Detection, ForcedMeasurement, Limit, flux_of_mag, mag_of_flux
from ingest_optical.fields import MIN_FLUX_ERR_NJY, Fields
from ingest_optical.lightcurve import (
    FORCED_N_SIGMA,
    first_positive_unix_s,
    ordered_forced,
    ordered_history,
    ordered_limits,
    trimmed_forced,
    trimmed_history,
    trimmed_limits,
)
from ingest_optical.ztf import ZtfLook
from ingest_optical.ztf_photometry import EXPOSURE_S, LIMIT_N_SIGMA, UNKNOWN, unix_s_of

NAME = "BabamulZtfAlert"
"""Name of the Avro record."""

VERSION = "babamul"
"""Schema version of such an alert: the packet does not say ZTF's."""

PREFIX_FIELDS = ("candid", "objectId", "candidate")

WHOLE_FIELDS = (*PREFIX_FIELDS, "prv_candidates", "prv_nondetections", "fp_hists")
"""What the whole alert needs."""

NJY_A_UNIT = 1e-6
"""Unit of its fluxes [nJy]: BOOM multiplies microjansky by 1e9 (zero point 23.9)."""

_TOLERANCE = 0.01
"""A flux may differ by this share from that of its magnitude: both are floats of 32 bits."""

_BANDS = frozenset("gri")


def to_first_look(record: Mapping[str, object], packet: str) -> BabamulLook:
    """The alert of a decoded Babamul record without its past."""
    fields = Fields(record, packet, UNKNOWN)
    candidate = fields.record("candidate")
    if candidate is None:
        raise fields.malformed("candidate must be known")
    return BabamulLook(fields, candidate, VERSION)


class BabamulLook(ZtfLook):
    """A Babamul record as far as somebody asks: its candidate is ZTF's."""

    @property
    def schema_version(self) -> str:
        """That of Babamul."""
        return VERSION

    @property
    def detection(self) -> Detection:
        """From the magnitude, under the name that later packets give it."""
        detection = super().detection
        return replace(detection, source_id=_name(self._candidate, detection.band))

    def with_past(self, record: Mapping[str, object], max_points: int | None) -> Alert:
        """From ``prv_candidates``, ``prv_nondetections`` and ``fp_hists``."""
        self._check_unit()
        fields, own = self.fields.inner(record), self.detection
        found = list(map(_detection, fields.rows("prv_candidates")))
        history = ordered_history(found, own.source_id)
        limits = ordered_limits(map(_limit, fields.rows("prv_nondetections")))
        onset_unix_s = first_positive_unix_s((own, *history))
        forced = ordered_forced(f for f in map(_forced, fields.rows("fp_hists")) if f is not None)
        if max_points is not None:  # a detection or a limit of the image says it as well
            taken = {own.source_id, *(d.source_id for d in found)}
            forced = tuple(
                f for f in forced if f.forced_id not in taken and abs(f.snr) >= FORCED_N_SIGMA
            )
        return self.to_alert(
            trimmed_history(history, max_points),
            trimmed_limits(limits, onset_unix_s, max_points),
            trimmed_forced(forced, own.time_unix_s, max_points),
        )

    def _check_unit(self) -> None:
        """Refuse a packet whose own flux is not that of its magnitude."""
        flux_njy = NJY_A_UNIT * abs(self._candidate.known_number("psfFlux"))
        expected_njy = flux_of_mag(self._candidate.known_number("magpsf"))
        if abs(flux_njy - expected_njy) > _TOLERANCE * expected_njy:
            rule = f"psfFlux must be the flux of magpsf in units of {NJY_A_UNIT:g} nJy"
            raise self.fields.malformed(rule, (flux_njy, expected_njy))


def _name(row: Fields, band: str) -> str:
    """Name of a detection: its time to 0.1 s, and its filter."""
    return f"{row.known_number('jd'):.6f}{band}"


def _band(row: Fields) -> str:
    band = row.text("band")
    if band not in _BANDS:
        raise row.malformed("band must be one of g r i", band)
    return band


def _detection(row: Fields) -> Detection:
    band = _band(row)
    error_njy = row.number("psfFluxErr")
    error_njy = None if error_njy is None else NJY_A_UNIT * error_njy
    return Detection(
        source_id=_name(row, band),
        time_unix_s=_mid_unix_s(row),
        band=band,
        flux_njy=NJY_A_UNIT * row.known_number("psfFlux"),
        flux_err_njy=None if error_njy is None or error_njy < MIN_FLUX_ERR_NJY else error_njy,
    )


def _forced(row: Fields) -> ForcedMeasurement | None:
    flux, error = row.number("psfFlux"), row.number("psfFluxErr")
    if flux is None or error is None or NJY_A_UNIT * error < MIN_FLUX_ERR_NJY:
        return None
    band = _band(row)
    return ForcedMeasurement(
        _name(row, band), _mid_unix_s(row), band, NJY_A_UNIT * flux, NJY_A_UNIT * error
    )


def _limit(row: Fields) -> Limit:
    error_njy = NJY_A_UNIT * row.known_number("psfFluxErr")
    if error_njy < MIN_FLUX_ERR_NJY:
        raise row.malformed("psfFluxErr must be positive", error_njy)
    mag_ab = mag_of_flux(LIMIT_N_SIGMA * error_njy)
    return Limit(_mid_unix_s(row), _band(row), mag_ab, LIMIT_N_SIGMA)


def _mid_unix_s(row: Fields) -> float:
    return unix_s_of(row, "jd") + 0.5 * EXPOSURE_S
