"""Time of a model on a Linux board's CPU, or on its NPU and GPU: cycles of each operator over the clock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from benchrunner.errors import NoTimingModelError
from benchrunner.model import LayerKind
from benchrunner.timing.formula import TERMS, TimedLayer, work

LINUX_FORMULA_VERSION = 1
CPU_TERMS = (*TERMS, "gathered_input")  # inputs copied into rows before a matrix product (k x k convolutions)
GPU_TERMS = ("input_element", "output_element", "operator")
NPU_TERMS = ("input_element", "operator")
# Published rows have two processors: how many of them `threads` can keep busy is all that is known.
CPU_CORES = ("Cortex-A7 2 threads", "Cortex-A7 1 thread")
# No published time of this core may be used. Arm gives it a sixth more than a Cortex-A7 in browsing and more
# where memory is what limits; NEON is as wide. An assumption, and predictions say so.
ASSUMED_CORES = {"Cortex-A35": ("Cortex-A7", 0.8, 50.0)}  # like this core, its cycles x this, +- per cent
CPU_ENGINES = ("tflite", "benchmark-model")
ACCELERATOR_ENGINES = ("nbg",)


@dataclass(frozen=True, slots=True)
class LinuxError:
    """Errors of predictions for networks that were left out of the fit, in percent of the published time."""

    rows: int
    networks: int
    median_percent: float
    p90_percent: float
    family_median_percent: float
    family_p90_percent: float


@dataclass(frozen=True, slots=True)
class LinuxCoefficients:
    """Cycles per unit of work, and factors; written by `tools/fit_mpu_timing.py`."""

    version: str
    cpu_cycles: Mapping[str, float]
    cpu_cores: Mapping[str, float]
    cpu_releases: Mapping[str, float]  # by X-LINUX-AI version
    gpu_cycles: Mapping[str, float]
    npu_cycles: Mapping[str, float]
    accelerator_release: str
    errors: Mapping[str, LinuxError]  # by key of `CPU_CORES`, and "NPU/GPU"


@dataclass(frozen=True, slots=True)
class LinuxPrediction:
    """Modelled time of one warm inference: a value for each operator, their sum, and who spends it."""

    layer_ns: tuple[int, ...]
    total_ns: int
    npu_ns: int
    gpu_ns: int
    cpu_ns: int
    error_percent: float  # median absolute error, model or family left out, or the assumption's band
    version: str
    basis: str  # one sentence: what it was fitted on, and what is assumed


def predict_linux(
    layers: Sequence[TimedLayer],
    engine: str,
    *,
    core: str,
    clock_hz: int,
    threads: int = 1,
    x_linux_ai_version: str = "v5.1.0",
    quantization: str = "per-channel",
) -> LinuxPrediction:
    """Time of every operator on a Linux board.

    `clock_hz` is that of whatever executes the model: of the CPU, or of NPU and GPU for `nbg`. `threads` is
    the number of CPUs that work on it; more than two count as two. Raises `NoTimingModelError` for an engine,
    a core or a quantisation without published rows, an unknown operator, or arithmetic other than int8.
    Formula and errors: docs/decisions/mpu-timing-model.md.
    """
    if clock_hz <= 0:
        raise NoTimingModelError(f"no time without a clock: {clock_hz} Hz")
    fitted = load_linux_coefficients()
    if engine in CPU_ENGINES:
        return _on_cpu(layers, fitted, core, clock_hz, threads, x_linux_ai_version)
    if engine in ACCELERATOR_ENGINES:
        return _on_accelerator(layers, fitted, clock_hz, quantization)
    raise NoTimingModelError(
        f"no timing model for engine {engine!r}: expected one of "
        f"{', '.join((*CPU_ENGINES, *ACCELERATOR_ENGINES))}",
        hint="no times of it have been published that could be used: measure on the board itself",
    )


def cpu_work(layer: TimedLayer) -> tuple[int, ...]:
    """Amount of each of `CPU_TERMS` in one operator."""
    amounts = work(layer)
    gathered = 0
    if layer.kind is LayerKind.CONVOLUTION:
        gathered = (layer.macs or 0) // max(1, layer.out_channels)
    return (*amounts, gathered)


def accelerator_work(layer: TimedLayer, *, first: bool) -> tuple[int, ...]:
    """Amount of each of `GPU_TERMS` in one operator; the model's input is rearranged once."""
    called = work(layer)[-1]  # also refuses what is not known
    outputs = layer.output_elements if called else 0
    return (layer.input_elements if first else 0, outputs, called)


def _on_cpu(
    layers: Sequence[TimedLayer],
    fitted: LinuxCoefficients,
    core: str,
    clock_hz: int,
    threads: int,
    x_linux_ai_version: str,
) -> LinuxPrediction:
    if threads < 1:
        raise NoTimingModelError(f"no timing model for {threads} threads")
    like, assumed_factor, assumed_error = ASSUMED_CORES.get(core, (core, 1.0, 0.0))
    key = f"{like} {'2 threads' if threads > 1 else '1 thread'}"
    if key not in fitted.cpu_cores:
        known = (*dict.fromkeys(name.rsplit(" ", 2)[0] for name in fitted.cpu_cores), *ASSUMED_CORES)
        raise NoTimingModelError(
            f"no timing model for {core}: expected one of {', '.join(known)}",
            hint="simulate a board with one of these cores, or measure on the board itself",
        )
    release = _release(fitted.cpu_releases, x_linux_ai_version)
    factor = fitted.cpu_cores[key] * assumed_factor * fitted.cpu_releases[release]
    costs = [factor * fitted.cpu_cycles[term] for term in CPU_TERMS]
    layer_ns = tuple(_ns(costs, cpu_work(layer), clock_hz) for layer in layers)
    error = fitted.errors[key]
    basis = (
        f"modelled as TensorFlow Lite 2.11.0 of X-LINUX-AI {release} on {key}, from published times; "
        f"networks left out of the fit are off by {error.median_percent:.1f} % in the median, "
        f"{error.p90_percent:.1f} % at the 90th percentile ({error.rows} rows of {error.networks} networks), "
        f"with their family left out by {error.family_median_percent:.1f} %"
    )
    if threads == 1:
        basis += "; one thread is that of a chip with one CPU"
    if assumed_error:
        basis += (
            f"; no published time of a {core} was used: assumed to take {assumed_factor:g} of the cycles "
            f"of a {like}, within {assumed_error:.0f} %"
        )
    total = sum(layer_ns)
    return LinuxPrediction(
        layer_ns=layer_ns,
        total_ns=total,
        npu_ns=0,
        gpu_ns=0,
        cpu_ns=total,
        # Few networks of one family flatter each other: the larger of both errors is promised.
        error_percent=max(error.median_percent, error.family_median_percent, assumed_error),
        version=fitted.version,
        basis=basis,
    )


def _on_accelerator(
    layers: Sequence[TimedLayer], fitted: LinuxCoefficients, clock_hz: int, quantization: str
) -> LinuxPrediction:
    if quantization != "per-channel":
        raise NoTimingModelError(
            f"no timing model for {quantization} weights on the NPU: all published rows are per-channel",
            hint="measure on the board itself",
        )
    gpu_costs = [fitted.gpu_cycles[term] for term in GPU_TERMS]
    npu_costs = [fitted.npu_cycles.get(term, 0.0) for term in GPU_TERMS]
    amounts = [accelerator_work(layer, first=number == 0) for number, layer in enumerate(layers)]
    gpu = [_ns(gpu_costs, amount, clock_hz) for amount in amounts]
    npu = [_ns(npu_costs, amount, clock_hz) for amount in amounts]
    error = fitted.errors["NPU/GPU"]
    return LinuxPrediction(
        layer_ns=tuple(map(sum, zip(gpu, npu, strict=True))),
        total_ns=sum(gpu) + sum(npu),
        npu_ns=sum(npu),
        gpu_ns=sum(gpu),
        cpu_ns=0,
        error_percent=error.median_percent,
        version=fitted.version,
        basis=(
            f"modelled as OpenVX of X-LINUX-AI {fitted.accelerator_release} with per-channel weights, from "
            f"{error.rows} published times of {error.networks} networks of one family: each is off by "
            f"{error.median_percent:.1f} % in the median when the other alone is fitted; take other kinds of "
            "network as a guess"
        ),
    )


def _ns(costs: Sequence[float], amounts: Sequence[int], clock_hz: int) -> int:
    cycles = sum(cost * amount for cost, amount in zip(costs, amounts, strict=True))
    return round(cycles * 1e9 / clock_hz)


def _release(known: Mapping[str, float], asked: str) -> str:
    """The newest known release that is not newer than `asked`, else the oldest."""
    wanted = _numbers(asked)
    earlier = [name for name in known if _numbers(name) <= wanted]
    return max(earlier, key=_numbers) if earlier else min(known, key=_numbers)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.removeprefix("v").split(".") if part.isdecimal())


@cache
def load_linux_coefficients() -> LinuxCoefficients:
    """The coefficients that the package carries."""
    text = files(__package__).joinpath("linux_coefficients.json").read_text(encoding="utf-8")
    document = json.loads(text)
    terms = tuple(tuple(document[unit]["cycles"]) for unit in ("cpu", "gpu", "npu"))
    if document["formula"] != LINUX_FORMULA_VERSION or terms != (CPU_TERMS, GPU_TERMS, NPU_TERMS):
        raise NoTimingModelError(
            f"linux_coefficients.json: expected formula {LINUX_FORMULA_VERSION}, found {document['formula']}",
            hint="run tools/fit_mpu_timing.py --write",
        )
    return LinuxCoefficients(
        version=document["version"],
        cpu_cycles=document["cpu"]["cycles"],
        cpu_cores=document["cpu"]["cores"],
        cpu_releases=document["cpu"]["releases"],
        gpu_cycles=document["gpu"]["cycles"],
        npu_cycles=document["npu"]["cycles"],
        accelerator_release=document["gpu"]["release"],
        errors={name: LinuxError(**error) for name, error in document["errors"].items()},
    )
