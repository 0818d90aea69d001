"""`benchrunner run` as a process: what it prints where, and how it exits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tflite_builder import small_cnn

from benchrunner.store import load_run

COMMAND = (sys.executable, "-m", "benchrunner", "run", "--board")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.tflite").write_bytes(small_cnn())
    return tmp_path


def run(folder: Path, *arguments: str, board: str = "stm32h747i-disco") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, board, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_main_job_ends_in_a_table_that_says_simulated(folder: Path) -> None:
    done = run(folder, "--sim", "--model", "small.tflite")
    assert done.returncode == 0, done.stderr
    assert "MCU inference time" in done.stdout
    assert "STM32H747I-DISCO" in done.stdout
    assert "simulated" in done.stdout
    assert "bit-exact" in done.stdout
    assert "flash" in done.stderr
    records = list((folder / "results").rglob("*.json"))
    assert len(records) == 1
    assert str(records[0].relative_to(folder)) in done.stderr


def test_json_on_stdout_is_the_record(folder: Path) -> None:
    done = run(folder, "--sim", "--model", "small.tflite", "--json", "--quiet", "--out", "here")
    printed = json.loads(done.stdout)
    (path,) = (folder / "here").rglob("*.json")
    measurement = load_run(path).document.measurements[0]
    assert printed["fidelity"] == "simulated"
    assert printed["latency"]["starts"][0]["timed_counts"] == list(measurement.latency.starts[0].timed_counts)


def test_a_machine_of_qemu_is_a_board_like_others_and_its_row_says_emulated(folder: Path) -> None:
    done = run(folder, "--model", "small.tflite", "--runs", "2", board="mps2-an500")
    assert done.returncode == 0, done.stderr
    assert "QEMU mps2-an500" in done.stdout
    assert "emulated" in done.stdout
    assert "instructions" in done.stdout
    assert "bit-exact" in done.stdout


def test_the_default_model_ships_with_the_project(folder: Path) -> None:
    done = run(folder, "--sim", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "fdmobilenet_0.25_128_int8" in done.stdout


def test_a_failed_case_exits_with_1_and_a_hint(folder: Path) -> None:
    done = run(folder, "--sim", "--model", "small.tflite", "--fault", "wrong_output")
    assert done.returncode == 1
    assert "output values differ" in done.stdout
    assert "hint:" in done.stderr


def test_a_misspelt_board_exits_with_2_and_the_close_match(folder: Path) -> None:
    done = run(folder, "--sim", board="stm32h747-disco")
    assert done.returncode == 2
    assert "stm32h747i-disco" in done.stderr
    assert not (folder / "results").exists()


def test_a_linux_board_without_a_way_to_it_is_asked_for_its_host(folder: Path) -> None:
    done = run(folder, board="stm32mp257f-dk")
    assert done.returncode == 2
    assert "--host" in done.stderr


@pytest.mark.parametrize(
    ("board", "option", "expected"),
    [
        ("stm32h747i-disco", "--threads=2", "--threads"),
        ("stm32h747i-disco", "--tune", "--tune"),
        ("stm32mp257f-dk", "--port=/dev/ttyACM0", "--port"),
        ("stm32mp257f-dk", "--affinity=1-0", "expected CPUs"),
        ("linux", "--sim", "any Linux machine"),
    ],
)
def test_options_of_the_other_kind_of_board_exit_with_2(
    folder: Path, board: str, option: str, expected: str
) -> None:
    done = run(folder, option, board=board)
    assert done.returncode == 2
    assert expected in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--sim", "--port", "/dev/ttyACM0"),
        ("--fault", "wrong_output"),
        ("--sim", "--fault", "no_such_fault=1"),
    ],
)
def test_options_that_do_not_go_together_exit_with_2(folder: Path, arguments: tuple[str, ...]) -> None:
    done = run(folder, *arguments)
    assert done.returncode == 2
    assert "error" in done.stderr.lower()


def test_a_missing_port_exits_with_3_and_no_traceback(folder: Path) -> None:
    done = run(folder, "--port", "/dev/no-such-port", "--model", "small.tflite")
    assert done.returncode == 3
    assert "/dev/no-such-port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_ends_cleanly_with_a_record(folder: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [*COMMAND, "stm32h747i-disco", "--sim", "--model", "small.tflite", "--fault", "hang_at=run"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "input" in line:  # done: the board hangs in its first inference now
            break
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    (path,) = (folder / "results").rglob("*.json")
    measurement = load_run(path).document.measurements[0]
    assert measurement.outcome == "abandoned"
    assert "cold" in measurement.reason
    assert "abandoned" in output
