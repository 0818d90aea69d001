"""What holds for every command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchrunner.cli import COMMANDS

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchrunner", *arguments], env=ENVIRONMENT, capture_output=True, text=True
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0, done.stderr
    assert f"benchrunner {command}" in done.stdout.split("Examples:")[1]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom benchrunner.cli import main\ntry:\n main(['--help'])\nexcept SystemExit:\n pass\n"
    )
    code += "print(sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
    assert "Start with" in done.stdout
    for package in ("pandas", "numpy", "paramiko", "ai_edge_litert", "pydantic", "serial", "tflite"):
        assert f"'{package}'" not in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "benchrunner", "boards", "--json"]
    done = subprocess.run(command, env=ENVIRONMENT, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert done.returncode == 0
    assert done.stderr == ""


def test_an_unknown_command_exits_with_2() -> None:
    done = run("rnu")
    assert done.returncode == 2
    assert "No such command" in done.stderr
