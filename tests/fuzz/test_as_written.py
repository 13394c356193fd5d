"""The other reading of mutants finds what ours could get wrong."""

from dataclasses import replace

import pytest

from ingest_vo.reader import to_notice
from tests.fuzz import as_written, seeds
from tests.ingest_vo.notice_factory import gbm, gcn, igwn

CIRCLE = {"ra": 120.5, "dec": -30.25, "ra_dec_error": 0.5}


@pytest.mark.parametrize("kind", seeds.NOTICES)
def test_sound_packets_say_what_is_written(kind):
    for packet in seeds.made(kind):
        assert as_written.difference(packet, to_notice(packet, "p")) is None


@pytest.mark.parametrize(
    ("packet", "spoil"),
    [
        (gbm("Fin_Pos", 115), lambda n: replace(n, notice_id="ivo://x#1")),
        (gbm("Fin_Pos", 115), lambda n: replace(n, role="test")),
        (gbm("Fin_Pos", 115), lambda n: _at(n, n.localization.ra_deg + 1.0)),
        (gbm("Fin_Pos", 115, place=None), lambda n: replace(n, localization=_circle())),
        (gcn(**CIRCLE), lambda n: _at(n, n.localization.ra_deg + 1.0)),
        (igwn(), lambda n: replace(n, event_id="S240115j")),
    ],
    ids=["id", "role", "place", "no place", "place in JSON", "superevent"],
)
def test_a_notice_that_says_otherwise_is_found(packet, spoil):
    notice = to_notice(packet, "p")
    assert as_written.difference(packet, notice) is None
    assert as_written.difference(packet, spoil(notice)) is not None


def _circle():
    return to_notice(gcn(**CIRCLE), "p").localization


def _at(notice, ra_deg):
    return replace(notice, localization=replace(notice.localization, ra_deg=ra_deg))


def test_what_only_one_parser_takes_is_found():
    notice = to_notice(gbm("Fin_Pos", 115), "p")
    assert "not well-formed" in as_written.difference(b"<VOEvent>", notice)
