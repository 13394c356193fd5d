"""Filters that nobody means are refused in words, at once, and nothing of them runs."""

import json
import sys

import pytest

from correlator.errors import FilterError
from correlator.filters import filter_of_json, read_filter, text_of
from correlator.filters.json_form import filter_of_object
from correlator.filters.text_form import filter_of_text
from correlator.filters.tree import MAX_CONDITIONS, MAX_DEPTH

RANK = {"field": "rank", "op": "=", "value": 1}


def nested(depth):
    tree = RANK
    for _ in range(depth):
        tree = {"not": tree}
    return tree


TEXTS = {
    "nothing": "",
    "blanks": " \t\n",
    "a megabyte": "rank = 1 and " * 80_000,
    "a megabyte of one word": "a" * 2**20,
    "a megabyte of blanks": " " * 2**20,
    "parentheses": "(" * 10_000 + "rank = 1" + ")" * 10_000,
    "parentheses, some": "(" * 65 + "rank = 1" + ")" * 65,
    "nots": "not " * 4000 + "rank = 1",
    "nots, some": "not " * 21 + "rank = 1",
    "too many conditions": " and ".join(["rank=1"] * (MAX_CONDITIONS + 1)),
    "too many values": f"rank in ({','.join(map(str, range(1001)))})",
    "too many values in all": " or ".join(
        f"rank in ({','.join(map(str, range(k, k + 500)))})" for k in (0, 500, 1000)
    ),
    "python": "__import__('os').system('true')",
    "an attribute": "rank.__class__ = 1",
    "a dunder": "__class__ = 1",
    "a column": "body is null",
    "a column of the table": "case_name = 'kilonova'",
    "a table": "coincidences.rank = 1",
    "a statement": "rank = 1; DROP TABLE coincidences",
    "a comment": "rank = 1 -- and nothing else",
    "a block comment": "rank /* x */ = 1",
    "a union": "rank = 1 union select 1",
    "a subquery": "rank in (select 1)",
    "a quoted name": "'rank' = 1",
    "a backticked name": "`rank` = 1",
    "a function": "abs(rank) = 1",
    "arithmetic": "rank + 1 = 2",
    "a percent": "rank % 2 = 0",
    "a parameter": "rank = ?",
    "a named parameter": "rank = :rank",
    "a psycopg parameter": "rank = %(rank)s",
    "no end of a text": "case = 'kilonova",
    "no end of a list": "case in ('kilonova'",
    "no list": "case in 'kilonova'",
    "an empty list": "case in ()",
    "a null in a list": "case in ('kilonova', null)",
    "a null to compare with": "rank = null",
    "infinity": "rank < 1e999",
    "a huge number": "rank < " + "9" * 5000,
    "not a number": "rank = nan",
    "a number and a letter": "rank = 1x",
    "hexadecimal": "rank = 0x10",
    "two points": "rank = 1.2.3",
    "underscores": "rank = 1_000",
    "digits of another script": "rank = \u0661",
    "full-width digits": "rank = \uff11",
    "a full-width sign": "rank \uff1d 1",
    "a Kelvin sign for a K": "ran\u212a = 1",
    "a Cyrillic a": "r\u0430nk = 1",
    "a no-break space": "rank\u00a0= 1",
    "a zero-width space": "rank\u200b = 1",
    "a byte order mark inside": "rank = 1 \ufeff",
    "a right-to-left override": "case = '\u202ekilonova'",
    "a NUL": "case = 'kilo\0nova'",
    "half a character": "case = '\ud800'",
    "a newline in a text": "case = 'kilo\nnova'",
    "a long text": f"case = '{'k' * 451}'",
    "a text for a number": "rank = '1'",
    "a number for a text": "case = 1",
    "a text for a bool": "is_joint = 'true'",
    "a number for a bool": "is_joint = 1",
    "a number for a time": "event_time > 1760000000",
    "a time that is none": "event_time > '2026-02-30'",
    "a time of no calendar": "event_time > '2026-W01-1'",
    "a time of another zone": "event_time > '2026-01-01T00:00:00+02:00'",
    "a time out of range": "event_time > '1066-10-14'",
    "a leap second": "event_time > '2016-12-31T23:59:60Z'",
    "an order of texts": "case > 'kilonova'",
    "an interval of texts": "case between 'a' and 'b'",
    "an interval that ends first": "rank between 2 and 1",
    "a list of bools": "is_joint in (true, false)",
    "a class that is none": "event_class = 'GRB'",
    "a cone without a radius": "within(10, 20)",
    "a cone of four": "within(10, 20, 1, 1)",
    "a cone of texts": "within('10', 20, 1)",
    "a cone outside": "within(361, 20, 1)",
    "a cone below": "within(10, -91, 1)",
    "a cone of nothing": "within(10, 20, 0)",
    "a cone of nulls": "within(null, 20, 1)",
    "two conditions": "rank = 1 rank = 2",
    "a name alone": "rank",
    "a not after": "rank not 1",
    "a long chain": "1 < rank < 3 < 5",
    "a chain of fields": "rank < log_lr < 5",
    "a chain that begins with a field": "rank < 3 < 5",
    "a value alone": "1",
    "values only": "1 = 1",
    "brackets that do not match": "rank in [1, 2)",
    "a comma alone": "rank in (,)",
    "true first": "true = is_joint",
    "an and at the end": "rank = 1 and",
    "an or at the front": "or rank = 1",
    "a closing parenthesis": "rank = 1)",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_hostile_text_is_refused_in_a_line(text):
    with pytest.raises(FilterError) as raised:
        read_filter(text)
    said = str(raised.value)
    assert said.startswith("filter, ")
    assert len(said) < 1000
    assert raised.value.rule


OBJECTS = {
    "no object": [],
    "a text": "rank = 1",
    "a number": 1,
    "nothing": {},
    "an unknown key": {"xor": [RANK]},
    "one key more": {"and": [RANK], "sql": "1=1"},
    "no list": {"and": RANK},
    "an empty list": {"or": []},
    "a long list": {"or": [RANK] * (MAX_CONDITIONS + 1)},
    "many lists": {"or": [{"and": [RANK] * 200}] * 200},
    "no value": {"field": "rank", "op": "="},
    "null": {"field": "rank", "op": "=", "value": None},
    "a value for null": {"field": "rank", "op": "is null", "value": 1},
    "an object": {"field": "rank", "op": "=", "value": {"$ne": 1}},
    "a list": {"field": "rank", "op": "=", "value": [1]},
    "a list in a list": {"field": "rank", "op": "in", "value": [[1]]},
    "a text for a list": {"field": "case", "op": "in", "value": "kilonova"},
    "one end": {"field": "rank", "op": "between", "value": [1]},
    "true for a number": {"field": "rank", "op": "=", "value": True},
    "a field that is none": {"field": "1=1) or (rank", "op": "=", "value": 1},
    "a field of another kind": {"field": ["rank"], "op": "=", "value": 1},
    "an operator that is none": {"field": "rank", "op": "= 1 or 1", "value": 1},
    "a cone and more": {"within": {"ra_deg": 1, "dec_deg": 1, "radius_deg": 1, "x": 1}},
    "a cone of nothing": {"within": None},
    "too deep": nested(MAX_DEPTH + 1),
}


@pytest.mark.parametrize("said", OBJECTS.values(), ids=OBJECTS)
def test_a_hostile_object_is_refused_in_a_line(said):
    with pytest.raises(FilterError) as raised:
        filter_of_object(said)
    assert len(str(raised.value)) < 1000
    if isinstance(said, dict):
        with pytest.raises(FilterError):
            read_filter(json.dumps(said))


@pytest.mark.parametrize(
    "text",
    [
        '{"not": ' * 6000 + "1" + "}" * 6000,
        "[" * 60_000,
        '{"and": [' * 7000,
        '{"field": "rank", "op": "=", "value": NaN}',
        '{"field": "rank", "op": "=", "value": -Infinity}',
        '{"field": "rank", "op": "=", "value": 1e400}',
        '{"field": "rank", "op": "=", "value": ' + "9" * 60_000 + "}",
        '{"field": "rank", "op": "=", "value": 1, "value": 2}',
        '{"field": "rank", "op": "=", "value": 1',
        '{"field": "rank", "op": "=", "value": 1} {}',
        '{"field": "case", "op": "=", "value": "\\u0000"}',
        '{"field": "case", "op": "=", "value": "\\ud800"}',
        '{"a": "' + "x" * 2**20 + '"}',
    ],
    ids=lambda text: text[:40],
)
def test_hostile_json_is_refused_in_a_line(text):
    with pytest.raises(FilterError) as raised:
        filter_of_json(text)
    assert len(str(raised.value)) < 1000


def test_the_largest_filters_are_read_and_no_larger():
    deepest = filter_of_object(nested(MAX_DEPTH))
    assert filter_of_text(text_of(deepest)) == deepest
    widest = filter_of_text(" and ".join(["rank=1"] * MAX_CONDITIONS))
    assert filter_of_text(text_of(widest)) == widest
    # Written out in full it would be longer than a text may be.
    quotes = ", ".join('"' + "'" * n + '"' for n in range(420, 450))
    with pytest.raises(FilterError, match="written out"):
        filter_of_text(f"case in ({quotes})")


def test_a_filter_is_read_from_deep_inside_a_program():
    def below(n):
        return below(n - 1) if n else filter_of_object(nested(MAX_DEPTH))

    assert below(sys.getrecursionlimit() // 2)
