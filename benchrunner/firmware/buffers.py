"""What the arena must hold: buffers with lifetimes, and what two of them demand of each other's place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchrunner.errors import ModelError
from benchrunner.firmware.lowered import Lowered, TensorArgument
from benchrunner.model import Graph

ALIGN_BYTES = 8  # of every buffer: what `Lowered.scratch_bytes` promises, and whole words for the kernels


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory that is kept from layer `first` to layer `last`, both included.

    Holds the tensors `tensors`, which are aliases of each other, or the scratch memory of a layer. A graph
    input lives from layer -1, a graph output to one layer behind the last.
    """

    tensors: tuple[int, ...]  # none for scratch memory
    size_bytes: int
    first: int
    last: int

    @property
    def scratch(self) -> bool:
        return not self.tensors


@dataclass(frozen=True, slots=True)
class Needs:
    """All buffers of a model.

    `leads` has the pairs of buffers (output, input) of one layer that may lie over each other: output
    offset + lead <= input offset. All other buffers that live at the same time lie apart.
    """

    buffers: tuple[Buffer, ...]
    leads: Mapping[tuple[int, int], int]
    layer_count: int

    def together(self, a: int, b: int) -> bool:
        """Whether both live during some layer."""
        one, other = self.buffers[a], self.buffers[b]
        return one.first <= other.last and other.first <= one.last


def memory_needs(graph: Graph, layers: Sequence[Lowered]) -> Needs:
    """Follow every tensor that the calls of `layers` touch.

    Raises `ModelError` for an output that nothing computes, `ValueError` where a lowering contradicts itself.
    """
    root = _alias_roots(layers)
    reads, writes = _uses(graph, layers)
    tensors = sorted({*graph.inputs, *graph.outputs, *(i for side in (*reads, *writes) for i in side)})
    groups: dict[int, list[int]] = {}
    for index in tensors:
        groups.setdefault(root.get(index, index), []).append(index)
    buffers: list[Buffer] = []
    buffer_of: dict[int, int] = {}
    for members in groups.values():
        buffer_of |= dict.fromkeys(members, len(buffers))
        buffers.append(_buffer(graph, members, reads, writes))
    leads = _leads(layers, buffers, buffer_of, reads, writes)
    buffers += [
        Buffer((), layer.scratch_bytes, position, position)
        for position, layer in enumerate(layers)
        if layer.scratch_bytes
    ]
    return Needs(tuple(buffers), leads, len(layers))


def _alias_roots(layers: Sequence[Lowered]) -> dict[int, int]:
    root: dict[int, int] = {}
    for layer in layers:
        for output, source in layer.aliases:
            root[output] = root.get(source, source)
    return root


def _uses(graph: Graph, layers: Sequence[Lowered]) -> tuple[list[set[int]], list[set[int]]]:
    """Tensors that each layer reads and writes. An alias is written where its operator stands."""
    reads: list[set[int]] = []
    writes: list[set[int]] = []
    for layer in layers:
        outputs = set(graph.operators[layer.layer].outputs)
        touched = {
            argument.tensor
            for call in layer.calls
            for argument in call.arguments
            if isinstance(argument, TensorArgument)
        }
        for index in touched:
            if graph.tensors[index].constant:
                raise ValueError(f"layer {layer.layer}: tensor {index} is constant and has no place")
        reads.append((touched - outputs) | {source for _, source in layer.aliases})
        writes.append((touched & outputs) | {output for output, _ in layer.aliases})
    return reads, writes


def _buffer(
    graph: Graph, members: Sequence[int], reads: Sequence[set[int]], writes: Sequence[set[int]]
) -> Buffer:
    uses = [
        position
        for position, (read, written) in enumerate(zip(reads, writes, strict=True))
        if any(index in read or index in written for index in members)
    ]
    written = [position for position, side in enumerate(writes) if any(i in side for i in members)]
    if any(index in graph.inputs for index in members):
        uses.append(-1)
    elif not written or (uses[0] not in written):
        tensor = graph.tensors[members[0]]
        raise ModelError(f"tensor {tensor.index} {tensor.name!r} is used, and no layer computes it before")
    if any(index in graph.outputs for index in members):
        uses.append(len(reads))
    size = max(graph.tensors[index].size_bytes for index in members)
    return Buffer(tuple(members), size, min(uses), max(uses))


def _leads(
    layers: Sequence[Lowered],
    buffers: Sequence[Buffer],
    buffer_of: Mapping[int, int],
    reads: Sequence[set[int]],
    writes: Sequence[set[int]],
) -> dict[tuple[int, int], int]:
    found: dict[tuple[int, int], int] = {}
    for position, layer in enumerate(layers):
        declared = {(o.output_tensor, o.input_tensor): o.lead_bytes for o in layer.overlaps}
        for output in {buffer_of[i] for i in writes[position]}:
            for source in {buffer_of[i] for i in reads[position]} - {output}:
                if buffers[output].first != position or buffers[source].last != position:
                    continue
                pairs = [
                    (written, read)
                    for written in writes[position]
                    for read in reads[position]
                    if buffer_of[written] == output and buffer_of[read] == source
                ]
                if all(pair in declared for pair in pairs):
                    found[output, source] = max(declared[pair] for pair in pairs)
    return found
