"""Rubin's light curves as brokers pass them on: measurements without ids.

A moment and a filter name a measurement, the alert's own too, so that it counts once in all
alerts of its object that come this way. In an object that is also read from Rubin's own packets
it counts twice.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping

from correlator.alert import Alert, Detection, ForcedMeasurement, Limit, mag_of_flux
from ingest_optical.fields import Fields
from ingest_optical.lsst import LsstLook
from ingest_optical.lsst_photometry import LIMIT_N_SIGMA, Past, band_of, flux_err_njy_of


class NamelessLook(LsstLook):
    """A record of Rubin's whose measurements have no ids, as far as somebody asks.

    Attributes
    ----------
    sources, forced
        Fields of the earlier sources and of the forced photometry.
    moment
        Field that says when a row, or the alert's own source, was measured.
    """

    sources: str
    forced: str
    moment: str

    @property
    def detection(self) -> Detection:
        """From the difference flux, under the name that later alerts give it."""
        if self._detection is None:
            self._detection = self._detection_of(self.source)
        return self._detection

    def with_past(self, record: Mapping[str, object], max_points: int | None) -> Alert:
        """From the earlier and the forced sources."""
        fields = self.fields.inner(record)
        sources = [self._detection_of(row) for row in fields.rows(self.sources)]
        self.check(sources)
        own = self.detection
        taken = {own.source_id, *(d.source_id for d in sources)}
        past = self._past(sources, fields.rows(self.forced), taken, max_points is None)
        history, limits, forced = self._of(past, max_points)
        return self.to_alert(history, limits, forced)

    def check(self, sources: Iterable[Detection]) -> None:
        """Refuse a light curve that cannot be that of the alert's own source."""

    @abstractmethod
    def unix_s_of_moment(self, row: Fields) -> float:
        """Middle of the exposure [s since the Unix epoch, UTC]."""

    def _name(self, row: Fields, band: str) -> str:
        """The moment to 0.1 s, and the filter."""
        return f"{row.known_number(self.moment):.6f}{band}"

    def _detection_of(self, row: Fields) -> Detection:
        band = band_of(row)
        return Detection(
            source_id=self._name(row, band),
            time_unix_s=self.unix_s_of_moment(row),
            band=band,
            flux_njy=row.known_number("psfFlux"),
            flux_err_njy=flux_err_njy_of(row),
        )

    def _past(
        self, sources: list[Detection], rows: Iterable[Fields], taken: set[str], all_forced: bool
    ) -> Past:
        """As of Rubin's own packets, with the name in the place of the visit."""
        past = Past(history=sources)
        for row in rows:
            flux_njy, error_njy = row.number("psfFlux"), flux_err_njy_of(row)
            if flux_njy is None or error_njy is None or row.text("band") is None:
                continue
            band = band_of(row)
            name, time_unix_s = self._name(row, band), self.unix_s_of_moment(row)
            is_limit = name not in taken and abs(flux_njy) < LIMIT_N_SIGMA * error_njy
            if is_limit:
                mag_ab = mag_of_flux(LIMIT_N_SIGMA * error_njy)
                past.limits.append(Limit(time_unix_s, band, mag_ab, LIMIT_N_SIGMA))
            if all_forced or not (is_limit or name in taken):
                measured = ForcedMeasurement(name, time_unix_s, band, flux_njy, error_njy)
                past.forced.append(measured)
        return past
