"""Alerts as rows and back; what the columns are and what they mean."""

from __future__ import annotations

from dataclasses import fields

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.features import FEATURES, features_of
from correlator.object import object_of
from correlator.scorers import SCORERS, scores_of
from correlator.wire import to_json
from storage.archive import DATA_SETS, NIGHT, SURVIVORS
from storage.archive.alert_columns import COLUMNS, alerts_of
from storage.archive.tables import (
    FEATURE_PREFIX,
    PART_SCHEMAS,
    SCHEMAS,
    Judged,
    final_of,
    part_of,
    waiting_of,
)
from tests.builders import an_alert
from tests.storage.archive.some_nights import texts, whole_alerts


def columns_alone(alerts):
    return pa.table([c.of(alerts) for c in COLUMNS], schema=pa.schema([c.field for c in COLUMNS]))


@settings(deadline=None, max_examples=15)
@given(st.lists(whole_alerts, max_size=4))
def test_an_alert_that_is_written_and_read_is_the_same(tmp_path_factory, some):
    path = tmp_path_factory.getbasetemp() / "alerts.parquet"
    pq.write_table(columns_alone(some), path)
    assert [repr(a) for a in alerts_of(pq.read_table(path))] == [repr(a) for a in some]


@settings(deadline=None, max_examples=6)
@given(st.lists(whole_alerts, min_size=1, max_size=3), st.lists(texts, max_size=2).map(tuple))
def test_final_rows_wait_again_as_they_did(some, reasons):
    rows = [Judged(alert, "fink", reasons, to_json(alert)) for alert in some]
    for data_set in DATA_SETS:
        part = part_of(data_set, rows)
        assert part.schema.equals(PART_SCHEMAS[data_set])
        assert len(part) == (len(some) if data_set == NIGHT or not reasons else 0)
        final = final_of(data_set, part)
        final.validate(full=True)
        assert final.schema.equals(SCHEMAS[data_set])
        assert waiting_of(data_set, final).equals(part)


def test_a_survivor_has_the_features_and_scores_of_its_object():
    alert = an_alert()
    [row] = final_of(SURVIVORS, part_of(SURVIVORS, [Judged(alert, "fink", (), None)])).to_pylist()
    features = features_of(object_of(alert))
    for name in FEATURES:
        said = getattr(features, name)
        assert row[FEATURE_PREFIX + name] == (None if said is None else float(said))
    scores = scores_of(object_of(alert), features)
    assert list(dict(row["scores"])) == [s.name for s in SCORERS]
    for name, score in row["scores"]:
        known = scores[name]
        assert (score["version"], score["value"], score["reason"]) == (
            known.version,
            known.value,
            known.reason,
        )
    assert row["mag_ab"] == alert.detection.mag_ab
    assert row["time"].timestamp() == alert.time_unix_s


def test_a_rejected_alert_says_which_rules_it_broke():
    rows = [Judged(an_alert(), "fink", ("low_real_bogus", "star"), None)]
    [row] = final_of(NIGHT, part_of(NIGHT, rows)).to_pylist()
    assert (row["gate"], row["passed"]) == ("fink", False)
    assert row["rejections"] == ["low_real_bogus", "star"]


def test_every_column_says_what_it_is_and_what_has_a_unit_in_its_name_says_it():
    for schema in SCHEMAS.values():
        assert schema.names[:3] == ["_healpix_29", "survey", "alert_id"]
        assert schema.field("_healpix_29").type == pa.int64()
        for field in schema:
            said = field.metadata or {}
            assert said.get(b"description"), field.name
            if field.name.endswith(("_deg", "_njy", "_arcsec", "_unix_s", "_px", "mag_ab")):
                assert said.get(b"unit"), field.name
    for name, meaning in FEATURES.items():
        said = SCHEMAS[SURVIVORS].field(FEATURE_PREFIX + name).metadata
        assert said.get(b"unit", b"").decode() == meaning.unit
        assert said[b"description"].decode() == meaning.text


def test_every_field_of_an_alert_has_one_column():
    names = [c.name for c in COLUMNS]
    assert len(names) == len(set(names))
    alert = an_alert()
    tops = {c.path.partition(".")[0] for c in COLUMNS}
    assert tops == {f.name for f in fields(alert)}
