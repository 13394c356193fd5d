"""LSST alerts, schemas 7.0 to 11.1, from Rubin and as rows of Fink.

Upper limits for exposures without a source are not delivered yet. Forced photometry below
3 sigma on an exposure without a source of the object is a limit of the same worth and becomes
one. Above 3 sigma it is no detection, because nobody claimed one, and stays what it is: forced.
"""

from __future__ import annotations

from collections.abc import Mapping

from correlator.alert import Alert, Detection, ForcedMeasurement, Limit, Quality, Surroundings
from ingest_optical.avro_pattern import Wanted
from ingest_optical.avro_rows import Selection
from ingest_optical.fields import Fields
from ingest_optical.first_look import FirstLook, Image
from ingest_optical.lightcurve import (
    MAX_POINTS,
    first_positive_unix_s,
    ordered_forced,
    ordered_history,
    ordered_limits,
    trimmed_forced,
    trimmed_history,
    trimmed_limits,
)
from ingest_optical.lsst_photometry import (
    FORCED_FIELDS,
    NO_PAST,
    SOURCE_FIELDS,
    Past,
    band_of,
    detection_of,
    id_of,
    is_on_sky,
    past_of,
    source_id_of,
    unix_s_of,
    usual_detection,
)

SURVEY = "lsst"

PREFIX_FIELDS = ("diaSource",)
"""What a first look needs; all of it stands before the history."""

WHOLE_FIELDS = (*PREFIX_FIELDS, "prvDiaSources", "prvDiaForcedSources", "diaObject", "ssSource")
"""What the whole alert needs."""

_DETECTION = frozenset({*SOURCE_FIELDS, "visit"})

WANTED = Wanted(
    own=Selection(frozenset()),
    inside={
        "diaSource": Selection(
            _DETECTION
            | {"detector", "diaObjectId", "ssObjectId", "exposureTime", "ra", "dec", "snr"}
            | {"reliability"},
            booleans=True,
        ),
        "prvDiaSources": Selection(_DETECTION),
        "prvDiaForcedSources": Selection(frozenset(FORCED_FIELDS)),
        "diaObject": Selection(frozenset({"firstDiaSourceMjdTai"})),
        "ssSource": Selection(frozenset({"designation", "ephOffset"})),
    },
)
"""The fields that this file reads; a pattern skips the others."""

_ALWAYS = (*SOURCE_FIELDS, "ra", "dec", "diaObjectId", "ssObjectId")
"""What the whole alert needs of its own source, whatever that is."""

_NOTHING_NEAR = Surroundings()

_NO_FLAGS = frozenset({"dipoleFitAttempted", "isdiffpos"})
"""Booleans that say what the pipeline did, not what is wrong with the source; the second one is
Babamul's, and says the sign."""


def to_alert(
    record: Mapping[str, object],
    packet: str,
    schema_version: str,
    max_points: int | None = MAX_POINTS,
) -> Alert:
    """The alert of a decoded LSST record.

    Parameters
    ----------
    record
        Rubin or Fink record. One decoded up to ``diaSource`` gives the same alert without
        history, limits and the survey's first time; a Solar System object then has its number in
        place of its designation, and no distance to the ephemeris.
    packet
        Name of the packet, for the errors.
    schema_version
        ``11.1``.
    max_points
        Most measurements and most limits kept; None for all.

    Raises
    ------
    MalformedAlertError
        Id, position, time, band or flux is missing or impossible.
    """
    return to_first_look(record, packet, schema_version).with_past(record, max_points)


def to_first_look(record: Mapping[str, object], packet: str, schema_version: str) -> LsstLook:
    """The alert of a decoded LSST record without its past; as :func:`to_alert`."""
    fields = Fields(record, packet)
    source = fields.record("diaSource")
    if source is None:
        raise fields.malformed("diaSource must be known")
    return LsstLook(fields, source, schema_version)


class LsstLook(FirstLook):
    """An LSST record as far as somebody asks."""

    survey = SURVEY

    # Remembered by hand: a cached_property of Python 3.11 takes a lock.
    _alert_id: str | None = None
    _position_deg: tuple[float, float] | None = None
    _detection: Detection | None = None
    _object_id: str | None = None
    _is_linked = True

    def __init__(self, fields: Fields, source: Fields, schema_version: str) -> None:
        self.fields = fields
        self.source = source
        self._schema_version = schema_version

    @property
    def schema_version(self) -> str:
        """Version of the writer."""
        return self._schema_version

    @property
    def alert_id(self) -> str:
        """``diaSourceId``."""
        if self._alert_id is None:
            self._alert_id = source_id_of(self.source)
        return self._alert_id

    @property
    def object_id(self) -> str:
        """``diaObjectId``, or ``sso`` and ``ssObjectId``."""
        return self._object_id or _object_id(self.source)

    @property
    def position_deg(self) -> tuple[float, float]:
        """Of this epoch, not of the object."""
        if self._position_deg is None:
            self._position_deg = _position(self.source)
        return self._position_deg

    @property
    def exposure_s(self) -> float | None:
        """``exposureTime``."""
        return self.source.exposure_s("exposureTime")

    @property
    def detection(self) -> Detection:
        """From the difference flux."""
        if self._detection is None:
            self._detection = detection_of(self.source)
        return self._detection

    @property
    def quality(self) -> Quality:
        """``reliability`` and the flags."""
        return _quality(self.source)

    @property
    def surroundings(self) -> Surroundings:
        """A Solar System object by its number."""
        return _surroundings(self.source, None)

    @property
    def survey_first_unix_s(self) -> float | None:
        """It stands after the history."""
        return None

    def with_past(self, record: Mapping[str, object], max_points: int | None) -> Alert:
        """From the earlier and the forced sources, the object and the ephemeris."""
        self._read_at_once()
        fields, source = self.fields.of(record), self.source
        past = past_of(fields, source, max_points is None)
        history, limits, forced = ((), (), ()) if past is NO_PAST else self._of(past, max_points)
        return self.alert_of(
            history,
            limits,
            _survey_first_unix_s(fields.record("diaObject")),
            _surroundings(source, fields.record("ssSource")) if self._is_linked else _NOTHING_NEAR,
            forced,
        )

    def _of(
        self, past: Past, max_points: int | None
    ) -> tuple[tuple[Detection, ...], tuple[Limit, ...], tuple[ForcedMeasurement, ...]]:
        """Earlier detections, limits and forced photometry in order, no more than wanted."""
        history = ordered_history(past.history, self.detection.source_id)
        onset_unix_s = first_positive_unix_s((self.detection, *history))
        own_unix_s = self.detection.time_unix_s
        return (
            trimmed_history(history, max_points),
            trimmed_limits(ordered_limits(past.limits), onset_unix_s, max_points),
            trimmed_forced(ordered_forced(past.forced), own_unix_s, max_points),
        )

    def _read_at_once(self) -> None:
        """Remember what each alert has, where it is as usual: that is quicker than one by one."""
        *own, ra_deg, dec_deg, dia_object, solar_system = self.source.values(_ALWAYS)
        self._detection = usual_detection(*own)
        if self._detection is not None:
            self._alert_id = self._detection.source_id
        if type(ra_deg) is float and type(dec_deg) is float and is_on_sky(ra_deg, dec_deg):
            self._position_deg = ra_deg, dec_deg
        if solar_system is None or (type(solar_system) is int and solar_system == 0):
            self._is_linked = False
        if not self._is_linked and type(dia_object) is int and 0 < dia_object < 2**63:
            self._object_id = str(dia_object)

    @property
    def measures(self) -> LsstMeasures:
        """The same, one by one."""
        return LsstMeasures(self.source)

    @property
    def image_id(self) -> str | None:
        """One detector of one visit."""
        visit, detector = self.source.integer("visit"), self.source.integer("detector")
        return None if visit is None or detector is None else f"{visit}/{detector}"

    @property
    def image(self) -> Image:
        """The packet does not say how deep."""
        time_unix_s = unix_s_of(self.source, "midpointMjdTai")
        return Image(time_unix_s, self.exposure_s, band_of(self.source), None)


class LsstMeasures:
    """Measures of a source, each read when it is asked for; the packet has only two kinds."""

    real_bogus_forest = n_bad_pixels = fwhm_px = elongation = mag_difference = None

    def __init__(self, source: Fields) -> None:
        self._source = source

    @property
    def real_bogus(self) -> float | None:
        """``reliability``."""
        return self._source.number("reliability")

    def flags_among(self, names: frozenset[str]) -> tuple[str, ...]:
        """Booleans that say what is wrong with the source."""
        found = [name for name in self._source.set_flags() if name in names]
        return tuple(sorted(set(found) - _NO_FLAGS)) if found else ()


def _object_id(source: Fields) -> str:
    dia_object, solar_system = id_of(source, "diaObjectId"), id_of(source, "ssObjectId")
    if dia_object is not None:
        return str(dia_object)
    if solar_system is not None:
        return f"sso{solar_system}"
    raise source.malformed("diaObjectId or ssObjectId must be known")


def _position(source: Fields) -> tuple[float, float]:
    ra_deg, dec_deg = source.known_number("ra"), source.known_number("dec")
    if not is_on_sky(ra_deg, dec_deg):
        raise source.malformed(
            "ra must lie in [0, 360] and dec in [-90, 90] deg", (ra_deg, dec_deg)
        )
    return ra_deg, dec_deg


def _survey_first_unix_s(dia_object: Fields | None) -> float | None:
    # Null in every packet so far; 0 where the object's record is filled with zeros.
    if dia_object is None or not dia_object.number("firstDiaSourceMjdTai"):
        return None
    return unix_s_of(dia_object, "firstDiaSourceMjdTai")


def _quality(source: Fields) -> Quality:
    flags = [flag for flag in source.set_flags() if flag not in _NO_FLAGS]
    return Quality(
        real_bogus=source.number("reliability"),
        snr=source.number("snr"),
        flags=tuple(sorted(flags)) if flags else (),
    )


def _surroundings(source: Fields, ephemeris: Fields | None) -> Surroundings:
    number = id_of(source, "ssObjectId")
    # A record of zeros stands for "no ephemeris", and a zero in it for "not computed".
    if number is None:
        return _NOTHING_NEAR
    if ephemeris is None:
        return Surroundings(solar_system_name=str(number))
    return Surroundings(
        solar_system_name=ephemeris.text("designation") or str(number),
        solar_system_sep_arcsec=ephemeris.number("ephOffset") or None,
    )
