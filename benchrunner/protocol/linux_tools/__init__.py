"""What the board's own benchmark tools print, to frozen values: text in, no I/O.

Every parser takes the text of one run and returns its result, or raises `ToolOutputError`: an exit status
of 0 means nothing to these tools. Formats differ between versions, so values are found by their names.
"""

from benchrunner.protocol.linux_tools.benchmark_model import (
    BenchmarkModelResult,
    Delegation,
    Times,
    parse_benchmark_model,
)
from benchrunner.protocol.linux_tools.driver_profile import (
    PROFILING_ENVIRONMENT,
    DriverLayer,
    parse_driver_profile,
    shares_percent,
)
from benchrunner.protocol.linux_tools.nbg import NbgResult, parse_nbg_benchmark
from benchrunner.protocol.linux_tools.onnxruntime import OnnxruntimeResult, parse_onnxruntime_perf_test
from benchrunner.protocol.linux_tools.profile import OpProfile, ProfiledNode, parse_profile
from benchrunner.protocol.linux_tools.text import decode, fall_back_text, plain
from benchrunner.protocol.linux_tools.unified import (
    UnifiedReport,
    UnifiedRow,
    parse_unified,
    parse_unified_json,
    parse_x_linux_ai_version,
)

__all__ = [
    "PROFILING_ENVIRONMENT",
    "BenchmarkModelResult",
    "Delegation",
    "DriverLayer",
    "NbgResult",
    "OnnxruntimeResult",
    "OpProfile",
    "ProfiledNode",
    "Times",
    "UnifiedReport",
    "UnifiedRow",
    "decode",
    "fall_back_text",
    "parse_benchmark_model",
    "parse_driver_profile",
    "parse_nbg_benchmark",
    "parse_onnxruntime_perf_test",
    "parse_profile",
    "parse_unified",
    "parse_unified_json",
    "parse_x_linux_ai_version",
    "plain",
    "shares_percent",
]
