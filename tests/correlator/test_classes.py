"""Our classes against Fink's on real alerts: the tables of docs/science/classes.md hold."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from correlator.alert import Alert
from correlator.object import object_of
from correlator.scorers import ObjectClass, scores_of_many
from correlator.scorers.fink import roid
from ingest_optical.decoder import decode
from ingest_optical.packets import read_packets
from tests.correlator.fink_classes import (
    Compared,
    compared,
    confusion,
    fink_files,
    fink_group,
    reasons,
    score_rows,
)

PAGE = Path(__file__).parents[2] / "docs" / "science" / "classes.md"


@pytest.fixture(scope="module")
def pairs(real_data) -> list[Compared]:
    return compared(real_data)


def tables_of(text: str) -> list[list[str]]:
    """Markdown tables of a page, each as its lines."""
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


@pytest.mark.real_data
def test_the_tables_are_what_the_packets_give(pairs):
    assert tables_of(PAGE.read_text()) == [confusion(pairs), reasons(pairs), score_rows(pairs)]


@pytest.mark.real_data
def test_every_known_asteroid_of_finks_is_one_of_ours_and_no_other(pairs):
    ours = {p.group for p in pairs if p.kind == ObjectClass.SOLAR_SYSTEM}
    assert ours == {"asteroid"}
    assert {p.kind for p in pairs if p.group == "asteroid"} == {ObjectClass.SOLAR_SYSTEM}


@pytest.mark.real_data
def test_finks_flags_are_what_its_published_rules_give(real_data):
    flags = Counter()
    for file in fink_files(real_data):
        columns = ["candidate", "prv_candidates", "roid", "nalerthist"]
        for row in pq.read_table(file, columns=columns).to_pylist():
            now, past = row["candidate"], row["prv_candidates"] or []
            if now["jdstarthist"] > now["jd"]:  # made by Fink's tests
                continue
            measured = [p["jd"] for p in past if not np.isnan(p["magpsf"] or np.nan)]
            latest = sorted((*measured, now["jd"]))[-2:]
            flag = roid(
                now["ndethist"],
                row["nalerthist"],
                now["sgscore1"],
                now["distpsnr1"],
                now["ssdistnr"],
                1440.0 * (latest[1] - latest[0]) if len(latest) == 2 else None,
            )
            flags[flag, row["roid"]] += 1
    assert set(flags) == {(0, 0), (1, 1), (2, 2), (3, 3)}


@pytest.mark.slow
@pytest.mark.real_data
def test_asteroids_of_lsst_and_nothing_else_are_of_the_solar_system(real_data):
    alerts: dict[str, Alert] = {}
    for file in sorted((real_data / "optical/lsst/fink").rglob("*.parquet")):
        for packet in read_packets(file):
            alert = decode(packet)
            alerts[alert.alert_id] = alert
    objects = [object_of(alert) for alert in alerts.values()]
    values = Counter(
        (o.surroundings.solar_system_name is not None, s["solar-system"].value)
        for o, s in zip(objects, scores_of_many(objects), strict=True)
    )
    assert values == {(True, 1.0): 38, (False, 0.0): 126}


@pytest.mark.parametrize(
    ("match", "roid", "group"),
    [
        ("RRLyr", 0, "star"),
        ("RRLyr", 3, "asteroid"),
        ("Candidate_SN*", 0, "transient"),
        ("(TNS) SN Ia-91bg-like", 0, "transient"),
        ("QSO_Candidate", 0, "nucleus"),
        ("CataclyV*", 0, "star"),
        ("Unknown", 2, "unknown"),
        ("Fail 500", 0, "failed"),
        ("Radio", 0, "other"),
    ],
)
def test_groups(match, roid, group):
    assert fink_group(match, roid) == group
