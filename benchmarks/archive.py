"""The archive of nights: what it costs the edge, and how fast its files are made.

The packets are of real size, 10 % pass the gate, and everything is on one core. The edge is without
a broker on either side, so that nothing but its own work is compared.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.survey_packets import PACKETS
from benchmarks.timing import Effort, Row
from correlator.alert import Alert
from ingest_optical.decoder import Rejected, admit
from ingest_optical.packets import RawPacket
from ingest_optical.quality import DEFAULT_CUTS
from skymaps.healpix import index_29_of
from storage.archive import NIGHT, SURVIVORS
from storage.archive.compaction import compact
from storage.archive.parts import PartWriter, waiting_nights
from streams.edge import Edge, EdgeSettings
from streams.edge_outbox import Outbox

SHARE = 0.1
"""Of the packets that pass the gate."""

N_PACKETS = {"ztf": 2_000, "lsst": 1_000}
"""Packets in memory: 150 MB of either survey."""

_TIMES = 10
"""How often they go through before one commit: it comes each 10 s, and is mostly the disk's."""

_GATES = {survey: cuts.name for survey, cuts in DEFAULT_CUTS.items()}

_WITHOUT = "the same edge and packets, without the archive of nights"


def archive_rows(
    real_data: Path, survey: str, n_night: int, n_survivors: int, effort: Effort
) -> Iterator[Row]:
    """Cost of ``--parquet`` to the edge, then rates and sizes of the two data sets."""
    packets = list(PACKETS[survey](real_data, N_PACKETS[survey], SHARE))
    with tempfile.TemporaryDirectory(prefix="correlator-bench-") as folder:
        yield _edge_row(survey, packets, Path(folder), effort)
        yield from _file_rows(survey, packets, Path(folder), n_night, n_survivors)


@dataclass
class _Message:
    data: bytes
    at: int

    def value(self) -> bytes:
        return self.data

    def key(self) -> None:
        return None

    def topic(self) -> str:
        return "bench"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.at


class _Producer:
    """A broker that has taken everything at once."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._answers: list[Callable[..., None]] = []

    def produce(self, topic: str, value: bytes, key: bytes, headers: Any, on_delivery: Any) -> None:
        self._answers.append(on_delivery)

    def poll(self, timeout: float) -> None:
        answers, self._answers = self._answers, []
        for answer in answers:
            answer(None, None)


class _Source:
    """What an edge asks of a survey's broker when it commits."""

    def commit(self, positions: Any, is_last: bool = False) -> bool:
        return True


class _OneNight(PartWriter):
    """Takes packets of many nights, of which a stream's are not, for packets of one."""

    def _night_of(self, alert: Alert) -> str:
        super()._night_of(alert)
        return "20240115"


def _edge_row(survey: str, packets: list[bytes], folder: Path, effort: Effort) -> Row:
    messages = [_Message(data, at) for at, data in enumerate(packets)]

    def edge(with_nights: bool) -> Callable[[], None]:
        def run() -> None:
            outbox = Outbox("bench:1", _Producer)
            nights = _OneNight(folder / "edge", _GATES) if with_nights else None
            settings = EdgeSettings("bench", survey)
            ours = Edge(settings, lambda _: _Source(), outbox, nights=nights)  # type: ignore[arg-type,return-value]
            for _ in range(_TIMES):
                for at in range(0, len(messages), settings.batch_size):
                    ours.take(messages[at : at + settings.batch_size])
                    outbox.pump(0.0)
            ours._commit()

        return run

    name, n = f"archive-edge-{survey}-{100 * SHARE:g}%", _TIMES * len(packets)
    return effort.rate_of(name, n, "packets/s", edge(True), _WITHOUT, edge(False))


def _file_rows(
    survey: str, packets: list[bytes], folder: Path, n_night: int, n_survivors: int
) -> Iterator[Row]:
    results = [admit(RawPacket("p", survey, data)) for data in packets]
    rejected = [(r.alert, r.reasons) for r in results if isinstance(r, Rejected)]
    passed = [(r, ()) for r in results if isinstance(r, Alert)]
    packet_bytes = float(np.mean([len(data) for data in packets]))
    for data_set, some in (
        (NIGHT, list(_spread(rejected, n_night))),
        (SURVIVORS, list(_spread(passed, n_survivors))),
    ):
        yield from _data_set_rows(data_set, survey, some, folder / data_set, packet_bytes)


def _data_set_rows(
    data_set: str, survey: str, some: list[Any], root: Path, packet_bytes: float
) -> Iterator[Row]:
    once, n = Effort(1), len(some)

    def write() -> None:
        writer = PartWriter(root, _GATES)
        for alert, reasons in some:
            writer.add(alert, reasons)
        writer.sync()

    def make() -> None:
        for night in waiting_nights(root):
            compact(root, night)

    yield once.rate_of(f"archive-{data_set}-parts-{survey}", n, "rows/s", write)
    yield once.rate_of(f"archive-{data_set}-compact-{survey}", n, "rows/s", make)
    files = (root / data_set).rglob("*.parquet")
    size = sum(path.stat().st_size for path in files) / n
    name, peer = f"archive-{data_set}-bytes-{survey}", "the packet as it came"
    yield Row(name, size, "bytes/row", peer, packet_bytes, packet_bytes / size)


def _spread(some: list[Any], n: int) -> Iterator[tuple[Alert, tuple[str, ...]]]:
    """So many alerts of one night, each with an id and a place of its own."""
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0.0, 360.0, n), np.degrees(np.arcsin(rng.uniform(-0.5, 1.0, n)))
    first = some[0][0].detection.time_unix_s // 86_400.0 * 86_400.0 + 60_000.0
    for i, index in enumerate(index_29_of(ra, dec).tolist()):
        alert, reasons = some[i % len(some)]
        detection = replace(alert.detection, time_unix_s=first + 0.1 * (i % 80_000))
        yield (
            replace(
                alert, alert_id=str(10**18 + i), ra_deg=float(ra[i]), dec_deg=float(dec[i]),
                index_29=index, detection=detection,
            ),
            reasons,
        )  # fmt: skip
