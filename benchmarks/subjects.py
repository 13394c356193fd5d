"""What is measured, each against a peer whose results were found equal first."""

from __future__ import annotations

import asyncio
import io
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fastavro
import healpy
import numpy as np
from astropy.coordinates import SkyCoord

from benchmarks import inputs
from benchmarks.agreement import require
from benchmarks.stream_parts import stream_parts
from benchmarks.timing import Effort, Row
from correlator.alert import Alert
from correlator.policy import Policy
from correlator.service.archive import Archive
from correlator.service.replay import ReplayOptions, replay
from ingest_optical.decoder import decode_prefix
from ingest_optical.packets import RawPacket
from ingest_optical.quality import DEFAULT_CUTS, rejections
from ingest_vo.reader import to_notice
from skymaps.fits import read_sky_map
from skymaps.healpix import Positions, uniq_of_ranges
from skymaps.skymap import SkyMap
from storage.store import Store

with warnings.catch_warnings():  # of its own dependencies, at import
    warnings.simplefilter("ignore")
    from ligo.skymap import io as ligo_io
    from ligo.skymap.postprocess import crossmatch

# It builds on Python 3.11 only.
voeventparse: Any = import_module("voeventparse") if find_spec("voeventparse") else None


@dataclass(frozen=True, slots=True)
class Setting:
    """How much to measure, and where real packets are (None: simulated ones only)."""

    effort: Effort = field(default_factory=Effort)
    n_packets: int = 500
    n_slim: int = 5_000
    n_positions: tuple[int, ...] = (1, 100, 10_000)
    real_data: Path | None = None


def ztf_gate(setting: Setting) -> Iterator[Row]:
    """A first look at a packet and its verdict."""
    found = {"real": inputs.real_ztf(setting.real_data)} if setting.real_data else {}
    found["simulated"] = inputs.simulated_ztf(setting.n_packets)
    for origin, packets in found.items():
        for packet in packets:
            require(_looks_alike(packet), f"the readings of {packet.name}")
        yield setting.effort.rate_of(
            f"ztf-gate-{origin}",
            len(packets),
            "packets/s",
            partial(_each, _first_look, packets),
            "fastavro.reader (whole packet, no gate)",
            partial(_each, _fastavro, packets),
        )


def map_read(setting: Setting) -> Iterator[Row]:
    """FITS bytes to a map."""
    data = inputs.gw_map(setting.real_data)
    ours, theirs = read_sky_map(data), _ligo_map(data)
    uniq = uniq_of_ranges(ours.lo, ours.hi)
    rows, peers = np.argsort(uniq), np.argsort(theirs["UNIQ"])
    layers = ours.dist_mu_mpc, ours.dist_sigma_mpc, ours.dist_norm
    columns = uniq, ours.published_density_per_sr, *layers
    names = "UNIQ", "PROBDENSITY", "DISTMU", "DISTSIGMA", "DISTNORM"
    for name, column in zip(names, columns, strict=True):
        same = np.array_equal(np.asarray(column)[rows], theirs[name][peers])
        require(same, f"the columns {name}")
    peer = "ligo.skymap.io.read_sky_map (does not rank the cells)"
    yield setting.effort.time_of(
        "map-read", partial(read_sky_map, data), peer, partial(_ligo_map, data)
    )


def map_match(setting: Setting) -> Iterator[Row]:
    """Density and credible level at positions, half of them where the map is bright."""
    data = inputs.gw_map(setting.real_data)
    ours, theirs = read_sky_map(data), _ligo_map(data)["UNIQ", "PROBDENSITY"]
    for n in setting.n_positions:
        ra_deg, dec_deg = _positions(ours, n)
        coordinates = SkyCoord(ra_deg, dec_deg, unit="deg")
        match, peers = _match(ours, ra_deg, dec_deg), crossmatch(theirs, coordinates)
        # The peer leaves the sum as published (1 within 1e-8), and ties in another order.
        density = np.allclose(match.probdensity_per_sr, peers.probdensity, rtol=1e-7, atol=0.0)
        level = np.allclose(match.credible_level, peers.searched_prob, rtol=0.0, atol=1e-6)
        require(density, f"the densities at {n} positions")
        require(level, f"the credible levels at {n} positions")
        yield setting.effort.time_of(
            f"map-match-{n}",
            partial(_match, ours, ra_deg, dec_deg),
            "ligo.skymap.postprocess.crossmatch (ranks the cells at each call)",
            partial(crossmatch, theirs, coordinates),
        )


def notice_parse(setting: Setting) -> Iterator[Row]:
    """VOEvents to notices; what the peer gives is a tree, so only ids and roles are compared."""
    packets = inputs.voevents()
    for name, data in packets.items() if voeventparse else ():
        notice, said = to_notice(data, name), voeventparse.loads(data).attrib
        same = (notice.notice_id, notice.role) == (said["ivorn"], said["role"])
        require(same, f"the ids and roles of {name}")
    yield setting.effort.rate_of(
        "notice-parse",
        len(packets),
        "notices/s",
        lambda: [to_notice(data, name) for name, data in packets.items()],
        "voeventparse.loads (parses only)",
        (lambda: [voeventparse.loads(d) for d in packets.values()]) if voeventparse else None,
    )


def pipeline(setting: Setting) -> Iterator[Row]:
    """Gated alerts and raw notices through every agent, into a store and a ranking."""
    archive = inputs.slim_night(setting.n_slim)
    n_records, ours = len(archive.deliveries), partial(_replay, archive)
    yield setting.effort.rate_of("pipeline", n_records, "records/s", ours)


BENCHMARKS: Mapping[str, Callable[[Setting], Iterator[Row]]] = {
    "ztf-gate": ztf_gate,
    "map-read": map_read,
    "map-match": map_match,
    "notice-parse": notice_parse,
    "stream-parts": lambda setting: stream_parts(setting.effort, setting.n_slim),
    "pipeline": pipeline,
}


def _each(way: Callable[[RawPacket], object], packets: Iterable[RawPacket]) -> None:
    for packet in packets:
        way(packet)


def _first_look(packet: RawPacket) -> tuple[Alert, tuple[str, ...]]:
    alert = decode_prefix(packet)
    return alert, rejections(alert, DEFAULT_CUTS["ztf"])


def _fastavro(packet: RawPacket) -> Any:
    return next(fastavro.reader(io.BytesIO(packet.data)))


def _looks_alike(packet: RawPacket) -> bool:
    """Whether the peer's record has the same ids, place and verdict (Fink: rb, nbad)."""
    (alert, reasons), record = _first_look(packet), _fastavro(packet)
    seen, ids = record["candidate"], (record["objectId"], str(record["candid"]))
    passes = seen["rb"] is not None and seen["rb"] >= 0.55 and seen["nbad"] == 0
    ours = alert.object_id, alert.alert_id, alert.ra_deg, alert.dec_deg, not reasons
    return ours == (*ids, seen["ra"], seen["dec"], passes)


def _ligo_map(data: bytes) -> Any:
    return ligo_io.read_sky_map(io.BytesIO(data), moc=True)


def _match(sky_map: SkyMap, ra_deg: Any, dec_deg: Any) -> Any:
    # The peer finds the pixels of the positions in its call, so do we.
    return sky_map.match(Positions.of(ra_deg, dec_deg))


def _positions(sky_map: SkyMap, n: int) -> tuple[Any, Any]:
    """Every other position in a cell drawn by its probability, the rest anywhere."""
    rng = np.random.default_rng(1)
    cell = rng.choice(sky_map.n_rows, n, p=sky_map.cell_probability)
    index = rng.integers(sky_map.lo[cell], sky_map.hi[cell])
    ra_deg, dec_deg = healpy.pix2ang(2**29, index, nest=True, lonlat=True)
    ra_deg[1::2] = rng.uniform(0.0, 360.0, n // 2)
    dec_deg[1::2] = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, n // 2)))
    return ra_deg, dec_deg


def _replay(archive: Archive) -> None:
    with Store.open("sqlite:///:memory:") as store:
        streamed = asyncio.run(replay(archive, store, Policy(), ReplayOptions())).report["streamed"]
    handled, sent = (streamed["alerts"], streamed["notices"]), (archive.n_alerts, archive.n_notices)
    require(handled == sent, f"alerts and notices sent, {sent}, and handled, {handled},")
