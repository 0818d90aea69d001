"""Judges a memory plan byte by byte, by playing every layer as badly as its lowering allows.

Knows nothing of lifetimes: a byte is right when the last one who wrote it is who the reader expects.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchrunner.firmware.lowered import Lowered, TensorArgument
from benchrunner.firmware.plan import MemoryPlan
from benchrunner.model import Graph

_NOBODY, _SCRATCH = -1, -2


def check_plan(graph: Graph, layers: Sequence[Lowered], plan: MemoryPlan) -> None:
    """Raises `AssertionError` naming layer, tensor and byte where an expected value is gone."""
    owner = np.full(plan.arena_bytes, _NOBODY)  # tensor whose value a byte of the arena holds
    same = {index: index for index in range(len(graph.tensors))}  # an alias holds its source's value
    index = np.zeros(plan.arena_bytes, dtype=np.int64)  # and which byte of it

    def place(tensor: int) -> slice:
        start = plan.tensor_offset[tensor]
        size = graph.tensors[tensor].size_bytes
        assert 0 <= start <= start + size <= plan.arena_bytes
        assert start % 8 == 0
        return slice(start, start + size)

    def write(tensor: int) -> None:
        owner[place(tensor)] = same[tensor]
        index[place(tensor)] = np.arange(graph.tensors[tensor].size_bytes)

    def expect(tensor: int, what: str) -> None:
        where = place(tensor)
        right = (owner[where] == same[tensor]) & (index[where] == np.arange(graph.tensors[tensor].size_bytes))
        assert right.all(), f"{what}: tensor {tensor} is damaged at byte {int(np.argmin(right))}"

    for tensor in graph.inputs:
        write(tensor)
    for tensor in graph.inputs:
        expect(tensor, "loaded inputs")
    for layer in layers:
        operator = graph.operators[layer.layer]
        name = f"layer {layer.layer}"
        for output, source in layer.aliases:
            expect(source, name)
            assert plan.tensor_offset[output] == plan.tensor_offset[source]
            same[output] = same[source]
        if not layer.calls:
            continue
        used = {a.tensor for call in layer.calls for a in call.arguments if isinstance(a, TensorArgument)}
        outputs = sorted(used & set(operator.outputs))
        inputs = sorted(used - set(operator.outputs))
        for tensor in inputs:
            expect(tensor, name)
        leads = {(o.input_tensor, o.output_tensor): o.lead_bytes for o in layer.overlaps}
        for output in outputs:
            start, size = plan.tensor_offset[output], graph.tensors[output].size_bytes
            at = np.arange(start, start + size)
            for tensor in inputs:
                # Byte j of the output may land on byte k of the input only if that is read for good by then:
                # k <= j - lead. Without an overlap all of the input may be read again after every write.
                hit = owner[at] == same[tensor]
                if (tensor, output) in leads:
                    hit &= index[at] > np.arange(size) - leads[tensor, output]
                assert not hit.any(), f"{name}: output {output} destroys input {tensor} before it is read"
        if layer.scratch_bytes:
            start = plan.scratch_offset[layer.layer]
            assert start % 8 == 0
            assert 0 <= start <= start + layer.scratch_bytes <= plan.arena_bytes
            owner[start : start + layer.scratch_bytes] = _SCRATCH
            for tensor in inputs:
                expect(tensor, f"{name} after its scratch memory was used")
        for output in outputs:
            write(output)
        if layer.scratch_bytes:  # used to the end
            owner[plan.scratch_offset[layer.layer] :][: layer.scratch_bytes] = _SCRATCH
        for output in outputs:
            expect(output, f"{name} when it is done")
    for tensor in graph.outputs:
        expect(tensor, "results")
    if not plan.inputs_overwritten:
        for tensor in graph.inputs:
            expect(tensor, "inputs that are said to be kept")
