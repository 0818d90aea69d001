"""A command on a Linux board that is talked with, piece by piece, over its SSH channel."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from benchrunner.deadline import Deadline
from benchrunner.transport.shell import MAX_OUTPUT_BYTES, Finished
from benchrunner.transport.ssh_command import Command

Guard = Callable[[Deadline, int], AbstractContextManager[None]]
"""What keeps a block within a deadline and to so many bytes from the board."""


class SshDialogue:
    """A `Dialogue`. Whoever made it ends the command where `finished` is still False."""

    def __init__(self, command: Command, guard: Guard) -> None:
        self._command, self._guard = command, guard
        self.finished = False

    def exchange(
        self, data: bytes, deadline: Deadline, *, take: Callable[[bytes], bool], max_output_bytes: int
    ) -> bool:
        # What goes out comes back as window adjustments, a few bytes for every piece.
        with self._guard(deadline, 2 * max_output_bytes + len(data) // 64):
            return self._command.exchange(data, deadline, max_output_bytes, take)

    def finish(
        self, deadline: Deadline, *, take: Callable[[bytes], bool], max_output_bytes: int = MAX_OUTPUT_BYTES
    ) -> Finished:
        def on_stdout(piece: bytes) -> None:
            take(piece)

        with self._guard(deadline, 2 * max_output_bytes):
            found = self._command.end(b"", max_output_bytes, on_stdout, deadline)
        self.finished = True
        return Finished(found.status, b"", found.stderr)
