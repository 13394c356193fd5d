"""What a SkyPortal does with the answers of a broker, step by step, written anew from reading it.

Read were, in the version of August 2026: `skyportal/broker_apis/generic.py` (requests, token,
envelope), `skyportal/utils/gcn_crossmatch.py` (which rows are used, candidate, annotation, what
429 does), `skyportal/broker_apis/_save.py` (object, photometry) and
`skyportal/broker_apis/interface.py` (saving as a source). Each function says of which step it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import requests

MJD_0 = 2_400_000.5


@dataclass
class GenericBroker:
    """generic.py: `altdata` of the broker's row, and what is asked with it."""

    base_url: str
    token: str | None = None

    def query_alerts(self, **asked: Any) -> Any:
        return self._get("alerts", asked)

    def get_alert(self, alert_id: str, **asked: Any) -> Any:
        return self._get(f"alerts/{alert_id}", asked)

    def _get(self, path: str, asked: dict[str, Any]) -> Any:
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        url = self.base_url.rstrip("/") + "/" + path
        answer = requests.get(url, params=asked, headers=headers, timeout=30)
        answer.raise_for_status()
        said = answer.json()
        return said["data"] if isinstance(said, dict) and "data" in said else said


def position_of(alert: dict[str, Any]) -> tuple[float, float] | None:
    """`alert_position`: the row's own, else that of its candidate."""
    for place in (alert, alert.get("candidate") or {}):
        if place.get("ra") is not None and place.get("dec") is not None:
            return float(place["ra"]), float(place["dec"])
    return None


def jd_of(alert: dict[str, Any]) -> float | None:
    """`alert_jd`: of the row, else of its candidate; `mjd` counts, too."""
    for place in (alert, alert.get("candidate") or {}):
        if place.get("jd") is not None:
            return float(place["jd"])
        if place.get("mjd") is not None:
            return float(place["mjd"]) + MJD_0
    return None


def id_of(alert: dict[str, Any]) -> str | None:
    """`alert_object_id`."""
    said = (alert.get(name) for name in ("objectId", "object_id", "objectid", "oid"))
    return next((str(value) for value in said if value), None)


@dataclass
class Event:
    """A `GcnEvent` with a cone for its localization."""

    trigger_id: str
    jd: float
    ra: float
    dec: float
    error_deg: float

    def separation_deg(self, ra: float, dec: float) -> float:
        """`great_circle_distance`."""
        a, b = math.radians(dec), math.radians(self.dec)
        d = math.radians(ra - self.ra)
        haversine = math.sin((a - b) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(d / 2) ** 2
        return math.degrees(2 * math.asin(math.sqrt(haversine)))


@dataclass
class Crossmatch:
    """`process_event_filter` without a pipeline, and what it leaves in the database."""

    broker: GenericBroker
    survey: str
    filter_id: int = 42
    days_before: float = 1.0
    days_after: float = 31.0
    objs: dict[str, dict[str, Any]] = field(default_factory=dict)
    candidates: list[dict[str, Any]] = field(default_factory=list)
    annotations: dict[str, dict[str, Any]] = field(default_factory=dict)
    photometry: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    newest_jd: float | None = None
    undated: int = 0

    def run(self, event: Event) -> list[str]:
        """One pass over an event; the objects that matched."""
        jd_start, jd_end = event.jd - self.days_before, event.jd + self.days_after
        if self.newest_jd is not None:
            jd_start = max(jd_start, self.newest_jd)
        alerts = self.broker.query_alerts(
            ra=event.ra, dec=event.dec, radius=event.error_deg, radius_units="deg",
            jd_start=jd_start, jd_end=jd_end, permissions={self.survey: [1, 2, 3]},
        )  # fmt: skip
        matched = []
        for alert in alerts or []:
            place, name, jd = position_of(alert), id_of(alert), jd_of(alert)
            if place is None or name is None:
                continue
            if jd is None:
                self.undated += 1
            elif jd_start <= jd <= jd_end and event.separation_deg(*place) <= event.error_deg:
                self._take(event, alert, name, place, jd)
                matched.append(name)
        return matched

    def _take(self, event, alert, name, place, jd) -> None:
        candidate = alert["candidate"] if isinstance(alert.get("candidate"), dict) else {}
        self.objs.setdefault(name, {"ra": place[0], "dec": place[1], "score": candidate.get("drb")})
        passed = {
            "obj_id": name,
            "filter_id": self.filter_id,
            "passed_at": jd,
            "passing_alert_id": candidate.get("candid") or alert.get("candid"),
        }
        if passed not in self.candidates:
            self.candidates.append(passed)
        whole = self.broker.get_alert(name, survey=self.survey, permissions={self.survey: [1]})
        self.photometry[name] = photometry_of(whole, self.survey)
        self.annotations.setdefault(name, {})[event.trigger_id] = annotation(event, alert)
        self.newest_jd = jd if self.newest_jd is None else max(jd, self.newest_jd)


def annotation(event: Event, alert: dict[str, Any]) -> dict[str, Any]:
    """`build_annotation_data`: of a cone, without a map."""
    jd, (ra, dec) = jd_of(alert), position_of(alert)
    away = event.separation_deg(ra, dec)
    said = {
        "delta_t": round(jd - event.jd, 4),
        "distance_arcmin": round(60 * away, 4),
        "distance_ratio": round(away / event.error_deg, 4),
        "event_mjd": round(event.jd - MJD_0, 6),
    }
    candidate = alert.get("candidate") or {}
    named = {"sgscore": "sgscore1", "distpsnr": "distpsnr1"}
    for name in ("drb", "sgscore", "distpsnr", "ssdistnr", "ssmagnr", "ndethist"):
        value = candidate.get(named.get(name, name))
        if value is not None:
            said[name] = round(value, 4) if isinstance(value, float) else value
    if candidate.get("jdstarthist") is not None:
        said["age"] = round(jd - float(candidate["jdstarthist"]), 4)
    return said


ZERO_POINTS = {"ZTF": 23.9, "LSST": 8.9}
"""`ZP_PER_SURVEY`: fluxes are kept in uJy of ZTF, and in Jy of LSST."""

STREAMS = {("ZTF", 1): [1], ("LSST", 1): [2]}
"""`programid_to_stream_ids` where only the public streams are set up."""


def photometry_of(data: dict[str, Any], survey: str) -> list[dict[str, Any]]:
    """`build_photometry_groups`: the points that would be kept."""
    zero = ZERO_POINTS[survey]
    points, seen = [], set()
    for array in ("prv_candidates", "fp_hists", "prv_nondetections"):
        for point in data.get(array) or []:
            jd, band = point.get("jd"), point.get("band")
            if jd is None or band is None:
                continue
            if point.get("psfFluxErr") is not None:
                flux, error = point.get("psfFlux"), point["psfFluxErr"] * 1e-9
                flux = None if flux is None else flux * 1e-9
            elif point.get("magpsf") is not None and point.get("sigmapsf") is not None:
                flux = 10.0 ** (-0.4 * (point["magpsf"] - zero))
                error = flux * point["sigmapsf"] * math.log(10.0) / 2.5
            else:
                continue
            programid = point.get("programid", 1) if survey == "ZTF" else 1
            origin = "fp" if array == "fp_hists" else None
            epoch = (programid, origin, round(jd - MJD_0, 8), band.lower())
            if epoch in seen or (survey, programid) not in STREAMS:
                continue
            seen.add(epoch)
            points.append(
                {
                    "mjd": jd - MJD_0,
                    "filter": survey.lower() + band.lower(),
                    "flux": flux,
                    "fluxerr": error,
                    "zp": zero,
                    "origin": origin,
                }
            )
    return points


def saved_as_source(broker: GenericBroker, object_id: str) -> dict[str, Any]:
    """`save_as_source`: the survey is that of the answer, for the broker's class has none."""
    data = broker.get_alert(object_id, permissions={"ZTF": [1]})
    candidate = data.get("candidate") or {}
    return {
        "id": data["objectId"],
        "ra": candidate.get("ra"),
        "dec": candidate.get("dec"),
        "origin": data.get("survey"),
        "photometry": photometry_of(data, data["survey"]),
    }
