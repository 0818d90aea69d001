"""One layer on one machine, compared with the oracle."""

from __future__ import annotations

from typing import Protocol

from layer_host import Layers, apart, over

from benchrunner.firmware.lowering import lower
from benchrunner.model import Model
from benchrunner.runtime import ORACLE, Interpreter


class DrawnLayer(Protocol):
    """A model of one operator, and what to give it."""

    def file(self) -> bytes: ...
    def model(self) -> Model: ...
    def stimuli(self) -> list[bytes]: ...


def assert_equals_the_oracle(layers: Layers, layer: DrawnLayer) -> None:
    """With the tensors apart, and with the output laid over each input that it may overwrite."""
    model, stimuli = layer.model(), layer.stimuli()
    graph = model.graph
    expected = Interpreter(layer.file(), ORACLE).run(stimuli)
    lowered = lower(model, graph.operators[0])
    inputs = dict(zip(graph.inputs, stimuli, strict=True))
    indices = [*graph.inputs, *graph.outputs]
    for places in [apart(graph, indices), *(over(graph, indices, overlap) for overlap in lowered.overlaps)]:
        found = layers.run(graph, lowered, inputs, places)
        assert [list(found[index]) for index in graph.outputs] == [list(data) for data in expected]
