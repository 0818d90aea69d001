"""One case, from a model file to a stored record."""

from benchrunner.run.case import run_case
from benchrunner.run.mlperf import ENGINE as MLPERF_TINY
from benchrunner.run.mlperf import run_tiny_case
from benchrunner.run.request import CaseResult, Observer, RunRequest, Step

__all__ = ["MLPERF_TINY", "CaseResult", "Observer", "RunRequest", "Step", "run_case", "run_tiny_case"]
