"""The first look at an alert: what its packet says before its past, read as far as it is asked.

Most alerts go no further than the gate, which asks for two or three of their numbers. What nobody
asks for is not read, and not judged.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from correlator.alert import Alert, Detection, ForcedMeasurement, Limit, Quality, Surroundings
from ingest_optical.avro import Reading
from skymaps.healpix import index_29_of
from skymaps.place import index_29_at


@dataclass(frozen=True, slots=True)
class Image:
    """The difference image on which an alert was found: one detector of one exposure.

    Attributes
    ----------
    time_unix_s, exposure_s, band
        Middle of the exposure [s since the Unix epoch, UTC], its length [s], the filter.
    limit_mag_ab
        Its 5-sigma limit, where the packet says it [mag AB].
    """

    time_unix_s: float
    exposure_s: float | None
    band: str
    limit_mag_ab: float | None


class Measures(Protocol):
    """Those of :class:`correlator.alert.Quality` that a gate compares."""

    @property
    def real_bogus(self) -> float | None:
        """As in ``Quality``."""

    @property
    def real_bogus_forest(self) -> float | None:
        """As in ``Quality``."""

    @property
    def n_bad_pixels(self) -> int | None:
        """As in ``Quality``."""

    @property
    def fwhm_px(self) -> float | None:
        """As in ``Quality``."""

    @property
    def elongation(self) -> float | None:
        """As in ``Quality``."""

    @property
    def mag_difference(self) -> float | None:
        """As in ``Quality``."""

    def flags_among(self, names: frozenset[str]) -> tuple[str, ...]:
        """Those of the flags that are set and have one of these names, sorted."""


@dataclass(frozen=True, slots=True)
class KnownMeasures:
    """The measures of an alert."""

    quality: Quality

    @property
    def real_bogus(self) -> float | None:
        """As in ``Quality``."""
        return self.quality.real_bogus

    @property
    def real_bogus_forest(self) -> float | None:
        """As in ``Quality``."""
        return self.quality.real_bogus_forest

    @property
    def n_bad_pixels(self) -> int | None:
        """As in ``Quality``."""
        return self.quality.n_bad_pixels

    @property
    def fwhm_px(self) -> float | None:
        """As in ``Quality``."""
        return self.quality.fwhm_px

    @property
    def elongation(self) -> float | None:
        """As in ``Quality``."""
        return self.quality.elongation

    @property
    def mag_difference(self) -> float | None:
        """As in ``Quality``."""
        return self.quality.mag_difference

    def flags_among(self, names: frozenset[str]) -> tuple[str, ...]:
        """The survey's flags of these names."""
        return tuple(flag for flag in self.quality.flags if flag in names)


class FirstLook(ABC):
    """An alert up to its own detection.

    The properties are those of :class:`correlator.alert.Alert`; each raises a
    ``MalformedAlertError`` when what the packet says there is impossible.

    Attributes
    ----------
    survey
        As in ``Alert``.
    reading
        How far the packet was read, for who goes on with it; None for what cannot be gone on with.
    """

    survey: str
    reading: Reading | None = None

    @property
    @abstractmethod
    def schema_version(self) -> str:
        """Version of the packet's schema."""

    @property
    @abstractmethod
    def alert_id(self) -> str:
        """The survey's id of the alert."""

    @property
    @abstractmethod
    def object_id(self) -> str:
        """The survey's id of the object."""

    @property
    @abstractmethod
    def position_deg(self) -> tuple[float, float]:
        """Right ascension and declination [deg]."""

    @property
    @abstractmethod
    def exposure_s(self) -> float | None:
        """Length of the exposure [s]."""

    @property
    @abstractmethod
    def detection(self) -> Detection:
        """The measurement that the alert announces."""

    @property
    @abstractmethod
    def quality(self) -> Quality:
        """What the survey says of the measurement."""

    @property
    @abstractmethod
    def surroundings(self) -> Surroundings:
        """What the survey says stands near."""

    @property
    @abstractmethod
    def survey_first_unix_s(self) -> float | None:
        """Beginning of the object's history by the survey's count, as far as it is said here."""

    @property
    @abstractmethod
    def measures(self) -> Measures:
        """What a gate compares of the quality, each read when it is asked for."""

    @property
    @abstractmethod
    def image_id(self) -> str | None:
        """The survey's id of the image; None where the packet does not name it."""

    @property
    @abstractmethod
    def image(self) -> Image:
        """The image of the detection."""

    # Remembered by hand: a cached_property of Python 3.11 takes a lock.
    _index_29: int | None = None

    @property
    def index_29(self) -> int:
        """Order-29 NESTED HEALPix index of the position."""
        if self._index_29 is None:
            self._index_29 = index_29_at(*self.position_deg)
        return self._index_29

    @index_29.setter
    def index_29(self, index_29: int) -> None:
        self._index_29 = index_29

    @abstractmethod
    def with_past(self, record: Mapping[str, object], max_points: int | None) -> Alert:
        """The alert with the past that the whole record tells.

        Parameters
        ----------
        record
            The record whose beginning this is.
        max_points
            Most measurements and most limits kept; None for all, and for all forced photometry.
        """

    def to_alert(
        self,
        history: tuple[Detection, ...] = (),
        limits: tuple[Limit, ...] = (),
        forced: tuple[ForcedMeasurement, ...] = (),
    ) -> Alert:
        """The alert with its past."""
        return self.alert_of(history, limits, self.survey_first_unix_s, self.surroundings, forced)

    def alert_of(
        self,
        history: tuple[Detection, ...],
        limits: tuple[Limit, ...],
        survey_first_unix_s: float | None,
        surroundings: Surroundings,
        forced: tuple[ForcedMeasurement, ...] = (),
    ) -> Alert:
        """The alert with what stands after the first look."""
        ra_deg, dec_deg = self.position_deg
        return Alert(
            survey=self.survey,
            schema_version=self.schema_version,
            alert_id=self.alert_id,
            object_id=self.object_id,
            ra_deg=ra_deg,
            dec_deg=dec_deg,
            index_29=self.index_29,
            exposure_s=self.exposure_s,
            detection=self.detection,
            history=history,
            limits=limits,
            survey_first_unix_s=survey_first_unix_s,
            quality=self.quality,
            surroundings=surroundings,
            forced=forced,
        )


def place(looks: Sequence[FirstLook]) -> None:
    """Find the HEALPix index of many alerts in one call: most of the time is the call's.

    Raises
    ------
    MalformedAlertError
        One of the positions is impossible.
    """
    if not looks:
        return
    ra_deg, dec_deg = zip(*(look.position_deg for look in looks), strict=True)
    for look, index_29 in zip(looks, index_29_of(ra_deg, dec_deg).tolist(), strict=True):
        look.index_29 = index_29
