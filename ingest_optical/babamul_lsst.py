"""Babamul's LSST alerts (BOOM): a source of Rubin's with a light curve without ids.

The candidate is Rubin's own source, in nJy and TAI, and BOOM's ``jd``: the same moment in UTC. The
light curve has only that, a filter, a flux in nJy and its error. Where it holds the alert's own
source, their fluxes must agree, for Babamul's ZTF alerts have another unit than they say.
Written from BOOM's published schema; no real packet was at hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from correlator.alert import Detection
from ingest_optical.fields import Fields
from ingest_optical.lsst_photometry import unix_s_of as unix_s_of_tai
from ingest_optical.nameless import NamelessLook
from ingest_optical.ztf_photometry import unix_s_of as unix_s_of_utc

NAME = "BabamulLsstAlert"
"""Name of the Avro record."""

VERSION = "babamul"
"""Schema version of such an alert: the packet does not say Rubin's."""

PREFIX_FIELDS = ("candid", "objectId", "candidate")

WHOLE_FIELDS = (*PREFIX_FIELDS, "prv_candidates", "fp_hists")
"""What the whole alert needs."""

PAST_FIELDS = frozenset({"prv_candidates", "fp_hists"})

_MAX_APART_S = 1.0
"""``jd`` and ``midpointMjdTai`` are one moment: 37 s apart, one of them is on another scale."""

_TOLERANCE = 0.01
"""A flux of the light curve may differ by this share from the source's own, a float of 32 bits."""


def to_first_look(record: Mapping[str, object], packet: str) -> BabamulLsstLook:
    """The alert of a decoded record without its past.

    Raises
    ------
    MalformedAlertError
        There is no candidate.
    """
    fields = Fields(record, packet)
    candidate = fields.record("candidate")
    if candidate is None:
        raise fields.malformed("candidate must be known")
    return BabamulLsstLook(fields, candidate, VERSION)


class BabamulLsstLook(NamelessLook):
    """A record of Babamul's as far as somebody asks: its candidate is Rubin's source."""

    sources, forced, moment = "prv_candidates", "fp_hists", "jd"

    @property
    def survey_first_unix_s(self) -> float | None:
        """``jdstarthist``, which is Rubin's first source."""
        if not self.source.number("jdstarthist"):
            return None
        return unix_s_of_utc(self.source, "jdstarthist")

    def unix_s_of_moment(self, row: Fields) -> float:
        """``jd`` is the middle of the visit, in UTC."""
        return unix_s_of_utc(row, self.moment)

    def check(self, sources: Iterable[Detection]) -> None:
        """Refuse another time scale, and another unit."""
        own, tai_unix_s = self.detection, unix_s_of_tai(self.source, "midpointMjdTai")
        if abs(own.time_unix_s - tai_unix_s) > _MAX_APART_S:
            rule = "jd must be the moment of midpointMjdTai in UTC"
            raise self.source.malformed(rule, own.time_unix_s - tai_unix_s)
        for source in sources:
            apart_njy = abs(source.flux_njy - own.flux_njy)
            if source.source_id == own.source_id and apart_njy > _TOLERANCE * abs(own.flux_njy):
                rule = "psfFlux of prv_candidates must be that of the candidate"
                raise self.source.malformed(rule, (source.flux_njy, own.flux_njy))
