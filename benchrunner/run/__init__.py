"""One case, from a model file to a stored record."""

from benchrunner.run.case import run_case
from benchrunner.run.request import CaseResult, Observer, RunRequest, Step

__all__ = ["CaseResult", "Observer", "RunRequest", "Step", "run_case"]
