"""A process of a simulated Linux board: its arguments, its streams, and what ends it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from benchrunner.simulator.linux.machine import LinuxMachine

MAX_PIPE_BYTES = 8 << 20
"""Stages of a pipe run one after the other here; one that prints more than this gets a SIGPIPE."""
SIGHUP, SIGKILL, SIGPIPE, SIGTERM = 1, 9, 13, 15


class Input(Protocol):
    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, empty only at the end; -1: everything up to the end."""

    def readline(self) -> bytes: ...


class Output(Protocol):
    def write(self, data: bytes) -> None: ...


class SignalledError(Exception):
    """A signal ended the process."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


class Given:
    """Input whose bytes are all there."""

    def __init__(self, data: bytes = b"") -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size)

    def readline(self) -> bytes:
        return self._data.readline()


class Collected:
    """Output that is kept, for a pipe or a substitution."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> None:
        if len(self.data) + len(data) > MAX_PIPE_BYTES:
            raise SignalledError(SIGPIPE)
        self.data += data


class Nothing:
    """/dev/null as output."""

    def write(self, data: bytes) -> None:
        pass


class Group:
    """The processes that end together: those of one channel."""

    def __init__(
        self, hung_up: Callable[[], bool] = lambda: False, drop: Callable[[], None] = lambda: None
    ) -> None:
        self.signal = 0
        self._hung_up = hung_up
        self.drop = drop  # ends the connection, as a fault
        self.terminal = ""  # "pts/0" where there is one

    def check(self) -> None:
        if self.signal:
            raise SignalledError(self.signal)
        if self._hung_up():
            raise SignalledError(SIGHUP)


class Process:
    """What a program sees. `check` is called often: it raises when the process has been killed."""

    def __init__(
        self,
        machine: LinuxMachine,
        group: Group,
        arguments: list[str],
        environment: Mapping[str, str],
        folder: str,
        streams: Mapping[int, object],
        parent: int = 1,
    ) -> None:
        self.machine, self.group = machine, group
        self.arguments = arguments
        self.environment = dict(environment)
        self.folder = folder
        self.streams = dict(streams)
        self.parent = parent
        self.pid = machine.next_pid()
        self.signal = 0
        self.started_s = machine.now_s()
        self.cpus: tuple[int, ...] | None = None  # affinity, None: all
        self.rss_bytes = 3_200 << 10
        self.ignored: frozenset[int] = frozenset()  # signals that `trap ''` has switched off
        self.background = False
        self.cpu_s = self.children_cpu_s = 0.0  # its own, and that of what it has waited for

    @property
    def stdin(self) -> Input:
        return self.streams.get(0) or Given()  # type: ignore[return-value]  # redirections put one there

    @property
    def stdout(self) -> Output:
        return self.streams.get(1) or Nothing()  # type: ignore[return-value]

    @property
    def stderr(self) -> Output:
        return self.streams.get(2) or Nothing()  # type: ignore[return-value]

    def child(
        self, arguments: list[str], environment: Mapping[str, str], streams: Mapping[int, object]
    ) -> Process:
        """A process that this one starts."""
        made = Process(self.machine, self.group, arguments, environment, self.folder, streams, self.pid)
        made.cpus, made.ignored, made.background = self.cpus, self.ignored, self.background
        return made

    def out(self, text: str) -> None:
        self.stdout.write(encode(text))

    def error(self, text: str) -> None:
        """A line on standard error, with the program's name before it."""
        self.stderr.write(encode(f"{self.arguments[0].rpartition('/')[2]}: {text}\n"))

    def path(self, name: str) -> str:
        """`name` as an absolute path."""
        return name if name.startswith("/") else f"{self.folder.rstrip('/')}/{name}"

    def check(self) -> None:
        if self.signal and (self.signal == SIGKILL or self.signal not in self.ignored):
            raise SignalledError(self.signal)
        if self.machine.stopped.is_set():
            raise SignalledError(SIGKILL)
        if SIGHUP not in self.ignored:
            self.group.check()

    def pause(self, seconds: float | None = None) -> None:
        """Wait in real time until something kills the process, for at most `seconds`."""
        waited = 0.0
        while seconds is None or waited < seconds:
            self.check()
            step = 0.02 if seconds is None else min(0.02, seconds - waited)
            self.machine.stopped.wait(step)
            waited += step


Program = Callable[[Process], int]


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
