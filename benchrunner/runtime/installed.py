"""Which TFLite runtimes are installed, and which of them is used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum

from benchrunner.errors import UsageError

RUNTIME_VARIABLE = "BENCHRUNNER_RUNTIME"


class RuntimeName(StrEnum):
    """The runtimes that the adapter knows, in the order of preference."""

    LITERT = "litert"
    TFLITE_RUNTIME = "tflite-runtime"


@dataclass(frozen=True, slots=True)
class Runtime:
    """One installed runtime."""

    name: RuntimeName
    title: str  # "LiteRT": as results and tables print it
    version: str
    module: str  # where its `Interpreter` is


# name -> (distribution, title, module, how to install it)
_KNOWN = {
    RuntimeName.LITERT: (
        "ai-edge-litert",
        "LiteRT",
        "ai_edge_litert.interpreter",
        "pip install ai-edge-litert",
    ),
    RuntimeName.TFLITE_RUNTIME: (
        "tflite-runtime",
        "tflite-runtime",
        "tflite_runtime.interpreter",
        "pip install 'benchrunner[tflite-runtime]' (Python <= 3.11, numpy < 2)",
    ),
}


def available_runtimes() -> tuple[Runtime, ...]:
    """The runtimes that are installed, preferred one first. Imports none of them."""
    from importlib.metadata import PackageNotFoundError, version  # takes 30 ms to import

    found: list[Runtime] = []
    for name, (distribution, title, module, _) in _KNOWN.items():
        try:
            found.append(Runtime(name, title, version(distribution), module))
        except PackageNotFoundError:
            continue
    return tuple(found)


def select_runtime(name: str | None = None) -> Runtime:
    """The runtime called `name`; without it the one BENCHRUNNER_RUNTIME names, else the preferred one.

    Raises `UsageError` when the name is unknown, or that runtime (or any) is not installed.
    """
    wanted = name or os.environ.get(RUNTIME_VARIABLE) or None
    source = "runtime" if name else RUNTIME_VARIABLE
    installed = available_runtimes()
    if wanted is None:
        if not installed:
            raise UsageError("no TFLite runtime is installed", hint=_KNOWN[RuntimeName.LITERT][3])
        return installed[0]
    try:
        chosen = RuntimeName(wanted.strip().lower())
    except ValueError:
        raise UsageError(
            f"{source}: expected one of {', '.join(RuntimeName)}, found {wanted!r}",
            hint=f"unset {RUNTIME_VARIABLE} to use the one that is installed" if not name else "",
        ) from None
    for runtime in installed:
        if runtime.name is chosen:
            return runtime
    raise UsageError(f"{source}: {chosen} is not installed", hint=_KNOWN[chosen][3])
