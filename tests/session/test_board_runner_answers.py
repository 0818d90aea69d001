"""The runner of a Linux board that answers many inputs in one process, with a real runtime."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from runner_process import PROGRAM, PYTHONS, Said, request, run

from benchrunner.runtime import Interpreter, KernelSet, natural_input
from benchrunner.zoo import default_model, resolve_model

MODEL = resolve_model(default_model())


def asked(folder: Path, inputs: bytes, **changed: Any) -> bytes:
    fields = request(folder, model=str(MODEL), inputs=[], kernels="reference", answer=True, **changed)
    return json.dumps(fields).encode() + b"\n" + inputs


def outputs_of(said: Said) -> list[bytes]:
    return [base64.b64decode(event["outputs"][0]) for event in said.of("answer")]


@pytest.mark.parametrize("python", PYTHONS)
def test_each_input_is_answered_by_the_model_that_was_loaded_once(python: str, tmp_path: Path) -> None:
    interpreter = Interpreter(MODEL.read_bytes(), KernelSet.BUILTIN)
    inputs = [natural_input(interpreter.inputs[0], seed) for seed in range(5)]
    said = run(asked(tmp_path, b"".join(inputs)), python=python)
    assert said.status == 0
    assert [event["event"] for event in said.events] == [
        *("hello", "memory", "loaded"),
        *["answer"] * 5,
        *("memory", "done"),
    ]
    assert said.one("done")["samples"] == 5
    assert len(set(outputs_of(said))) == 5
    if python == sys.executable:
        assert outputs_of(said) == [interpreter.run((data,))[0] for data in inputs]
    assert not (tmp_path / "outputs").exists()


def test_no_input_at_all_is_no_error(tmp_path: Path) -> None:
    said = run(asked(tmp_path, b""))
    assert (said.status, said.one("done")["samples"]) == (0, 0)


def test_an_input_that_is_cut_off_is_an_error_after_the_answers_before(tmp_path: Path) -> None:
    size = 128 * 128 * 3
    said = run(asked(tmp_path, bytes(size + 7)))
    assert said.status == 1
    assert len(said.of("answer")) == 1
    assert said.events[-1] == {"event": "error", "kind": "input", "message": f"input: 7 of {size} bytes came"}


def test_an_answer_comes_before_the_next_input_and_a_runner_that_nobody_asks_ends_itself(
    tmp_path: Path,
) -> None:
    text = PROGRAM.read_text()
    assert "IDLE_S = 900" in text
    impatient = tmp_path / "runner.py"
    impatient.write_text(text.replace("IDLE_S = 900", "IDLE_S = 0.5"))
    reading, writing = os.pipe()
    try:
        with subprocess.Popen(
            [sys.executable, impatient], stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None
            os.write(writing, asked(tmp_path, b""))
            os.write(writing, bytes(128 * 128 * 3))
            events = [json.loads(line) for line in process.stdout]  # standard input stays open
            assert process.wait(60) == 1
    finally:
        os.close(reading)
        os.close(writing)
    assert [event["event"] for event in events[-2:]] == ["answer", "error"]
    assert events[-1]["kind"] == "idle"
