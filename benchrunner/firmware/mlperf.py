"""Which models are those of MLPerf Tiny, and the object by which their image answers its commands."""

from __future__ import annotations

from dataclasses import dataclass

from benchrunner.firmware.generate import comment
from benchrunner.model import Model, Tensor
from benchrunner.protocol.mlperf_tiny import MODELS, Load


@dataclass(frozen=True, slots=True)
class MlperfTask:
    """A benchmark of MLPerf Tiny; its models are known by their shapes."""

    model: str
    input_shape: tuple[int, ...]
    outputs: int
    load: str  # how the bytes that the runner sends become the input


_LOADS = {
    Load.AS_IS: "BENCH_MLPERF_AS_IS",
    Load.PIXELS: "BENCH_MLPERF_MINUS_128",
    Load.FLOATS: "BENCH_MLPERF_FLOATS",
}
TASKS = tuple(
    MlperfTask(model.name, model.input_shape, model.output_values, _LOADS[model.load])
    for model in MODELS.values()
)


def mlperf_task(model: Model) -> MlperfTask | None:
    """The benchmark whose shapes `model` has: one int8 input, one int8 output. None for any other model."""
    graph = model.graph
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return None
    source, target = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    if source.dtype != "int8" or target.dtype != "int8":
        return None
    for task in TASKS:
        if source.shape == task.input_shape and target.shape == (1, task.outputs):
            return task
    return None


def mlperf_source(model: Model, task: MlperfTask, vendor: str) -> str:
    """C that defines `bench_mlperf`. `vendor` is the board's id."""
    graph = model.graph
    source, target = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    floats = task.load == "BENCH_MLPERF_FLOATS"
    array = f"static float floats[{source.elements}]; /* the input as it was sent */\n\n" if floats else ""
    return (
        f"/* MLPerf Tiny's {task.model}, as which the shapes of {comment(model.name)} are known. */\n"
        f'#include "bench_mlperf.h"\n\n#include <stddef.h>\n\n{array}'
        "const bench_mlperf_t bench_mlperf = {\n"
        f'    .model = "{task.model}",\n'
        f'    .vendor = "{comment(vendor)}",\n'
        f"    .load = {task.load},\n"
        f"    .floats = {'floats' if floats else 'NULL'},\n"
        f"    .input_scale = {_scale(source)},\n"
        f"    .input_zero_point = {_zero_point(source)},\n"
        f"    .output_scale = {_scale(target)},\n"
        f"    .output_zero_point = {_zero_point(target)},\n"
        "};\n"
    )


def _scale(tensor: Tensor) -> str:
    scales = tensor.quantisation.scales if tensor.quantisation else (0.0,)
    return f"{float(scales[0]).hex()}f"


def _zero_point(tensor: Tensor) -> int:
    return tensor.quantisation.zero_points[0] if tensor.quantisation else 0
