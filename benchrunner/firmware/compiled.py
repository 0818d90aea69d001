"""A model as the engine will run it: accepted, folded, lowered, its memory planned."""

from __future__ import annotations

from dataclasses import dataclass

from benchrunner.errors import ModelError, UnsupportedOperatorError
from benchrunner.firmware.fold import fold
from benchrunner.firmware.lowered import Lowered
from benchrunner.firmware.lowering import LOWERINGS, lower
from benchrunner.firmware.plan import MemoryPlan, plan_memory
from benchrunner.model import Model

_HINT = (
    "convert the model with full int8 quantisation, or run it with another engine "
    "(benchrunner boards shows which a board has)"
)


@dataclass(frozen=True, slots=True)
class CompiledModel:
    model: Model  # folded
    layers: tuple[Lowered, ...]
    plan: MemoryPlan

    @property
    def constant_bytes(self) -> int:
        return sum(len(constant.data) for layer in self.layers for constant in layer.constants)


def compile_model(model: Model) -> CompiledModel:
    """Everything the generator needs to know.

    Raises `ModelError` for a graph that no fixed sequence of calls can run, and one
    `UnsupportedOperatorError` that lists every layer that the engine does not run.
    """
    _accept(model)
    folded = fold(model)
    layers = lower_layers(folded)
    return CompiledModel(folded, layers, plan_memory(folded.graph, layers))


def lower_layers(model: Model) -> tuple[Lowered, ...]:
    """Every operator of `model` as calls. Raises one error that lists all that cannot be."""
    layers: list[Lowered] = []
    refusals: list[str] = []
    for operator in model.graph.operators:
        try:
            layers.append(lower(model, operator))
        except UnsupportedOperatorError as error:
            refusals.append(error.message.removeprefix(f"{model.source}: "))
    if refusals:
        raise UnsupportedOperatorError(
            f"{model.source}: the aot engine does not run {len(refusals)} of "
            f"{len(model.graph.operators)} layers: {'; '.join(refusals)}",
            hint=f"{_HINT}; the engine runs {', '.join(sorted(LOWERINGS))}",
        )
    return tuple(layers)


def _accept(model: Model) -> None:
    graph = model.graph
    for index in graph.inputs:
        tensor = graph.tensors[index]
        # An open batch counts as 1, as in every runtime; an open height has no such meaning.
        if any(axis > 0 for axis in tensor.open_axes):
            axes = ", ".join(map(str, tensor.open_axes))
            raise ModelError(
                f"{model.source}: input {tensor.name!r} leaves dimensions {axes} open; firmware needs sizes",
                hint="convert the model again with a fixed input shape",
            )
    for tensor in graph.tensors:
        if tensor.variable:
            raise ModelError(
                f"{model.source}: tensor {tensor.index} {tensor.name!r} keeps a value between inferences; "
                "the aot engine runs each inference by itself",
                hint="unroll the recurrent layer when converting",
            )
    computed = [t for operator in graph.operators for t in graph.activations(operator.outputs)]
    if computed and all(tensor.dtype == "float32" for tensor in computed):
        raise UnsupportedOperatorError(
            f"{model.source}: all {len(graph.operators)} layers compute in float32; the aot engine runs int8",
            hint=_HINT,
        )
    for index in graph.outputs:
        if graph.tensors[index].constant:
            raise ModelError(
                f"{model.source}: output {graph.tensors[index].name!r} is a constant: there is nothing to run"
            )
