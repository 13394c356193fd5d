"""ZTF alerts, schemas 1.8 to 4.02, from IPAC and as rows of Fink.

The forced photometry of schema 4 (``fp_hists``) has no source ids: a measurement is named by its
image. An alert for the join does without those that a detection on the same image says as well, and
without those below 3 sigma: the non-detections say the limit of such an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from correlator.alert import Alert, Detection, Quality, Surroundings
from ingest_optical.avro_pattern import Wanted
from ingest_optical.avro_rows import Selection
from ingest_optical.fields import Fields
from ingest_optical.first_look import FirstLook, Image
from ingest_optical.lightcurve import (
    MAX_POINTS,
    first_positive_unix_s,
    trimmed_forced,
    trimmed_history,
    trimmed_limits,
)
from ingest_optical.ztf_forced import FORCED_FIELDS, forced_of
from ingest_optical.ztf_photometry import (
    UNKNOWN,
    band_of,
    detection_of,
    exposure_s_of,
    limit_mag_ab_of,
    mid_unix_s_of,
    past_of,
    unix_s_of,
)

SURVEY = "ztf"

PREFIX_FIELDS = ("schemavsn", "objectId", "candid", "candidate")
"""What a first look needs; in an IPAC packet all of it stands before the history."""

WHOLE_FIELDS = (*PREFIX_FIELDS, "prv_candidates", "fp_hists")
"""What the whole alert needs; the images stand after it."""

_DETECTION = frozenset(
    {"jd", "fid", "candid", "isdiffpos", "magpsf", "sigmapsf", "diffmaglim", "exptime"}
)

WANTED = Wanted(
    own=Selection(frozenset({"schemavsn", "objectId", "candid"})),
    inside={
        "candidate": Selection(
            _DETECTION
            | {"pid", "ra", "dec", "rb", "drb", "nbad", "fwhm", "elong", "magdiff", "scorr"}
            | {"ssdistnr", "ssnamenr", "sgscore1", "distpsnr1", "neargaia", "jdstarthist"}
        ),
        "prv_candidates": Selection(_DETECTION),
        "fp_hists": Selection(frozenset(FORCED_FIELDS)),
    },
)
"""The fields that this file reads; a pattern skips the others."""

_FLAT_PREFIX = "i:"
"""Fink's portal puts it before the survey's own columns."""


def to_alert(
    record: Mapping[str, object],
    packet: str,
    schema_version: str | None = None,
    max_points: int | None = MAX_POINTS,
) -> Alert:
    """The alert of a decoded ZTF record.

    Parameters
    ----------
    record
        IPAC or Fink record, or a flat row of Fink's portal.
    packet
        Name of the packet, for the errors.
    schema_version
        Version of the writer schema, for packets of 2018, whose records do not carry it.
    max_points
        Most measurements and most limits kept; None for all.

    Raises
    ------
    MalformedAlertError
        Id, position, time, band, magnitude or sign is missing or impossible.
    """
    return to_first_look(record, packet, schema_version).with_past(record, max_points)


def to_first_look(
    record: Mapping[str, object], packet: str, schema_version: str | None = None
) -> ZtfLook:
    """The alert of a decoded ZTF record without its past; as :func:`to_alert`."""
    fields = Fields(_nested(record), packet, UNKNOWN)
    candidate = fields.record("candidate")
    if candidate is None:
        raise fields.malformed("candidate must be known")
    return ZtfLook(fields, candidate, schema_version)


class ZtfLook(FirstLook):
    """A ZTF record as far as somebody asks."""

    survey = SURVEY

    def __init__(self, fields: Fields, candidate: Fields, schema_version: str | None) -> None:
        self.fields = fields
        self._candidate = candidate
        self._schema_version = schema_version
        self._alert_id: str | None = None
        self._position_deg: tuple[float, float] | None = None

    @property
    def schema_version(self) -> str:
        """Version that the record says, else that of its writer."""
        return _version(self.fields, self._schema_version)

    # Remembered by hand: a cached_property of Python 3.11 takes a lock.

    @property
    def alert_id(self) -> str:
        """``candid``."""
        if self._alert_id is None:
            alert_id = self.fields.integer("candid")
            if alert_id is None:
                raise self.fields.malformed("objectId and candid must be known")
            self._alert_id = str(alert_id)
        return self._alert_id

    @property
    def object_id(self) -> str:
        """``objectId``."""
        object_id = self.fields.text("objectId")
        if object_id is None:
            raise self.fields.malformed("objectId and candid must be known")
        return object_id

    @property
    def position_deg(self) -> tuple[float, float]:
        """Of this epoch, not of the object."""
        if self._position_deg is None:
            self._position_deg = _position(self._candidate)
        return self._position_deg

    @property
    def exposure_s(self) -> float | None:
        """``exptime``."""
        return exposure_s_of(self._candidate)

    @cached_property
    def detection(self) -> Detection:
        """From the magnitude."""
        return detection_of(self._candidate, self.alert_id)

    @property
    def quality(self) -> Quality:
        """``drb`` and so on."""
        measures = self.measures
        return Quality(
            real_bogus=measures.real_bogus,
            real_bogus_forest=measures.real_bogus_forest,
            snr=self._candidate.number("scorr"),
            n_bad_pixels=measures.n_bad_pixels,
            fwhm_px=measures.fwhm_px,
            elongation=measures.elongation,
            mag_difference=measures.mag_difference,
        )

    def with_past(self, record: Mapping[str, object], max_points: int | None) -> Alert:
        """From ``prv_candidates`` and ``fp_hists``."""
        fields, detection = self.fields.inner(_nested(record)), self.detection
        history, limits = past_of(fields, int(self.alert_id))
        onset_unix_s = first_positive_unix_s((detection, *history))
        forced = forced_of(fields, self._candidate, max_points is None)
        return self.to_alert(
            trimmed_history(history, max_points),
            trimmed_limits(limits, onset_unix_s, max_points),
            trimmed_forced(forced, detection.time_unix_s, max_points) if forced else (),
        )

    @property
    def measures(self) -> ZtfMeasures:
        """The same, one by one."""
        return ZtfMeasures(self._candidate)

    @property
    def surroundings(self) -> Surroundings:
        """Known asteroid, nearest PS1 source, nearest Gaia source."""
        return _surroundings(self._candidate)

    @property
    def survey_first_unix_s(self) -> float | None:
        """``jdstarthist``."""
        return _survey_first_unix_s(self._candidate)

    @property
    def image_id(self) -> str | None:
        """``pid``: one quadrant of one CCD."""
        image_id = self._candidate.integer("pid")
        return None if image_id is None else str(image_id)

    @property
    def image(self) -> Image:
        """``diffmaglim`` and so on."""
        candidate = self._candidate
        return Image(
            mid_unix_s_of(candidate),
            exposure_s_of(candidate),
            band_of(candidate),
            limit_mag_ab_of(candidate),
        )


class ZtfMeasures:
    """Measures of the image of a detection, each read when it is asked for."""

    def __init__(self, candidate: Fields) -> None:
        self._candidate = candidate

    def flags_among(self, names: frozenset[str]) -> tuple[str, ...]:
        """ZTF has none."""
        del names
        return ()

    @property
    def real_bogus(self) -> float | None:
        """``drb``; before 2019 there is only ``rb``."""
        braai = self._candidate.number("drb")
        return self.real_bogus_forest if braai is None else braai

    @property
    def real_bogus_forest(self) -> float | None:
        """``rb``."""
        return self._candidate.number("rb")

    @property
    def n_bad_pixels(self) -> int | None:
        """``nbad``."""
        return self._candidate.integer("nbad")

    @property
    def fwhm_px(self) -> float | None:
        """``fwhm``."""
        return self._candidate.number("fwhm")

    @property
    def elongation(self) -> float | None:
        """``elong``."""
        return self._candidate.number("elong")

    @property
    def mag_difference(self) -> float | None:
        """``magdiff``."""
        return self._candidate.number("magdiff")


def _nested(record: Mapping[str, object]) -> Mapping[str, object]:
    """A flat portal row as a record with its ``candidate``."""
    if "candidate" in record or _FLAT_PREFIX + "candid" not in record:
        return record
    n = len(_FLAT_PREFIX)
    flat = {name[n:]: value for name, value in record.items() if name.startswith(_FLAT_PREFIX)}
    return {**flat, "candidate": flat}


def _version(fields: Fields, writer: str | None) -> str:
    said = fields.raw("schemavsn")
    # The portal's rows turned "3.3" into a number.
    if isinstance(said, float) and said != UNKNOWN:
        return str(said)
    if isinstance(said, str) and (version := fields.text("schemavsn")) is not None:
        return version
    if writer is not None:
        return writer
    raise fields.malformed("schemavsn must be known", said)


def _position(candidate: Fields) -> tuple[float, float]:
    ra_deg, dec_deg = candidate.known_number("ra"), candidate.known_number("dec")
    if not (0.0 <= ra_deg <= 360.0 and -90.0 <= dec_deg <= 90.0):
        raise candidate.malformed(
            "ra must lie in [0, 360] and dec in [-90, 90] deg", (ra_deg, dec_deg)
        )
    return ra_deg, dec_deg


def _survey_first_unix_s(candidate: Fields) -> float | None:
    """Start of the exposure of the first 3-sigma detection, as the survey gives it.

    Without half an exposure: the exposure time of that epoch is not said.
    """
    if candidate.number("jdstarthist") is None:
        return None
    return unix_s_of(candidate, "jdstarthist")


def _surroundings(candidate: Fields) -> Surroundings:
    name = candidate.text("ssnamenr")
    return Surroundings(
        solar_system_name=None if name in ("null", "None") else name,
        solar_system_sep_arcsec=_sep_arcsec(candidate, "ssdistnr"),
        star_score=candidate.number("sgscore1"),
        star_sep_arcsec=_sep_arcsec(candidate, "distpsnr1"),
        gaia_sep_arcsec=_sep_arcsec(candidate, "neargaia"),
    )


def _sep_arcsec(candidate: Fields, name: str) -> float | None:
    sep_arcsec = candidate.number(name)
    return sep_arcsec if sep_arcsec is not None and sep_arcsec >= 0.0 else None
