"""The native timing loop: compiled for this machine and the boards, used where the runtime allows it."""

from __future__ import annotations

import ctypes
import platform
import subprocess
from pathlib import Path

import pytest
from runner_process import EMPTY_MODEL, PYTHONS, request, run

from benchrunner.session.linux.native import native_loop

ELF_MACHINES = {"x86_64": 62, "aarch64": 183, "armv7l": 40}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def library(tmp_path: Path) -> Path:
    made = native_loop(platform.machine())
    assert made.library is not None, made.remark
    path = tmp_path / "loop.so"
    path.write_bytes(made.library)
    return path


def test_the_loop_is_compiled_for_this_machine_once(library: Path, tmp_path: Path) -> None:
    (kept,) = (tmp_path / "cache" / "benchrunner" / "native").iterdir()
    assert kept.read_bytes() == library.read_bytes()
    kept.write_bytes(b"kept")

    assert native_loop(platform.machine()).library == b"kept"


def test_the_loop_times_each_call_and_stops_at_the_first_that_fails(library: Path) -> None:
    loop = ctypes.CDLL(str(library)).benchrunner_time
    calls: list[int | None] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
    def invoke(interpreter: int | None) -> int:
        calls.append(interpreter)
        return 3 if len(calls) == 4 else 0

    samples = (ctypes.c_int64 * 6)(*[-1] * 6)
    status = loop(invoke, ctypes.c_void_p(17), ctypes.c_uint32(6), samples)

    assert status == 3
    assert calls == [17] * 4
    assert all(sample >= 0 for sample in samples[:4])
    assert list(samples[4:]) == [-1, -1]


def test_a_processor_without_a_known_calling_convention_has_no_loop() -> None:
    assert native_loop("riscv64").library is None
    assert "riscv64" in native_loop("riscv64").remark


def test_without_a_compiler_the_way_to_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    found = native_loop("aarch64")

    assert found.library is None
    assert "benchrunner[toolchain]" in found.remark


def test_a_compiler_that_fails_is_named_and_the_next_is_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho out of order >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(broken))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    found = native_loop("armv7l")

    assert found.library is None
    assert "out of order" in found.remark


@pytest.mark.parametrize("machine", ["aarch64", "armv7l"])
def test_the_loop_is_compiled_for_the_boards_processors(machine: str) -> None:
    made = native_loop(machine)

    assert made.library is not None, made.remark
    assert made.library[:4] == b"\x7fELF"
    assert int.from_bytes(made.library[18:20], "little") == ELF_MACHINES[machine]
    assert len(made.library) < 100_000


def test_the_runner_says_why_it_cannot_time_natively(library: Path, tmp_path: Path) -> None:
    said = run(request(tmp_path, timing="native", native_library=str(library)))  # LiteRT exports nothing

    assert said.one("error")["kind"] == "timing"
    assert "ai_edge_litert" in said.one("error")["message"]


@pytest.mark.parametrize("python", PYTHONS)
def test_what_the_runtime_exports_decides_how_a_model_of_a_microsecond_is_timed(
    python: str, library: Path, tmp_path: Path
) -> None:
    asked = request(tmp_path, runs=200, calibration=str(EMPTY_MODEL), native_library=str(library))
    said = run(asked, python=python)

    assert said.status == 0
    exported = said.one("hello")["runtime"] == "tflite_runtime"
    assert said.one("timing")["method"] == ("native" if exported else "batched")
    assert len(said.phase("timed")) == 200
    if exported:
        assert said.one("timing")["call_overhead_ns"] < said.one("calibrated")["call_overhead_ns"]


# A runtime of one C function: what it computes is how often it was called.
COUNTING = """
int counting_invoke(int *counter) __asm__("_ZN6tflite4impl11Interpreter6InvokeEv");
int counting_invoke(int *counter)
{
    ++*counter;
    return *counter > %d;
}
"""
RUNTIME = """
import ctypes, sys, types
import numpy
module = types.ModuleType("tflite_runtime._pywrap_tensorflow_interpreter_wrapper")
module.__file__ = {library!r}
sys.modules[module.__name__] = module
shared = ctypes.CDLL({library!r})
function = shared._ZN6tflite4impl11Interpreter6InvokeEv

class OpResolverType:
    AUTO = 0

def load_delegate(path, options):
    raise ValueError(path)

class Interpreter:
    def __init__(self, **settings):
        self.counter = ctypes.c_int(0)
    def allocate_tensors(self): pass
    def get_input_details(self): return []
    def get_output_details(self): return [dict(index=0, name="o", dtype=numpy.int32, shape=numpy.array([1]))]
    def get_tensor(self, index): return numpy.array([7], numpy.int32)
    def invoke(self):
        if function(ctypes.byref(self.counter)): raise RuntimeError("too often")
    def _native_handle(self): return ctypes.addressof(self.counter)
    def _get_ops_details(self):
        print("calls so far", self.counter.value, file=sys.stderr)
        return []
"""


def counting_runtime(folder: Path, most: int) -> Path:
    folder.mkdir()
    source, shared = folder / "counting.c", folder / "interpreter_wrapper.so"
    source.write_text(COUNTING % most)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(shared), str(source)], check=True)
    package = folder / "modules" / "tflite_runtime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("__version__ = '2.14.0'\n")
    (package / "interpreter.py").write_text(RUNTIME.format(library=str(shared)))
    return package.parent


def test_the_loop_calls_the_runtimes_own_function_on_the_interpreter_of_python(
    library: Path, tmp_path: Path
) -> None:
    asked = request(
        tmp_path,
        inputs=[],
        runs=40,
        warmups=0,
        timing="native",
        native_library=str(library),
        model="/etc/passwd",
    )

    good = run(asked, modules=counting_runtime(tmp_path / "1", 51))  # one cold, ten to warm up, 40 timed: 51
    short = run(asked, modules=counting_runtime(tmp_path / "2", 50))

    assert good.status == 0, good.events
    assert [len(good.phase(phase)) for phase in ("cold", "warmup", "timed")] == [1, 10, 40]
    assert short.events[-1]["kind"] == "model"
    assert "returned 1" in short.events[-1]["message"]
