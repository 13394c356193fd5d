"""What the alerts say of the sky that was looked at: one record for each image and reading.

An image shows itself only by its alerts, which lie in several partitions and reach several
readers, some of them twice. So a record names the alerts that it counted, and the union of any
records of an image, in any order and however often, is what all of them together say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from ingest_optical.first_look import FirstLook, Image
from skymaps.healpix import coarsen, index_29_of

CELL_ORDER = 8
"""Order of the NESTED cells of a footprint: 14 arcmin, the size of one detector of Rubin's; a
quadrant of ZTF's covers about 16."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """One image, as far as some of its alerts tell.

    Attributes
    ----------
    survey, exposure_id
        ZTF ``pid``, one quadrant of a CCD; LSST ``visit/detector``.
    time_unix_s, exposure_s, band
        Middle of the exposure [s since the Unix epoch, UTC], its length [s], the filter.
    limit_mag_ab
        5-sigma limit where the packets say it [mag AB].
    cells_8
        NESTED cells of order 8 that hold a position of an alert, sorted: places that the image
        surely covers. It may cover more.
    passed, rejected
        Ids of the alerts that the gate let through, and of those that it did not, sorted.
    """

    survey: str
    exposure_id: str
    time_unix_s: float
    exposure_s: float | None
    band: str
    limit_mag_ab: float | None
    cells_8: tuple[int, ...]
    passed: tuple[str, ...]
    rejected: tuple[str, ...]

    @property
    def n_alerts(self) -> int:
        """Number of alerts."""
        return len(self.passed) + len(self.rejected)

    @property
    def n_passed(self) -> int:
        """Number of alerts that the gate let through."""
        return len(self.passed)

    def joined(self, other: Exposure) -> Exposure:
        """What two records of one image say together; in either order, and twice as once.

        An alert that passed any gate has passed. Should the packets of one image disagree on when,
        how long or how deep it was, the least that was said holds.

        Raises
        ------
        ValueError
            They are of two images.
        """
        ours, theirs = (self.survey, self.exposure_id), (other.survey, other.exposure_id)
        if ours != theirs:
            raise ValueError(f"one image must be joined with itself, got {ours} and {theirs}")
        passed = {*self.passed, *other.passed}
        rejected = {*self.rejected, *other.rejected} - passed
        return Exposure(
            survey=self.survey,
            exposure_id=self.exposure_id,
            time_unix_s=min(self.time_unix_s, other.time_unix_s),
            exposure_s=_least((self.exposure_s, other.exposure_s)),
            band=min(self.band, other.band),
            limit_mag_ab=_least((self.limit_mag_ab, other.limit_mag_ab)),
            cells_8=tuple(sorted({*self.cells_8, *other.cells_8})),
            passed=tuple(sorted(passed)),
            rejected=tuple(sorted(rejected)),
        )


class ExposureLog:
    """The images of the alerts that were looked at since the log was last emptied."""

    def __init__(self) -> None:
        self._images: dict[tuple[str, str], _Noted] = {}

    def note(self, look: FirstLook, is_passed: bool) -> bool:
        """Count an alert; False for one that does not name its image.

        Raises
        ------
        MalformedAlertError
            Its image, its id or its place is impossible.
        """
        image_id = look.image_id
        if image_id is None:
            return False
        key = look.survey, image_id
        alert_id, (ra_deg, dec_deg) = look.alert_id, look.position_deg
        noted = self._images.get(key)
        if noted is None:
            # All alerts of an image say the same of it: the first one is asked.
            noted = self._images[key] = _Noted(look.image)
        noted.ra_deg.append(ra_deg)
        noted.dec_deg.append(dec_deg)
        (noted.passed if is_passed else noted.rejected).add(alert_id)
        return True

    def empty(self) -> list[Exposure]:
        """The records of the images, in the order of their first alerts; the log is empty then."""
        images, self._images = self._images, {}
        if not images:
            return []
        # One call for all positions: healpy takes 10 us a call and 30 ns a position.
        index_29 = index_29_of(
            [x for noted in images.values() for x in noted.ra_deg],
            [x for noted in images.values() for x in noted.dec_deg],
        )
        cells = iter(coarsen(index_29, CELL_ORDER).tolist())
        return [
            noted.exposure(survey, image_id, islice(cells, len(noted.ra_deg)))
            for (survey, image_id), noted in images.items()
        ]


@dataclass(slots=True)
class _Noted:
    """The alerts of one image, as they come."""

    image: Image
    ra_deg: list[float] = field(default_factory=list)
    dec_deg: list[float] = field(default_factory=list)
    passed: set[str] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)

    def exposure(self, survey: str, image_id: str, cells_8: Iterable[int]) -> Exposure:
        image = self.image
        return Exposure(
            survey=survey,
            exposure_id=image_id,
            time_unix_s=image.time_unix_s,
            exposure_s=image.exposure_s,
            band=image.band,
            limit_mag_ab=image.limit_mag_ab,
            cells_8=tuple(sorted(set(cells_8))),
            passed=tuple(sorted(self.passed)),
            rejected=tuple(sorted(self.rejected - self.passed)),
        )


def _least(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)
