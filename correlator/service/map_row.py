"""What ``correlator map`` says of a localization, and where it reads one."""

from __future__ import annotations

from pathlib import Path

from correlator.errors import MalformedPacketError
from correlator.service.archive import read_notice_file
from correlator.service.notice_row import Json
from ingest_vo.reader import to_notice
from skymaps.errors import SkyMapError
from skymaps.fits import ARCHIVE_LIMITS, read_sky_map
from skymaps.localization import Localization
from skymaps.skymap import SkyMap

_FITS = (b"SIMPLE", b"\x1f\x8b")


def read_localization(path: Path) -> Localization:
    """Localization of a file: a sky map in FITS, or the place in a notice.

    Raises
    ------
    MalformedPacketError
        A file that is neither, or a notice that names no place.
    """
    with path.open("rb") as file:
        is_fits = file.read(8).startswith(_FITS)
    if not is_fits:
        localization = to_notice(read_notice_file(path), path.name).localization
        if localization is None:
            raise MalformedPacketError(str(path), "the notice holds a place on the sky")
        return localization
    try:
        return read_sky_map(path.read_bytes(), ARCHIVE_LIMITS)
    except SkyMapError as error:
        raise MalformedPacketError(str(path), error.rule, error.value) from error


def map_row(localization: Localization, level: float) -> dict[str, Json]:
    """Keys of the command contract; those that only a map has are null for a circle."""
    row: dict[str, Json] = {
        "kind": localization.kind,
        "sha256": localization.sha256,
        "area_50_deg2": localization.area_deg2(0.5),
        "area_90_deg2": localization.area_deg2(0.9),
        "level": level,
        "area_level_deg2": localization.area_deg2(level),
    }
    return row | _cells(localization if isinstance(localization, SkyMap) else None)


def _cells(sky_map: SkyMap | None) -> dict[str, Json]:
    mean_mpc, sigma_mpc = (None, None) if sky_map is None else _distance(sky_map)
    return {
        "n_rows": None if sky_map is None else sky_map.n_rows,
        "max_order": None if sky_map is None else int(sky_map.order.max()),
        "sum_before_normalising": None if sky_map is None else sky_map.sum_before_normalising,
        "distance_mpc": mean_mpc,
        "distance_sigma_mpc": sigma_mpc,
    }


def _distance(sky_map: SkyMap) -> tuple[float | None, float | None]:
    """Mean and standard deviation [Mpc] over the cells that have a distance."""
    mu, sigma, norm = sky_map.dist_mu_mpc, sky_map.dist_sigma_mpc, sky_map.dist_norm
    if mu is None or sigma is None or norm is None or not (norm > 0.0).any():
        return None, None
    from ligo.skymap.distance import parameters_to_marginal_moments  # a second to import

    far = norm > 0.0
    share = sky_map.cell_probability[far] / sky_map.cell_probability[far].sum()
    mean, deviation = parameters_to_marginal_moments(share, mu[far], sigma[far])
    return float(mean), float(deviation)
