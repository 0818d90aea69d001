"""Models: reading a `.tflite` file that nobody vouches for, its cost layer by layer, the memory it needs."""

from benchrunner.model.graph import Graph, Model, Operator, Quantisation, Tensor
from benchrunner.model.layers import LayerCost, LayerKind, layer_costs
from benchrunner.model.reader import load_model, parse_model

__all__ = [
    "Graph",
    "LayerCost",
    "LayerKind",
    "Model",
    "Operator",
    "Quantisation",
    "Tensor",
    "layer_costs",
    "load_model",
    "parse_model",
]
