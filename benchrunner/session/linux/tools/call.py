"""One call of a tool on the board: found, run, its text kept, and judged by more than its exit status."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchrunner.deadline import Deadline
from benchrunner.errors import FallBackError, ToolMissingError, ToolOutputError
from benchrunner.protocol.linux_tools import decode, fall_back_text
from benchrunner.protocol.linux_tools.text import last_words
from benchrunner.record import LayerCounts, NotMeasured, ProcessMemory, Shares, Start
from benchrunner.session.linux.tools.load import LoadSeen, split, watched
from benchrunner.transport.shell import Shell

MAX_LOG_CHARACTERS = 64 << 10  # of one call, in the record
_MAX_LOGS_CHARACTERS = 1 << 20  # of all calls of a case
_FIND_S = 20.0
# Where X-LINUX-AI installs them, then where others might: the first that can be executed is taken.
FIND = (
    'for f in "$2"/usr/local/bin/*/tools/"$1" "$2"/usr/local/bin/"$1" "$2"/usr/bin/"$1"; do '
    'if [ -x "$f" ]; then printf "%s\\n" "$f"; fi; done'
)
_PACKAGE_VERSION = re.compile(r"/[A-Za-z-]+-(\d[\w.]*)/tools/")


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """What to measure. Paths are of the board; the model is there already."""

    model: str
    folder: str  # private: tools leave files in the working folder
    runs: int = 50  # timed inferences of each start
    starts: int = 5
    warmups: int | None = None  # None: the tool's own habit
    threads: int = 1
    delegate: str | None = None  # library of an external delegate, or "vsinpu"
    xnnpack: bool | None = None  # None: the build's default
    affinity: tuple[int, ...] | None = None  # CPUs that the tool may use


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a case's record takes from the tool."""

    tool: str  # path on the board
    version: str  # of its package, empty if the path does not tell
    starts: tuple[Start, ...]
    layers: tuple[LayerCounts, ...] | NotMeasured
    shares: Shares | NotMeasured
    process_memory: ProcessMemory | NotMeasured
    conditions: dict[str, str | int | bool]
    warnings: tuple[str, ...]


@dataclass(slots=True)
class ToolLog:
    """Raw text of every call, bounded, and the load beside it; the caller keeps both when a call raises."""

    texts: dict[str, str] = field(default_factory=dict)
    load: LoadSeen = field(default_factory=LoadSeen)

    def add(self, name: str, text: str) -> None:
        room = _MAX_LOGS_CHARACTERS - sum(map(len, self.texts.values()))
        limit = max(0, min(MAX_LOG_CHARACTERS, room))
        if len(text) > limit:
            text = f"{text[:limit]}\n[{len(text) - limit} more characters were not kept]\n"
        self.texts[name] = text


def find_tool(shell: Shell, name: str, deadline: Deadline, *, root: str = "") -> str:
    """Path of an executable on the board; the newest version where there are several.

    `root` is where the board's folders are, for tests. Raises `ToolMissingError`.
    """
    found = shell.run(["sh", "-c", FIND, "sh", name, root], deadline.at_most(_FIND_S))
    paths = [line for line in decode(found.stdout).splitlines() if line.startswith("/")]
    if not paths:
        raise ToolMissingError(
            f"{shell.description}: no {name} under /usr/local/bin/*/tools, /usr/local/bin or /usr/bin",
            hint="install the benchmark tools of X-LINUX-AI on the board (apt-get install on OpenSTLinux), "
            "or use --engine tflite",
        )
    return max(paths, key=lambda path: [int(part) for part in re.findall(r"\d+", tool_version(path))])


def tool_version(path: str) -> str:
    """`2.18.0` of `/usr/local/bin/tensorflow-lite-2.18.0/tools/benchmark_model`."""
    match = _PACKAGE_VERSION.search(path)
    return match[1] if match else ""


def pinned(request: ToolRequest, argv: Sequence[str]) -> list[str]:
    """The command on the CPUs that were asked for."""
    if request.affinity is None:
        return list(argv)
    return ["taskset", "-c", ",".join(map(str, request.affinity)), *argv]


def call(
    shell: Shell,
    argv: Sequence[str],
    name: str,
    deadline: Deadline,
    log: ToolLog,
    *,
    folder: str,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a tool once and return what it printed on both streams.

    Raises `ToolOutputError` for an exit status that is not 0, `FallBackError` where it says that the CPU did
    an accelerator's work. A status of 0 proves nothing: whether there is a result is for the parser.
    """
    finished = shell.run(watched(argv), deadline, folder=folder, environment=environment)
    stderr, load = split(finished.stderr)
    log.load.add(load)
    text = "".join(
        stream if stream.endswith("\n") or not stream else f"{stream}\n"
        for stream in (decode(finished.stdout), decode(stderr))
    )
    variables = "".join(f"{key}={value} " for key, value in (environment or {}).items())
    log.add(name, f"$ {variables}{' '.join(argv)}\n{text}[exit status {finished.status}]\n")
    tool = next(word for word in argv if word.startswith("/")).rsplit("/", 1)[-1]
    if fall_back := fall_back_text(text):
        raise FallBackError(
            f"{tool}: executed by the CPU instead of the accelerator: {fall_back}",
            hint="the accelerator does not take some operator of the model: run it on the CPU, or change it",
        )
    if finished.status:
        raise ToolOutputError(
            f"{tool} ended with status {finished.status}: {last_words(text) or 'it printed nothing'}",
            hint="the record's log has everything that it printed",
        )
    return text
