"""What the host decides of a case on a Linux board: model, inputs, the right answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from benchrunner.errors import BenchrunnerError, UsageError
from benchrunner.model import Model, layer_costs, load_model
from benchrunner.record import BoardClass, Case, NotMeasured
from benchrunner.run.prepare import choose_inputs, quantization, weight_format
from benchrunner.run.request import RunRequest
from benchrunner.runtime import (
    Interpreter,
    KernelSet,
    RuntimeName,
    Tensor,
    available_runtimes,
    select_runtime,
)
from benchrunner.session.linux.answers import Reference

# The likely ones first: what a runtime takes by itself, without its delegates, and without anything clever.
_KERNEL_SETS: Final = (KernelSet.XNNPACK, KernelSet.BUILTIN, KernelSet.REFERENCE)
# What the runner calls a runtime, and what it is called here.
RUNTIMES: Final = {"tflite_runtime": RuntimeName.TFLITE_RUNTIME, "ai_edge_litert": RuntimeName.LITERT}


@dataclass(frozen=True, slots=True)
class PreparedLinux:
    """A case that can be tried: everything the host decides."""

    case: Case
    model: Model
    model_bytes: bytes
    inputs: tuple[bytes, ...]
    output_dtypes: tuple[str, ...]
    macs: int

    def references(self) -> Iterator[Reference]:
        """The answers of the kernel sets that are here, one after the other. There is at least one."""
        for interpreter in self.interpreters():
            try:
                found = _answer_of(interpreter, self.inputs)
            except BenchrunnerError:
                continue  # this runtime fails in the middle of the model
            yield found

    def interpreters(self) -> Iterator[Interpreter]:
        """The model in each kernel set that is here. There is at least one."""
        for runtime in available_runtimes():
            for kernels in _KERNEL_SETS:
                try:
                    yield Interpreter(self.model_bytes, kernels, runtime.name)
                except BenchrunnerError:
                    continue  # not for this model, or this runtime does not load beside this numpy

    def reference(self, kernels: KernelSet, runtime: str | None = None) -> Reference:
        """The answer of one kernel set. Raises `ModelError`, `UsageError`."""
        return _answer_of(Interpreter(self.model_bytes, kernels, runtime), self.inputs)


def _answer_of(interpreter: Interpreter, inputs: tuple[bytes, ...]) -> Reference:
    return Reference(
        name=interpreter.reference,
        runtime=interpreter.runtime.name,
        version=interpreter.runtime.version,
        kernels=interpreter.kernels,
        outputs=interpreter.run(inputs),
    )


def prepare_linux(request: RunRequest) -> PreparedLinux:
    """Read the model and choose the inputs.

    Raises `ModelError` or `UsageError`; nothing has been touched then.
    """
    board, options = request.board, request.linux
    assert board.linux is not None
    if request.engine not in board.engines:
        raise UsageError(
            f"board {board.id} does not run engine {request.engine!r}",
            hint=f"it runs: {', '.join(board.engines)}",
        )
    _refuse_what_linux_lacks(request)
    _refuse_what_the_engine_lacks(request)
    model = load_model(request.model)
    model_bytes = request.model.read_bytes()
    if hashlib.sha256(model_bytes).hexdigest() != model.sha256:
        raise UsageError(f"{request.model}: the file changed while it was being read")
    interpreter = Interpreter(model_bytes, KernelSet.BUILTIN)
    inputs = choose_inputs(request, interpreter.inputs)
    case = Case(
        board=board.id,
        board_class=BoardClass.LINUX,
        board_name=board.name,
        series=board.series,
        engine=request.engine,
        engine_version="",  # the board tells
        model=model.name,
        model_sha256=model.sha256,
        graph_sha256=model.graph_sha256,
        format=weight_format(model),
        quantization=quantization(model),
        resolution=_resolution(interpreter.inputs),
        execution_engine=_execution_engine(request),
        clock_hz=board.linux.clock_hz or NotMeasured("the board was not reached"),
        starts=options.starts,
        timed_runs=request.runs,
        input_sha256=hashlib.sha256(b"".join(inputs)).hexdigest(),
        options=_options(request),
    )
    return PreparedLinux(
        case=case,
        model=model,
        model_bytes=model_bytes,
        inputs=inputs,
        output_dtypes=tuple(tensor.dtype for tensor in interpreter.outputs),
        macs=sum(cost.macs or 0 for cost in layer_costs(model)),
    )


def runtime_here(runner_name: str, version: str) -> str | None:
    """The name of the runtime on this computer that is the board's, version and all; None where it is not."""
    name = RUNTIMES.get(runner_name)
    if name is None or all(each.name is not name for each in available_runtimes()):
        return None
    return name if select_runtime(name).version == version else None


def _resolution(tensors: tuple[Tensor, ...]) -> str:
    return "x".join(str(size) for size in tensors[0].shape[1:]) if tensors else ""


def _execution_engine(request: RunRequest) -> str:
    """As published tables have it: the delegate of STM32MP2 and network binaries use NPU and GPU together."""
    if request.linux.delegate is not None or request.engine == "nbg":
        return "NPU/GPU"
    return f"{request.linux.threads} CPU"


def _options(request: RunRequest) -> dict[str, str | int | bool]:
    """What decides about the number beside board, engine and model."""
    options = request.linux
    found: dict[str, str | int | bool] = {"threads": options.threads}
    if options.affinity is not None:
        found["affinity"] = ",".join(map(str, options.affinity))
    if options.delegate is not None:
        found["delegate"] = options.delegate
    if options.kernels != "default":
        found["kernels"] = options.kernels
    if options.timing != "auto":
        found["timing"] = options.timing
    if options.runtime != "auto":
        found["runtime"] = options.runtime
    if options.xnnpack is not None:
        found["xnnpack"] = options.xnnpack
    if options.tune:
        found["tune"] = True
    return found


def _refuse_what_linux_lacks(request: RunRequest) -> None:
    refused = {
        "--port": request.port is not None,
        "--lines": request.boot_lines,
        "--reflash": request.reflash,
        "--unprotect": request.unprotect,
    }
    given = [option for option, is_given in refused.items() if is_given]
    if given:
        raise UsageError(
            f"{request.board.id} runs Linux: {', '.join(given)} cannot be used with it",
            hint="it is reached with --host USER@HOST, a place of lab.toml, --sim or --emulate",
        )


def _refuse_what_the_engine_lacks(request: RunRequest) -> None:
    """An option without effect would stand in the record as if it had decided about the number."""
    options = request.linux
    if options.xnnpack is not None and request.engine != "benchmark-model":
        raise UsageError(
            f"--xnnpack is an option of engine benchmark-model, not of {request.engine}",
            hint="with engine tflite, --kernels reference runs without XNNPACK",
        )
    if options.threads > 1 and request.engine == "nbg":
        raise UsageError(
            f"--threads {options.threads} has no effect with engine nbg: the NPU executes a network binary",
            hint="leave --threads out",
        )
