"""Simulated Linux boards for tests, and OpenSSH's programs pointed at them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchrunner.simulator.linux import SshBoard

DEADLINE_S = 60.0


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
