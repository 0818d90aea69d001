"""QEMU's machine protocol, as far as saving and resuming a board needs it."""

from __future__ import annotations

import json
import shlex
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from benchrunner.deadline import Deadline
from benchrunner.errors import DeadlineExceededError, LabError


class Monitor:
    """One conversation over a pair of sockets, of which QEMU has inherited the other end."""

    def __init__(self) -> None:
        self._socket, self.theirs = socket.socketpair()
        self._stream = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()
        self.theirs.close()

    @property
    def options(self) -> tuple[str, ...]:
        """For QEMU's command line; `theirs` must be passed on to it."""
        return (
            *("-chardev", f"socket,id=monitor,fd={self.theirs.fileno()}"),
            *("-mon", "chardev=monitor,mode=control"),
        )

    def open(self, deadline: Deadline) -> None:
        """Take the greeting; call it when QEMU was started."""
        self.theirs.close()  # so that the end of QEMU is the end of the conversation
        self._read(deadline)
        self.execute("qmp_capabilities", deadline)

    def execute(self, command: str, deadline: Deadline, **arguments: object) -> Any:
        """What QEMU answers. Raises `LabError` where it refuses or ends, `DeadlineExceededError`."""
        with suppress(BrokenPipeError):  # the answer is missing then
            self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = self._read(deadline)
            if "error" in answer:
                raise LabError(f"QEMU: {command}: {answer['error'].get('desc', answer['error'])}")
            if "return" in answer:  # everything else is news
                return answer["return"]

    def save(self, path: Path, deadline: Deadline) -> None:
        """Stop the board and write its state to `path`."""
        self.execute("stop", deadline)
        self.execute("migrate", deadline, uri=f"exec:cat >{shlex.quote(str(path))}")
        while (found := self.execute("query-migrate", deadline).get("status")) != "completed":
            if found in ("failed", "cancelled"):
                raise LabError(f"QEMU: the board's state cannot be saved: {found}")
            deadline.check("saving the board's state")
            time.sleep(0.02)

    def resume(self, deadline: Deadline) -> None:
        """Let a board go on whose state QEMU was started with."""
        while (found := self.execute("query-status", deadline)["status"]) == "inmigrate":
            deadline.check("loading the board's state")
            time.sleep(0.02)
        if found not in ("paused", "postmigrate"):
            raise LabError(f"QEMU: expected a paused board, found it {found}")
        self.execute("cont", deadline)

    def _read(self, deadline: Deadline) -> dict[str, Any]:
        deadline.check("QEMU's answer")
        self._socket.settimeout(deadline.remaining_s())
        try:
            line = self._stream.readline()
        except TimeoutError as error:
            raise DeadlineExceededError(f"QEMU did not answer within {deadline.budget_s:g} s") from error
        except OSError:
            line = b""
        if not line:
            raise LabError("QEMU ended in the middle of a conversation")
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise LabError(f"QEMU: expected an answer, found {line[:80]!r}")
        return answer
