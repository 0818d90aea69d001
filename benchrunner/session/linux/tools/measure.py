"""Which engine is which tool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from benchrunner.deadline import Deadline
from benchrunner.session.linux.tools import benchmark_model, nbg, onnxruntime
from benchrunner.session.linux.tools.call import ToolLog, ToolRequest, ToolResult
from benchrunner.transport.shell import Shell

Progress = Callable[[int, int], None]


class _Measure(Protocol):
    def __call__(
        self, shell: Shell, request: ToolRequest, deadline: Deadline, log: ToolLog, progress: Progress
    ) -> ToolResult: ...


_MEASURE: dict[str, _Measure] = {
    "benchmark-model": benchmark_model.measure,
    "nbg": nbg.measure,
    "onnxruntime": onnxruntime.measure,
}
TOOL_ENGINES = tuple(_MEASURE)


def _silent(_done: int, _total: int) -> None:
    pass


def measure_with_tool(
    engine: str,
    shell: Shell,
    request: ToolRequest,
    deadline: Deadline,
    log: ToolLog,
    progress: Progress = _silent,
) -> ToolResult:
    """Measure with the tool of `engine` (one of `TOOL_ENGINES`); `progress` is told after every call.

    Raises `ToolMissingError`, `ToolOutputError`, `FallBackError`, and what the shell raises. `log` has the
    text of every call that was made, also then.
    """
    return _MEASURE[engine](shell, request, deadline, log, progress)
