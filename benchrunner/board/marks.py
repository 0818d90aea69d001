"""How a Linux board says what it is: entries of the device tree's root `compatible`, read first by a run."""

from __future__ import annotations

from typing import Final

SIMULATED_COMPATIBLE: Final = "benchrunner,simulated"
"""Stands in the device tree of every simulated board, whoever started it."""

EMULATED_COMPATIBLE: Final = "linux,dummy-virt"
"""Stands in the device tree of QEMU's machine `virt`, also where it carries the names of a real board."""
