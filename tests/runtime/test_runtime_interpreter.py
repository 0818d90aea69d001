from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable

import pytest

from benchrunner.errors import ModelError, UnsupportedOperatorError, UsageError
from benchrunner.runtime import Interpreter, KernelSet, Tensor, reference_name, select_runtime
from benchrunner.runtime.chatter import without_remarks

BuildModel = Callable[..., bytes]


@pytest.mark.parametrize("kernels", KernelSet)
def test_every_kernel_set_runs_a_model_on_raw_bytes(build_model: BuildModel, kernels: KernelSet) -> None:
    interpreter = Interpreter(build_model(), kernels)
    (output,) = interpreter.run([struct.pack("<4f", -1.0, 2.5, -0.0, 1e30)])
    assert [abs(value) for value in struct.unpack("<4f", output)] == [0.0, 2.5, 0.0, pytest.approx(1e30)]


def test_inputs_and_outputs_are_described(build_model: BuildModel) -> None:
    interpreter = Interpreter(build_model(), KernelSet.REFERENCE)
    assert interpreter.inputs == (Tensor("in", (1, 4), "float32", 0.0, 0, 16),)
    assert interpreter.outputs == (Tensor("out", (1, 4), "float32", 0.0, 0, 16),)


def test_a_second_run_does_not_remember_the_first(build_model: BuildModel) -> None:
    interpreter = Interpreter(build_model(), KernelSet.BUILTIN)
    first = interpreter.run([struct.pack("<4f", 1, 2, 3, 4)])
    interpreter.run([struct.pack("<4f", 9, 9, 9, 9)])
    assert interpreter.run([struct.pack("<4f", 1, 2, 3, 4)]) == first == (struct.pack("<4f", 1, 2, 3, 4),)


@pytest.mark.parametrize("length", [0, 15, 17])
def test_an_input_of_the_wrong_length_is_refused(build_model: BuildModel, length: int) -> None:
    interpreter = Interpreter(build_model(), KernelSet.BUILTIN)
    with pytest.raises(UsageError, match=rf"input 0 \(in\): expected 16 bytes .*, found {length}"):
        interpreter.run([bytes(length)])


def test_the_wrong_number_of_inputs_is_refused(build_model: BuildModel) -> None:
    interpreter = Interpreter(build_model(), KernelSet.BUILTIN)
    with pytest.raises(UsageError, match="expected 1, found 2"):
        interpreter.run([bytes(16), bytes(16)])


def test_a_custom_operator_is_named(build_model: BuildModel) -> None:
    with pytest.raises(UnsupportedOperatorError, match=r"does not have custom operator WarpDrive$"):
        Interpreter(build_model("CUSTOM", custom="WarpDrive"), KernelSet.BUILTIN)


def test_an_operator_version_from_the_future_is_named(build_model: BuildModel) -> None:
    with pytest.raises(UnsupportedOperatorError, match=r"does not have RELU \(version 99\)$"):
        Interpreter(build_model(version=99), KernelSet.BUILTIN)


def test_a_type_that_the_kernel_does_not_take_is_a_model_error(build_model: BuildModel) -> None:
    with pytest.raises(ModelError, match=r"refuses it: .*INT64"):
        Interpreter(build_model(dtype="int64"), KernelSet.REFERENCE).run([bytes(32)])


def test_a_tensor_of_text_is_a_model_error(build_model: BuildModel) -> None:
    with pytest.raises(ModelError, match="tensor in: expected numbers, found "):
        Interpreter(build_model(dtype="string"), KernelSet.BUILTIN)


def test_bytes_that_are_not_a_model_are_a_model_error() -> None:
    with pytest.raises(ModelError, match="refuses it: "):
        Interpreter(b"not a flatbuffer, only text" * 10, KernelSet.BUILTIN)


@pytest.mark.parametrize("kernels", KernelSet)
def test_the_reference_is_named_with_version_and_kernel_set(
    build_model: BuildModel, kernels: KernelSet
) -> None:
    runtime = select_runtime()
    expected = f"{runtime.title} {runtime.version} {kernels.value}"
    assert reference_name(kernels) == expected
    assert Interpreter(build_model(), kernels).reference == expected


def test_importing_the_adapter_imports_no_runtime_and_no_numpy() -> None:
    code = "import sys, benchrunner.runtime; print([m for m in sys.modules if m.split('.')[0] in sys.argv])"
    heavy = ["numpy", "ai_edge_litert", "tflite_runtime", "tflite", "flatbuffers"]
    done = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_remarks_are_dropped_and_everything_else_reaches_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with without_remarks():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nERROR: out of luck\n")
        os.write(2, b"no newline at the end")
    assert capfd.readouterr().err == "ERROR: out of luck\nno newline at the end"


def test_stderr_is_back_after_an_exception(capfd: pytest.CaptureFixture[str]) -> None:
    def fail_inside() -> None:
        with without_remarks():
            os.write(2, b"before\n")
            raise KeyError("inside")

    with pytest.raises(KeyError):
        fail_inside()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nafter\n"


def test_loading_a_model_says_nothing(build_model: BuildModel, capfd: pytest.CaptureFixture[str]) -> None:
    Interpreter(build_model(), KernelSet.XNNPACK).run([bytes(16)])
    assert capfd.readouterr() == ("", "")
