"""The card of a model: what it may say, and what is refused by name."""

import pytest

from streams.model_card import ModelError, content_sha256, read_card
from tests.streams.onnx_factory import card_text

UNITS = {"last_mag_ab": "mag AB", "age_d": "d", "n_detections": ""}


def card_of(text=None, **said):
    return read_card((card_text(**said) if text is None else text).encode(), "here", UNITS)


def test_a_card_says_what_goes_in_and_what_comes_out():
    inputs = [("age_d", "d"), ("n_detections", "")]
    card = card_of(
        name="fast-rise", version="2.1", stage="live", inputs=inputs,
        extra='file = "fast.onnx"\nunknown = "nan"', output='name = "p"\ncolumn = 1',
    )  # fmt: skip
    assert (card.key, card.stage, card.file) == ("fast-rise.2.1", "live", "fast.onnx")
    assert (card.inputs, card.units) == (("age_d", "n_detections"), ("d", ""))
    assert (card.takes_unknown, card.output, card.column) == (True, "p", 1)
    assert card.meaning == "higher is brighter"


def test_what_a_card_need_not_say():
    card = card_of()
    assert (card.file, card.takes_unknown) == ("model.onnx", False)
    assert (card.output, card.column) == (None, None)


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ({"inputs": [("last_mag_vega", "mag")]}, r"inputs\[0\].name is one of our features"),
        ({"inputs": [("age_d", "h")]}, "the unit of age_d is 'd', got 'h'"),
        ({"inputs": [("age_d", "d"), ("age_d", "d")]}, "no input comes twice"),
        ({"name": "../up"}, "name is like"),
        ({"version": "1/2"}, "version is like"),
        ({"version": ""}, "version is like"),
        ({"stage": "production"}, "stage is one of shadow, live"),
        ({"extra": 'file = "../model.onnx"'}, "file is like"),
        ({"extra": 'file = "model.pkl"'}, "file is like"),
        ({"extra": 'unknown = "zero"'}, "unknown is one of skip, nan"),
        ({"extra": "threshold = 3"}, "has no entry but .*, got threshold"),
        ({"output": "column = -1"}, "output.column is 0 or more"),
        ({"output": "column = true"}, "output.column is a int"),
        ({"output": "unit = 'mag'"}, "got output.unit"),
    ],
)
def test_a_card_that_says_something_else_is_refused_with_the_rule(said, rule):
    with pytest.raises(ModelError, match=rule) as caught:
        card_of(**said)
    assert caught.value.model == "here"


@pytest.mark.parametrize("entry", ["name", "version", "owner", "stage", "meaning", "unit"])
def test_a_card_that_lacks_something_says_what(entry):
    kept = [line for line in card_text().splitlines() if not line.startswith(f"{entry} =")]
    with pytest.raises(ModelError, match=f"says .*{entry}"):
        card_of("\n".join(kept))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("name = ", "is TOML"),
        ("x" * 70_000, "at most 65536 bytes"),
        ("a = " + "[" * 20_000, "is TOML"),
        ("", "says inputs"),
        ('inputs = "age_d"\n[output]\nmeaning = "m"', "inputs is a list"),
        ('inputs = []\n[output]\nmeaning = "m"', "1 to 200 inputs, got 0"),
        ('inputs = ["age_d"]\n[output]\nmeaning = "m"', r"inputs\[0\] is a table"),
    ],
    ids=["broken", "long", "deep", "empty", "text", "none", "names"],
)
def test_what_is_no_card_is_refused(text, rule):
    with pytest.raises(ModelError, match=rule):
        card_of(text)


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(ModelError, match="is TOML"):
        read_card(b"\xff\xfe", "here", UNITS)


def test_the_hash_is_of_what_a_version_means_and_not_of_its_stage():
    first = content_sha256(card_of(), b"file")
    assert content_sha256(card_of(stage="live"), b"file") == first
    assert content_sha256(card_of(), b"another") != first
    assert content_sha256(card_of(extra='unknown = "nan"'), b"file") != first
    assert content_sha256(card_of(inputs=[("age_d", "d")]), b"file") != first
    assert content_sha256(card_of(output="column = 0"), b"file") != first
