"""Every notice that a replayed night emits, before GCN's core schemas, ours and BOOM's."""

import asyncio
from collections import defaultdict
from datetime import UTC, datetime

import orjson
import pytest

from correlator.policy import Policy
from correlator.service.archive import archive_files, read_archive
from correlator.service.load_night import LoadNight
from correlator.service.replay import ReplayOptions, replay
from correlator.simulation.archive import write_night
from correlator.simulation.load import LoadConfig, write_load
from correlator.simulation.night import NightConfig
from storage.store import Store
from streams.gcn_notice import boom_form
from streams.gcn_notices import GCNNoticeDesk
from streams.notice_reader import read_notice
from streams.notice_schema import published_schema
from tests.gcn_schemas import closed, validators, without_gcn
from tests.nights.test_grb_210204a import OBJECT, the_night

pytestmark = [pytest.mark.real_data, pytest.mark.slow]


@pytest.fixture
def emitted(monkeypatch):
    """The records that the pipeline's desk gives to be sent."""
    records = []
    write = GCNNoticeDesk.records_of

    def noted(desk, revisions):
        made = write(desk, revisions)
        records.extend(made)
        return made

    monkeypatch.setattr(GCNNoticeDesk, "records_of", noted)
    return records


def replayed(archive, as_of_unix_s=None, shuffle_seed=None):
    """What is published at the end of a night: the highest revision by id."""
    with Store.open("sqlite:///:memory:") as store:
        options = ReplayOptions(as_of_unix_s, shuffle_seed)
        asyncio.run(replay(archive, store, Policy(), options))
        current = store.coincidences.current(include_gone=True)
    return {f"{r.coincidence_id}/{r.case}": (r.revision, str(r.state)) for r in current}


def judge(records, real_data):
    """Hold each notice against every schema."""
    judges = validators(real_data)
    boom = judges.pop("boom")
    schema = orjson.loads(published_schema())
    ours = [without_gcn(schema), without_gcn(closed(schema))]
    for value in dict.fromkeys(record.value for record in records):
        document = orjson.loads(value)
        for each in (*judges.values(), *ours):
            each.validate(document)
        boom.validate(boom_form(document))


def follow(records, current):
    """Read the topic of all notices as a consumer does, and end where the store is."""
    of_ids = defaultdict(list)
    for record in records:
        if record.topic == "coincidence.all":
            notice = read_notice(record.value)
            assert notice.id == (record.key,)
            of_ids[record.key].append(notice)
    for notices in of_ids.values():
        assert [n.record_number for n in notices] == list(range(1, len(notices) + 1))
        assert notices[0].alert_type == "initial"
    last = {key: notices[-1] for key, notices in of_ids.items()}
    assert {k: (n.record_number, n.coincidence.state) for k, n in last.items()} == current
    return last


def test_the_notices_of_the_night_of_grb_210204a(real_data, emitted):
    as_of = datetime(2021, 2, 8, tzinfo=UTC).timestamp()
    current = replayed(the_night(real_data), as_of)
    judge(emitted, real_data)
    last = follow(emitted, current)
    assert {r.topic for r in emitted} == {"coincidence.all", "coincidence.grb"}
    (first,) = [n for n in last.values() if n.coincidence.object.object_key == OBJECT]
    assert first.coincidence.place.rank == 1
    assert first.coincidence.state == "active"


@pytest.mark.parametrize("shuffle_seed", [None, 1])
def test_the_notices_of_a_real_night(real_data, emitted, shuffle_seed):
    archive = read_archive(archive_files([real_data / "nights" / "2024-01-15"]))
    as_of = datetime(2024, 1, 16, tzinfo=UTC).timestamp()
    current = replayed(archive, as_of, shuffle_seed)
    judge(emitted, real_data)
    assert follow(emitted, current)


def test_the_notices_of_a_simulated_night(real_data, emitted, tmp_path):
    write_night(NightConfig(seed=1, n_alerts=5_000), tmp_path)
    archive = read_archive(archive_files([tmp_path / "alerts", tmp_path / "notices"]))
    current = replayed(archive)
    judge(emitted, real_data)
    assert follow(emitted, current)
    assert {"coincidence.all", "coincidence.gw", "coincidence.grb"} <= {r.topic for r in emitted}


def test_the_notices_of_a_night_with_everything_that_may_happen_to_an_event(
    real_data, emitted, tmp_path
):
    write_load(LoadConfig(seed=3, n_alerts=2_000, n_notices=80), tmp_path / "night")
    night = LoadNight(tmp_path / "night")
    current = replayed(night.archive(), night.as_of_unix_s)
    judge(emitted, real_data)
    assert len(follow(emitted, current)) > 40
    said = {(r.topic, read_notice(r.value).alert_type) for r in emitted}
    assert said >= {
        (f"coincidence.{topic}", kind)
        for topic in ("all", "gw", "grb", "nu")
        for kind in ("initial", "update")
    }
    assert ("coincidence.all", "retraction") in said
