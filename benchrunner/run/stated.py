"""What foreign firmware runs on: what it says, what its port says, and what the person who asks says."""

from __future__ import annotations

from pathlib import Path

from benchrunner.errors import UsageError
from benchrunner.protocol.rfc2217 import EMULATED_SIGNATURE, SIMULATED_SIGNATURE
from benchrunner.record import Fidelity
from benchrunner.run.access import Line

_SERVERS = {
    SIMULATED_SIGNATURE.decode(): Fidelity.SIMULATED,
    EMULATED_SIGNATURE.decode(): Fidelity.EMULATED,
}


def fidelity_of(stated: Fidelity | None, line: Line, announced: str) -> Fidelity:
    """The fidelity that a record of this port may have. `announced` is the firmware's word, or empty.

    A number counts as measured only where a person says that a board is there and nothing contradicts.
    Raises `UsageError` where nobody says anything, or somebody contradicts.
    """
    found = _found(line, announced)
    if found is None:
        if stated is None:
            raise UsageError(
                f"{line.url}: nothing tells whether a real board is behind this port",
                hint="the benchmark's commands cannot ask: say --fidelity measured for a board, "
                "--fidelity emulated for an emulator",
            )
        return stated
    fidelity, why = found
    if stated not in (None, fidelity):
        raise UsageError(
            f"--fidelity {stated}, but {why}", hint=f"leave it away: the record will say {fidelity}"
        )
    return fidelity


def _found(line: Line, announced: str) -> tuple[Fidelity, str] | None:
    """What is known without being told, and from where."""
    if announced:
        simulated = announced == Fidelity.SIMULATED
        return (
            Fidelity.SIMULATED if simulated else Fidelity.EMULATED,
            f"the firmware says that it runs {announced}",
        )
    if line.server in _SERVERS:
        return _SERVERS[line.server], f"{line.url} is served by a {line.server}"
    if Path(line.url).is_absolute() and Path(line.url).resolve().is_relative_to("/dev/pts"):
        return Fidelity.EMULATED, f"{line.url} is a pseudo-terminal: a program answers there, no board"
    return None
