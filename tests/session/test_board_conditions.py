"""Reading a Linux board's conditions with real shells, from files that are there, empty or absent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from board_folder import board_folder
from local_shell import LocalShell

from benchrunner.board import load_board
from benchrunner.deadline import Deadline
from benchrunner.errors import BoardError, LabError, MalformedMessageError, WrongBoardError
from benchrunner.record import Fidelity
from benchrunner.session.linux.conditions import Conditions, parse_conditions, read_conditions
from benchrunner.session.linux.preflight import (
    FitLimits,
    Policy,
    check_identity,
    degradations,
    judge,
    unfit,
)

SHELLS = [["sh"], ["bash", "--posix"], *([["busybox", "sh"]] if shutil.which("busybox") else [])]


def read(folder: Path, shell: LocalShell | None = None) -> Conditions:
    return read_conditions(shell or LocalShell(), Deadline(60), root=str(folder))


@pytest.mark.parametrize("shell", SHELLS, ids=lambda words: words[0])
def test_everything_that_a_board_tells_is_read(shell: list[str], tmp_path: Path) -> None:
    found = read(board_folder(tmp_path), LocalShell(shell=shell))

    assert found.model == "STMicroelectronics STM32MP257F-DK Discovery Board"
    assert found.compatible == ("st,stm32mp257f-dk", "st,stm32mp257")
    assert found.fidelity is Fidelity.MEASURED
    assert found.core == "Cortex-A35"
    assert found.online == {0, 1}
    assert found.governors == ("schedutil",)
    assert found.clock_hz == 1_500_000_000
    assert found.npu_clock_hz == 800_000_000
    assert found.load_1min == 0.08
    assert found.total_bytes == 3_900_000 * 1024
    assert found.available_bytes == 3_500_000 * 1024
    assert found.cpu_seconds == (15.0, 996.0)
    assert [(zone.name, zone.temperature_c, zone.passive_c) for zone in found.zones] == [
        ("cpu-thermal", 45.123, 85.0)
    ]
    facts = found.facts()
    assert facts["os"] == "ST OpenSTLinux - Weston 5.0.3"
    assert facts["cpu_khz"] == 1_200_000
    assert facts["temperature_c.cpu-thermal"] == "45.1"
    assert facts["throttle_counts"] == 0


@pytest.mark.parametrize("shell", SHELLS, ids=lambda words: words[0])
@pytest.mark.parametrize("content", [None, "", "\n", "\0\0", "not a number\n", "-5"])
def test_files_that_are_absent_or_empty_or_nonsense_are_not_read_as_numbers(
    shell: list[str], content: str | None, tmp_path: Path
) -> None:
    names = [name for name in board_folder_names() if name != "run/keep"]

    found = read(board_folder(tmp_path, dict.fromkeys(names, content)), LocalShell(shell=shell))

    assert found.clock_hz is None
    assert found.npu_clock_hz is None
    assert found.load_1min is None
    assert found.available_bytes is None
    assert found.cpu_seconds is None
    assert found.fidelity is Fidelity.MEASURED
    assert found.facts()["kernel"]
    assert all(zone.passive_c is None for zone in found.zones)


def board_folder_names() -> list[str]:
    from board_folder import STM32MP257

    return list(STM32MP257)


def test_a_driver_that_cannot_tell_its_clock_tells_none(tmp_path: Path) -> None:
    text = "query gpu0 clock fail.\ngpu1 mc clock: 800000000 HZ.\n"
    assert read(board_folder(tmp_path, {"sys/kernel/debug/gc/clk": text})).npu_clock_hz is None


def test_this_machine_is_read_too() -> None:
    found = read_conditions(LocalShell(), Deadline(60))

    assert found.machine
    assert found.cpus is not None
    assert found.cpu_seconds is not None


@pytest.mark.parametrize(
    ("mark", "fidelity"),
    [("linux,dummy-virt", Fidelity.EMULATED), ("benchrunner,simulated", Fidelity.SIMULATED)],
)
def test_a_board_that_is_none_says_so_in_its_device_tree(
    mark: str, fidelity: Fidelity, tmp_path: Path
) -> None:
    folder = board_folder(tmp_path, {"proc/device-tree/compatible": f"st,stm32mp257f-dk\0{mark}\0"})

    assert read(folder).fidelity is fidelity


def test_another_board_is_told_by_its_device_tree(tmp_path: Path) -> None:
    system = load_board("stm32mp157f-dk2").linux
    assert system is not None

    with pytest.raises(WrongBoardError, match=r"STM32MP157F-DK2.*found 'STMicroelectronics STM32MP257F-DK"):
        check_identity(system, read(board_folder(tmp_path)), "here")


def test_the_first_compatible_is_enough_to_know_a_board(tmp_path: Path) -> None:
    system = load_board("stm32mp257f-dk").linux
    assert system is not None

    check_identity(system, read(board_folder(tmp_path, {"proc/device-tree/model": "renamed\0"})), "here")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"hello\n",
        b"kernel 6\n",
        b"\xff\xfe\nend benchrunner\n",
        b"a b\n" * 30_000 + b"end benchrunner\n",
    ],
)
def test_an_answer_that_is_none_is_refused(answer: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        parse_conditions(answer, "board")


def test_a_board_without_a_shell_is_named() -> None:
    with pytest.raises(BoardError, match="status 1"):
        read_conditions(LocalShell(shell=["false"]), Deadline(60))


def test_values_of_a_board_cannot_carry_escape_sequences(tmp_path: Path) -> None:
    folder = board_folder(tmp_path, {"proc/device-tree/model": "\x1b[2Jboard\n" + "x" * 9000})

    model = read(folder).model

    assert model is not None
    assert model.isprintable()
    assert len(model) <= 500


LIMITS = FitLimits()


def test_a_board_that_is_pinned_idle_and_cool_is_fit(tmp_path: Path) -> None:
    pinned: dict[str, str | None] = {
        f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor": "performance\n" for cpu in (0, 1)
    }

    assert unfit(read(board_folder(tmp_path, pinned)), None, model_bytes=1 << 20, limits=LIMITS) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "governor 'schedutil'"),
        ({"proc/loadavg": "1.75 1 1 3/99 5\n"}, "load 1.75"),
        ({"sys/class/thermal/thermal_zone0/temp": "81000\n"}, "cpu-thermal is at 81.0 °C"),
        ({"proc/meminfo": "MemAvailable:  20000 kB\n"}, "19 MiB of memory are free"),
    ],
)
def test_what_makes_a_board_unfit_is_said_and_refused_by_policy(
    changed: dict[str, str | None], expected: str, tmp_path: Path
) -> None:
    problems = unfit(read(board_folder(tmp_path, changed)), None, model_bytes=1 << 20, limits=LIMITS)

    assert any(expected in problem for problem in problems)
    judge(problems, Policy.WARN, "board")
    with pytest.raises(LabError, match="not fit"):
        judge(problems, Policy.REFUSE, "board")


@pytest.mark.parametrize(("mark", "warned"), [("linux,dummy-virt", False), ("benchrunner,simulated", True)])
def test_the_governor_of_an_emulated_board_moves_nothing_and_is_not_warned_of(
    mark: str, warned: bool, tmp_path: Path
) -> None:
    board = read(board_folder(tmp_path, {"proc/device-tree/compatible": f"st,stm32mp257f-dk\0{mark}\0"}))

    assert any("governor" in each for each in unfit(board, None, model_bytes=1, limits=LIMITS)) is warned
    assert board.facts()["governor"] == "schedutil"


def test_a_high_load_of_the_past_minute_is_no_problem_where_nothing_runs_now(tmp_path: Path) -> None:
    busy = read(board_folder(tmp_path / "1", {"proc/loadavg": "1.75 1 1 3/99 5\n"}))
    idle = read(board_folder(tmp_path / "2", {"proc/stat": "cpu  1000 0 502 98198 100 0 0 0 0 0\n"}))
    working = read(board_folder(tmp_path / "3", {"proc/stat": "cpu  1100 0 500 98100 100 0 0 0 0 0\n"}))

    assert not any("load" in each for each in unfit(busy, idle, model_bytes=1, limits=LIMITS))
    assert any("load" in each for each in unfit(busy, working, model_bytes=1, limits=LIMITS))


def change(folder: Path, changed: dict[str, str | None]) -> Conditions:
    return read(board_folder(folder, changed))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "ondemand\n"}, "governor changed"),
        ({"sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "1200000\n"}, "highest frequency changed"),
        ({"sys/class/thermal/cooling_device0/cur_state": "2\n"}, "throttled: cooling_device0"),
        ({"sys/class/thermal/thermal_zone0/temp": "86000\n"}, "reached 86.0 °C"),
        (
            {"sys/kernel/debug/gc/clk": "gpu0 mc clock: 400000000 HZ.\ngpu0 sh clock: 400000000 HZ.\n"},
            "NPU/GPU clock changed",
        ),
        ({"proc/stat": "cpu  2000 0 500 98000 100 0 0 0 0 0\n"}, "others used"),
    ],
)
def test_conditions_that_moved_are_named(
    changed: dict[str, str | None], expected: str, tmp_path: Path
) -> None:
    before = change(tmp_path / "before", {})
    after = change(tmp_path / "after", changed)

    found = degradations(before, after, [], own_cpu_s=0.0, limits=LIMITS)

    assert len(found) == 1
    assert expected in found[0]


def test_a_frequency_that_moved_between_two_starts_is_named(tmp_path: Path) -> None:
    same = change(tmp_path, {})
    steady = {0: (1_500_000, 1_500_000)}

    assert degradations(same, same, [steady, steady], own_cpu_s=0, limits=LIMITS) == []
    assert degradations(same, same, [steady, {1: (1_200_000, 1_500_000)}], own_cpu_s=0, limits=LIMITS) == [
        "the CPU ran at 1200 to 1500 MHz"
    ]


def test_the_runners_own_work_is_not_held_against_the_board(tmp_path: Path) -> None:
    before = change(tmp_path / "before", {})
    after = change(tmp_path / "after", {"proc/stat": "cpu  2000 0 500 98000 100 0 0 0 0 0\n"})

    assert degradations(before, after, [], own_cpu_s=10.0, limits=LIMITS) == []
