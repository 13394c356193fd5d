"""The folder of models: what a look tells, and what a version is known by."""

import os
import shutil

import pytest

from streams.model_folder import MAX_ONNX_BYTES, ModelFolder, folders_of
from tests.streams.onnx_factory import put_model

UNITS = {"last_mag_ab": "mag AB"}


def folder_of(path):
    return ModelFolder(path, UNITS)


def names(changes):
    return [change.folder for change in changes]


def test_no_folder_is_no_model(tmp_path):
    folder = folder_of(tmp_path / "models")
    assert folder.look() == []
    put_model(tmp_path / "models", b"onnx")
    assert names([*folder.look(), *folder.look()]) == ["brightness-1.0"]


def test_a_folder_is_told_of_once_it_is_at_rest(tmp_path):
    folder, place = folder_of(tmp_path), put_model(tmp_path, b"half a fi")
    assert folder.look() == []
    (place / "model.onnx").write_bytes(b"half a file, and the rest")
    assert folder.look() == []
    (change,) = folder.look()
    assert change.model.onnx == b"half a file, and the rest"
    assert (change.model.card.key, change.error) == ("brightness.1.0", None)
    assert folder.look() == []


def test_a_folder_that_goes_is_told_of_and_so_is_its_return(tmp_path):
    folder, place = folder_of(tmp_path), put_model(tmp_path, b"onnx")
    folder.look(), folder.look()
    shutil.rmtree(place)
    (gone,) = folder.look()
    assert (gone.folder, gone.model, gone.error) == ("brightness-1.0", None, None)
    put_model(tmp_path, b"onnx")
    assert names([*folder.look(), *folder.look()]) == ["brightness-1.0"]


def test_a_touched_card_is_told_of_again(tmp_path):
    folder, place = folder_of(tmp_path), put_model(tmp_path, b"onnx")
    folder.look(), folder.look()
    os.utime(place / "model.toml", (1.0, 1.0))
    assert names([*folder.look(), *folder.look()]) == ["brightness-1.0"]


def test_models_lie_one_or_two_levels_deep_and_nothing_else_is_one(tmp_path):
    put_model(tmp_path, b"onnx", version="1.0")
    put_model(tmp_path / "theirs", b"onnx", version="2.0")
    put_model(tmp_path / "too" / "deep", b"onnx", version="3.0")
    put_model(tmp_path / ".hidden", b"onnx", version="4.0")
    (tmp_path / "readme.txt").write_text("a file")
    (tmp_path / "empty").mkdir()
    assert folders_of(tmp_path) == ["brightness-1.0", "theirs/brightness-2.0"]


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda p: (p / "model.onnx").unlink(), "model.onnx can be read"),
        (lambda p: (p / "model.onnx").write_bytes(b""), "model.onnx is not empty"),
        (lambda p: os.truncate(p / "model.onnx", MAX_ONNX_BYTES + 1), "has at most"),
        (lambda p: (p / "model.toml").write_text("name ="), "model.toml is TOML"),
        (lambda p: ((p / "model.onnx").unlink(), os.mkfifo(p / "model.onnx")), "is a file"),
    ],
    ids=["missing", "empty", "large", "card", "pipe"],
)
def test_a_broken_one_is_told_with_the_rule_and_the_others_come(spoil, rule, tmp_path):
    spoil(put_model(tmp_path, b"onnx"))
    put_model(tmp_path, b"onnx", version="2.0")
    folder = folder_of(tmp_path)
    broken, sound = [*folder.look(), *folder.look()]
    assert (broken.model, broken.folder) == (None, "brightness-1.0")
    assert rule in broken.error.problem
    assert sound.model.card.version == "2.0"


def test_the_first_hash_of_a_version_stays_for_every_process(tmp_path):
    folder = folder_of(tmp_path)
    assert folder.known_sha256("brightness.1.0") is None
    assert folder.remember("brightness.1.0", "aa") == "aa"
    assert folder.remember("brightness.1.0", "bb") == "aa"
    other = folder_of(tmp_path)
    assert other.known_sha256("brightness.1.0") == "aa"
    assert other.remember("brightness.1.0", "bb") == "aa"
    assert [p.name for p in (tmp_path / ".known").iterdir()] == ["brightness.1.0"]


def test_a_hash_that_cannot_be_written_is_kept_in_memory(tmp_path):
    (tmp_path / ".known").write_text("a file where the folder should be")
    folder = folder_of(tmp_path)
    assert folder.remember("brightness.1.0", "aa") == "aa"
    assert folder.remember("brightness.1.0", "bb") == "aa"
