"""Every declared fault of a simulated Linux board is seen by a client."""

from __future__ import annotations

import dataclasses
import hashlib
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from linux_boards import DEADLINE_S, OpenSsh, RunnerOnBoard, connected, shell_on

from benchrunner.board import load_board
from benchrunner.deadline import Deadline
from benchrunner.errors import (
    BoardError,
    DeadlineExceededError,
    LabError,
    LinkError,
    MalformedMessageError,
    UsageError,
)
from benchrunner.session.linux.conditions import Conditions, read_conditions
from benchrunner.session.linux.events import Event, EventLines, RunnerFailed, SampleTaken
from benchrunner.simulator.faults import At, Slowed
from benchrunner.simulator.linux import LinuxFaults, SshBoard, parse_linux, serve_ssh_board
from benchrunner.transport.ssh import SshShell
from benchrunner.zoo import resolve_model

BOARD = "stm32mp257f-dk"


def soon() -> Deadline:
    return Deadline(DEADLINE_S)


def failed(events: list[Event]) -> str:
    assert isinstance(events[-1], RunnerFailed)
    return events[-1].kind


def conditions(shell: SshShell) -> Conditions:
    return read_conditions(shell, soon())


def test_settings_become_faults() -> None:
    found = parse_linux(
        ["drop_in=put:3", "slow-link=1000", "disk_full", "governor_change=powersave", "load=1.5"]
    )

    assert found == LinuxFaults(
        drop_in=At("put", 3), slow_link=1000, disk_full=True, governor_change="powersave", load=1.5
    )


@pytest.mark.parametrize(
    ("setting", "message", "hint"),
    [
        ("disk_fool", "no fault named 'disk_fool'", "did you mean disk_full?"),
        ("drop_in=lunch", "no step 'lunch'; steps are connect", "drop_in=put, drop_in=exec:5"),
        ("tool_missing=vi", "expected one of benchmark_model", ""),
        ("hostile_answer=rude", "expected one of huge, binary, json", ""),
        ("governor_change", "expected a value", "governor_change=NAME"),
        ("slow_model=other:1.05", "expected the beginning of a SHA-256, found 'other'", "slow_model=3fa97c:"),
        ("slow_model=3fa97c:0", "expected a positive number, found '0'", "slow_model=3fa97c:1.05"),
        ("slow_model=3fa97c", "slow_model=3fa97c: ", "slow_model=3fa97c:1.05"),
    ],
)
def test_a_wrong_setting_names_itself_and_what_it_takes(setting: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_linux([setting])

    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_login_is_refused() -> None:
    with pytest.raises(LabError), shell_on(BOARD, LinuxFaults(auth_refused=True)):
        pass


def test_the_host_key_has_changed(tmp_path: Path) -> None:
    with serve_ssh_board(load_board(BOARD), LinuxFaults(changed_host_key=True)) as board:
        with pytest.raises(LabError, match="key"), connected(board):
            pass
        done = OpenSsh(board, tmp_path).ssh("true")

    assert done.returncode == 255
    assert b"REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr


@pytest.mark.parametrize("step", ["connect", "login"])
def test_the_connection_ends_before_it_is_of_use(step: str) -> None:
    with pytest.raises(LabError), shell_on(BOARD, LinuxFaults(drop_in=At(step))) as shell:
        shell.run(["true"], soon())


def use(board: SshBoard) -> None:
    with connected(board) as shell:
        runner = RunnerOnBoard(shell)
        shell.run(["true"], soon())
        shell.run(["true"], soon())
        shell.get("/tmp/m.tflite", soon(), max_bytes=1 << 20)
        runner.start()


@pytest.mark.parametrize(("step", "nth"), [("exec", 2), ("put", 3), ("get", 1), ("run", 12)])
def test_the_connection_ends_in_a_step(step: str, nth: int) -> None:
    with serve_ssh_board(load_board(BOARD), LinuxFaults(drop_in=At(step, nth))) as board:
        with pytest.raises(LinkError):
            use(board)
        with connected(board) as shell:  # a count hits once: the next contact works
            assert shell.run(["echo", "back"], soon()).stdout == b"back\n"


def test_what_was_measured_before_the_connection_ended_has_been_told() -> None:
    events: list[Event] = []
    lines = EventLines(events.append)
    with shell_on(BOARD, LinuxFaults(drop_in=At("run", 6))) as shell:
        request = _request(RunnerOnBoard(shell))
        with pytest.raises(LinkError):
            shell.run(["python3", "/tmp/runner.py"], soon(), stdin=request, on_stdout=lines.feed)

    assert 3 <= sum(isinstance(event, SampleTaken) for event in events) <= 5


def test_the_connection_ends_at_a_byte() -> None:
    with serve_ssh_board(load_board(BOARD), LinuxFaults(drop_at_byte=100_000)) as board:
        with connected(board) as shell, pytest.raises(LinkError):
            shell.put(bytes(300_000), "/tmp/a", soon())
        with connected(board) as shell:
            shell.put(bytes(300_000), "/tmp/a", soon())


def soon_after(happened: Callable[[], bool], left_s: float) -> Deadline:
    """That much time is left when it has happened, however long a busy machine has taken to come there."""
    return Deadline(60, clock=lambda: time.monotonic() + (60 - left_s if happened() else 0))


def hang(board: SshBoard, shell: SshShell, step: str) -> None:
    match step:
        case "exec":  # the next connection is to find that it has happened
            shell.run(["true"], soon_after(lambda: "exec" in board.machine.counters._steps, 0.5))
        case "put":
            shell.put(b"data", "/tmp/a", Deadline(1.0))
        case _:
            request = _request(RunnerOnBoard(shell))
            shell.run(["python3", "/tmp/runner.py"], Deadline(1.5), stdin=request)


@pytest.mark.parametrize("step", ["exec", "put", "run"])
def test_a_step_never_ends(step: str) -> None:
    with serve_ssh_board(load_board(BOARD), LinuxFaults(hang_in=At(step))) as board:
        with connected(board) as shell, pytest.raises((DeadlineExceededError, LinkError)):
            hang(board, shell, step)
        with connected(board) as shell:
            assert shell.run(["echo", "back"], soon()).stdout == b"back\n"


def _request(runner: RunnerOnBoard) -> bytes:
    assert runner.model
    return (
        b'{"version": 1, "model": "/tmp/m.tflite", "inputs": ["/tmp/in.bin"], "outputs": "/tmp/o", "runs": 5,'
        b'"runtime": "auto", "kernels": "default", "threads": 1, "timing": "python", "warmups": null}'
    )


def test_the_runner_says_hello_and_then_nothing() -> None:
    said = bytearray()
    with shell_on(BOARD, LinuxFaults(runner_hang=True)) as shell:
        runner = RunnerOnBoard(shell)
        with pytest.raises(DeadlineExceededError):
            shell.run(
                ["python3", "/tmp/runner.py"],
                soon_after(lambda: b'"hello"' in said, 1.0),
                stdin=_request(runner),
                on_stdout=said.extend,
            )

    assert b'"hello"' in said
    assert b'"loaded"' not in said


def test_a_board_that_reboots_forgets_what_lay_in_ram_and_answers_again() -> None:
    with serve_ssh_board(load_board(BOARD), LinuxFaults(reboot_in=At("exec", 3))) as board:
        with connected(board) as shell:
            shell.put(b"1", "/tmp/ram", soon())
            shell.put(b"1", "/home/root/disk", soon())
            first = shell.run(["cat", "/proc/sys/kernel/random/boot_id"], soon()).stdout
            shell.run(["true"], soon())
            with pytest.raises(LinkError):
                shell.run(["true"], soon())
        with connected(board) as shell:
            assert shell.run(["cat", "/proc/sys/kernel/random/boot_id"], soon()).stdout != first
            assert shell.run(["ls", "/tmp", "/home/root"], soon()).stdout == b"/home/root:\ndisk\n\n/tmp:\n"


@pytest.mark.parametrize("faults", [LinuxFaults(disk_full=True), LinuxFaults(disk_free_bytes=100_000)])
def test_the_disk_is_full(faults: LinuxFaults) -> None:
    with shell_on(BOARD, faults) as shell:
        with pytest.raises(BoardError, match=r"[Nn]o space"):
            shell.put(bytes(200_000), "/tmp/a", soon())
        done = shell.run(["sh", "-c", "head -c 200000 /dev/zero > /tmp/b"], soon())

    assert done.status != 0
    assert b"No space left on device" in done.stderr


@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        (LinuxFaults(no_runtime=True), "no_runtime"),
        (LinuxFaults(runtime_too_old=True), "runtime_too_old"),
        (LinuxFaults(silent_cpu_fallback=True), "delegate"),
    ],
)
def test_the_runner_cannot(faults: LinuxFaults, kind: str) -> None:
    with shell_on(BOARD, faults) as shell:
        assert failed(RunnerOnBoard(shell).start(delegate="/usr/lib/libvx_delegate.so.2")) == kind


def test_there_is_no_python() -> None:
    with shell_on(BOARD, LinuxFaults(tool_missing="python3")) as shell:
        assert shell.run(["python3", "--version"], soon()).status == 127


def test_the_board_gets_hot_and_slow() -> None:
    with shell_on(BOARD, LinuxFaults(throttling=True)) as shell:
        before = conditions(shell)
        runner = RunnerOnBoard(shell, "fdmobilenet_0.25_224_int8")
        times = [event.ns for event in runner.start(runs=200) if isinstance(event, SampleTaken)]
        after = conditions(shell)

    assert before.zones[0].passive_c is not None
    assert before.zones[0].temperature_c < before.zones[0].passive_c
    assert sum(after.throttle_counts.values()) > sum(before.throttle_counts.values())
    assert statistics.median(times[-20:]) > 1.1 * statistics.median(times[2:6])


def test_the_governor_changes_in_the_middle_of_a_run() -> None:
    with shell_on(BOARD, LinuxFaults(governor_change="powersave")) as shell:
        before = conditions(shell)
        events = RunnerOnBoard(shell).start(runs=40)
        after = conditions(shell)
    times = [event.ns for event in events if isinstance(event, SampleTaken) and event.phase == "timed"]

    assert (before.governors, after.governors) == (("ondemand",), ("powersave",))
    assert statistics.median(times[20:]) > 1.15 * statistics.median(times[:20])


def test_the_governor_cannot_be_written() -> None:
    path = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    with shell_on(BOARD, LinuxFaults(governor_locked=True)) as shell:
        done = shell.run(["sh", "-c", f"echo performance > {path}; cat {path}"], soon())

    assert done.stdout == b"ondemand\n"
    assert b"Operation not permitted" in done.stderr


@pytest.mark.parametrize("board", ["stm32mp257f-dk", "stm32mp135f-dk"])
def test_the_device_tree_is_that_of_another_board(board: str) -> None:
    with shell_on(board, LinuxFaults(wrong_device_tree=True)) as shell:
        found = conditions(shell)

    assert found.model is not None
    assert load_board(board).name not in found.model
    assert "benchrunner,simulated" in found.compatible


def test_the_wall_clock_jumps_and_times_do_not() -> None:
    with shell_on(BOARD, LinuxFaults(clock_step_s=86_400.0)) as shell:
        runner = RunnerOnBoard(shell)
        before = int(shell.run(["date", "+%s"], soon()).stdout)
        events = runner.start()
        after = int(shell.run(["date", "+%s"], soon()).stdout)

    assert after - before >= 86_400
    assert all(event.ns < 10**9 for event in events if isinstance(event, SampleTaken))


def test_a_slow_link_takes_its_time() -> None:
    with shell_on(BOARD, LinuxFaults(slow_link=200_000)) as shell:
        began = time.monotonic()
        shell.put(bytes(100_000), "/tmp/a", soon())

        assert time.monotonic() - began > 0.45


def test_outputs_are_wrong() -> None:
    with shell_on(BOARD, LinuxFaults(wrong_output=True)) as shell:
        runner = RunnerOnBoard(shell)
        runner.start()
        found = shell.get("/tmp/out/0.bin", soon(), max_bytes=1000)

    assert found != runner.interpreter.run([runner.input])[0]


def test_something_else_uses_the_cpus() -> None:
    with shell_on(BOARD, LinuxFaults(load=2.0)) as busy, shell_on(BOARD) as idle:
        medians = [
            statistics.median(
                event.ns for event in RunnerOnBoard(each).start() if isinstance(event, SampleTaken)
            )
            for each in (busy, idle)
        ]
        assert conditions(busy).load_1min == pytest.approx(2.0, abs=0.1)

    assert medians[0] > 1.3 * medians[1]


def test_every_inference_or_those_of_one_model_take_longer() -> None:
    sha256 = hashlib.sha256(resolve_model("fdmobilenet_0.25_128_int8").read_bytes()).hexdigest()
    medians = []
    for faults in (
        LinuxFaults(),
        LinuxFaults(slow_board=1.5),
        LinuxFaults(slow_model=Slowed(sha256[:12], 1.25)),
        LinuxFaults(slow_model=Slowed("0" * 12, 1.25)),
    ):
        with shell_on(BOARD, faults) as shell:
            events = RunnerOnBoard(shell).start()
        times = [event.ns for event in events if isinstance(event, SampleTaken) and event.phase == "timed"]
        medians.append(statistics.median(times))

    # Boards of one seed draw the same noise.
    assert [median / medians[0] for median in medians] == pytest.approx([1.0, 1.5, 1.25, 1.0], rel=0.02)


@pytest.mark.parametrize("kind", ["huge", "binary", "json"])
def test_what_the_runner_prints_makes_no_sense(kind: str) -> None:
    with shell_on(BOARD, LinuxFaults(hostile_answer=kind)) as shell:
        runner = RunnerOnBoard(shell)
        with pytest.raises((MalformedMessageError, LinkError)):
            runner.start()


def test_every_fault_has_a_test() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    text += Path(__file__).with_name("test_simulated_linux_tools.py").read_text(encoding="utf-8")

    assert [
        each.name for each in dataclasses.fields(LinuxFaults) if f"LinuxFaults({each.name}=" not in text
    ] == []


def test_many_connections_at_once_are_served(tmp_path: Path) -> None:
    found: list[bytes] = []
    with serve_ssh_board(load_board(BOARD)) as board:

        def body(number: int) -> None:
            with connected(board) as shell:
                found.append(shell.run(["echo", str(number)], soon()).stdout)

        threads = [threading.Thread(target=body, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_S)

    assert sorted(found) == sorted(b"%d\n" % number for number in range(12))


def test_a_board_without_password_lets_root_in(tmp_path: Path) -> None:
    with serve_ssh_board(load_board(BOARD), passwordless=True) as board:
        client = OpenSsh(dataclasses.replace(board, private_key=tmp_path / "none"), tmp_path)
        done: subprocess.CompletedProcess[bytes] = client.ssh("whoami")

    assert done.stdout == b"root\n"


def test_ctrl_c_does_not_wait_for_a_server_that_hangs_over_a_file() -> None:
    def interrupted(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with shell_on(BOARD, LinuxFaults(hang_in=At("put", 1))) as shell:
        deadline = Deadline(10 * DEADLINE_S)
        with pytest.raises(KeyboardInterrupt):
            shell.put(bytes(100_000), "/tmp/model.tflite", deadline, progress=interrupted)
        assert deadline.remaining_s() > 5 * DEADLINE_S
