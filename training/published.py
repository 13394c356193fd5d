"""Published light curves of single objects, none of which any model is trained on."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from correlator.alert import (
    AB_ZERO_POINT_NJY,
    Detection,
    Limit,
    Surroundings,
    flux_of_mag,
    mag_of_flux,
)
from correlator.features.curves import BANDS
from correlator.object import OpticalObject, apply_alert
from correlator.policy import DAY_S
from ingest_optical.decoder import decode
from ingest_optical.packets import read_packets
from training.blackbody import Floats
from training.sources import Ints, Source

AT2017GFO = "optical/mm/AT2017gfo_optical.csv"
CANDIDATES = "optical/mm/nmma_candidates"
ZTF21AAGWBJR = "truth/fink_ZTF21aagwbjr_alerts.parquet"

_MJD_OF_UNIX_EPOCH = 40587.0
_MERGER_MJD = 57982.52852
"""GW170817, 2017-08-17T12:41:04 UTC."""

_NJY_PER_UNIT = 10.0 ** (0.4 * (AB_ZERO_POINT_NJY - 23.9))
_BAND_OF = {"ps1::" + b: b for b in "grizy"} | {"sdssu": "u", "ztfg": "g", "ztfr": "r", "ztfi": "i"}


def of_table(file: Path, survey: str, bands: Iterable[str]) -> OpticalObject:
    """The object of a table of filter, MJD, flux and error at zero point 23.9, in some bands.

    Rows without a flux are limits of five times the error.
    """
    detections, limits = [], []
    with file.open(encoding="utf-8") as rows:
        for number, row in enumerate(csv.DictReader(rows)):
            band = _BAND_OF.get(row["filter"])
            if band is None or band not in bands:
                continue
            time = (float(row["mjd"]) - _MJD_OF_UNIX_EPOCH) * DAY_S
            error = float(row["fluxerr"]) * _NJY_PER_UNIT
            if row["flux"]:
                flux = float(row["flux"]) * _NJY_PER_UNIT
                detections.append(Detection(str(number), time, band, flux, error))
            else:
                limits.append(Limit(time, band, mag_of_flux(5.0 * error)))
    return _object(file.stem, survey, detections, limits)


def of_candidate(file: Path) -> OpticalObject | None:
    """The object of a table of time, filter, AB magnitude and error, of which "inf" is a limit.

    Returns
    -------
    OpticalObject or None
        None without a detection in our bands.
    """
    detections, limits = [], []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        when, name, mag, error = line.split()
        band = _BAND_OF.get(name)
        if band is None:
            continue
        time = datetime.fromisoformat(when).replace(tzinfo=UTC).timestamp()
        if error == "inf":
            limits.append(Limit(time, band, float(mag)))
        else:
            flux = flux_of_mag(float(mag))
            flux_err = flux * float(error) * 0.4 * math.log(10.0)
            detections.append(Detection(str(number), time, band, flux, flux_err))
    return _object(file.stem, "ztf", detections, limits) if detections else None


def at2017gfo(file: Path) -> Source:
    """AT2017gfo as it was measured, to be looked at by a survey.

    Between its published points in a band the magnitude is a straight line; before the first and
    after the last of a band there is nothing, nor in a band without any.
    """
    points: dict[int, list[tuple[float, float]]] = {}
    for each in of_table(file, "lsst", BANDS).positive:
        day = each.time_unix_s / DAY_S + _MJD_OF_UNIX_EPOCH - _MERGER_MJD
        points.setdefault(BANDS.index(each.band), []).append((day, math.log(each.flux_njy)))

    def light(days: Floats, bands: Ints) -> Floats:
        flux = np.zeros(len(days))
        for band, measured in points.items():
            at, logs = np.array(measured).T
            here = (bands == band) & (days >= at[0]) & (days <= at[-1])
            flux[here] = np.exp(np.interp(days[here], at, logs))
        return flux

    return Source(light)


def until(obj: OpticalObject, end_unix_s: float) -> OpticalObject:
    """An object as it was at some time."""
    detections = [d for d in obj.detections if d.time_unix_s <= end_unix_s]
    limits = [x for x in obj.limits if x.time_unix_s <= end_unix_s]
    return _object(obj.object_id, obj.survey, detections, limits)


def of_packets(file: Path) -> list[OpticalObject]:
    """The object of a file of packets of one object, after each of its alerts."""
    obj: OpticalObject | None = None
    found = []
    for alert in sorted(map(decode, read_packets(file)), key=lambda a: a.time_unix_s):
        obj = apply_alert(obj, alert)
        found.append(obj)
    return found


def _object(
    name: str, survey: str, detections: list[Detection], limits: list[Limit]
) -> OpticalObject:
    in_order = sorted(detections, key=lambda d: (d.time_unix_s, d.source_id))
    last = in_order[-1]
    return OpticalObject(
        survey=survey,
        object_id=name,
        alert_ids=(last.source_id,),
        ra_deg=0.0,
        dec_deg=0.0,
        index_29=0,
        position_snr=0.0,
        position_alert_id=last.source_id,
        latest_unix_s=last.time_unix_s,
        latest_alert_id=last.source_id,
        detections=tuple(in_order),
        limits=tuple(sorted(limits, key=lambda x: x.time_unix_s)),
        survey_first_unix_s=None,
        real_bogus=None,
        surroundings=Surroundings(),
    )
