"""The table of docs/missions.md is what the readers do with every real packet, and can fail."""

from dataclasses import replace
from pathlib import Path

import pytest

from correlator.nature import DRILLS, Nature, Verdict
from ingest_vo.reader import to_notice
from skymaps.shapes import Circle
from tests.ingest_vo import missions_table
from tests.ingest_vo.known_differences import JSON, KINDS, MAP, MODEL, TREE
from tests.ingest_vo.missions_table import outcomes

pytestmark = pytest.mark.real_data

PAGE = Path(__file__).parents[2] / "docs" / "missions.md"


@pytest.fixture(scope="module")
def understood(real_data):
    """The notice of each packet that is one, by its bytes."""
    found = [one.packet for one in outcomes(real_data) if one.refusal is None]
    return {packet.data: to_notice(packet.data, packet.path) for packet in found}


def test_no_packet_is_understood_wrongly(real_data):
    assert {o.packet.path: o.wrong for o in outcomes(real_data) if o.wrong} == {}


def test_the_page_has_the_tables(real_data):
    """Print them anew with ``python -m tests.ingest_vo.missions_table FOLDER``."""
    page = PAGE.read_text()
    for lines in missions_table.tables(outcomes(real_data)):
        assert "\n".join(lines) in page, lines[0]


def test_every_file_is_in_the_table(real_data):
    folders = "notices", "nights/2024-01-15/notices"
    files = [p for folder in folders for p in (real_data / folder).rglob("*") if p.is_file()]
    examples = list((real_data / "gcn-schema").rglob("*.example.json"))
    assert len(outcomes(real_data)) == len(files) - len(["MANIFEST.csv"]) + len(examples)
    assert {o.packet.data for o in outcomes(real_data)} >= {
        p.read_bytes() for p in [*files, *examples] if p.name != "MANIFEST.csv"
    }


def test_every_difference_that_is_explained_occurs(real_data):
    seen = {name for one in outcomes(real_data) for name, _ in one.explained}
    assert [kind.name for kind in KINDS if kind.name not in seen] == []


@pytest.mark.parametrize(("source", "least"), [(TREE, 440), (MODEL, 360), (MAP, 40), (JSON, 100)])
def test_others_read_the_packets_too(real_data, source, least):
    assert sum(source in one.read_by for one in outcomes(real_data)) >= least


def _moved(notice):
    place = notice.localization
    if not isinstance(place, Circle):
        return notice
    return replace(notice, localization=replace(place, dec_deg=-place.dec_deg))


def _wider(notice):
    place = notice.localization
    if not isinstance(place, Circle):
        return notice
    return replace(notice, localization=replace(place, radius_deg=place.radius_deg / 60.0))


def _later(notice):
    t0 = notice.event_unix_s
    return notice if t0 is None else replace(notice, event_unix_s=t0 + 0.001)


def _otherwise(natures):
    """Take the verdicts of these natures away, or give one where there is none."""

    def spoiled(notice):
        others = tuple(v for v in notice.verdicts if v.nature not in natures)
        more = () if len(others) < len(notice.verdicts) else (Verdict(min(natures), "f"),)
        return replace(notice, verdicts=(*others, *more))

    return spoiled


@pytest.mark.parametrize(
    ("spoil", "least"),
    [
        (_moved, 300),
        (_wider, 300),
        (_later, 500),
        (lambda n: replace(n, event_id=n.event_id + "0"), 500),
        (_otherwise({Nature.RETRACTED}), 550),
        (_otherwise(DRILLS), 550),
        (lambda n: replace(n, supersedes=(*n.supersedes, "ivo://x#1")), 440),
        (lambda n: replace(n, far_hz=n.far_hz and n.far_hz * 3.15e7), 60),
        (lambda n: replace(n, classification=(("GRB", 1.0),)), 150),
    ],
    ids=["dec", "radius", "T0", "event", "retraction", "test", "citation", "FAR", "class"],
)
def test_a_reader_that_errs_is_found(real_data, understood, monkeypatch, spoil, least):
    monkeypatch.setattr(missions_table, "to_notice", lambda data, _: spoil(understood[data]))
    found = [missions_table.outcome(one.packet) for one in outcomes(real_data) if not one.refusal]
    assert sum(bool(one.wrong) for one in found) >= least
