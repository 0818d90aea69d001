"""A board as its tools see it: a shell that answers from a table, and notes what was asked."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchrunner.deadline import Deadline
from benchrunner.errors import LinkError
from benchrunner.session.linux.tools.load import unwatched
from benchrunner.transport.shell import MAX_OUTPUT_BYTES, Finished

Answer = Callable[[list[str], Mapping[str, str]], Finished]


@dataclass
class ToolShell:
    """`tools` by path; `answer` is asked for each of their calls."""

    tools: list[str]
    answer: Answer
    calls: list[tuple[list[str], dict[str, str], str | None]] = field(default_factory=list)
    description: str = "root@board:22"

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
        deadline.check("a command on the board")
        command = unwatched(argv)
        if command is not None:
            return self._tool(command, environment, folder)
        if argv[0] == "sh":
            found = [path for path in self.tools if path.endswith("/" + argv[4])]
            return Finished(0, "".join(f"{path}\n" for path in found).encode(), b"")
        return self._tool(list(argv), environment, folder)

    def _tool(self, argv: list[str], environment: Mapping[str, str] | None, folder: str | None) -> Finished:
        program = argv[3] if argv[0] == "taskset" else argv[0]
        if program not in self.tools:
            raise AssertionError(f"not on this board: {program}")
        self.calls.append((argv, dict(environment or {}), folder))
        return self.answer(argv, environment or {})

    def put(
        self,
        data: bytes,
        path: str,
        deadline: Deadline,
        *,
        mode: int = 0o600,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        raise AssertionError("a tool's session copies nothing")

    def get(self, path: str, deadline: Deadline, *, max_bytes: int) -> bytes:
        raise AssertionError("a tool's session fetches nothing")

    def close(self) -> None:
        pass


@dataclass
class LocalTools(ToolShell):
    """The same, and what looks for tools runs in a shell of this computer."""

    program: tuple[str, ...] = ("sh",)

    def run(self, argv: Sequence[str], deadline: Deadline, **options: Any) -> Finished:
        if argv[0] != "sh" or unwatched(argv) is not None:
            return super().run(argv, deadline, **options)
        done = subprocess.run([*self.program, *argv[1:]], capture_output=True, timeout=60)
        return Finished(done.returncode, done.stdout, done.stderr)


def lost(_argv: list[str], _environment: Mapping[str, str]) -> Finished:
    raise LinkError("the connection was lost")
