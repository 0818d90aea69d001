"""The board's own benchmark tools as engines: `benchmark_model`, `nbg_benchmark`, `onnxruntime_perf_test`.

They are driven directly, each start of a case a process of its own, and what they print is kept. They tell
one figure for each start, never a sample: the record names which (`conditions["estimator"]`).
"""

from benchrunner.session.linux.tools.call import ToolLog, ToolRequest, ToolResult, find_tool, tool_version
from benchrunner.session.linux.tools.convert import MODEL_SUFFIXES, model_for
from benchrunner.session.linux.tools.measure import TOOL_ENGINES, measure_with_tool

__all__ = [
    "MODEL_SUFFIXES",
    "TOOL_ENGINES",
    "ToolLog",
    "ToolRequest",
    "ToolResult",
    "find_tool",
    "measure_with_tool",
    "model_for",
    "tool_version",
]
