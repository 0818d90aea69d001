"""A connection to a Linux board that stays from one case to the next."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from benchrunner.deadline import Deadline
from benchrunner.errors import BenchrunnerError
from benchrunner.transport.ssh import LEAVING_S, SshShell, open_ssh
from benchrunner.transport.ssh_target import SshTarget

_ANSWER_S: Final = 5.0


class KeptConnection:
    """At most one connection. A case that goes wrong must `drop` it: the next one begins with a new one."""

    def __init__(self) -> None:
        self._shell: SshShell | None = None
        self._target: SshTarget | None = None

    def open(self, target: SshTarget, deadline: Deadline, *, leaving_s: float = LEAVING_S) -> SshShell:
        """The connection of the case before, if it is to this target and answers; else a new one.

        Raises what `open_ssh` raises.
        """
        if self._shell is not None and not (self._target == target and _answers(self._shell, deadline)):
            self.drop()
        if self._shell is None:
            self._shell, self._target = open_ssh(target, deadline, leaving_s=leaving_s), target
        return self._shell

    def drop(self) -> None:
        """Close the connection, if there is one."""
        shell, self._shell = self._shell, None
        if shell is not None:
            with suppress(BenchrunnerError):
                shell.close()


def _answers(shell: SshShell, deadline: Deadline) -> bool:
    """A board that was switched off meanwhile leaves a connection that looks as if it stood."""
    if not shell.alive:
        return False
    try:
        return shell.run(["true"], Deadline(min(_ANSWER_S, deadline.remaining_s()))).status == 0
    except BenchrunnerError:
        return False
