"""What the harness asks of a Linux board: run a command, move a file. Implemented over SSH."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
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


class Dialogue(Protocol):
    """A command that is told something, answers, and is told the next thing."""

    def exchange(
        self, data: bytes, deadline: Deadline, *, take: Callable[[bytes], bool], max_output_bytes: int
    ) -> bool:
        """Write `data` to its standard input and give `take` each piece of standard output as it comes, until
        that returns True. False: the command has ended before; `finish` tells how.

        Raises as `Shell.run`; `max_output_bytes` are of this exchange.
        """

    def finish(
        self, deadline: Deadline, *, take: Callable[[bytes], bool], max_output_bytes: int = MAX_OUTPUT_BYTES
    ) -> Finished:
        """End its standard input and wait for its exit status. Standard output goes to `take` alone."""


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

    def dialogue(
        self, argv: Sequence[str], deadline: Deadline, *, environment: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Dialogue]:
        """Start `argv`, every word quoted, and talk with it for the length of the block.

        A block that ends before `finish` ends the command, as far as the connection allows. Raises as `run`.
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

    def leave_soon(self, interrupt: BaseException) -> None:
        """Ctrl-C has come: whatever is still asked for, to put the board back, has little time together.

        For another `interrupt` than the first there is none left. Whatever it comes in the middle of tells
        the shell by itself.
        """

    def close(self) -> None:
        """End the conversation; never raises."""
