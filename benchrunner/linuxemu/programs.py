"""The host's programs that build and run an emulated board: found, or named with their packages."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from benchrunner.deadline import Deadline
from benchrunner.errors import DeadlineExceededError, LinuxImageError, MissingProgramsError

# Program -> package of Debian and Ubuntu.
_PACKAGES = {
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-system-arm": "qemu-system-arm",
    "setpriv": "util-linux",
    "ssh-keygen": "openssh-client",
    "mke2fs": "e2fsprogs",
    "fakeroot": "fakeroot",
    "dpkg-deb": "dpkg",
    "apt-helper": "apt",
    "apt-get": "apt",
    "apt-cache": "apt",
}
# Beside PATH: an ordinary user's often lacks the first two, and apt keeps its parts in the last.
_FURTHER = ("/usr/sbin", "/sbin", "/usr/lib/apt")


def find_programs(names: Iterable[str]) -> dict[str, str]:
    """The path of each. Raises `MissingProgramsError` that names all missing ones and their packages."""
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), *_FURTHER))
    found = {name: shutil.which(name, path=places) for name in names}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        packages = sorted({_PACKAGES[name] for name in missing})
        raise MissingProgramsError(
            f"an emulated Linux board needs programs that are not installed: {', '.join(missing)}",
            packages=tuple(packages),
            hint=f"Debian, Ubuntu: apt-get install --no-install-recommends {' '.join(packages)}",
        )
    return {name: path for name, path in found.items() if path is not None}


def as_root(command: Sequence[str]) -> tuple[str, ...]:
    """The command, such that it takes itself for root's, and files that it packs belong to root."""
    if os.geteuid() == 0:
        return tuple(command)
    return (find_programs(["fakeroot"])["fakeroot"], "--", *command)


class Programs:
    """Programs that run at once, in several threads; none is left when the block ends, however it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._over = True
            for process in self._running:
                _kill(process)

    def run(self, command: Sequence[str | Path], what: str, deadline: Deadline) -> str:
        """Run to the end and return standard output.

        Raises `LinuxImageError` with the last lines that the program printed, `DeadlineExceededError` when it
        takes too long. Whatever ends the wait, Ctrl-C too, ends the program and what it started.
        """
        deadline.check(what)
        process = self._start(command, what)
        try:
            output, errors = process.communicate(timeout=deadline.remaining_s())
        except BaseException as error:
            _kill(process)
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise DeadlineExceededError(f"{what}: not done within {deadline.budget_s:g} s") from error
            raise
        finally:
            with self._lock:
                self._running.discard(process)
        if process.returncode != 0:
            last = [line for line in (errors + output).splitlines() if line.strip()][-8:]
            name, status = Path(command[0]).name, process.returncode
            raise LinuxImageError(f"{what}: {name} ended with status {status}:\n" + "\n".join(last))
        return output

    def _start(self, command: Sequence[str | Path], what: str) -> subprocess.Popen[str]:
        with self._lock:
            if self._over:
                raise LinuxImageError(f"{what}: given up")
            process = subprocess.Popen(
                command,
                # apt's messages are looked at, so they must be in English.
                env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
            return process


def run(command: Sequence[str | Path], what: str, deadline: Deadline) -> str:
    """`Programs.run` for one that runs alone."""
    with Programs() as programs:
        return programs.run(command, what, deadline)


def _kill(process: subprocess.Popen[str]) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
