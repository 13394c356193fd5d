"""Localizations: as a description, a sky map in FITS, or a region as MOC."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import numpy as np
import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from correlator.service.api.access import Access, Caller
from correlator.service.api.answers import JSON, whole_answer
from correlator.service.api.columns import Row
from correlator.service.api.models import one_of
from correlator.service.api.notices import SHA256
from correlator.service.api.problems import not_found
from correlator.service.map_row import map_row
from skymaps.cells import MapCells
from skymaps.localization import Localization
from skymaps.map_file import fits_of_cells
from skymaps.moc import moc_of
from skymaps.overlap import as_map
from skymaps.shapes import Circle
from skymaps.skymap import SkyMap
from storage.store import Store


class Form(StrEnum):
    """What a localization is written as."""

    JSON = "json"
    FITS = "fits"
    MOC = "moc"
    MOC_JSON = "moc-json"
    MOC_ASCII = "moc-ascii"


_MEDIA_TYPES = {
    Form.JSON: JSON,
    Form.FITS: "application/fits",
    Form.MOC: "application/fits",
    Form.MOC_JSON: JSON,
    Form.MOC_ASCII: "text/plain; charset=utf-8",
}
_FILES = {Form.FITS: "multiorder.fits", Form.MOC: "moc.fits"}


def localizations_router(store: Store, access: Access) -> APIRouter:
    """``/localizations``."""
    router = APIRouter(tags=["localizations"])
    reading = Depends(access.reading)
    described = one_of("Localization")
    content = described[200]["content"]
    moc = {"type": "object", "additionalProperties": {"type": "array"}}
    content[JSON] = {"schema": {"anyOf": [content[JSON]["schema"], moc]}}
    content |= {
        "application/fits": {"schema": {"type": "string", "format": "binary"}},
        "text/plain": {"schema": {"type": "string"}},
    }

    @router.get("/localizations/{sha256}", summary="One localization", responses=described)
    async def localization(
        request: Request,
        sha256: Annotated[str, Path(pattern=SHA256, description="Of events, notices, pairs.")],
        form: Annotated[
            Form, Query(alias="format", description="`fits` is a multi-order map.")
        ] = Form.JSON,
        level: Annotated[
            float, Query(gt=0.0, le=1.0, description="Credible level of a MOC, and of an area.")
        ] = 0.9,
        caller: Caller = reading,
    ) -> Response:
        """Describe a localization, or write it as a map or as the MOC of a credible region."""

        def work() -> bytes:
            found = None
            if store.by_key.names_localization(caller.reader, sha256):
                found = store.localizations.get(sha256)
            if found is None:
                raise not_found("localization", sha256)
            return _written(found, form, level)

        content = await run_in_threadpool(work)
        headers = {}
        if form in _FILES:
            headers["Content-Disposition"] = f'attachment; filename="{sha256}.{_FILES[form]}"'
        return whole_answer(request, caller, content, _MEDIA_TYPES[form], headers, is_for_ever=True)

    return router


def _written(localization: Localization, form: Form, level: float) -> bytes:
    match form:
        case Form.JSON:
            return orjson.dumps(localization_row(localization, level))
        case Form.FITS:
            return _fits(as_map(localization))
        case Form.MOC:
            return moc_of(localization, level)
        case Form.MOC_JSON:
            return moc_of(localization, level, "json")
        case Form.MOC_ASCII:
            return moc_of(localization, level, "ascii")


def localization_row(localization: Localization, level: float) -> Row:
    """What `correlator map` says of it, and the circle where it is one."""
    circle = localization if isinstance(localization, Circle) else None
    return map_row(localization, level) | {
        "ra_deg": None if circle is None else circle.ra_deg,
        "dec_deg": None if circle is None else circle.dec_deg,
        "radius_deg": None if circle is None else circle.radius_deg,
        "radius_level": None if circle is None else circle.level,
    }


def _fits(sky_map: SkyMap) -> bytes:
    order = sky_map.order
    uniq = (np.int64(4) << (2 * order)) + (sky_map.lo >> (2 * (29 - order)))
    layers = sky_map.dist_mu_mpc, sky_map.dist_sigma_mpc, sky_map.dist_norm
    distance = [layer for layer in layers if layer is not None]
    return fits_of_cells(MapCells.of(uniq, sky_map.published_density_per_sr, distance or None))
