"""A silence is told of, and in the end acted on, however often one looks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.silence import Life, SilenceWatch

SILENT_S, LOST_S = 60, 300


@given(st.lists(st.tuples(st.sampled_from(["hear", "renew", "look"]), st.integers(0, 400))))
def test_a_source_is_silent_or_lost_by_what_was_last_heard_and_done(steps):
    watch, at = SilenceWatch(SILENT_S, LOST_S, 0.0), 0
    heard = renewed = 0
    for what, after in steps:
        at += after
        if what == "hear":
            watch.hear(at)
            heard = at
        elif what == "renew":
            watch.renew(at)
            renewed = at
        quiet = at - heard
        expected = Life.ALIVE if quiet < SILENT_S else Life.SILENT
        if quiet >= LOST_S and at - renewed >= LOST_S:
            expected = Life.LOST
        assert watch.life(at) == expected
        assert watch.silent_s(at) == quiet
