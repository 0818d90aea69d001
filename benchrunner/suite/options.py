"""Options of `benchrunner run` that a matrix may set, and which engine takes which."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import Final

_TFLITE: Final = frozenset({"tflite"})
_TOOLS: Final = frozenset({"benchmark-model", "onnxruntime"})
# Engines that an option of Linux boards is for; where it has no effect it must not stand in the record.
_ENGINES: Final[dict[str, Collection[str]]] = {
    "xnnpack": {"benchmark-model"},
    "kernels": _TFLITE,
    "runtime": _TFLITE,
    "timing": _TFLITE,
    "board_python": _TFLITE,
    "delegate": _TFLITE | _TOOLS,
    "affinity": _TFLITE | _TOOLS | {"nbg"},
    "policy": _TFLITE | _TOOLS | {"nbg"},
    "starts": _TFLITE | _TOOLS | {"nbg"},
    "threads": _TFLITE | _TOOLS,  # the NPU executes a network binary
}


def takes(engine: str, option: str) -> bool:
    """Whether the option has an effect with this engine."""
    return option not in _ENGINES or engine in _ENGINES[option]


def threads_of(engine: str, threads: int) -> int:
    """How many threads a case has with this engine."""
    return threads if takes(engine, "threads") else 1


@dataclass(frozen=True, slots=True)
class CaseOptions:
    """What a case is run with beside board, engine, model, runs, starts and threads; named as in `run`."""

    warmup: int | None = None
    tolerance: int | None = None
    xnnpack: str = ""  # "on" or "off"; empty: what the board's build does
    kernels: str = "default"
    runtime: str = "auto"
    timing: str = "auto"
    policy: str = "warn"
    affinity: str = ""  # CPUs such as 0 or 0-1,3
    delegate: str = ""
    board_python: str = "python3"

    def given(self) -> dict[str, str]:
        """Those that are not as they would be without a word, as text."""
        default = CaseOptions()
        return {
            field.name: str(getattr(self, field.name))
            for field in fields(self)
            if getattr(self, field.name) != getattr(default, field.name)
        }

    def of_engine(self, engine: str) -> CaseOptions:
        """Only those that have an effect with this engine."""
        default = CaseOptions()
        useless = [field.name for field in fields(self) if not takes(engine, field.name)]
        return replace(self, **{name: getattr(default, name) for name in useless})

    def arguments(self) -> list[str]:
        """As they are typed for `benchrunner run`."""
        return [
            word for name, value in self.given().items() for word in (f"--{name.replace('_', '-')}", value)
        ]
