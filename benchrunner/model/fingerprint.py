"""The hash of a graph up to weights: equal for two files exactly when they are the same network.

What enters: operators in their order with their options, shapes, data types, which tensors are constants,
how fine the quantisation is (none, per tensor, per axis), and the constants that steer an operator (target
shapes, axes, paddings). What does not: values of weights and biases, scales and zero points, names, versions,
the order of tensors and buffers in the file.
"""

from __future__ import annotations

import hashlib
import json

from benchrunner.model.graph import Graph, Tensor


def graph_sha256(graph: Graph) -> str:
    """SHA-256 of the canonical description of `graph`."""
    numbers: dict[int, int] = {}  # a tensor's number is the order in which the graph first names it
    described: list[object] = []
    learned = {t.index for operator in graph.operators for t in graph.weights(operator)}

    def number(index: int) -> int:
        if index < 0:
            return index
        if index not in numbers:
            numbers[index] = len(numbers)
            described.append(_described(graph.tensors[index], learned))
        return numbers[index]

    inputs = [number(index) for index in graph.inputs]
    operators = [
        [
            operator.name,
            [number(index) for index in operator.inputs],
            [number(index) for index in operator.outputs],
            sorted(operator.options.items()),
            operator.opaque_options.hex(),
        ]
        for operator in graph.operators
    ]
    outputs = [number(index) for index in graph.outputs]
    text = json.dumps([1, inputs, outputs, operators, described], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _described(tensor: Tensor, learned: set[int]) -> list[object]:
    granularity = "none"
    if tensor.quantisation is not None:
        granularity = "axis" if tensor.quantisation.per_axis else "tensor"
    steering = ""
    if tensor.data is not None and tensor.index not in learned:
        steering = hashlib.sha256(tensor.data).hexdigest()
    return [tensor.shape, tensor.dtype, tensor.constant, tensor.variable, granularity, steering]
