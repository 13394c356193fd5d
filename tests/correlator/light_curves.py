"""Published light curves as objects: tables of filter, MJD, flux and error at zero point 23.9."""

import csv
from pathlib import Path

from correlator.alert import AB_ZERO_POINT_NJY, Detection, Limit, mag_of_flux
from correlator.object import OpticalObject, apply_alert
from correlator.policy import DAY_S
from ingest_optical.decoder import decode
from ingest_optical.packets import read_packets
from tests.builders import an_alert

MJD_OF_UNIX_EPOCH = 40587.0

_NJY_PER_UNIT = 10.0 ** (0.4 * (AB_ZERO_POINT_NJY - 23.9))

BANDS = {"ps1::" + b: b for b in "grizy"} | {"sdssu": "u", "ztfg": "g", "ztfr": "r"}

AT2017GFO = "optical/mm/AT2017gfo_optical.csv"
ZTF20ABWYSQY = "truth/ZTF20abwysqy_phot.csv"
ZTF21AAGWBJR = "truth/fink_ZTF21aagwbjr_alerts.parquet"


def unix_s(mjd: float) -> float:
    return (mjd - MJD_OF_UNIX_EPOCH) * DAY_S


def published(file: Path, ra_deg: float, dec_deg: float) -> OpticalObject:
    """The object of a table, told by one alert at its latest detection."""
    detections, limits = [], []
    with file.open() as rows:
        for i, row in enumerate(csv.DictReader(rows)):
            band = BANDS.get(row["filter"])
            if band is None:
                continue
            time, error = unix_s(float(row["mjd"])), float(row["fluxerr"]) * _NJY_PER_UNIT
            if row["flux"]:
                flux = float(row["flux"]) * _NJY_PER_UNIT
                detections.append(Detection(str(i), time, band, flux, error))
            else:
                limits.append(Limit(time, band, mag_of_flux(5.0 * error)))
    detections.sort(key=lambda d: d.time_unix_s)
    return apply_alert(
        None,
        an_alert(
            ra_deg=ra_deg,
            dec_deg=dec_deg,
            detection=detections[-1],
            history=tuple(detections[:-1]),
            limits=tuple(sorted(limits, key=lambda x: x.time_unix_s)),
        ),
    )


def object_of_packets(file: Path) -> OpticalObject:
    """The object of a file of packets of one object."""
    obj: OpticalObject | None = None
    for packet in read_packets(file):
        obj = apply_alert(obj, decode(packet))
    assert obj is not None
    return obj
