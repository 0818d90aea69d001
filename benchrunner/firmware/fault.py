"""What the addresses of a fault report mean: the function and the layer of the model."""

from __future__ import annotations

import re

from benchrunner.firmware.build import Firmware
from benchrunner.firmware.project import Project

_REGISTER = re.compile(r"\b(pc|lr)=(?:0x)?([0-9a-f]{1,8})\b")
_LAYER = re.compile(r"\blayer=([0-9]{1,5})\b")


def explain_fault(report: str, project: Project, firmware: Firmware) -> str:
    """The function of the firmware's report, who called it, and the layer that ran; "" where it has none.

    "in conv_2d_s8, layer 3 CONV_2D (layer_003_conv_2d)"
    """
    registers = {name: int(value, 16) for name, value in _REGISTER.findall(report)}
    if "pc" not in registers:
        return ""
    layers = _layers(project)
    function = firmware.elf.function_at(registers["pc"])
    found = [f"in {function}" if function else f"in {registers['pc']:#010x}, which is no code"]
    # Kernels use lr for other things once they have saved it. It may point right behind its function.
    caller = firmware.elf.function_at(registers["lr"] - 2) if registers.get("lr", 0) & 1 else None
    if caller not in (None, function):
        found.append(f"called from {caller}")
    running = _LAYER.search(report)
    at = int(running[1]) if running else _index(project, function, caller)
    if at in layers:
        found.append(layers[at])
    return ", ".join(found)


def _layers(project: Project) -> dict[int, str]:
    operators = project.compiled.model.graph.operators
    return {
        index: f"layer {index} {operators[index].name} ({function})"
        for index, function in enumerate(project.layer_functions)
        if function is not None
    }


def _index(project: Project, *functions: str | None) -> int:
    """The layer that one of `functions` is; -1 where none is."""
    for function in functions:
        if function is not None and function in project.layer_functions:
            return project.layer_functions.index(function)
    return -1
