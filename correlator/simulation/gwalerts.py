"""LVK's alerts (``igwn.gwalert``): JSON with the multi-order map inside."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import orjson

from correlator.simulation.gwmap import GwMap, fits_bytes
from correlator.simulation.notices import SimulatedNotice, file_name, iso, utc

INSTRUMENTS = ("H1", "L1")
UNIX_EPOCH_MJD = 40_587.0
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Superevent:
    """One compact-binary candidate as LVK's pipelines see it.

    Attributes
    ----------
    superevent_id
        ``S260314ab``; ``MS...`` for a mock.
    far_hz
        False-alarm rate [Hz].
    classification
        Probability of BNS, NSBH, BBH and Terrestrial.
    has_remnant
        Probability that matter is left outside.
    search
        ``AllSky``, or ``MDC`` for a mock.
    """

    superevent_id: str
    t0_unix_s: float
    far_hz: float
    is_significant: bool
    classification: tuple[float, float, float, float]
    has_remnant: float
    search: str = "AllSky"
    pipeline: str = "gstlal"


def superevent_id(t0_unix_s: float, serial: int, prefix: str = "S") -> str:
    """Date and letters: a, b, ... z, aa, ab, ... by the number of the day's candidate."""
    letters = ""
    left = serial
    while True:
        left, letter = divmod(left, 26)
        letters = chr(ord("a") + letter) + letters
        if left == 0:
            break
        left -= 1
    return f"{prefix}{utc(t0_unix_s):%y%m%d}{letters}"


def alert(
    event: Superevent, alert_type: str, sent_unix_s: float, sky_map: GwMap
) -> SimulatedNotice:
    """An alert with its map."""
    bns, nsbh, bbh, terrestrial = event.classification
    date_obs = iso(event.t0_unix_s, 6)
    mjd = UNIX_EPOCH_MJD + event.t0_unix_s / DAY_S
    content = fits_bytes(sky_map, event.superevent_id, date_obs, mjd, ",".join(INSTRUMENTS))
    body = {
        "significant": event.is_significant,
        "time": iso(event.t0_unix_s, 3) + "Z",
        "far": event.far_hz,
        "instruments": list(INSTRUMENTS),
        "group": "CBC",
        "pipeline": event.pipeline,
        "search": event.search,
        "properties": {
            "HasNS": bns + nsbh,
            "HasRemnant": event.has_remnant,
            "HasMassGap": 0.0,
        },
        "classification": {"BNS": bns, "NSBH": nsbh, "BBH": bbh, "Terrestrial": terrestrial},
        "duration": None,
        "central_frequency": None,
        "skymap": base64.b64encode(content).decode(),
    }
    return _message(event, alert_type, sent_unix_s, body)


def retraction(event: Superevent, sent_unix_s: float) -> SimulatedNotice:
    """An alert that takes the superevent back."""
    return _message(event, "RETRACTION", sent_unix_s, None)


def _message(
    event: Superevent, alert_type: str, sent_unix_s: float, body: dict[str, object] | None
) -> SimulatedNotice:
    message = {
        "alert_type": alert_type,
        "time_created": iso(sent_unix_s, 0) + "Z",
        "superevent_id": event.superevent_id,
        "urls": {"gracedb": f"https://gracedb.ligo.org/superevents/{event.superevent_id}/view/"},
        "event": body,
        "external_coinc": None,
    }
    name = file_name(sent_unix_s, f"lvk_{event.superevent_id}_{alert_type}", "json")
    return SimulatedNotice(sent_unix_s, name, orjson.dumps(message))
