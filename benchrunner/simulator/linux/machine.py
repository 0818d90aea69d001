"""A simulated Linux board: its files, processor and processes, and how a program is found and started."""

from __future__ import annotations

import errno
import itertools
import posixpath
import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchrunner.board import Board
from benchrunner.simulator.clock import BoardClock
from benchrunner.simulator.linux.faults import Interruption, LinuxFaultCounters, LinuxFaults
from benchrunner.simulator.linux.files import Files, Node, Volume
from benchrunner.simulator.linux.process import (
    SIGKILL,
    SIGTERM,
    Process,
    Program,
    SignalledError,
    decode,
    encode,
)
from benchrunner.simulator.linux.processor import Processor
from benchrunner.simulator.linux.profile import Profile, profile_of

if TYPE_CHECKING:
    from benchrunner.simulator.linux.tools.network import Network

_SIGNALS = {
    "HUP": 1,
    "INT": 2,
    "QUIT": 3,
    "KILL": SIGKILL,
    "USR1": 10,
    "USR2": 12,
    "PIPE": 13,
    "TERM": SIGTERM,
}
_TMPFS_BYTES = 160 << 20
_PSEUDO_BYTES = 1 << 30  # volumes without a disk; nothing but the board itself writes there
_SHELLS = ("sh", "bash", "ash", "dash")
_MAX_PROCESSES = 500
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(slots=True)
class Times:
    """When the board was started, on its own clock and on the wall."""

    boot_s: float
    wall_s: float


class LinuxMachine:
    """The board between power on and power off. Shared by all connections."""

    def __init__(
        self,
        board: Board,
        faults: LinuxFaults | None = None,
        clock: BoardClock | None = None,
        *,
        seed: int = 0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.faults = faults or LinuxFaults()
        self.counters = LinuxFaultCounters(self.faults)
        self.clock = clock or BoardClock()
        self.profile: Profile = profile_of(board)
        self.seed = seed
        self.stopped = threading.Event()
        self.on_reboot: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._wall_step_s = 0.0
        self._times = Times(self.clock.now_s() - 90.0, wall() - self.clock.now_s())
        self._pids = itertools.count(600)
        self._starts = itertools.count(1)
        self.processes: dict[int, Process] = {}
        self.networks: dict[str, Network] = {}  # models by hash: analysed once
        self.networks_lock = threading.Lock()
        self._thread = threading.local()
        self.boot_id = self._uuid("boot 1")
        self._boots = 1
        self.processor = self._new_processor()
        profile = self.profile
        self.files = Files(
            Volume(
                "/dev/mmcblk0p10",
                "/",
                "ext4",
                profile.rootfs_bytes,
                profile.rootfs_used_bytes,
            ),
            self.wall_s,
        )
        userfs = Volume(
            "/dev/mmcblk0p11", "/usr/local", "ext4", profile.userfs_bytes, profile.userfs_used_bytes
        )
        self.files.mount(userfs)
        for mount in ("/tmp", "/run"):
            self.files.mount(Volume("tmpfs", mount, "tmpfs", _TMPFS_BYTES))
        for kind, mount in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")):
            self.files.mount(Volume(kind, mount, kind, _PSEUDO_BYTES))
        from benchrunner.simulator.linux.tree import furnish  # it needs the machine's type

        furnish(self)
        for volume in self.files.volumes:
            if volume.kind in ("ext4", "tmpfs"):
                volume.used_bytes = self._used(volume.size_bytes, volume.used_bytes)
            else:
                volume.read_only = True

    def _used(self, size: int, used: int) -> int:
        if self.faults.disk_full:
            return size
        free = self.faults.disk_free_bytes
        return used if free is None else max(0, size - free)

    def _uuid(self, text: str) -> str:
        return str(uuid.UUID(int=random.Random(f"{self.seed} {text}").getrandbits(128), version=4))

    def _new_processor(self) -> Processor:
        faults = self.faults
        return Processor(
            self.profile,
            self.clock,
            hot=faults.throttling,
            foreign_load=faults.load or 0.0,
            locked=faults.governor_locked,
        )

    # time

    def now_s(self) -> float:
        return self.clock.now_s()

    def uptime_s(self) -> float:
        return self.clock.now_s() - self._times.boot_s

    def wall_s(self) -> float:
        return self._times.wall_s + self.clock.now_s() + self._wall_step_s

    def step_wall_clock(self, seconds: float) -> None:
        self._wall_step_s += seconds

    # processes

    def next_pid(self) -> int:
        return next(self._pids)

    def next_start(self) -> int:
        """A number for each start of a benchmark program: what differs from start to start hangs on it."""
        return next(self._starts)

    def remember(self, process: Process) -> None:
        with self._lock:
            self.processes[process.pid] = process

    def current_process(self) -> Process | None:
        """The one that this thread runs."""
        return getattr(self._thread, "process", None)

    def enter(self, process: Process) -> Process | None:
        """Let this thread run `process`; returns what it ran before, to come back to."""
        before = self.current_process()
        self._thread.process = process
        return before

    def leave(self, before: Process | None) -> None:
        self._thread.process = before

    def forget(self, process: Process) -> None:
        with self._lock:
            if self.processes.get(process.pid) is process:
                del self.processes[process.pid]

    def kill(self, sender: Process, words: list[str]) -> int:
        """The command `kill`."""
        number, names = SIGTERM, words[1:]
        if names[:1] == ["-l"]:
            sender.out(" ".join(_SIGNALS) + "\n")
            return 0
        if names and names[0].startswith("-") and len(names) > 1:
            option = names.pop(0)
            text = names.pop(0) if option == "-s" and names else option[1:]
            text = text.upper().removeprefix("SIG")
            if names[:1] == ["--"]:
                del names[0]
            if not text.isdigit() and text not in _SIGNALS:
                sender.stderr.write(encode(f"kill: invalid signal: {text}\n"))
                return 1
            number = int(text) if text.isdigit() else _SIGNALS[text]
        status = 0
        for name in names:
            pid = int(name) if name.lstrip("-").isdigit() else 0
            if not self._signal(abs(pid), number):
                sender.stderr.write(encode(f"kill: ({name}) - No such process\n"))
                status = 1
        return status if names else 2

    def _signal(self, pid: int, number: int) -> bool:
        with self._lock:
            found = [process for process in self.processes.values() if process.pid == pid]
            hit = {pid}
            for process in sorted(self.processes.values(), key=lambda each: each.pid):
                if process.parent in hit:
                    hit.add(process.pid)
                    found.append(process)
        if pid not in {process.pid for process in found}:
            return False
        if number:
            for process in found:
                process.signal = number
        return True

    # faults

    def reach(self, step: str, process: Process | None = None) -> Interruption | None:
        """Count a step of a connection or a process. A hang is carried out here, a reboot as well."""
        found = self.counters.reach(step)
        if found is Interruption.REBOOT:
            self.reboot()
        if found is Interruption.HANG and process is not None:
            process.pause()
        return found

    def reboot(self) -> None:
        """Start anew: every connection ends, what lies in RAM is gone, the disks stay."""
        with self._lock:
            self._boots += 1
            self.boot_id = self._uuid(f"boot {self._boots}")
            self._times.boot_s = self.clock.now_s()
            ended = list(self.processes.values())
            self.processes.clear()
        for process in ended:
            process.signal = SIGKILL
        self.processor = self._new_processor()
        for volume in self.files.volumes:
            if volume.kind == "tmpfs":
                self.files.find(volume.mount).children.clear()
                volume.used_bytes = self._used(volume.size_bytes, 0)
        self.on_reboot()

    # programs

    def which(self, name: str, search: str, folder: str) -> str | None:
        """The path of the program `name`."""
        if "/" in name:
            candidates = [name if name.startswith("/") else f"{folder}/{name}"]
        else:
            candidates = [posixpath.join(part or folder, name) for part in search.split(":")]
        for path in candidates:
            try:
                node = self.files.find(path)
            except OSError:
                continue
            if not node.is_folder and node.mode & 0o111:
                return path
        return None

    def execute(self, process: Process, search: str) -> int:
        """Run the program that `process.arguments` name, to its end; returns its exit status."""
        name = process.arguments[0]
        path = self.which(name, search, process.folder)
        if path is None:
            return self._not_started(process, name)
        node = self.files.find(path)
        if len(self.processes) > _MAX_PROCESSES:
            process.stderr.write(b"sh: 1: Cannot fork\n")
            return 2
        self.remember(process)
        before = self.enter(process)
        try:
            process.check()
            return self._run(process, path, node)
        except SignalledError as error:
            if process.group.signal or (process.signal == 0 and error.number == 1):
                raise  # the whole conversation ends
            return 128 + error.number
        finally:
            self.leave(before)
            self.forget(process)
            if parent := self.processes.get(process.parent):
                parent.children_cpu_s += process.cpu_s + process.children_cpu_s

    def _run(self, process: Process, path: str, node: Node) -> int:
        from benchrunner.simulator.linux.commands import PROGRAMS  # programs need the machine's type

        if node.program:
            return _guarded(PROGRAMS[node.program], process)
        content = bytes(node.content)
        if content.startswith(b"\x7fELF"):
            process.stderr.write(encode(f"sh: 1: {path}: the simulated board runs no machine code\n"))
            return 126
        interpreter = ["/bin/sh"]
        if content.startswith(b"#!"):
            interpreter = decode(content[2:].split(b"\n", 1)[0]).split() or interpreter
        if posixpath.basename(interpreter[0]) == "env":
            interpreter = interpreter[1:] or ["/bin/sh"]
        base = posixpath.basename(interpreter[0])
        program = PROGRAMS.get("sh" if base in _SHELLS else base)
        if program is None:
            process.stderr.write(encode(f"sh: 1: {path}: not found\n"))
            return 127
        process.arguments = [base, *interpreter[1:], path, *process.arguments[1:]]
        return _guarded(program, process)

    def _not_started(self, process: Process, name: str) -> int:
        if "/" in name:
            try:
                node = self.files.find(process.path(name))
            except OSError:
                pass
            else:
                reason = "Is a directory" if node.is_folder else "Permission denied"
                process.stderr.write(encode(f"sh: 1: {name}: {reason}\n"))
                return 126
        process.stderr.write(encode(f"sh: 1: {name}: not found\n"))
        return 127


def _guarded(program: Program, process: Process) -> int:
    """Run `program`; what it cannot do is a message and a status."""
    from benchrunner.simulator.linux.commands.options import BadUsageError

    try:
        return program(process)
    except BadUsageError as error:
        process.error(str(error))
        return 2 if program.__name__ in ("_grep", "_ls") else 1
    except OSError as error:
        reason = error.strerror or str(error)
        process.error(f"write error: {reason}" if error.errno == errno.ENOSPC else reason)
        return 1
