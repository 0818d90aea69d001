"""What the project's runner is asked on a simulated board, checked as the runner itself does."""

from __future__ import annotations

from typing import Any

RUNTIMES = ("tflite_runtime", "ai_edge_litert", "tensorflow")
_METHODS = ("auto", "python", "native", "batched")


class RunnerError(Exception):
    """An event "error" of this kind; the start ends with it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


def checked_request(fields: dict[str, Any], version: int) -> dict[str, Any]:
    """The request; raises `RunnerError` as the runner itself does."""

    def wrong(key: str, expected: str) -> RunnerError:
        return RunnerError("request", f"{key}: expected {expected}, found {str(fields.get(key))[:100]!r}")

    def whole(value: object, smallest: int) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= smallest

    def texts(value: object) -> bool:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)

    if fields.get("version") != version:
        raise wrong("version", str(version))
    for key in ("model", "outputs"):
        if not isinstance(fields.get(key), str) or not fields[key]:
            raise wrong(key, "text")
    if not texts(fields.get("inputs")):
        raise wrong("inputs", "a list of text")
    choices = {"runtime": ("auto", *RUNTIMES), "kernels": ("default", "reference"), "timing": _METHODS}
    for key, known in choices.items():
        if fields.get(key) not in known:
            raise wrong(key, "one of " + ", ".join(known))
    for key, smallest in (("threads", 1), ("runs", 0)):
        if not whole(fields.get(key), smallest):
            raise wrong(key, f"an integer from {smallest}")
    if fields.get("warmups") is not None and not whole(fields["warmups"], 0):
        raise wrong("warmups", "an integer from 0")
    affinity = fields.get("affinity")
    if affinity is not None and not (
        isinstance(affinity, list) and affinity and all(type(each) is int for each in affinity)
    ):
        raise wrong("affinity", "a list of integers")
    if not isinstance(fields.get("answer", False), bool):
        raise wrong("answer", "true or false")
    for key in ("delegate", "calibration", "native_library"):
        if fields.get(key) is not None and (not isinstance(fields[key], str) or not fields[key]):
            raise wrong(key, "text")
    optional = ("warmups", "affinity", "delegate", "calibration")
    return {**fields, **{key: fields.get(key) for key in optional}, "answer": fields.get("answer", False)}
