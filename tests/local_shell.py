"""This machine as a Linux board: commands are processes, files are files. No SSH in between."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchrunner.deadline import Deadline
from benchrunner.errors import BoardError, LinkError
from benchrunner.transport.shell import MAX_OUTPUT_BYTES, Finished


class LocalShell:
    """A `Shell`. `shell` replaces the command `sh`; `home` is that of the user."""

    description = "local"

    def __init__(self, *, shell: Sequence[str] = ("sh",), home: Path | None = None) -> None:
        self._shell = list(shell)
        self._home = home
        self.commands: list[list[str]] = []

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
        self.commands.append(list(argv))
        command = [*self._shell, *argv[1:]] if argv[0] == "sh" else list(argv)
        inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        if self._home is not None:
            inherited["HOME"] = str(self._home)
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            cwd=folder,
            env={**inherited, **(environment or {})},
            timeout=deadline.remaining_s(),
            check=False,
            start_new_session=True,
        )
        if max(len(done.stdout), len(done.stderr)) > max_output_bytes:
            raise LinkError(f"local: {argv[0]} printed more than {max_output_bytes} bytes")
        if on_stdout is not None:
            on_stdout(done.stdout)
        status = done.returncode if done.returncode >= 0 else 128 - done.returncode
        return Finished(status, done.stdout, done.stderr)

    def put(
        self,
        data: bytes,
        path: str,
        deadline: Deadline,
        *,
        mode: int = 0o600,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        Path(path).write_bytes(data)
        Path(path).chmod(mode)

    def get(self, path: str, deadline: Deadline, *, max_bytes: int) -> bytes:
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise BoardError(f"local: {path}: {error.strerror}") from error
        if len(data) > max_bytes:
            raise BoardError(f"local: {path}: more than {max_bytes} bytes")
        return data

    def leave_soon(self, interrupt: BaseException) -> None:
        """Everything here is quick."""

    def close(self) -> None:
        """Nothing is open."""
