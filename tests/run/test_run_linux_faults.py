"""Cases on simulated Linux boards that something is wrong with: what the run makes of each."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from run_boards import Watching

from benchrunner.board import board_file_sha256, load_board
from benchrunner.deadline import Deadline
from benchrunner.errors import AuthenticationError, HostKeyError, LabError, NotFitError, WrongBoardError
from benchrunner.record import Fidelity, Latency, NotMeasured, Outcome, TimingModel
from benchrunner.run import CaseResult, RunRequest, run_case
from benchrunner.run.request import Limits, LinuxOptions
from benchrunner.session.linux.preflight import Policy
from benchrunner.simulator.linux import parse_linux
from benchrunner.simulator.linux.faults import Interruption, LinuxFaultCounters
from benchrunner.store import load_run
from benchrunner.transport.ssh import SshShell
from benchrunner.transport.staging import Staging
from benchrunner.zoo import default_model, resolve_model

LEAVING_S = 0.5
Run = Callable[..., CaseResult]
LIMITS = Limits(command_s=20, copy_s=20, runtime_s=4, first_inference_s=4)
# Not longer: a signal that comes right before a wait is noticed at its end.
LEAVING = replace(LIMITS, leaving_s=LEAVING_S)


@pytest.fixture
def run(tmp_path: Path, model: Path) -> Run:
    def start(
        *faults: str,
        board: str = "stm32mp257f-dk",
        runs: int = 5,
        model: Path = model,
        limits: Limits = LIMITS,
        **options: Any,
    ) -> CaseResult:
        request = RunRequest(
            board=load_board(board),
            board_file_sha256=board_file_sha256(board),
            model=model,
            engine="tflite",
            runs=runs,
            simulate=True,
            linux_faults=parse_linux(faults) if faults else None,
            linux=LinuxOptions(**{"tune": True, **options}),
            results=tmp_path / "results",
            limits=limits,
        )
        result = run_case(request, Watching())
        assert result.path is not None, result.problem
        assert load_run(result.path).document.measurements[0] == result.measurement
        return result

    return start


@pytest.mark.parametrize("board", ["stm32mp257f-dk", "stm32mp157f-dk2", "stm32mp135f-dk"])
def test_every_board_runs_simulated_and_says_so(run: Run, board: str) -> None:
    measurement = run(board=board, starts=2).measurement

    assert measurement.outcome is Outcome.OK, measurement.reason
    assert measurement.fidelity is Fidelity.SIMULATED
    assert isinstance(measurement.timing_model, TimingModel)
    assert isinstance(measurement.latency, Latency)
    assert [len(start.timed_counts) for start in measurement.latency.starts] == [5, 5]
    assert measurement.conditions["governor"] == "performance"
    assert measurement.conditions["x_linux_ai_version"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("auth_refused", AuthenticationError),
        ("changed_host_key", HostKeyError),
        ("wrong_device_tree", WrongBoardError),
        ("drop_in=connect", LabError),
        ("drop_in=login", LabError),
        ("governor_locked", LabError),
    ],
)
def test_what_cannot_be_tried_is_no_case(run: Run, fault: str, error: type[LabError], tmp_path: Path) -> None:
    if fault == "governor_locked":
        # The board has said what it is by then: that it cannot be tuned is the case's end.
        assert "cannot be set" in run(fault).measurement.reason
        return
    with pytest.raises(error):
        run(fault)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("disk_full", ""),
        ("no_runtime", "no TFLite runtime on the board"),
        ("runtime_too_old", "the board's runtime is too old"),
        ("tool_missing=python3", "python3"),
        ("wrong_output", "output"),
        ("runner_hang", "not done within"),
        ("hostile_answer=huge", ""),
        ("hostile_answer=binary", "no JSON"),
        ("hostile_answer=json", ""),
        ("drop_in=run:3", "connection lost"),
        ("drop_in=get", "connection lost"),
        ("drop_in=put", "connection lost"),
        ("hang_in=run:3", "not done within"),
        ("reboot_in=run:3", ""),
    ],
)
def test_a_fault_after_the_board_is_known_is_a_failed_case(run: Run, fault: str, reason: str) -> None:
    result = run(fault)

    assert result.measurement.outcome is Outcome.FAILED
    assert reason in result.measurement.reason
    assert isinstance(result.measurement.latency, NotMeasured)
    assert result.exit_status in (1, 3)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("throttling", "throttled"), ("governor_change=powersave", "governor"), ("load=1.5", "others used")],
)
def test_conditions_that_move_are_a_degraded_record_with_its_reason(
    run: Run, fault: str, reason: str
) -> None:
    measurement = run(fault, starts=3, runs=300, model=resolve_model(default_model())).measurement

    assert measurement.outcome is Outcome.DEGRADED
    assert reason in measurement.reason
    assert isinstance(measurement.latency, Latency)


@pytest.mark.parametrize("tune", [True, False])
def test_the_hint_to_pin_the_frequency_is_given_only_where_it_was_not_pinned(run: Run, tune: bool) -> None:
    result = run("load=2", runs=1, tune=tune)

    assert result.measurement.outcome is Outcome.DEGRADED
    assert "let nothing else run on the board" in result.hint
    assert ("--tune" in result.hint) is not tune
    assert ("--tune" in " ".join(result.measurement.warnings)) is not tune


def test_a_case_too_short_to_see_others_at_work_is_degraded_by_what_was_seen_before_it(run: Run) -> None:
    measurement = run("load=2", runs=1).measurement

    assert measurement.outcome is Outcome.DEGRADED
    assert "load 2.00 (limit 0.5): others are at work" in measurement.reason


def test_a_busy_board_is_refused_by_policy(run: Run) -> None:
    with pytest.raises(NotFitError, match="load"):
        run("load=1.5", policy=Policy.REFUSE)


def test_a_jump_of_the_wall_clock_changes_no_time(run: Run) -> None:
    plain, jumped = run().measurement, run("clock_step_s=3600").measurement

    assert jumped.outcome is Outcome.OK, jumped.reason
    assert isinstance(plain.latency, Latency)
    assert isinstance(jumped.latency, Latency)
    assert max(jumped.latency.starts[0].timed_counts) < 2 * max(plain.latency.starts[0].timed_counts)


@pytest.fixture
def budgets(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Ctrl-C comes when the board stops answering: what is asked of it from then on, each with its time."""
    asked: list[tuple[str, float]] = []
    hung: list[str] = []
    main = threading.get_ident()
    reach, guard = LinuxFaultCounters.reach, SshShell._guard

    def reach_and_stop(self: LinuxFaultCounters, step: str) -> Interruption | None:
        found = reach(self, step)
        if found is Interruption.HANG:
            hung.append(step)
            signal.pthread_kill(main, signal.SIGINT)  # as the kernel does: it prefers the main thread
        return found

    def watched(self: SshShell, what: str, deadline: Deadline, expected_bytes: int) -> Any:
        if hung:
            asked.append((what, deadline.remaining_s()))
        return guard(self, what, deadline, expected_bytes)

    monkeypatch.setattr(LinuxFaultCounters, "reach", reach_and_stop)
    monkeypatch.setattr(SshShell, "_guard", watched)
    return asked


@pytest.mark.parametrize("step", ["get", "put:2", "exec:12"])
def test_ctrl_c_on_a_board_that_answers_nothing_any_more_gives_it_little_time_in_all(
    run: Run, step: str, budgets: list[tuple[str, float]]
) -> None:
    result = run(f"hang_in={step}", limits=LEAVING)

    assert result.measurement.outcome is Outcome.ABANDONED
    assert result.exit_status == 130
    assert [what for what, _ in budgets][-2:] == ["rm", "sh"], "what is left is tried"
    left_s = [seconds for _, seconds in budgets]
    assert left_s[0] <= LEAVING_S
    assert left_s == sorted(left_s, reverse=True), "one budget for all of it"
    assert left_s[-1] == 0.0
    warnings = " ".join(result.measurement.warnings)
    assert "is still on the board, until the next contact" in warnings
    assert "the governor is still 'performance'" in warnings


def test_a_second_ctrl_c_ends_at_once(
    run: Run, budgets: list[tuple[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    close = Staging.close

    def interrupted(self: Staging) -> None:
        signal.raise_signal(signal.SIGINT)
        close(self)

    monkeypatch.setattr(Staging, "close", interrupted)
    limits = replace(LEAVING, leaving_s=600)
    result = run("hang_in=get", limits=limits)

    assert result.exit_status == 130
    assert result.measurement.outcome is Outcome.ABANDONED
    assert budgets
    assert not any(seconds for _, seconds in budgets), "nothing more is waited for"
