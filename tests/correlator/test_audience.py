"""Who may read what, against plain sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.audience import (
    OPERATOR,
    PUBLIC,
    PUBLIC_READER,
    Reader,
    audience_of,
    audience_of_text,
    audience_text,
    union,
)

tag_sets = st.frozensets(st.sampled_from(["ep", "lsst", "svom", "ztf-partners"]))


@given(tag_sets, tag_sets)
def test_a_reader_needs_every_tag_and_the_store_is_asked_for_the_same(held, wanted):
    reader, audience = Reader(audience_of(held)), audience_of(wanted)
    assert reader.may_read(audience) == (wanted <= held)
    text = audience_text(audience)
    assert (text is None or text in reader.texts()) == (wanted <= held)
    assert audience_of_text(text) == audience


@given(st.lists(tag_sets))
def test_what_is_made_of_records_has_the_tags_of_all(audiences):
    made = union(audience_of(each) for each in audiences)
    assert set(made) == set().union(*audiences)
    assert made == audience_of(made)


def test_the_public_and_the_operator():
    assert PUBLIC_READER.may_read(PUBLIC)
    assert not PUBLIC_READER.may_read(("ep",))
    assert OPERATOR.may_read(("ep", "lsst"))


@pytest.mark.parametrize("tag", ["", "EP", "two words", "-x", "a" * 33, "ep\n", "ep'--"])
def test_a_tag_is_one_plain_word(tag):
    with pytest.raises(ValueError, match="audience"):
        audience_of([tag])


def test_a_reader_has_at_most_eight_tags():
    with pytest.raises(ValueError, match="at most 8"):
        Reader(tuple(f"t{n}" for n in range(9)))
