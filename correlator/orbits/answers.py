"""What orbits say of an optical object: a known body there, nothing there, or unknown.

As any catalogue's, their silence is no evidence (ADR 0019): without orbits, or with old ones only,
the answer is "unknown", never "no asteroid".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from correlator.crossmatch import CatalogAnswer, CatalogTag
from correlator.object import OpticalObject
from correlator.orbits.elements import Orbits
from correlator.orbits.observers import SITE_OF_SURVEY
from correlator.orbits.search import MAX_EPOCH_AGE_D, RADIUS_ARCSEC, OrbitSky, Prediction
from correlator.visibility import SITES

CATALOG = "orbits"
"""Name of the catalogue that the answers are of."""

TYPE_NAME = "solar-system"

MIN_SEARCHED_SHARE = 0.5
"""With fewer of the orbits near enough to the time, nobody knows what is there."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownOrbits:
    """Orbits under the name of their content, as seen from the site of each survey.

    Attributes
    ----------
    version
        Of the file's content.
    skies
        By survey: ``lsst``, ``ztf``.
    """

    version: str
    skies: Mapping[str, OrbitSky]

    @classmethod
    def of(cls, orbits: Orbits, version: str) -> KnownOrbits:
        """Orbits for all surveys whose site is known.

        Raises
        ------
        ConfigurationError
            REBOUND is not installed.
        """
        sites = SITE_OF_SURVEY.items()
        return cls(version, {survey: OrbitSky(orbits, SITES[site]) for survey, site in sites})


def asteroid_answer(
    obj: OpticalObject, known: KnownOrbits | None, radius_arcsec: float = RADIUS_ARCSEC
) -> CatalogAnswer:
    """Known bodies where an object was, when its position was measured.

    A body that is found need not be what was seen: it may pass in front of a star. An object that
    was seen at one place for longer than it takes to pass is not the body.

    On a stream, ask of each alert as an object of its own (``object_of(alert)``): then all
    questions are about now. The position of an old object is of another night, which costs another
    hour of places (:class:`OrbitSky`).

    Parameters
    ----------
    obj
        Its position is that of its best detection, and so is the time.
    known
        None where there is no file of orbits.
    radius_arcsec
        How far to look [arcsec].

    Returns
    -------
    CatalogAnswer
        Found, with name, separation, magnitude and motion; nothing there; or unknown, with a
        reason.
    """
    if known is None:
        return CatalogAnswer.unknown(CATALOG, "no file of orbits")
    if (sky := known.skies.get(obj.survey)) is None:
        return CatalogAnswer.unknown(CATALOG, f"the site of survey {obj.survey} is not known")
    if (time_unix_s := _position_unix_s(obj)) is None:
        return CatalogAnswer.unknown(CATALOG, "the time of the position is not known")
    place = obj.ra_deg, obj.dec_deg, time_unix_s
    return position_answer(sky, known.version, *place, radius_arcsec)


def position_answer(
    sky: OrbitSky,
    version: str,
    ra_deg: float,
    dec_deg: float,
    time_unix_s: float,
    radius_arcsec: float = RADIUS_ARCSEC,
) -> CatalogAnswer:
    """Known bodies near a position at a time; as :func:`asteroid_answer`, under a version."""
    n_searched, n_orbits = sky.n_searched(time_unix_s), len(sky.orbits)
    if n_searched < MIN_SEARCHED_SHARE * n_orbits or not n_orbits:
        return CatalogAnswer.unknown(
            CATALOG,
            f"{n_searched} of {n_orbits} orbits have an epoch within {MAX_EPOCH_AGE_D:.0f} d",
        )
    found = sky.near(ra_deg, dec_deg, time_unix_s, radius_arcsec)
    return CatalogAnswer.of(CATALOG, (tag_of(each, version) for each in found), version)


def tag_of(body: Prediction, version: str) -> CatalogTag:
    """A body as an entry of a catalogue, with its numbers by name."""
    values = {
        "distance_au": body.distance_au,
        "epoch_age_d": body.epoch_age_d,
        "mag_v": body.mag_v,
        "motion_arcsec_per_h": body.motion_arcsec_per_h,
        "motion_east_arcsec_per_h": body.motion_east_arcsec_per_h,
        "motion_north_arcsec_per_h": body.motion_north_arcsec_per_h,
        "sun_au": body.sun_au,
    }
    return CatalogTag(
        catalog=CATALOG,
        version=version,
        object_id=body.name,
        ra_deg=body.ra_deg,
        dec_deg=body.dec_deg,
        separation_arcsec=body.separation_arcsec,
        type_name=TYPE_NAME,
        values=tuple((name, value) for name, value in values.items() if value is not None),
    )


def _position_unix_s(obj: OpticalObject) -> float | None:
    """Middle of the exposure in which the object's position was measured."""
    if obj.position_alert_id == obj.latest_alert_id:
        return obj.latest_unix_s
    of_position = (d for d in obj.detections if d.source_id == obj.position_alert_id)
    return next((d.time_unix_s for d in of_position), None)
