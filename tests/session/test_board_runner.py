"""The runner of a Linux board as a process of its own, with real runtimes and with scripted ones."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from runner_process import EMPTY_MODEL, PROGRAM, PYTHONS, request, run
from tflite_builder import ModelBuilder

from benchrunner.runtime import Interpreter, KernelSet, natural_input
from benchrunner.zoo import default_model, resolve_model

ORDER = ["hello", "memory", "loaded", "sample", "outputs", "timing", "memory", "done"]

SCRIPTED = """
import numpy

class OpResolverType:
    AUTO = 0
    BUILTIN_WITHOUT_DEFAULT_DELEGATES = 3

def load_delegate(path, options):
    if "missing" in path:
        raise ValueError("cannot open " + path)
    return path

class Interpreter:
    calls = 0
    def __init__(self, model_path, num_threads, experimental_delegates, experimental_op_resolver_type):
        print("a runtime that prints on standard output")
        self.delegates = experimental_delegates
        %(init)s
    def allocate_tensors(self):
        pass
    def get_input_details(self):
        return [dict(index=0, name="in", dtype=numpy.float32, shape=numpy.array([1]))]
    get_output_details = get_input_details
    def set_tensor(self, index, value):
        pass
    def get_tensor(self, index):
        return numpy.array([%(answer)s], numpy.float32)
    def invoke(self):
        Interpreter.calls += 1
        %(invoke)s
    def _get_ops_details(self):
        return [dict(op_name=name) for name in %(operators)s]
"""


def scripted(folder: Path, **parts: str) -> Path:
    """A `tflite_runtime` that does what the test says."""
    package = folder / "modules" / "tflite_runtime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("__version__ = '9.9'\n")
    defaults = {"init": "pass", "answer": "1", "invoke": "pass", "operators": "['CONV_2D']"}
    (package / "interpreter.py").write_text(SCRIPTED % (defaults | parts))
    return package.parent


def test_the_program_is_written_in_the_language_of_python_3_8() -> None:
    tree = ast.parse(PROGRAM.read_text(), feature_version=(3, 8))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names]
        )
    }
    assert imported <= sys.stdlib_module_names


def test_the_shipped_empty_model_is_what_its_generator_makes() -> None:
    tool = Path(__file__).resolve().parents[2] / "tools" / "build_empty_model.py"
    subprocess.run([sys.executable, str(tool), "--compare"], check=True, capture_output=True)


@pytest.mark.parametrize("python", PYTHONS)
def test_a_model_is_loaded_run_cold_warmed_up_and_timed_in_this_order(python: str, tmp_path: Path) -> None:
    model = resolve_model(default_model())
    interpreter = Interpreter(model.read_bytes(), KernelSet.BUILTIN)
    data = natural_input(interpreter.inputs[0], 1)
    (tmp_path / "image.bin").write_bytes(data)

    said = run(
        request(
            tmp_path,
            model=str(model),
            inputs=[str(tmp_path / "image.bin")],
            runs=5,
            kernels="reference",
            timing="python",
        ),
        python=python,
    )

    assert said.status == 0
    names = [event["event"] for event in said.events]
    assert list(dict.fromkeys(names)) == list(dict.fromkeys(ORDER))
    assert names[-2:] == ["memory", "done"]
    assert len(said.phase("cold")) == 1
    assert 1 <= len(said.phase("warmup")) <= 20
    assert len(said.phase("timed")) == 5
    assert all(event["ns"] > 0 and event["cpu_ns"] > 0 for event in said.of("sample"))
    assert said.one("done")["samples"] == len(said.of("sample"))
    loaded = said.one("loaded")
    assert loaded["inputs"][0]["bytes"] == len(data)
    assert loaded["delegated"] == 0
    written = (tmp_path / "outputs" / "0.bin").read_bytes()
    assert said.one("outputs")["sha256"] == [hashlib.sha256(written).hexdigest()]
    assert {event["crc32"] for event in said.of("sample")} == {zlib.crc32(written)}
    before, after = said.of("memory")
    assert before["rss_bytes"] < after["peak_bytes"]


def test_reference_kernels_on_the_board_give_the_bytes_of_the_same_kernels_here(tmp_path: Path) -> None:
    model = resolve_model(default_model())
    interpreter = Interpreter(model.read_bytes(), KernelSet.BUILTIN)
    data = natural_input(interpreter.inputs[0], 7)
    (tmp_path / "image.bin").write_bytes(data)
    asked = request(tmp_path, model=str(model), inputs=[str(tmp_path / "image.bin")], kernels="reference")

    assert run(asked).status == 0

    assert (tmp_path / "outputs" / "0.bin").read_bytes() == interpreter.run([data])[0]


def test_the_default_kernels_of_litert_show_their_delegate(tmp_path: Path) -> None:
    model = resolve_model(default_model())
    (tmp_path / "image.bin").write_bytes(bytes(128 * 128 * 3))
    asked = request(tmp_path, model=str(model), inputs=[str(tmp_path / "image.bin")])

    assert run(asked).one("loaded")["delegated"] > 0


@pytest.mark.parametrize("python", PYTHONS)
def test_a_model_of_a_microsecond_is_not_timed_call_by_call_in_python(python: str, tmp_path: Path) -> None:
    said = run(request(tmp_path, runs=50, calibration=str(EMPTY_MODEL)), python=python)

    assert said.status == 0
    assert said.one("calibrated")["call_overhead_ns"] > 0
    timing = said.one("timing")
    assert timing["method"] == "batched"
    assert timing["invokes_per_sample"] > 1
    assert timing["call_overhead_ns"] > 0
    assert len(said.phase("timed")) == 50
    assert (tmp_path / "outputs" / "0.bin").read_bytes() == struct.pack("<f", 1.0)


def test_the_number_of_warm_ups_can_be_set(tmp_path: Path) -> None:
    said = run(request(tmp_path, warmups=3, runs=0, timing="python"))

    assert len(said.phase("warmup")) == 3
    assert said.phase("timed") == []
    assert said.one("done")["samples"] == 4


def test_the_process_stays_on_the_cpus_it_is_given(tmp_path: Path) -> None:
    cpu = min(os.sched_getaffinity(0))

    assert run(request(tmp_path, affinity=[cpu])).status == 0
    said = run(request(tmp_path, affinity=[4096]))

    assert said.status == 1
    assert said.one("error")["kind"] == "affinity"


def test_what_a_runtime_prints_does_not_get_among_the_events(tmp_path: Path) -> None:
    said = run(request(tmp_path), modules=scripted(tmp_path))

    assert said.status == 0
    assert said.one("hello")["runtime_version"] == "9.9"
    assert "a runtime that prints" in said.stderr


@pytest.mark.parametrize(
    ("parts", "changed", "kind"),
    [
        ({"answer": "Interpreter.calls"}, {"runs": 50}, "output_changed"),
        ({"invoke": "raise ValueError('node 3 failed')"}, {}, "model"),
        ({"init": "raise MemoryError"}, {}, "memory"),
        ({"init": "raise SystemError('CreateWrapperFromFile')"}, {}, "no_runtime"),
        ({}, {"delegate": "/lib/missing.so"}, "delegate"),
        ({}, {"delegate": "/lib/takes_nothing.so"}, "delegate"),
        ({}, {"timing": "native"}, "timing"),
        ({}, {"inputs": []}, "input"),
        ({}, {"outputs": "/proc/outputs"}, "request"),
    ],
)
def test_a_failure_is_named_and_ends_the_events(
    parts: dict[str, str], changed: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    said = run(request(tmp_path, **changed), modules=scripted(tmp_path, **parts))

    assert said.status == 1
    assert said.events[-1]["event"] == "error"
    assert said.events[-1]["kind"] == kind
    assert said.events[-1]["message"]


def test_a_delegate_that_took_nodes_is_counted(tmp_path: Path) -> None:
    modules = scripted(tmp_path, operators="['SOFTMAX', 'Delegate/VxDelegate', 'DELEGATE']")

    loaded = run(request(tmp_path, delegate="/lib/vx.so"), modules=modules).one("loaded")

    assert (loaded["operators"], loaded["delegated"], loaded["delegate"]) == (3, 2, "/lib/vx.so")


def test_an_operator_of_a_later_version_than_the_runtime_has_is_no_fault_of_the_model(tmp_path: Path) -> None:
    builder = ModelBuilder()
    source = builder.input((1, 4))
    target = builder.tensor((1, 4), scales=(1 / 128,), zero_points=(0,))
    builder.operator("RELU", [source], [target], version=77)
    (tmp_path / "later.tflite").write_bytes(builder.finish(target))
    said = run(request(tmp_path, model=str(tmp_path / "later.tflite")))

    assert said.one("error")["kind"] == "runtime_too_old"
    assert "RELU" in said.one("error")["message"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"version": 2}, "version"),
        ({"threads": 0}, "threads"),
        ({"threads": True}, "threads"),
        ({"runs": -1}, "runs"),
        ({"runs": 1.5}, "runs"),
        ({"runtime": "numpy"}, "runtime"),
        ({"affinity": []}, "affinity"),
        ({"affinity": ["0"]}, "affinity"),
        ({"inputs": "x"}, "inputs"),
        ({"model": ""}, "model"),
        ({"delegate_options": {"a": 1}}, "delegate_options"),
        ({"answer": "yes"}, "answer"),
    ],
)
def test_a_wrong_request_names_its_key(changed: dict[str, Any], expected: str, tmp_path: Path) -> None:
    said = run(request(tmp_path, **changed))

    assert said.status == 1
    assert said.one("error")["kind"] == "request"
    assert said.one("error")["message"].startswith(f"{expected}: ")


@pytest.mark.parametrize("asked", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"{}" + b" " * (2 << 20)])
def test_a_request_that_is_no_json_object_is_refused(asked: bytes) -> None:
    said = run(asked)

    assert said.status == 1
    assert said.one("error")["kind"] == "request"


def test_a_python_without_a_runtime_says_so(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-I", "-S", str(PROGRAM)],
        input=json.dumps(request(tmp_path)).encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert b'"kind": "no_runtime"' in ended.stdout
