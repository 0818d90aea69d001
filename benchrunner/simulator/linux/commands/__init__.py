"""The programs of a simulated Linux board, by name."""

from benchrunner.simulator.linux.commands import (
    control,
    filters,
    folders,
    listing,
    sed,
    system,
    text,
    volumes,
)
from benchrunner.simulator.linux.process import Program
from benchrunner.simulator.linux.tools import TOOLS

PROGRAMS: dict[str, Program] = {
    **text.PROGRAMS,
    **filters.PROGRAMS,
    **sed.PROGRAMS,
    **folders.PROGRAMS,
    **listing.PROGRAMS,
    **volumes.PROGRAMS,
    **system.PROGRAMS,
    **control.PROGRAMS,
    **TOOLS,
}
