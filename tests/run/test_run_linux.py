"""Cases on a real Linux machine over a real OpenSSH server, and every way in which one ends early."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from board_folder import governor
from linux_loopback import Loopback, loopback
from run_boards import Watching

from benchrunner.deadline import Deadline
from benchrunner.errors import (
    HostUnreachableError,
    LabError,
    NotFitError,
    PlaceLockedError,
    UsageError,
    WrongBoardError,
)
from benchrunner.lab import place_lock
from benchrunner.record import (
    BoardClass,
    CounterUnit,
    Fidelity,
    Latency,
    NotMeasured,
    Outcome,
    OutputCheck,
    ProcessMemory,
)
from benchrunner.run import CaseResult, Step, run_case
from benchrunner.run.request import ONLY_LINUX, Limits
from benchrunner.session.linux.preflight import Policy
from benchrunner.store import load_run
from benchrunner.table import row_of
from benchrunner.zoo import default_model, resolve_model

PYTHONS = [sys.executable, *filter(None, [os.environ.get("BENCHRUNNER_TFLITE_RUNTIME_PYTHON")])]


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Loopback]:
    with loopback(tmp_path) as found:
        yield found


def checked(result: CaseResult) -> CaseResult:
    """The record is stored, and reads back as it was."""
    assert result.path is not None, result.problem
    assert load_run(result.path).document.measurements[0] == result.measurement
    return result


def failed(result: CaseResult, reason: str) -> CaseResult:
    measurement = checked(result).measurement
    assert measurement.outcome is Outcome.FAILED
    assert reason in measurement.reason
    assert result.exit_status != 0
    return result


def nothing_stored(board: Loopback) -> bool:
    return not board.results.exists()


@pytest.mark.parametrize("python", PYTHONS)
def test_a_good_run_leaves_a_record_that_says_how_each_number_came_about(
    board: Loopback, python: str
) -> None:
    watching = Watching()
    request = board.request(model=resolve_model(default_model()), runs=7, starts=2, python=python)

    result = checked(run_case(request, watching))

    measurement = result.measurement
    assert result.exit_status == 0
    assert measurement.outcome is Outcome.OK, measurement.reason
    assert measurement.fidelity is Fidelity.MEASURED
    assert set(watching.steps) >= ONLY_LINUX | {Step.ANALYSE, Step.CONNECT, Step.OUTPUT, Step.STORE}
    case = measurement.case
    assert (case.board_class, case.engine, case.execution_engine) == (BoardClass.LINUX, "tflite", "1 CPU")
    assert (case.starts, case.timed_runs, case.options) == (2, 7, {"threads": 1})
    assert case.engine_version.split()[0] in ("LiteRT", "tflite-runtime")
    latency = measurement.latency
    assert isinstance(latency, Latency)
    assert latency.unit is CounterUnit.NANOSECONDS
    assert [len(start.timed_counts) for start in latency.starts] == [7, 7]
    assert all(start.cold_counts > 0 and start.init_counts for start in latency.starts)
    assert latency.overhead_counts > 0
    assert not latency.overhead_subtracted
    assert isinstance(measurement.output, OutputCheck)
    assert measurement.output.max_difference_lsb <= 2
    memory = measurement.process_memory
    assert isinstance(memory, ProcessMemory)
    assert isinstance(memory.peak_bytes, int)
    assert memory.peak_bytes > 10_000_000
    assert measurement.conditions["machine"] == os.uname().machine
    assert measurement.conditions["timing_method"] in ("python", "native", "batched")
    assert "delegated_nodes" in measurement.conditions
    assert measurement.conditions_after
    assert isinstance(row_of(measurement).latency_median_ms, float)
    assert board.left_behind == []


def test_reference_kernels_of_the_same_runtime_are_held_to_the_last_bit(board: Loopback) -> None:
    result = checked(run_case(board.request(kernels="reference"), Watching()))

    output = result.measurement.output
    assert isinstance(output, OutputCheck)
    assert output.tolerance_lsb == 0
    assert output.differing_values == 0
    assert output.reference.endswith("builtin-without-default-delegates")
    assert result.measurement.conditions["delegated_nodes"] == 0


def test_a_model_of_microseconds_says_what_its_calls_cost(board: Loopback) -> None:
    measurement = checked(run_case(board.request(runs=20), Watching())).measurement

    assert measurement.conditions["timing_method"] != "python"
    assert isinstance(measurement.latency, Latency)
    assert measurement.latency.overhead_counts > 0


def test_the_name_of_a_model_is_harmless(board: Loopback) -> None:
    model = board.folder / "; rm -rf ~ #$(touch owned)`touch owned`.tflite"
    model.write_bytes(board.model.read_bytes())
    keep = board.server.home / "keep"
    keep.write_text("here")

    result = checked(run_case(board.request(model=model), Watching()))

    assert result.measurement.outcome is Outcome.OK
    assert keep.read_text() == "here"
    assert not list(board.server.home.rglob("owned"))


def test_a_board_is_known_by_its_device_tree_and_nothing_is_copied_to_another(board: Loopback) -> None:
    root = board.board_files()

    right = checked(run_case(board.request("stm32mp257f-dk", system_root=root), Watching()))
    assert right.measurement.conditions["device_tree_model"] == (
        "STMicroelectronics STM32MP257F-DK Discovery Board"
    )
    assert right.measurement.case.clock_hz == 1_500_000_000
    assert not board.left_behind

    watching = Watching()
    with pytest.raises(WrongBoardError, match="STM32MP157F-DK2"):
        run_case(board.request("stm32mp157f-dk2", system_root=root), watching)
    assert Step.COPY not in watching.steps


@pytest.mark.parametrize(
    ("mark", "fidelity"),
    [("linux,dummy-virt", Fidelity.EMULATED), ("benchrunner,simulated", Fidelity.SIMULATED)],
)
def test_a_board_that_is_none_cannot_pass_for_a_measured_one(
    board: Loopback, mark: str, fidelity: Fidelity
) -> None:
    root = board.board_files({"proc/device-tree/compatible": f"st,stm32mp257f-dk\0{mark}\0"})

    result = checked(run_case(board.request("stm32mp257f-dk", system_root=root), Watching()))

    assert result.measurement.fidelity is fidelity
    shown = row_of(result.measurement).latency_median_ms
    assert isinstance(shown, NotMeasured) is (fidelity is Fidelity.EMULATED)


def test_the_governor_is_pinned_for_the_case_and_given_back(board: Loopback) -> None:
    root = board.board_files()
    during: set[str] = set()

    def look(step: Step) -> None:
        if step is Step.START:
            during.add(governor(Path(root), 0).read_text().strip())

    request = board.request("stm32mp257f-dk", system_root=root, tune=True)
    measurement = checked(run_case(request, Watching(look))).measurement

    assert during == {"performance"}
    assert measurement.conditions["governor"] == "performance"
    assert measurement.conditions["governor_before_tuning"] == "schedutil"
    assert measurement.outcome is Outcome.OK, measurement.reason
    assert governor(Path(root), 0).read_text().strip() == "schedutil"


def test_conditions_that_move_make_the_record_degraded(board: Loopback) -> None:
    root = board.board_files()

    def heat(step: Step) -> None:
        if step is Step.AFTER:
            board.board_files({"sys/class/thermal/cooling_device0/cur_state": "2\n"})

    request = board.request("stm32mp257f-dk", system_root=root)
    result = checked(run_case(request, Watching(heat)))
    assert result.measurement.outcome is Outcome.DEGRADED
    assert "throttled" in result.measurement.reason
    assert result.exit_status == 0
    assert isinstance(row_of(result.measurement).latency_median_ms, float)


def test_a_board_that_is_not_fit_is_refused_by_policy_before_anything_is_copied(board: Loopback) -> None:
    root = board.board_files()
    watching = Watching()

    with pytest.raises(NotFitError, match="governor 'schedutil'"):
        run_case(board.request("stm32mp257f-dk", system_root=root, policy=Policy.REFUSE), watching)

    assert Step.COPY not in watching.steps
    assert nothing_stored(board)


def test_more_threads_or_other_cpus_than_there_are_are_refused(board: Loopback) -> None:
    with pytest.raises(UsageError, match="300 threads"):
        run_case(board.request(threads=300), Watching())
    with pytest.raises(UsageError, match="CPU 999"):
        run_case(board.request(affinity=(999,)), Watching())
    assert nothing_stored(board)


# --- what is missing on the board -----------------------------------------------------------------------


def test_a_host_that_is_down_is_no_case(board: Loopback) -> None:
    request = board.request()
    board.server.stop()

    with pytest.raises(HostUnreachableError):
        run_case(request, Watching())
    assert nothing_stored(board)


def test_a_board_without_python_is_a_failed_case(board: Loopback) -> None:
    failed(run_case(board.request(python="/no/such/python"), Watching()), "no '/no/such/python' on the board")
    assert board.left_behind == []


def test_a_python_without_a_runtime_is_a_failed_case(board: Loopback) -> None:
    bare = board.program(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')

    result = failed(run_case(board.request(python=bare), Watching()), "no TFLite runtime on the board")

    assert "--board-python" in result.hint


def test_a_runtime_that_is_too_old_for_the_model_is_named(board: Loopback) -> None:
    old = board.fake_runner(
        'hello()\nsay("error", kind="runtime_too_old", message="no CONV_2D version 9")\nsys.exit(1)'
    )

    failed(run_case(board.request(python=old), Watching()), "the board's runtime is too old: no CONV_2D")


def test_a_delegate_that_is_not_there_is_a_failed_case_and_not_a_time_of_the_cpu(board: Loopback) -> None:
    result = failed(run_case(board.request(delegate="/no/delegate.so"), Watching()), "/no/delegate.so")

    assert isinstance(result.measurement.latency, NotMeasured)
    assert result.measurement.case.execution_engine == "NPU/GPU"


def test_a_runtime_that_kills_its_process_is_a_failed_case(board: Loopback) -> None:
    dying = board.fake_runner("hello()\nos.abort()")

    failed(run_case(board.request(python=dying), Watching()), "the runner died after finding a runtime")


def test_a_runner_that_hangs_is_ended(board: Loopback) -> None:
    hanging = board.fake_runner("hello()\ntime.sleep(600)")
    limits = Limits(runtime_s=1.0)

    failed(run_case(board.request(python=hanging, limits=limits), Watching()), "not done within 1 s")
    assert board.left_behind == []


# --- answers that are wrong -----------------------------------------------------------------------------


def test_a_wrong_output_has_no_latency(board: Loopback) -> None:
    wrong = board.fake_runner(
        "hello()\nloaded(10)\nsample('cold')\noutputs(bytes(10))\nsample('warmup')\ntiming()\n"
        "[sample('timed') for _ in range(3)]\nsay('done', samples=5)"
    )

    result = failed(run_case(board.request(python=wrong), Watching()), "differ")

    assert isinstance(result.measurement.latency, NotMeasured)
    assert result.exit_status == 1


def test_an_output_of_another_size_is_a_failed_case(board: Loopback) -> None:
    short = board.fake_runner(
        "hello()\nloaded(4)\nsample('cold')\noutputs(bytes(4))\ntiming()\n"
        "[sample('timed') for _ in range(3)]\nsay('done', samples=4)"
    )

    failed(run_case(board.request(python=short), Watching()), "4 bytes from the device, 10 from")


@pytest.mark.parametrize(
    "events",
    [
        "print('x' * (3 << 20))",
        "sys.stdout.buffer.write(bytes(range(256)) * 100)",
        "print('no json')",
        "print('[' * 100000)",
        "sample('cold')",
        "hello()\nhello()",
        "hello()\nloaded(4)\nsample('timed')",
        "hello()\nsay('timing', method='python')",
        "hello()\nsay('done', samples=0)",
        "hello()\nloaded(4)\nsample('cold')\noutputs(bytes(4))\ntiming()\nsay('done', samples=1)",
        "hello()\nsay('error', kind='x' * 100000, message='')",
        "hello()\n[say('memory', when='before') for _ in range(1000)]",
        "while True: print('{}')",
    ],
)
def test_hostile_answers_are_a_failed_case(board: Loopback, events: str) -> None:
    result = failed(run_case(board.request(python=board.fake_runner(events)), Watching()), "")

    assert isinstance(result.measurement.latency, NotMeasured)
    assert result.measurement.reason.isprintable()
    assert board.left_behind == []


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ("outputs(bytes(4), 64 * 'a')", "is not what the runner wrote"),
        ("outputs(bytes(99))", "larger than"),
        ("say('outputs', files=['/etc/shadow-not-there'], sha256=[64 * 'a'])", "shadow-not-there"),
    ],
)
def test_output_files_that_are_not_what_was_said_are_a_failed_case(
    board: Loopback, outputs: str, reason: str
) -> None:
    lying = board.fake_runner(
        f"hello()\nloaded(4)\nsample('cold')\n{outputs}\ntiming()\n"
        "[sample('timed') for _ in range(3)]\nsay('done', samples=4)"
    )

    failed(run_case(board.request(python=lying), Watching()), reason)


def test_an_output_that_changes_between_inferences_is_a_failed_case(board: Loopback) -> None:
    changing = board.fake_runner("hello()\nloaded(4)\nsample('cold')\nsample('warmup', crc32=8)")

    failed(run_case(board.request(python=changing), Watching()), "another output for the same input")


# --- interrupted and disturbed --------------------------------------------------------------------------

BEGUN = [Step.COPY, Step.START, Step.OUTPUT, Step.AFTER]


@pytest.mark.parametrize("step", BEGUN)
def test_a_connection_lost_in_any_step_is_a_record_and_the_next_contact_cleans_up(
    board: Loopback, step: Step
) -> None:
    root = board.board_files()

    def cut(reached: Step) -> None:
        if reached is step:
            assert board.server.drop_connections() > 0

    request = board.request("stm32mp257f-dk", system_root=root, tune=True)
    result = failed(run_case(request, Watching(cut)), "")
    assert result.measurement.step == step
    assert result.exit_status == 3

    again = checked(run_case(board.request("stm32mp257f-dk", system_root=root, tune=True), Watching()))
    assert again.measurement.outcome is Outcome.OK, again.measurement.reason
    assert board.left_behind == []
    assert governor(Path(root), 0).read_text().strip() == "schedutil"


def test_a_connection_lost_before_the_board_is_known_is_no_case(board: Loopback) -> None:
    def cut(reached: Step) -> None:
        if reached is Step.CONDITIONS:
            board.server.drop_connections()

    with pytest.raises(LabError):
        run_case(board.request(), Watching(cut))
    assert nothing_stored(board)


@pytest.mark.parametrize("step", [Step.CONNECT, Step.CONDITIONS, *BEGUN, Step.STORE])
def test_ctrl_c_at_any_step_leaves_the_board_as_it_was(board: Loopback, step: Step) -> None:
    root = board.board_files()

    def stop(reached: Step) -> None:
        if reached is step:
            signal.raise_signal(signal.SIGINT)

    request = board.request("stm32mp257f-dk", system_root=root, tune=True)
    if step in (Step.CONNECT, Step.CONDITIONS):
        with pytest.raises(KeyboardInterrupt):  # it has not been said yet what the board is
            run_case(request, Watching(stop))
    else:
        result = checked(run_case(request, Watching(stop)))
        assert result.exit_status == 130
        if step is not Step.STORE:
            assert result.measurement.outcome is Outcome.ABANDONED
            assert step in result.measurement.reason
    assert board.left_behind == []
    assert governor(Path(root), 0).read_text().strip() == "schedutil"
    deadline = Deadline(60)
    while board.server.connections():
        deadline.check("the server notices that nobody is there any more")
        time.sleep(0.02)


def test_two_runs_at_once_on_one_board_are_refused(board: Loopback) -> None:
    request = board.request()
    assert request.linux.target is not None

    with (
        place_lock(f"ssh://{request.linux.target.address}", "another run"),
        pytest.raises(PlaceLockedError, match="another run"),
    ):
        run_case(request, Watching())


def test_a_board_without_space_is_a_failed_case_that_says_so(tmp_path: Path) -> None:
    with loopback(tmp_path, largest_file_bytes=2000) as board:
        result = run_case(board.request(), Watching())

        failed(result, "could not be written")
        assert result.measurement.step == Step.COPY
        assert board.left_behind == []
