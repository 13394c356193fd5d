"""Models in a running pipeline: copied in, seen in the output, compared; switched off when bad."""

import asyncio
import json
import shutil
import uuid
from contextlib import asynccontextmanager

import pytest

from correlator.features import features_of
from correlator.object import object_of
from correlator.policy import DAY_S, Policy
from correlator.service.model_compare import compared
from correlator.service.wiring import running
from correlator.wire import to_json
from streams.admin import declare
from streams.score_log import kept_scores, kept_states
from streams.scores import latest_states, scores_of
from streams.settings import ModelSettings, StreamSettings
from streams.topics import MODELS_STATE, NOTICES_RAW, OPTICAL_ALERTS, SCORES, all_topics
from tests.builders import an_alert
from tests.ingest_vo.notice_factory import T0_UNIX_S, gbm
from tests.service.test_commands import correlator
from tests.streams import onnx_factory as onnx
from tests.streams.onnx_factory import put_model

NOW = T0_UNIX_S + DAY_S


@asynccontextmanager
async def a_pipeline(store, folder, url=None, **of_models):
    """A pipeline that looks at its models all the time and is patient with them."""
    chosen = {"look_s": 0.05, "answer_within_s": 60.0, "start_within_s": 60.0, "rest": 0.0}
    settings = StreamSettings(
        broker_url=url or f"memory://{uuid.uuid4().hex}",
        ranking_interval_s=0.05,
        commit_interval_s=0.1,
        models=ModelSettings(folder, **(chosen | of_models)),
    )
    async with running(settings, store, Policy(), lambda: NOW) as pipeline:
        yield pipeline


def alerts_of(name, n):
    """Alerts of ``n`` objects within the burst's circle, from 18 mag on, each fainter."""
    return [
        an_alert(
            f"{name}{k}", f"ZTF26{name}{k:03d}", 120.5, -30.2 + 0.001 * k,
            T0_UNIX_S + 0.3 * DAY_S, 18.0 + 0.1 * k,
        )
        for k in range(n)
    ]  # fmt: skip


async def send(pipeline, alerts):
    for alert in alerts:
        await pipeline.send(OPTICAL_ALERTS.name, alert.object_id, to_json(alert))
    await pipeline.idle()


def told(pipeline, topic):
    read = pipeline.app.transport.broker.read
    return [r.value for p in range(topic.partitions) for r in read((topic.name, p), 0, 10_000)]


def scores_told(pipeline):
    return {record.object_key: record for record in scores_of(told(pipeline, SCORES))}


def states_of(pipeline):
    states = latest_states(told(pipeline, MODELS_STATE))
    return {m.folder: m for m in states[0].models} if states else {}


async def until(holds):
    """Wait for something that happens beside the stream."""
    async with asyncio.timeout(90.0):
        while not (found := holds()):
            await asyncio.sleep(0.02)
    return found


async def until_state(pipeline, folder, state):
    def found():
        known = states_of(pipeline).get(folder)
        return known if known is not None and known.state == state else None

    return await until(found)


def keys(alerts):
    return {f"ztf:{alert.object_id}" for alert in alerts}


@pytest.mark.slow
async def test_a_model_copied_into_the_folder_is_seen_in_shadow_and_compared(store, tmp_path):
    """Must show 6, its first half."""
    folder = tmp_path / "models"
    before, first, both = alerts_of("a", 3), alerts_of("b", 4), alerts_of("c", 12)
    async with a_pipeline(store, folder) as pipeline:
        await pipeline.send(NOTICES_RAW.name, "burst", gbm("Fin_Pos", 115))
        await send(pipeline, before)
        put_model(folder, onnx.linear((-1.0,), 25.0), stage="live")
        assert (await until_state(pipeline, "brightness-1.0", "running")).stage == "live"
        await send(pipeline, first)
        await until(lambda: keys(first) <= set(scores_told(pipeline)))
        put_model(folder, onnx.linear((-2.0,), 45.0), version="1.1")
        assert (await until_state(pipeline, "brightness-1.1", "running")).stage == "shadow"
        await send(pipeline, both)
        await until(lambda: keys(both) <= set(scores_told(pipeline)))
        records = scores_told(pipeline)
        # What is kept in files is what is told.
        await until(lambda: {r.object_key for r in scores_of(kept_scores(folder))} == set(records))
        (states,) = latest_states(kept_states(folder))
    assert [(m.version, m.state) for m in states.models] == [("1.0", "running"), ("1.1", "running")]
    assert set(records) == keys(first) | keys(both)
    for alert in both:
        record = records[f"ztf:{alert.object_id}"]
        mag = features_of(object_of(alert)).last_mag_ab
        assert record.scores["brightness"]["1.0"] == pytest.approx(25.0 - mag, abs=1e-4)
        assert record.scores["brightness"]["1.1"] == pytest.approx(45.0 - 2.0 * mag, abs=1e-4)
        assert record.stages == {"brightness": {"1.0": "live", "1.1": "shadow"}}
        assert (record.object_version, record.latest_alert_id) == (1, alert.alert_id)
    assert all(set(records[key].scores["brightness"]) == {"1.0"} for key in keys(first))
    comparison = compared(records.values(), "brightness", "1.0", "1.1", threshold=6.45)
    assert (comparison.n_both, comparison.n_first_only, comparison.n_second_only) == (12, 4, 0)
    assert comparison.rank_correlation == pytest.approx(1.0)
    # 25 - m >= 6.45 for the six up to 18.5 mag, 45 - 2 m >= 6.45 for all up to 19.1.
    assert comparison.decide_differently == 0.5


SLOW = [pytest.param(harm, marks=pytest.mark.slow) for harm in ("hang", "raise", "shape", "memory")]


@pytest.mark.parametrize("harm", ["nan", *SLOW])
async def test_a_bad_model_is_switched_off_and_reported_and_the_stream_goes_on(
    store, tmp_path, harm
):
    """Must show 6, its second half."""
    folder = tmp_path / "models"
    limits = {"answer_within_s": ModelSettings().answer_within_s} if harm == "hang" else {}
    waves = [alerts_of(name, 6) for name in "abc"]
    async with a_pipeline(store, folder, **limits) as pipeline:
        await pipeline.send(NOTICES_RAW.name, "burst", gbm("Fin_Pos", 115))
        put_model(folder, onnx.linear(), name="sound")
        put_model(folder, onnx.HARMFUL[harm](), name="bad", stage="live")
        await until_state(pipeline, "sound-1.0", "running")
        await until_state(pipeline, "bad-1.0", "running")
        await send(pipeline, waves[0])
        # The join is done with them, whatever the models are doing.
        assert {p.object_key for p in store.pairs.all_live()} == keys(waves[0])
        await send(pipeline, waves[1])
        assert {p.object_key for p in store.pairs.all_live()} == keys(waves[0]) | keys(waves[1])
        off = await until_state(pipeline, "bad-1.0", "off")
        await send(pipeline, waves[2])
        await until(lambda: keys(waves[2]) <= set(scores_told(pipeline)))
        records = scores_told(pipeline)
        await pipeline.agents.rank_changed()
        assert not pipeline.has_failed
    assert off.problem
    assert {p.object_key for p in store.pairs.all_live()} == set().union(*map(keys, waves))
    for key in keys(waves[2]):
        assert records[key].scores == {"sound": {"1.0": pytest.approx(19.0, abs=2.0)}}
    assert store.counts()["dead_letters"] == 0


@pytest.mark.slow
async def test_other_content_under_a_version_is_refused_here_and_after_a_restart(store, tmp_path):
    folder = tmp_path / "models"
    async with a_pipeline(store, folder) as pipeline:
        place = put_model(folder, onnx.linear((1.0,)))
        await until_state(pipeline, place.name, "running")
        (place / "model.onnx").write_bytes(onnx.linear((2.0,)))
        refused = await until(
            lambda: next(
                (m for m in latest_states(told(pipeline, MODELS_STATE))[0].models if m.problem),
                None,
            )
        )
        assert refused.state == "refused"
        assert "a version keeps its content" in refused.problem
        alerts = alerts_of("a", 1)
        await send(pipeline, alerts)
        (record,) = (await until(lambda: scores_told(pipeline))).values()
        assert record.scores["brightness"]["1.0"] == pytest.approx(18.0, abs=1e-4)  # as it was
    async with a_pipeline(store, folder) as pipeline:
        again = await until_state(pipeline, place.name, "refused")
        assert again.problem == refused.problem
        (place / "model.toml").write_text(onnx.card_text(version="1.1"), encoding="utf-8")
        assert (await until_state(pipeline, place.name, "running")).version == "1.1"


@pytest.mark.slow
async def test_stages_change_without_a_restart_and_one_version_is_live(store, tmp_path):
    folder = tmp_path / "models"
    async with a_pipeline(store, folder) as pipeline:
        for version in ("1.9", "1.10"):
            put_model(folder, onnx.linear(), version=version, stage="live")
            await until_state(pipeline, f"brightness-{version}", "running")
        registry = pipeline.scores.registry
        assert registry.stages() == {"brightness.1.9": "live", "brightness.1.10": "shadow"}
        assert states_of(pipeline)["brightness-1.10"].problem == "another version is live"
        put_model(folder, onnx.linear(), version="1.9", stage="shadow")
        await until(lambda: registry.stages()["brightness.1.10"] == "live")
        assert registry.stages() == {"brightness.1.9": "shadow", "brightness.1.10": "live"}


@pytest.mark.slow
async def test_a_model_leaves_with_its_folder_and_a_touched_one_is_tried_again(store, tmp_path):
    folder = tmp_path / "models"
    async with a_pipeline(store, folder) as pipeline:
        place = put_model(folder, onnx.nan_above())
        await until_state(pipeline, place.name, "running")
        await send(pipeline, alerts_of("a", 1))
        await until_state(pipeline, place.name, "off")
        (place / "model.toml").touch()
        await until_state(pipeline, place.name, "running")
        shutil.rmtree(place)
        await until(lambda: pipeline.scores.registry.is_empty)
        await until(lambda: not states_of(pipeline))


async def test_an_object_of_which_an_input_is_unknown_has_no_score(store, tmp_path):
    folder = tmp_path / "models"
    async with a_pipeline(store, folder) as pipeline:
        put_model(folder, onnx.linear(), name="colour", inputs=[("g_r_mag", "mag")])
        put_model(folder, onnx.linear())
        for name in ("colour-1.0", "brightness-1.0"):
            await until_state(pipeline, name, "running")
        await send(pipeline, alerts_of("a", 1))
        (record,) = (await until(lambda: scores_told(pipeline))).values()
    assert record.scores["colour"] == {"1.0": None}
    assert record.scores["brightness"]["1.0"] is not None


async def test_what_cannot_be_scored_in_time_is_passed_over_and_counted(store, tmp_path):
    folder = tmp_path / "models"
    async with a_pipeline(store, folder, most_waiting=10) as pipeline:
        desk = pipeline.scores
        put_model(folder, onnx.linear())
        await until_state(pipeline, "brightness-1.0", "running")
        held = asyncio.Event()
        ask = desk.registry.scores

        async def held_up(*args):
            await held.wait()
            return await ask(*args)

        desk.registry.scores = held_up
        first, more = alerts_of("a", 1), alerts_of("b", 35)
        await send(pipeline, first)
        await until(lambda: desk.n_waiting == 0)
        await send(pipeline, more)
        assert store.counts()["alerts"] == 36  # the join is done with all of them
        assert (desk.n_waiting, desk.n_dropped) == (10, 25)
        held.set()
        await until(lambda: desk.n_told == 11)
    assert desk.n_dropped == 25


async def test_objects_with_pairs_are_scored_first_and_passed_over_last(store, tmp_path):
    folder = tmp_path / "models"
    async with a_pipeline(store, folder, most_waiting=8, batch_size=4) as pipeline:
        desk = pipeline.scores
        put_model(folder, onnx.linear())
        await until_state(pipeline, "brightness-1.0", "running")
        objects = [object_of(alert) for alert in alerts_of("a", 12)]
        names = [obj.object_key for obj in objects]
        desk.heard(objects[:2], {names[0]})
        desk.heard(objects[2:10], set(names[8:10]))
        assert (desk.n_waiting, desk.n_dropped) == (8, 2)  # numbers 1 and 2
        desk.heard(objects[:1], set())  # it has pairs, whoever says so
        batches = [[o.object_key for o in desk._batch()] for _ in range(3)]
    assert batches == [
        [names[8], names[9], names[0], names[3]], names[4:8], [],
    ]  # fmt: skip


async def test_without_a_model_nothing_waits_and_nothing_is_told(store, tmp_path):
    async with a_pipeline(store, tmp_path / "none") as pipeline:
        await send(pipeline, alerts_of("a", 3))
        assert pipeline.scores.n_waiting == 0
        assert told(pipeline, SCORES) == []
    assert not (tmp_path / "none").exists()


async def test_scores_that_cannot_be_told_stop_nothing(store, tmp_path):
    folder = tmp_path / "models"
    async with a_pipeline(store, folder) as pipeline:
        put_model(folder, onnx.linear())
        await until_state(pipeline, "brightness-1.0", "running")
        send_on, desk = pipeline.scores.send, pipeline.scores

        async def away(records):
            raise OSError("the broker is away")

        desk.send = away
        await send(pipeline, alerts_of("a", 2))
        await until(lambda: desk.n_dropped == 2)
        desk.send = send_on
        await send(pipeline, alerts_of("b", 2))
        await until(lambda: desk.n_told == 2)
        assert not pipeline.has_failed


async def test_when_every_model_fails_the_objects_are_counted_and_nothing_is_told(store, tmp_path):
    folder = tmp_path / "models"
    async with a_pipeline(store, folder) as pipeline:
        put_model(folder, onnx.nan_above())
        await until_state(pipeline, "brightness-1.0", "running")
        await send(pipeline, alerts_of("a", 2))
        await until_state(pipeline, "brightness-1.0", "off")
        await until(lambda: pipeline.scores.n_dropped == 2)
        await send(pipeline, alerts_of("b", 2))
        assert (pipeline.scores.n_waiting, pipeline.scores.n_told) == (0, 0)
        assert told(pipeline, SCORES) == []


@pytest.mark.slow
async def test_on_a_real_broker_the_commands_read_the_topics(
    own_kafka_server, store, tmp_path, monkeypatch
):
    folder, alerts = tmp_path / "models", alerts_of("a", 20)
    monkeypatch.setenv("CORRELATOR_BROKER", own_kafka_server.url)
    monkeypatch.setenv("CORRELATOR_MODELS", str(folder))
    declare(own_kafka_server.bootstrap, all_topics(Policy()), 1)

    def json_of(*words):
        done = correlator("models", *words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    put_model(folder, onnx.linear((1.0,)))
    put_model(folder, onnx.linear((1.0,), 1.0), version="2.0")
    async with a_pipeline(store, folder, own_kafka_server.url) as pipeline:
        registry = pipeline.scores.registry
        await until(lambda: len(registry.stages()) == 2 and pipeline.agents.is_owner)
        for alert in alerts:
            await pipeline.send(OPTICAL_ALERTS.name, alert.object_id, to_json(alert))
        await until(lambda: pipeline.scores.n_told == 20)
        rows = await asyncio.to_thread(json_of, "list")
        found = await asyncio.to_thread(json_of, "compare", "brightness", "1.0", "2.0")
    assert [(r["worker"], r["version"], r["state"]) for r in rows] == [
        ("correlator", "1.0", "running"), ("correlator", "2.0", "running"),
    ]  # fmt: skip
    assert (found["n_both"], found["rank_correlation"]) == (20, pytest.approx(1.0))
    assert found["mean_difference"] == pytest.approx(1.0, abs=1e-5)
    assert not (folder / ".scores").exists()
