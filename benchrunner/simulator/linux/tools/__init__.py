"""The AI tools of a simulated board, in their real output formats, and where they are installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchrunner.simulator.linux.process import Program

if TYPE_CHECKING:
    from benchrunner.simulator.linux.machine import LinuxMachine

TOOLS: dict[str, Program] = {}


def places(_machine: LinuxMachine) -> dict[str, list[tuple[str, int]]]:
    """Name of each tool -> the paths and sizes of its files on this board."""
    return {}
