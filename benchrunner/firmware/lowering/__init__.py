"""From an operator of the model to kernel calls: the table of what the engine runs."""

from __future__ import annotations

from collections.abc import Mapping

from benchrunner.errors import UnsupportedOperatorError
from benchrunner.firmware.lowered import Lowered
from benchrunner.firmware.lowering import arithmetic, lookup, movement, pooling, softmax
from benchrunner.firmware.lowering.convolution import lower_conv_2d, lower_depthwise_conv_2d
from benchrunner.firmware.lowering.fully_connected import lower_fully_connected
from benchrunner.firmware.lowering.registry import Lowering, UnsupportedLayer
from benchrunner.model import Model, Operator

# Builtin operator name -> its lowering.
LOWERINGS: Mapping[str, Lowering] = {
    "CONV_2D": lower_conv_2d,
    "DEPTHWISE_CONV_2D": lower_depthwise_conv_2d,
    "FULLY_CONNECTED": lower_fully_connected,
    **arithmetic.LOWERINGS,
    **lookup.LOWERINGS,
    **movement.LOWERINGS,
    **pooling.LOWERINGS,
    **softmax.LOWERINGS,
}


def lower(model: Model, operator: Operator) -> Lowered:
    """The calls, constants and scratch of `operator`.

    Raises `UnsupportedOperatorError` naming file, layer and reason.
    """
    try:
        return _lowered(model, operator)
    except UnsupportedOperatorError as error:
        layer = UnsupportedLayer(operator.index, operator.name, error.message)
        raise UnsupportedOperatorError(f"{model.source}: {layer}", hint=error.hint) from error


def unsupported(model: Model) -> list[UnsupportedLayer]:
    """Every layer of `model` that the engine does not run, with the reason; empty where it runs them all."""
    found = []
    for operator in model.graph.operators:
        try:
            _lowered(model, operator)
        except UnsupportedOperatorError as error:
            found.append(UnsupportedLayer(operator.index, operator.name, error.message))
    return found


def _lowered(model: Model, operator: Operator) -> Lowered:
    if operator.outputs and all(model.graph.tensors[index].constant for index in operator.outputs):
        return Lowered(operator.index, (), ())  # `benchrunner.firmware.fold` has computed it
    if operator.name not in LOWERINGS:
        raise UnsupportedOperatorError("the engine has no kernel for it")
    try:
        return LOWERINGS[operator.name](model, operator)
    except KeyError as error:
        raise UnsupportedOperatorError(f"the file does not give its option {error.args[0]}") from error


__all__ = ["LOWERINGS", "UnsupportedLayer", "lower", "unsupported"]
