"""What a whole model costs: multiply-accumulates, parameters, bytes of weights, peak of live activations."""

from __future__ import annotations

from dataclasses import dataclass

from benchrunner.model.graph import Model
from benchrunner.model.layers import LayerCost, LayerKind, layer_costs
from benchrunner.model.memory import LiveMemory, live_memory

# Plumbing at the borders and between layers, which the definition of the naive peak does not look at.
_NOT_A_LAYER = (LayerKind.QUANTISE, LayerKind.VIEW, LayerKind.COPY)


@dataclass(frozen=True, slots=True)
class SeparablePair:
    """A depthwise convolution and the 1x1 convolution that reads it.

    `standard_macs` is the one convolution that they stand for: the depthwise kernel and stride, all channels.
    """

    depthwise: int  # indices of the layers
    pointwise: int
    in_channels: int
    out_channels: int
    kernel_h: int
    kernel_w: int
    macs: int
    standard_macs: int

    @property
    def reduction(self) -> float:
        """MACs of the pair divided by those of the standard convolution."""
        return self.macs / self.standard_macs

    @property
    def formula(self) -> float:
        """The same from 1/d_j + 1/k² (Howard et al., arXiv 1704.04861, section 3.1)."""
        return 1 / self.out_channels + 1 / (self.kernel_h * self.kernel_w)


@dataclass(frozen=True, slots=True)
class ModelCost:
    """Sums over the layers. `unknown` names the layers whose MACs are not in `counted_macs`."""

    layers: tuple[LayerCost, ...]
    counted_macs: int
    unknown: tuple[str, ...]
    parameters: int
    weight_bytes: int
    constant_bytes: int  # all constants as the file stores them: shared ones once, shapes and axes too
    live: LiveMemory
    naive_peak_bytes: int  # max over layers of input + output + live shortcut
    pairs: tuple[SeparablePair, ...]

    @property
    def macs(self) -> int | None:
        """MACs of one inference; None where an operator is unknown."""
        return None if self.unknown else self.counted_macs


def model_cost(model: Model) -> ModelCost:
    """Cost of `model`. Raises `ModelError` naming a layer whose shapes contradict each other."""
    layers = layer_costs(model)
    live = live_memory(model.graph)
    # Tensors may share a buffer; the reader gives them the same view.
    stored = {id(t.data): len(t.data) for t in model.graph.tensors if t.data is not None}
    return ModelCost(
        layers=layers,
        counted_macs=sum(layer.macs or 0 for layer in layers),
        unknown=tuple(f"layer {layer.index} {layer.operator}" for layer in layers if layer.macs is None),
        parameters=sum(layer.parameters for layer in layers),
        weight_bytes=sum(layer.weight_bytes for layer in layers),
        constant_bytes=sum(stored.values()),
        live=live,
        naive_peak_bytes=max(
            (live.during_bytes[layer.index] for layer in layers if layer.kind not in _NOT_A_LAYER),
            default=live.peak_bytes,
        ),
        pairs=_pairs(model, layers),
    )


def _pairs(model: Model, layers: tuple[LayerCost, ...]) -> tuple[SeparablePair, ...]:
    depthwise = {
        model.graph.operators[layer.index].outputs[0]: layer
        for layer in layers
        if layer.kind is LayerKind.DEPTHWISE
    }
    found = []
    for point in layers:
        if point.kind is not LayerKind.POINTWISE:
            continue
        first = depthwise.get(model.graph.operators[point.index].inputs[0])
        if first is None or not first.macs or not point.macs:
            continue
        products = first.in_channels * first.kernel_h * first.kernel_w
        found.append(
            SeparablePair(
                depthwise=first.index,
                pointwise=point.index,
                in_channels=first.in_channels,
                out_channels=point.out_channels,
                kernel_h=first.kernel_h,
                kernel_w=first.kernel_w,
                macs=first.macs + point.macs,
                standard_macs=point.output_elements * products,
            )
        )
    return tuple(found)
