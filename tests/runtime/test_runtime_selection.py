from __future__ import annotations

import importlib.metadata

import pytest

from benchrunner.errors import UsageError
from benchrunner.runtime import Interpreter, KernelSet, RuntimeName, available_runtimes, select_runtime

BOTH = {"ai-edge-litert": "2.3.0", "tflite-runtime": "2.14.0", "numpy": "1.26.4"}


def pretend_installed(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str]) -> None:
    def version(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_litert_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCHRUNNER_RUNTIME", raising=False)
    pretend_installed(monkeypatch, BOTH)
    assert [runtime.name for runtime in available_runtimes()] == ["litert", "tflite-runtime"]
    assert select_runtime().name is RuntimeName.LITERT
    assert select_runtime().version == "2.3.0"


def test_tflite_runtime_is_used_where_it_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCHRUNNER_RUNTIME", raising=False)
    pretend_installed(monkeypatch, {"tflite-runtime": "2.14.0"})
    assert select_runtime().name is RuntimeName.TFLITE_RUNTIME


def test_the_environment_selects_and_an_argument_overrules_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_installed(monkeypatch, BOTH)
    monkeypatch.setenv("BENCHRUNNER_RUNTIME", "tflite-runtime")
    assert select_runtime().name is RuntimeName.TFLITE_RUNTIME
    assert select_runtime("litert").name is RuntimeName.LITERT


def test_an_empty_variable_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_installed(monkeypatch, BOTH)
    monkeypatch.setenv("BENCHRUNNER_RUNTIME", "")
    assert select_runtime().name is RuntimeName.LITERT


def test_no_runtime_at_all_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCHRUNNER_RUNTIME", raising=False)
    pretend_installed(monkeypatch, {})
    with pytest.raises(UsageError, match="no TFLite runtime is installed") as caught:
        Interpreter(b"", KernelSet.BUILTIN)
    assert caught.value.hint == "pip install ai-edge-litert"


def test_a_runtime_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHRUNNER_RUNTIME", "tflite-runtime")
    pretend_installed(monkeypatch, {"ai-edge-litert": "2.3.0"})
    with pytest.raises(UsageError, match="BENCHRUNNER_RUNTIME: tflite-runtime is not installed") as caught:
        select_runtime()
    assert "benchrunner[tflite-runtime]" in caught.value.hint


def test_an_unknown_runtime_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHRUNNER_RUNTIME", "tensorflow")
    with pytest.raises(UsageError, match="BENCHRUNNER_RUNTIME: expected one of litert, tflite-runtime"):
        select_runtime()


def test_tflite_runtime_beside_numpy_2_is_refused_before_it_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_installed(monkeypatch, {**BOTH, "numpy": "2.4.6"})
    with pytest.raises(UsageError, match=r"needs numpy < 2, found numpy 2\.4\.6"):
        Interpreter(b"", KernelSet.BUILTIN, runtime="tflite-runtime")


def test_a_broken_installation_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_installed(monkeypatch, BOTH)

    def fail(name: str) -> None:
        raise ImportError("libstdc++.so.6: GLIBCXX_3.4.30 not found")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(UsageError, match=r"LiteRT 2\.3\.0 is installed and does not import: libstdc"):
        Interpreter(b"", KernelSet.BUILTIN, runtime="litert")
