"""What the harness asks of a Linux board: run a command, move a file. Implemented over SSH."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from benchrunner.deadline import Deadline

MAX_OUTPUT_BYTES: Final = 4 << 20
"""What a command may print before it is taken for out of its mind."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ended."""

    status: int  # exit status; 128 + n where signal n ended it
    stdout: bytes
    stderr: bytes


class Shell(Protocol):
    """A board that runs commands. One conversation at a time; closed by whoever opened it."""

    @property
    def description(self) -> str:
        """User, host and port, for messages and records."""

    def run(
        self,
        argv: Sequence[str],
        deadline: Deadline,
        *,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        folder: str | None = None,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
        on_stdout: Callable[[bytes], None] | None = None,
    ) -> Finished:
        """Run `argv`, every word quoted, and wait for its exit status.

        `on_stdout` gets each piece of standard output as it comes. A status that is not 0 is the caller's to
        judge. Raises `LinkError` when the connection is lost or the command prints more than
        `max_output_bytes` on either stream, and `DeadlineExceededError`; the command is ended then as far as
        the connection still allows.
        """

    def put(
        self,
        data: bytes,
        path: str,
        deadline: Deadline,
        *,
        mode: int = 0o600,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Write a file of the board; raises `LinkError`, `BoardError` (no space, no permission)."""

    def get(self, path: str, deadline: Deadline, *, max_bytes: int) -> bytes:
        """Read a file of the board; raises `LinkError`, `BoardError` (not there, larger than `max_bytes`)."""

    def close(self) -> None:
        """End the conversation; never raises."""
