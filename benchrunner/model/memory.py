"""How many bytes of activations are alive while each layer runs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from benchrunner.model.graph import Graph


@dataclass(frozen=True, slots=True)
class LiveMemory:
    """Bytes alive, without weights. A tensor lives from the layer that writes it to the last that reads it;
    the graph's inputs from the start, its outputs to the end.
    """

    during_bytes: tuple[int, ...]  # per layer: its inputs, its outputs and what later layers still read
    between_bytes: tuple[int, ...]  # before the first layer, between layers, after the last

    @property
    def peak_bytes(self) -> int:
        """What a plan needs that never lays an output over an input."""
        return max(self.during_bytes, default=max(self.between_bytes))

    @property
    def peak_layer(self) -> int | None:
        """The first layer at which the peak is reached; None for a graph without layers."""
        return self.during_bytes.index(self.peak_bytes) if self.during_bytes else None

    @property
    def least_bytes(self) -> int:
        """What every plan needs that keeps whole tensors, however it lays outputs over inputs."""
        return max(self.between_bytes)


def live_memory(graph: Graph) -> LiveMemory:
    """Follow every activation of `graph` from its first to its last use."""
    count = len(graph.operators)
    first = dict.fromkeys(graph.inputs, -1)
    last = dict.fromkeys(graph.inputs, -1)
    for operator in graph.operators:
        for tensor in graph.activations(operator.inputs):
            first.setdefault(tensor.index, -1)  # a variable: there from the start
            last[tensor.index] = operator.index
        for tensor in graph.activations(operator.outputs):
            first.setdefault(tensor.index, operator.index)
            last[tensor.index] = max(operator.index, last.get(tensor.index, -1))
    for index in graph.outputs:
        first.setdefault(index, -1)
        last[index] = count
    for tensor in graph.tensors:
        if tensor.variable and tensor.index in first:
            last[tensor.index] = count
    during, between = [0] * (count + 1), [0] * (count + 2)
    for index, start in first.items():
        if graph.tensors[index].constant:
            continue
        size, end = graph.tensors[index].size_bytes, last[index]
        during[max(start, 0)] += size
        during[min(end, count - 1) + 1] -= size
        # The gap i lies before layer i: alive in it is what was there before and is needed after.
        between[start + 1] += size
        between[end + 1] -= size
    return LiveMemory(tuple(accumulate(during))[:count], tuple(accumulate(between))[: count + 1])
