"""Every real packet in the archive: a row, and of what passes the alert itself."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from correlator.errors import MalformedPacketError
from correlator.wire import to_json
from ingest_optical.decoder import Rejected, admit
from ingest_optical.packets import read_packets
from storage.archive import DATA_SETS, NIGHT, SURVIVORS
from storage.archive.alert_columns import alerts_of
from storage.archive.tables import Judged, final_of, part_of, waiting_of

pytestmark = [pytest.mark.slow, pytest.mark.real_data]


def test_what_is_read_of_the_archive_is_what_was_understood(real_data, tmp_path):
    rows = []
    for packet in read_packets(real_data / "optical"):
        try:
            result = admit(packet)
        except MalformedPacketError:
            continue
        if isinstance(result, Rejected):
            rows.append(Judged(result.alert, "gate", result.reasons, None))
        else:
            rows.append(Judged(result, "gate", (), to_json(result)))
    assert len(rows) > 800
    for data_set in DATA_SETS:
        part = part_of(data_set, rows)
        path = tmp_path / f"{data_set}.parquet"
        pq.write_table(final_of(data_set, part), path)
        assert waiting_of(data_set, pq.read_table(path)).equals(part)
    passed = [row.alert for row in rows if not row.reasons]
    assert alerts_of(pq.read_table(tmp_path / f"{SURVIVORS}.parquet")) == passed
    night = pq.read_table(tmp_path / f"{NIGHT}.parquet").to_pylist()
    for row, known in zip(night, rows, strict=True):
        alert, own = known.alert, known.alert.detection
        assert row["alert_id"] == alert.alert_id
        assert row["rejections"] == list(known.reasons)
        assert row["time"].timestamp() == pytest.approx(alert.time_unix_s, abs=1e-6)
        assert (row["mag_ab"] is None) == (own.mag_ab is None)
        if own.mag_ab is not None:
            assert row["mag_ab"] == pytest.approx(own.mag_ab, rel=1e-14)
            assert row["mag_err_ab"] == pytest.approx(own.mag_err_ab, rel=1e-14)
