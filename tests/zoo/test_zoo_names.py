from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

import benchrunner.zoo
from benchrunner.errors import ModelError
from benchrunner.zoo import default_model, list_models, resolve_model


def test_a_name_of_the_zoo_is_its_file() -> None:
    for model in list_models():
        assert resolve_model(model.name) == model.path


def test_an_existing_file_wins_over_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = default_model()
    Path(name).write_bytes(b"my own")
    assert resolve_model(name) == Path(name)


def test_a_misspelt_name_gets_the_close_ones() -> None:
    with pytest.raises(ModelError, match=r"^fdmobilnet_0\.25_128: neither a file nor") as caught:
        resolve_model("fdmobilnet_0.25_128")
    assert "did you mean fdmobilenet_0.25_128_int8" in caught.value.hint
    assert "benchrunner models" in caught.value.hint


def test_a_missing_file_of_a_zoo_name_is_understood() -> None:
    with pytest.raises(ModelError) as caught:
        resolve_model("models/st_fdmobilenet_v1_224_int8.tflite")
    assert "did you mean st_fdmobilenet_v1_224_int8" in caught.value.hint


def test_nothing_close_gets_only_the_list() -> None:
    with pytest.raises(ModelError) as caught:
        resolve_model("/nowhere/qqq.tflite")
    assert caught.value.hint == "`benchrunner models` lists the zoo"


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"expected a \.tflite file, found a folder"):
        resolve_model(str(tmp_path))


@pytest.fixture
def damaged_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shipped = resolve_model(default_model())
    shutil.copy(shipped, tmp_path)
    monkeypatch.setattr(benchrunner.zoo, "FOLDER", tmp_path)
    return tmp_path / shipped.name


def test_a_shipped_file_with_a_flipped_bit_is_refused(damaged_zoo: Path) -> None:
    assert resolve_model(default_model()) == damaged_zoo
    data = bytearray(damaged_zoo.read_bytes())
    data[100_000] ^= 1
    damaged_zoo.write_bytes(data)
    with pytest.raises(ModelError, match="shipped model was changed: SHA-256: expected e7") as caught:
        resolve_model(default_model())
    assert caught.value.hint == "install benchrunner again"


def test_a_shipped_file_that_is_gone_is_refused(damaged_zoo: Path) -> None:
    damaged_zoo.unlink()
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        resolve_model(default_model())


def test_the_index_cannot_be_changed_by_accident() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        list_models()[0].sha256 = ""  # type: ignore[misc]
