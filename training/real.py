"""Real alerts with what Fink says of them, halved by object."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from correlator.alert import Alert
from correlator.object import OpticalObject, object_of
from ingest_optical.decoder import decode
from ingest_optical.packets import read_packets

FOLDERS = ("nights/2024-01-15/alerts", "optical/fink/ztf", "optical/lsst/fink")

UNLABELLED = "no label"

_MADE_LABELS = "fink_science_hostless"
"""Begin of the name of a file of which only the column ``tnsclass`` is real: see
docs/science/classes.md."""


@dataclass(frozen=True, slots=True)
class RealAlert:
    """One real alert, alone with its own history.

    Attributes
    ----------
    label
        ``asteroid`` by Fink's flag or Rubin's link, else its match in SIMBAD or TNS.
    fink_kilonova
        Fink's kilonova score (``rf_kn_vs_nonkn``), None where the file has none.
    """

    object: OpticalObject
    label: str
    fink_kilonova: float | None

    @property
    def is_held_out(self) -> bool:
        """Whether its object is of the half that no model is trained on."""
        return hashlib.sha256(self.object.object_key.encode()).digest()[0] % 2 == 1


def real_alerts(real_data: Path) -> list[RealAlert]:
    """Every real alert of ZTF and LSST in Parquet files, each once, by survey and alert id.

    The 48 that Fink's tests made of real ones begin after their own exposure, and are left out.
    """
    found: dict[tuple[str, str], RealAlert] = {}
    for folder in FOLDERS:
        for file in sorted((real_data / folder).rglob("*.parquet")):
            for alert, label, score in _alerts_of(file):
                key = alert.survey, alert.alert_id
                if label == UNLABELLED and key in found:
                    continue
                found[key] = RealAlert(object_of(alert), label, score)
    return [found[key] for key in sorted(found)]


def _alerts_of(file: Path) -> Iterator[tuple[Alert, str, float | None]]:
    wanted = {"cdsxmatch", "tnsclass", "roid", "rf_kn_vs_nonkn", "xm"}
    columns = sorted(wanted & set(pq.read_schema(file).names))
    rows = pq.read_table(file, columns=columns).to_pylist() if columns else None
    packets = list(read_packets(file))
    for packet, row in zip(packets, rows or [{}] * len(packets), strict=True):
        alert = decode(packet)
        if (alert.survey_first_unix_s or 0.0) <= alert.time_unix_s:
            yield alert, _label(file.name, alert, row), row.get("rf_kn_vs_nonkn")


def _label(file_name: str, alert: Alert, row: dict[str, Any]) -> str:
    is_rubins = alert.survey == "lsst" and alert.surroundings.solar_system_name is not None
    if row.get("roid") == 3 or is_rubins:
        return "asteroid"
    if alert.survey == "lsst":
        return str((row.get("xm") or {}).get("simbad_otype") or UNLABELLED)
    match = "tnsclass" if file_name.startswith(_MADE_LABELS) else "cdsxmatch"
    return str(row.get(match) or UNLABELLED)
