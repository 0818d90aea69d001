"""Simulated Linux boards for tests, and OpenSSH's programs pointed at them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchrunner.board import load_board
from benchrunner.deadline import Deadline
from benchrunner.runtime import Interpreter, KernelSet, seeded_input
from benchrunner.session.linux import board_runner
from benchrunner.session.linux.events import Event, EventLines
from benchrunner.simulator.linux import LinuxFaults, SshBoard, serve_ssh_board
from benchrunner.transport.ssh import SshShell, open_ssh
from benchrunner.transport.ssh_target import SshTarget
from benchrunner.zoo import resolve_model

DEADLINE_S = 60.0
RUNNER = Path(board_runner.__file__)


def target(board: SshBoard) -> SshTarget:
    return SshTarget(
        host=board.host,
        user=board.user,
        port=board.port,
        key_files=(board.private_key,),
        only_key_files=True,
        host_key=board.host_key,
    )


@contextmanager
def connected(board: SshBoard) -> Iterator[SshShell]:
    shell = open_ssh(target(board), Deadline(DEADLINE_S))
    try:
        yield shell
    finally:
        shell.close()


@contextmanager
def shell_on(board_id: str, faults: LinuxFaults | None = None, *, seed: int = 0) -> Iterator[SshShell]:
    """A board, and the project's own client logged in to it."""
    with serve_ssh_board(load_board(board_id), faults, seed=seed) as board, connected(board) as shell:
        yield shell


class RunnerOnBoard:
    """The project's runner with one model, copied to the board."""

    def __init__(self, shell: SshShell, model: str = "fdmobilenet_0.25_128_int8") -> None:
        self.shell = shell
        self.model = resolve_model(model).read_bytes()
        self.interpreter = Interpreter(self.model, KernelSet.BUILTIN)
        self.input = seeded_input(self.interpreter.inputs[0], 7)
        for name, data in (
            ("runner.py", RUNNER.read_bytes()),
            ("m.tflite", self.model),
            ("in.bin", self.input),
        ):
            shell.put(data, f"/tmp/{name}", Deadline(DEADLINE_S))

    def start(self, words: Sequence[str] = (), **changes: Any) -> list[Event]:
        """The events of one start; `changes` go into the request."""
        request: dict[str, Any] = {
            "version": 1,
            "model": "/tmp/m.tflite",
            "inputs": ["/tmp/in.bin"],
            "outputs": "/tmp/out",
            "runtime": "auto",
            "kernels": "reference",
            "threads": 1,
            "affinity": None,
            "delegate": None,
            "delegate_options": {},
            "runs": 20,
            "warmups": None,
            "timing": "auto",
            "calibration": None,
            **changes,
        }
        events: list[Event] = []
        lines = EventLines(events.append)
        self.shell.run(
            [*words, "python3", "/tmp/runner.py"],
            Deadline(DEADLINE_S),
            stdin=json.dumps(request).encode(),
            on_stdout=lines.feed,
        )
        lines.end()
        return events


class OpenSsh:
    """ssh, sftp and scp with the board's key and host key, and nothing of the user's configuration."""

    def __init__(self, board: SshBoard, folder: Path) -> None:
        self.board = board
        self._known_hosts = folder / f"known_hosts_{board.port}"
        self._known_hosts.write_text(board.host_key_line + "\n", encoding="ascii")

    def _options(self) -> list[str]:
        return [
            *("-F", "none", "-i", str(self.board.private_key)),
            *("-o", f"UserKnownHostsFile={self._known_hosts}", "-o", "GlobalKnownHostsFile=none"),
            *("-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"),
        ]

    @property
    def _who(self) -> str:
        return f"{self.board.user}@{self.board.host}"

    def _run(self, command: list[str], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(command, input=stdin, capture_output=True, timeout=DEADLINE_S, check=False)

    def ssh(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = ["ssh", *self._options(), "-p", str(self.board.port)]
        options = [word for word in words if word in ("-tt",)]
        return self._run(
            [*command, *options, self._who, *(word for word in words if word not in options)], stdin
        )

    def sftp(self, script: str) -> subprocess.CompletedProcess[bytes]:
        command = ["sftp", *self._options(), "-P", str(self.board.port), "-b", "-", self._who]
        return self._run(command, script.encode())

    def scp(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """A word that starts with `:` is a path on the board."""
        places = [self._who + word if word.startswith(":") else word for word in words]
        return self._run(["scp", *self._options(), "-P", str(self.board.port), *places], b"")
