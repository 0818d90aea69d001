"""What the addresses of a fault report mean: the function and the layer of the model."""

from __future__ import annotations

import re

from benchrunner.firmware.build import Firmware
from benchrunner.firmware.project import Project

_REGISTER = re.compile(r"\b(pc|lr)=(?:0x)?([0-9a-f]{1,8})\b")
_SAID = {"pc": "in", "lr": "called from"}


def explain_fault(report: str, project: Project, firmware: Firmware) -> str:
    """The functions at `pc` and `lr` of the firmware's report, with their layer; "" where it has none.

    "in conv_2d_s8, called from layer 3 CONV_2D (layer_003_conv_2d)"
    """
    operators = project.compiled.model.graph.operators
    layers = {
        function: f"layer {index} {operators[index].name} ({function})"
        for index, function in enumerate(project.layer_functions)
        if function is not None
    }
    found = []
    for register, value in _REGISTER.findall(report):
        # The return address may be the first one behind its function.
        address = int(value, 16) - (2 if register == "lr" else 0)
        function = firmware.elf.function_at(address)
        place = layers.get(function, function) if function else f"{int(value, 16):#010x}, which is no code"
        found.append(f"{_SAID[register]} {place}")
    return ", ".join(found)
