"""What files of orbits hold and what they say of alerts, as rows for people and for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from correlator.alert import Alert
from correlator.errors import MalformedPacketError
from correlator.object import object_of
from correlator.orbits.answers import KnownOrbits, asteroid_answer
from correlator.orbits.search import Prediction
from correlator.service.rows import answer_row
from correlator.service.times import iso_utc
from ingest_optical.decoder import decode
from ingest_optical.packets import read_packets
from storage.orbits.file import OrbitFile

Row = dict[str, Any]

_MJD_0 = date(1858, 11, 17)


def file_row(file: OrbitFile) -> Row:
    """What a file of orbits holds, and what of it was refused."""
    orbits = file.orbits
    first, middle, last = np.quantile(orbits.epoch_mjd_tdb, [0.0, 0.5, 1.0], method="nearest")
    return {
        "file": file.file,
        "version": file.version,
        "n_orbits": len(orbits),
        "n_without_magnitude": int(np.isnan(orbits.h_mag).sum()),
        "n_open": int((orbits.eccentricity >= 1.0).sum()),
        "first_epoch": _date(first),
        "median_epoch": _date(middle),
        "last_epoch": _date(last),
        "n_refused": sum(refusal.n_rows for refusal in file.refused),
        "refused": [
            {"rule": refusal.rule, "n_rows": refusal.n_rows, "first": refusal.first}
            for refusal in file.refused
        ],
    }


def prediction_row(body: Prediction) -> Row:
    """A known body near a position."""
    return asdict(body) | {"motion_arcsec_per_h": body.motion_arcsec_per_h}


def alert_answer_rows(
    paths: Iterable[Path], known: KnownOrbits, radius_arcsec: float
) -> Iterator[Row]:
    """What orbits say of each alert in files, by time; first those that cannot be understood."""
    alerts: list[tuple[str, Alert]] = []
    for path in paths:
        for packet in read_packets(path):
            try:
                alerts.append((str(path), decode(packet)))
            except MalformedPacketError as error:
                yield {"file": str(path), "error": str(error)}
    # The places of all orbits are computed once for each hour.
    for name, alert in sorted(alerts, key=lambda pair: pair[1].time_unix_s):
        yield {
            "file": name,
            "survey": alert.survey,
            "object_id": alert.object_id,
            "alert_id": alert.alert_id,
            "time": iso_utc(alert.time_unix_s),
            "ra_deg": alert.ra_deg,
            "dec_deg": alert.dec_deg,
            "survey_says": alert.surroundings.solar_system_name,
        } | answer_row(asteroid_answer(object_of(alert), known, radius_arcsec))


def _date(mjd: float) -> str:
    return (_MJD_0 + timedelta(days=float(mjd))).isoformat()
