"""Rubin packets say what was seen, by the schema of the observatory, and nothing of the future."""

import io
import json

import fastavro
import numpy as np
import pytest

from correlator.simulation.campaign import CampaignConfig, packets_of_field, plan_campaign
from correlator.simulation.lightcurves import BANDS
from correlator.simulation.lsst_packets import FRAME
from correlator.simulation.population import UNKNOWN
from ingest_optical.decoder import decode
from ingest_optical.lsst_schemas import schema_json
from ingest_optical.packets import RawPacket

CONFIG = CampaignConfig("lsst", seed=1, n_fields=1, alerts_per_visit=40, injections_each=1)


@pytest.fixture(scope="module")
def followed():
    return plan_campaign(CONFIG).fields[0]


@pytest.fixture(scope="module")
def field_packets(followed):
    return packets_of_field(plan_campaign(CONFIG), followed)


@pytest.fixture(scope="module")
def alerts(field_packets):
    return [decode(RawPacket(name, "lsst", data)) for _, _, name, data in field_packets.packets]


def test_a_full_decode_with_the_exact_schema_reads_every_byte(field_packets):
    schema = fastavro.parse_schema(json.loads(schema_json(11, 1)))
    for _, _, name, data in field_packets.packets:
        assert data.startswith(FRAME)
        body = io.BytesIO(data[len(FRAME) :])
        record = fastavro.schemaless_reader(body, schema, None)
        assert body.read() == b""
        assert record["diaSourceId"] == record["diaSource"]["diaSourceId"] == int(name)
        assert record["cutoutDifference"] is None
        if (dia_object := record["diaObject"]) is not None:
            n_before = len(record["prvDiaSources"] or ())
            assert dia_object["nDiaSources"] == n_before + 1
            assert dia_object["firstDiaSourceMjdTai"] is None


def test_alerts_lie_at_the_visits_in_their_bands(followed, alerts):
    visits = followed.visits
    bands = [BANDS[fid] for fid in visits.fid.tolist()]
    middle = dict(zip((visits.start_unix_s + 15.0).round().tolist(), bands, strict=True))
    assert alerts
    for alert in alerts:
        for seen in (alert.detection, *alert.history):
            assert middle[round(seen.time_unix_s)] == seen.band


def test_history_is_what_was_announced_before(alerts):
    """In the nights themselves: each alert's history holds all earlier alerts of its object."""
    by_object = {}
    for alert in alerts:
        known = {d.source_id for d in alert.history}
        before = by_object.setdefault(alert.object_id, set())
        assert before <= known
        assert all(d.time_unix_s < alert.time_unix_s for d in alert.history)
        before.add(alert.alert_id)
    assert any(len(before) > 1 for before in by_object.values())


def test_no_limit_is_older_than_the_first_detection(alerts):
    with_limits = [alert for alert in alerts if alert.limits]
    assert with_limits
    for alert in with_limits:
        first = min(d.time_unix_s for d in (alert.detection, *alert.history))
        assert alert.limits[0].time_unix_s > first


def test_a_linked_source_is_of_the_solar_system_and_has_no_past(field_packets, alerts):
    linked = 0
    separations = field_packets.population.solar_system_sep_arcsec
    for (_, source, _, _), alert in zip(field_packets.packets, alerts, strict=True):
        is_linked = bool(separations[source] != UNKNOWN)
        assert alert.object_id.startswith("sso") == is_linked
        if is_linked:
            linked += 1
            assert not alert.history
            assert not alert.limits
    assert linked


def test_fluxes_of_injected_sources_are_those_that_were_injected(followed, field_packets, alerts):
    first = len(field_packets.population) - len(field_packets.labels)
    starts = (followed.visits.start_unix_s + 15.0).round().tolist()
    pulls = []
    for (_, source, _, _), alert in zip(field_packets.packets, alerts, strict=True):
        if source >= first:
            at = starts.index(round(alert.time_unix_s))
            true_njy = field_packets.population.flux[source, at] * 10.0 ** (0.4 * (31.4 - 25.0))
            pulls.append((alert.detection.flux_njy - true_njy) / alert.detection.flux_err_njy)
    assert len(pulls) > 10
    assert np.abs(pulls).max() < 5.0
