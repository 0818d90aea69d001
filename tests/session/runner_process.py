"""Starts the runner of a Linux board on this machine, with any Python, and reads what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).resolve().parents[2] / "benchrunner" / "session" / "linux" / "board_runner.py"
EMPTY_MODEL = PROGRAM.with_name("empty.tflite")
TFLITE_RUNTIME_VARIABLE = "BENCHRUNNER_TFLITE_RUNTIME_PYTHON"

# The Python of this environment has LiteRT; `make test` names one that has tflite-runtime.
PYTHONS = [sys.executable, *filter(None, [os.environ.get(TFLITE_RUNTIME_VARIABLE)])]


@dataclass(frozen=True)
class Said:
    status: int
    events: list[dict[str, Any]]
    stderr: str

    def of(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]

    def one(self, name: str) -> dict[str, Any]:
        (event,) = self.of(name)
        return event

    def phase(self, phase: str) -> list[dict[str, Any]]:
        return [event for event in self.of("sample") if event["phase"] == phase]


def request(folder: Path, **changed: Any) -> dict[str, Any]:
    """A request for the empty model: one float, two inferences."""
    source = folder / "input.bin"
    source.write_bytes(b"\0\0\x80\x3f")
    return {
        "version": 1,
        "model": str(EMPTY_MODEL),
        "inputs": [str(source)],
        "outputs": str(folder / "outputs"),
        "runtime": "auto",
        "kernels": "default",
        "threads": 1,
        "affinity": None,
        "delegate": None,
        "delegate_options": {},
        "runs": 2,
        "warmups": None,
        "timing": "auto",
        "calibration": None,
        **changed,
    }


def run(asked: Any, *, python: str = sys.executable, modules: Path | None = None) -> Said:
    """Run to the end. `modules`: a folder in which Python looks for modules first."""
    data = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if modules is not None:
        environment["PYTHONPATH"] = str(modules)
    ended = subprocess.run(
        [python, str(PROGRAM)], input=data, capture_output=True, timeout=120, env=environment, check=False
    )
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    return Said(ended.returncode, events, ended.stderr.decode(errors="replace"))
