"""One simulated night for all tests of the folder."""

import pytest

from correlator.simulation.archive import write_night
from correlator.simulation.night import NightConfig, packets_of
from correlator.simulation.plan import plan_night

CONFIG = NightConfig(seed=5, n_alerts=3_000)


@pytest.fixture(scope="session")
def plan():
    return plan_night(CONFIG)


@pytest.fixture(scope="session")
def streamed(plan):
    return list(packets_of(plan))


@pytest.fixture(scope="session")
def night_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "night"
    write_night(CONFIG, folder)
    return folder
