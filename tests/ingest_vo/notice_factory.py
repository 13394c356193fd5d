"""Small packets written by hand: the elements that decide, and nothing else."""

from __future__ import annotations

import base64
import io
import json
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from astropy.table import Table

GCN = "ivo://nasa.gsfc.gcn/"
T0 = "2026-05-11T11:00:31.70"
T0_UNIX_S = 1_778_497_231.70


def voevent(
    ivorn: str = f"{GCN}Fermi#GBM_Flt_Pos_{T0}_800190036_44-945",
    *,
    params: dict[str, Any] | None = None,
    groups: dict[str, dict[str, Any]] | None = None,
    place: tuple[Any, Any, Any] | None = (120.5, -30.25, 5.0),
    unit: str = "deg",
    time: str | None = T0,
    date: str | None = "2026-05-11T11:01:00",
    role: str = "observation",
    cites: dict[str, str] | None = None,
    system: str = "UTC-FK5-GEO",
    namespace: bool = True,
) -> bytes:
    """A VOEvent; ``place`` is (ra, dec, radius), a radius of None leaves the element out."""
    prefix = "voe:" if namespace else ""
    declared = ' xmlns:voe="http://www.ivoa.net/xml/VOEvent/v2.0"' if namespace else ""
    said_time = "" if time is None else (
        f"<Time><TimeInstant><ISOTime>{time}</ISOTime></TimeInstant></Time>"
    )  # fmt: skip
    said_date = "" if date is None else f"<Date>{date}</Date>"
    cited = "".join(
        f'<EventIVORN cite="{manner}">{ivorn}</EventIVORN>'
        for ivorn, manner in (cites or {}).items()
    )
    grouped = "".join(
        f"<Group name={quoteattr(name)}>{_params(values)}</Group>"
        for name, values in (groups or {}).items()
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{prefix}VOEvent version="2.0" '
        f'role="{role}" ivorn={quoteattr(ivorn)}{declared}>'
        f"<Who>{said_date}</Who><What>{_params(params or {})}{grouped}</What>"
        "<WhereWhen><ObsDataLocation><ObservationLocation>"
        f'<AstroCoordSystem id="{system}"/><AstroCoords>{said_time}{_place(place, unit)}'
        "</AstroCoords></ObservationLocation></ObsDataLocation></WhereWhen>"
        f"<Citations>{cited}</Citations></{prefix}VOEvent>"
    ).encode()


def svom(kind: str, packet_type: int, **other: Any) -> bytes:
    """A VOEvent of SVOM; ``params`` join Packet_Type and Burst_Id."""
    params = {"Packet_Type": packet_type, "Burst_Id": "sb26051102"} | other.pop("params", {})
    return voevent(f"ivo://org.svom/fsc#sb26051102_{kind}", params=params, **other)


def swift(kind: str, packet_type: int, **other: Any) -> bytes:
    """A VOEvent of Swift trigger 1208389."""
    params = {"Packet_Type": packet_type, "TrigID": 1208389} | other.pop("params", {})
    return voevent(f"{GCN}SWIFT#{kind}_1208389-262", params=params, **other)


def gbm(kind: str, packet_type: int, **other: Any) -> bytes:
    """A VOEvent of Fermi GBM trigger 800190036."""
    params = {"Packet_Type": packet_type, "TrigID": 800190036} | other.pop("params", {})
    return voevent(f"{GCN}Fermi#GBM_{kind}_{T0}_800190036_1-036", params=params, **other)


def igwn(superevent_id: str = "S240115k", alert_type: str = "PRELIMINARY", **event: Any) -> bytes:
    """An IGWN alert; keywords replace fields of its event, ``event=None`` leaves it null."""
    fields: dict[str, Any] | None = {
        "time": "2024-01-15T09:25:51.123Z",
        "far": 1e-8,
        "significant": True,
        "classification": {"BBH": 0.97, "Terrestrial": 0.03},
        "skymap": base64.b64encode(multi_order_map()).decode(),
    }
    if "event" in event and event["event"] is None:
        fields = None
    elif fields is not None:
        fields |= event
    return json.dumps(
        {
            "alert_type": alert_type,
            "time_created": "2024-01-15T09:30:04Z",
            "superevent_id": superevent_id,
            "event": fields,
        }
    ).encode()


def gcn(schema: str = "icecube/single_neutrino_alerts", **fields: Any) -> bytes:
    """A message of the GCN schema; a field that is None is left out."""
    message = {
        "$schema": f"https://gcn.nasa.gov/schema/main/gcn/notices/{schema}.schema.json",
        "alert_datetime": "2026-05-11T11:05:00Z",
        "trigger_time": f"{T0}Z",
        "id": ["137840_57034692"],
    } | fields
    return json.dumps({key: value for key, value in message.items() if value is not None}).encode()


def multi_order_map() -> bytes:
    """A multi-order map of 12 equal cells, as FITS."""
    cells = np.arange(4, 16, dtype=np.int64)
    density = np.full(12, 1.0 / (4.0 * np.pi))
    table = Table({"UNIQ": cells, "PROBDENSITY": density})
    table["PROBDENSITY"].unit = "sr-1"
    table.meta.update(PIXTYPE="HEALPIX", ORDERING="NUNIQ", COORDSYS="C")
    written = io.BytesIO()
    table.write(written, format="fits")
    return written.getvalue()


def _params(values: dict[str, Any]) -> str:
    return "".join(
        f"<Param name={quoteattr(name)} value={quoteattr(str(value))}/>"
        for name, value in values.items()
    )


def _place(place: tuple[Any, Any, Any] | None, unit: str) -> str:
    if place is None:
        return ""
    ra_deg, dec_deg, radius = place
    said = "" if radius is None else f"<Error2Radius>{radius}</Error2Radius>"
    return (
        f'<Position2D unit="{unit}"><Value2><C1>{ra_deg}</C1><C2>{dec_deg}</C2></Value2>'
        f"{said}</Position2D>"
    )
