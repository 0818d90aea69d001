"""A private folder on a Linux board: files put there are checked, and nothing of it stays behind.

The folder's name says which process of which computer made it, so that the next contact can remove what a
run left behind that was killed, or lost its connection, and can remove nothing else.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from benchrunner.deadline import Deadline
from benchrunner.errors import BenchrunnerError, BoardError, UsageError
from benchrunner.transport.shell import Shell

PREFIX: Final = "benchrunner-"

_LAST_RESORT: Final = "/tmp"
_REMOVE_S: Final = 20.0
_LONGEST_NAME_BYTES: Final = 200  # file systems take 255; the transfer adds a suffix
_TOOL_MISSING: Final = (126, 127)
_PYTHON_HASH: Final = (
    "import hashlib,sys;h=hashlib.sha256();f=open(sys.argv[1],'rb');"
    "[h.update(b) for b in iter(lambda:f.read(1<<20),b'')];print(h.hexdigest())"
)
HASH_TOOLS: Final = (("sha256sum",), ("python3", "-c", _PYTHON_HASH))
_FOLDER: Final = re.compile(
    rf"{PREFIX}(?P<host>[0-9a-f]{{12}})-(?P<life>(?P<boot>[0-9a-z]{{1,8}})-(?P<pid>[0-9]+)-(?P<start>[0-9]+)-[0-9]+)"
    r"\.[A-Za-z0-9]{6,}"
)

_numbers = itertools.count()
_live: set[str] = set()
"""Folders of this process that are in use; those of other processes live as long as the process does."""


class Staging:
    """The folder, for as long as one connection lasts. `with Staging.open(...)` removes it at the end."""

    def __init__(self, shell: Shell, folder: str, life: str) -> None:
        self._shell = shell
        self._life = life
        self._held: dict[str, str] = {}  # name -> SHA-256 of what was put there
        self._hash_tool: Sequence[str] | None = None
        self.folder = folder

    @classmethod
    def open(cls, shell: Shell, deadline: Deadline, *, warnings: list[str] | None = None) -> Self:
        """Make a folder that others cannot read, and remove what dead runs of this computer have left.

        It lies in ~/.cache where that exists and can be written to, else in /tmp. `warnings` is told where a
        Ctrl-C came before its name did, and what was made may stay.
        """
        home = shell.run(["printenv", "HOME"], deadline).stdout.decode(errors="replace").rstrip("\n")
        places = [f"{home}/.cache"] if home.startswith("/") and "\n" not in home else []
        places.append(_LAST_RESORT)
        _sweep(shell, places, deadline)
        life = f"{_boot()}-{os.getpid()}-{_start_of(os.getpid())}-{next(_numbers)}"
        _live.add(life)
        said = ""
        try:
            for place in places:
                made = shell.run(["mktemp", "-d", f"{place}/{PREFIX}{_host()}-{life}.XXXXXX"], deadline)
                folder = made.stdout.decode(errors="replace").rstrip("\n")
                if made.status == 0 and _FOLDER.fullmatch(folder.rpartition("/")[2]):
                    return cls(shell, folder, life)
                said = made.stderr.decode(errors="replace").strip()
        except BaseException as error:
            _live.discard(life)
            if isinstance(error, KeyboardInterrupt):
                shell.leave_soon(error)
                _remove_unnamed(shell, places, warnings)
            raise
        _live.discard(life)
        raise BoardError(
            f"{shell.description}: no folder can be made in {' or '.join(places)}: {said}",
            hint="`df -h /tmp` and `ls -ld /tmp` on the board tell whether it is full or read-only",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except BenchrunnerError:
            if error is None:
                raise  # else: what went wrong before matters more, and the next contact removes the folder

    def put(
        self,
        data: bytes,
        name: str,
        deadline: Deadline,
        *,
        mode: int = 0o600,
        progress: Callable[[int, int], None] | None = None,
    ) -> str:
        """Bring `data` to the board as `name` and return its path there.

        Nothing is copied when the board has it already; what it has is hashed by the board in either case.
        Raises `BoardError` when it arrives damaged, or when there is no space.
        """
        path = self.path_of(name)
        wanted = hashlib.sha256(data).hexdigest()
        if self._held.get(name) == wanted and self._hash(path, deadline) == wanted:
            return path
        self._held.pop(name, None)
        self._shell.put(data, path, deadline, mode=mode, progress=progress)
        found = self._hash(path, deadline)
        if found != wanted:
            raise BoardError(
                f"{self._shell.description}: {name} arrived damaged: SHA-256 {found or 'none'}, "
                f"expected {wanted}",
                hint="the board's memory or storage is failing, or something else writes to its folder",
            )
        self._held[name] = wanted
        return path

    def make_folder(self, name: str, deadline: Deadline) -> str:
        """An empty folder of that name; what was in it before is removed."""
        path = self.path_of(name)
        self._do(["rm", "-rf", path], deadline)
        self._do(["mkdir", "-m", "700", path], deadline)
        return path

    def discard(self, name: str, deadline: Deadline) -> None:
        """Remove one file or folder, to make room."""
        self._held.pop(name, None)
        self._do(["rm", "-rf", self.path_of(name)], deadline)

    def path_of(self, name: str) -> str:
        """Where `name` is on the board; raises `UsageError` for a name that no file can have."""
        encoded = name.encode("utf-8", errors="replace")
        if (
            not name
            or name in (".", "..")
            or "/" in name
            or "\0" in name
            or len(encoded) > _LONGEST_NAME_BYTES
        ):
            raise UsageError(
                f"{name!r}: expected the name of a file, without a folder, of at most "
                f"{_LONGEST_NAME_BYTES} bytes",
                hint="rename the file",
            )
        return f"{self.folder}/{name}"

    def close(self) -> None:
        """Remove the folder. After a lost connection the next contact does it."""
        if self._life not in _live:
            return
        _live.discard(self._life)
        self._do(["rm", "-rf", self.folder], Deadline(_REMOVE_S))

    def _hash(self, path: str, deadline: Deadline) -> str | None:
        """The SHA-256 that the board computes; None where there is no such file."""
        for tool in [self._hash_tool] if self._hash_tool else HASH_TOOLS:
            finished = self._shell.run([*tool, path], deadline)
            if finished.status in _TOOL_MISSING:
                continue
            self._hash_tool = tool
            # sha256sum writes a backslash first where it had to escape the name.
            found = re.match(rb"\\?([0-9a-f]{64})\b", finished.stdout)
            return found[1].decode() if found and finished.status == 0 else None
        raise BoardError(
            f"{self._shell.description}: neither sha256sum nor python3 is on the board, so nothing that is "
            "copied there can be checked",
            hint="install coreutils, or BusyBox with sha256sum",
        )

    def _do(self, argv: Sequence[str], deadline: Deadline) -> None:
        finished = self._shell.run(argv, deadline)
        if finished.status != 0:
            said = finished.stderr.decode(errors="replace").strip()
            raise BoardError(f"{self._shell.description}: {argv[0]}: status {finished.status}: {said}")


def _remove_unnamed(shell: Shell, places: Sequence[str], warnings: list[str] | None) -> None:
    """The folder that the board has perhaps made, before it said how it is called: its life is over."""
    try:
        _sweep(shell, places, Deadline(_REMOVE_S))
    except BenchrunnerError as error:
        if warnings is not None:
            warnings.append(
                f"an empty folder may still be on the board, in {' or '.join(places)}, until the next "
                f"contact: {error.message}"
            )


def _sweep(shell: Shell, places: Sequence[str], deadline: Deadline) -> None:
    listing = shell.run(["ls", "-1A", *places], deadline).stdout.decode(errors="replace")
    dead: list[str] = []
    place = places[0]
    for line in listing.splitlines():
        if line.endswith(":") and line[:-1] in places:
            place = line[:-1]
        elif (found := _FOLDER.fullmatch(line)) and _is_dead(found):
            dead.append(f"{place}/{line}")
    if dead:
        shell.run(["rm", "-rf", *dead], deadline)


def _is_dead(found: re.Match[str]) -> bool:
    """Whether the folder is one of this computer and its process has ended, or has given it up."""
    if found["host"] != _host():
        return False
    pid = int(found["pid"])
    if found["boot"] != _boot() or _start_of(pid) != int(found["start"]):
        return True
    return pid == os.getpid() and found["life"] not in _live


def _host() -> str:
    """This computer and user, and the set of process numbers that ours are of: containers have their own."""
    known = [socket.gethostname(), str(os.getuid())]
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            known.append(Path(path).read_text().strip())
        except OSError:
            continue
    try:
        known.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        pass
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:12]


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().replace("-", "")[:8]
    except OSError:
        return "0"


def _start_of(process: int) -> int:
    """When a process was started, in the kernel's ticks; -1 where there is none, 0 where nobody tells."""
    try:
        # Field 22 of proc(5); the second one, the name, may hold spaces and parentheses.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return -1 if fields[0] in "ZX" else int(fields[19])
    except FileNotFoundError:
        return -1 if Path("/proc/self/stat").exists() else _exists(process)
    except OSError:
        return -1


def _exists(process: int) -> int:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return -1
    except OSError:
        pass
    return 0
