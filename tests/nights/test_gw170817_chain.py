"""GW170817 as it went: the merger's map, the burst's map, then AT2017gfo; three outrank two."""

import csv
from datetime import UTC, datetime

import pytest

from correlator.alert import Detection
from correlator.filters.preset import presets
from correlator.notice import Messenger
from correlator.policy import DAY_S
from skymaps.fits import ARCHIVE_LIMITS, read_sky_map
from storage.store import Store
from streams.joint import JointDesk
from tests.builders import a_notice, an_alert
from tests.streams.workers import POLICY, Cluster

pytestmark = pytest.mark.real_data

GW_UNIX_S = datetime(2017, 8, 17, 12, 41, 4, 445_700, tzinfo=UTC).timestamp()
GRB_UNIX_S = datetime(2017, 8, 17, 12, 41, 6, 475_000, tzinfo=UTC).timestamp()
RA_DEG, DEC_DEG = 197.450375, -23.3815
GW, GRB, JOINT = "lvk:G298048", "fermi-gbm:524666471", "joint:lvk:G298048"
KILONOVA = "ztf:ZTF17aaaagfo"

BNS_MAPS = [
    "gw/GW170817/GW170817_G298107_HL_bayestar.fits.gz",
    "gw/GW170817/MS181101ab_labelled_GW170817.multiorder.fits",
]
GBM_MAP = "fermi/GRB170817A/GRB170817A_gbuts_healpix_524666471.429.fit"

UNIX_S_OF_MJD_0 = -40_587 * DAY_S


def localization(real_data, path):
    return read_sky_map((real_data / "notices" / path).read_bytes(), ARCHIVE_LIMITS)


def merger(real_data, path):
    return a_notice(
        "G298048-1-Initial",
        mission="LVK",
        instrument=None,
        stream="lvk",
        event_id="G298048",
        messenger=Messenger.GRAVITATIONAL_WAVE,
        is_burst=None,
        is_significant=True,
        classification=(("BNS", 1.0),),
        event_unix_s=GW_UNIX_S,
        localization=localization(real_data, path),
    )


def burst(real_data):
    return a_notice(
        "GBM map",
        event_id="524666471",
        event_unix_s=GRB_UNIX_S,
        localization=localization(real_data, GBM_MAP),
    )


def kilonova(real_data):
    """The first nights of AT2017gfo in i as the alerts of a survey."""
    with (real_data / "optical" / "mm" / "AT2017gfo_optical.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["filter"] == "ps1::i"]
    for n, row in enumerate(rows[:5]):
        time_unix_s = UNIX_S_OF_MJD_0 + float(row["mjd"]) * DAY_S
        # Zero point 23.9: microjansky.
        flux_njy, error_njy = 1e3 * float(row["flux"]), 1e3 * float(row["fluxerr"])
        detection = Detection(str(n), time_unix_s, "i", flux_njy, error_njy)
        yield an_alert(
            str(n), "ZTF17aaaagfo", RA_DEG, DEC_DEG, history=(), limits=(), detection=detection
        )


async def tell(cluster, noticed):
    event_key = cluster.tell_event(noticed)
    JointDesk(cluster.store, POLICY, lambda: cluster.now_unix_s).refresh(event_key)
    await cluster.finish()


def priorities(store):
    return {c.event_key: c.body.priority.value for c in store.coincidences.current()}


@pytest.mark.parametrize("bns_map", BNS_MAPS, ids=["G298107", "labelled"])
@pytest.mark.parametrize("kilonova_first", [False, pytest.param(True, marks=pytest.mark.slow)])
async def test_the_three_way_coincidence_outranks_each_two_way_one(
    real_data, bns_map, kilonova_first
):
    with Store.open("sqlite:///:memory:") as store:
        cluster = Cluster(store)
        cluster.now_unix_s = GW_UNIX_S + 3.0 * DAY_S
        await cluster.assign()

        async def see():
            for alert in kilonova(real_data):
                cluster.tell_alert(alert)
            await cluster.finish()

        if kilonova_first:
            await see()
        await tell(cluster, merger(real_data, bns_map))
        assert store.joint_events.live() == []
        assert set(priorities(store)) == ({GW} if kilonova_first else set())
        await tell(cluster, burst(real_data))
        (joint,) = store.joint_events.live()
        assert joint.joint_id == JOINT
        assert joint.body.event_keys == (GW, GRB)
        if not kilonova_first:
            await see()
        found = priorities(store)
        assert set(found) == {GW, GRB, JOINT}
        assert found[JOINT] > max(found[GW], found[GRB])
        (target,) = store.targets.list("kilonova")
        assert target.object_key == KILONOVA
        assert target.coincidence.pair.event_key == JOINT
        pair = target.coincidence.pair
        assert pair.s_sky + pair.s_joint == pytest.approx(
            sum(p.s_sky for key in (GW, GRB) for p in store.pairs.live(key)), abs=1e-6
        )
        # The merger's preset lets it through, as its own event and as the joint one.
        sent = store.coincidences.sent(presets()["grandma-gw"].filter)
        last = {s.revision.event_key: s.passes for s in sent}
        assert last == {GW: True, JOINT: True}
        print(found, joint.body.log_overlap, joint.body.far_hz * 365.25 * DAY_S)
