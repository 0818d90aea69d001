"""The programs of a simulated Linux board, by name."""

from benchrunner.simulator.linux.commands import control, filters, folders, sed, system, text
from benchrunner.simulator.linux.process import Program
from benchrunner.simulator.linux.tools import TOOLS

PROGRAMS: dict[str, Program] = {
    **text.PROGRAMS,
    **filters.PROGRAMS,
    **sed.PROGRAMS,
    **folders.PROGRAMS,
    **system.PROGRAMS,
    **control.PROGRAMS,
    **TOOLS,
}
