"""The governor is pinned for a case and given back: at its end, after a crash, at the next contact."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from board_folder import board_folder, governor
from local_shell import LocalShell

from benchrunner.deadline import Deadline
from benchrunner.errors import BoardError, ConnectionLostError, LabError, MalformedMessageError
from benchrunner.session.linux.tune import recover, tuned
from benchrunner.transport.shell import Finished

SHELLS = [["sh"], ["bash", "--posix"], *([["busybox", "sh"]] if shutil.which("busybox") else [])]
HERE = Path(__file__).resolve().parents[1]

# A harness that pins the governor and then hangs: killed, it gives nothing back itself.
CRASHING = """
    import sys, time
    sys.path.insert(0, {here!r})
    from local_shell import LocalShell
    from benchrunner.deadline import Deadline
    from benchrunner.session.linux.tune import tuned
    with tuned(LocalShell(), Deadline(60), root={root!r}, poll_s=1) as how:
        print("watched" if how.watched else "not watched", flush=True)
        time.sleep(600)
"""


def governors(folder: Path) -> set[str]:
    return {governor(folder, cpu).read_text().strip() for cpu in (0, 1)}


@pytest.mark.parametrize("words", SHELLS, ids=lambda words: words[0])
def test_the_governor_is_pinned_for_the_block_and_given_back(words: list[str], tmp_path: Path) -> None:
    folder = board_folder(tmp_path)
    governor(folder, 1).write_text("ondemand\n")
    shell = LocalShell(shell=words)

    with tuned(shell, Deadline(60), root=str(folder)) as how:
        assert governors(folder) == {"performance"}
        assert (how.cpus, how.was) == (2, "schedutil ondemand")

    assert governor(folder, 0).read_text() == "schedutil\n"
    assert governor(folder, 1).read_text() == "ondemand\n"
    assert sorted(path.name for path in (folder / "run").iterdir()) == ["keep"]
    assert not recover(shell, Deadline(60), root=str(folder))


def test_the_governor_is_given_back_after_an_error(tmp_path: Path) -> None:
    folder = board_folder(tmp_path)

    with pytest.raises(ZeroDivisionError), tuned(LocalShell(), Deadline(60), root=str(folder)):
        raise ZeroDivisionError

    assert governors(folder) == {"schedutil"}


def test_a_board_that_is_pinned_already_is_left_as_it_is(tmp_path: Path) -> None:
    folder = board_folder(tmp_path)
    for cpu in (0, 1):
        governor(folder, cpu).write_text("performance\n")

    with tuned(LocalShell(), Deadline(60), root=str(folder)) as how:
        assert (how.cpus, how.was) == (0, "performance")

    assert governors(folder) == {"performance"}


def test_a_process_on_the_board_gives_the_governor_back_when_the_harness_is_killed(tmp_path: Path) -> None:
    folder = board_folder(tmp_path)
    program = textwrap.dedent(CRASHING.format(here=str(HERE), root=str(folder)))
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment
    ) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == b"watched\n"
        assert governors(folder) == {"performance"}

        harness.send_signal(signal.SIGKILL)
        harness.wait(60)

    deadline = Deadline(60)
    while (folder / "run" / ".benchrunner-tune").exists():
        deadline.check("the governor is given back")
        time.sleep(0.05)
    assert governors(folder) == {"schedutil"}


def left_behind(folder: Path, *, boot: str, owner: str, watched: str) -> None:
    """What a run leaves that was ended together with its board's watching process."""
    state = folder / "run" / ".benchrunner-tune"
    state.mkdir()
    for name, text in {"boot": boot, "owner": owner, "token": "t", "watched": watched}.items():
        (state / name).write_text(f"{text}\n")
    lines = [f"{governor(folder, cpu)} ondemand\n" for cpu in (0, 1)]
    (state / "old").write_text("".join(lines))
    for cpu in (0, 1):
        governor(folder, cpu).write_text("performance\n")


BOOT = "11111111-2222-3333-4444-555555555555"


def test_the_next_contact_gives_back_what_was_left(tmp_path: Path) -> None:
    folder = board_folder(tmp_path)
    left_behind(folder, boot=BOOT, owner="elsewhere", watched="999999999 5")

    assert recover(LocalShell(), Deadline(60), root=str(folder))

    assert governors(folder) == {"ondemand"}
    assert not (folder / "run" / ".benchrunner-tune").exists()


def test_what_was_left_before_a_restart_of_the_board_is_only_forgotten(tmp_path: Path) -> None:
    folder = board_folder(tmp_path)
    left_behind(folder, boot="another", owner="elsewhere", watched="999999999 5")
    for cpu in (0, 1):
        governor(folder, cpu).write_text("schedutil\n")

    recover(LocalShell(), Deadline(60), root=str(folder))

    assert governors(folder) == {"schedutil"}
    assert not (folder / "run" / ".benchrunner-tune").exists()


def test_a_board_that_another_computer_is_measuring_is_left_alone(tmp_path: Path) -> None:
    folder = board_folder(tmp_path)
    started = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]
    left_behind(folder, boot=BOOT, owner="elsewhere", watched=f"{os.getpid()} {started}")

    with pytest.raises(LabError, match="elsewhere"):
        recover(LocalShell(), Deadline(60), root=str(folder))

    assert governors(folder) == {"performance"}


def test_a_governor_that_cannot_be_set_is_an_error_and_nothing_is_changed(tmp_path: Path) -> None:
    folder = board_folder(tmp_path)
    governor(folder, 1).unlink()
    governor(folder, 1).symlink_to("/proc/version")  # to be read, and not to be written, even by root

    with (
        pytest.raises(BoardError, match=r"set to 'performance': .*/cpu1/cpufreq/scaling_governor cannot"),
        tuned(LocalShell(), Deadline(60), root=str(folder)),
    ):
        raise AssertionError

    assert governor(folder, 0).read_text() == "schedutil\n"
    assert not (folder / "run" / ".benchrunner-tune").exists()


@pytest.mark.parametrize("comes", ["before", "after"])
def test_ctrl_c_while_the_governor_is_set_gives_it_back(comes: str, tmp_path: Path) -> None:
    class Interrupted(LocalShell):
        left: BaseException | None = None

        def run(self, argv: Sequence[str], deadline: Deadline, **further: Any) -> Finished:
            if comes == "before" and "set" in argv:
                raise KeyboardInterrupt
            done = super().run(argv, deadline, **further)
            if "set" in argv:
                raise KeyboardInterrupt  # the board has done it, and its answer is on the way
            return done

        def leave_soon(self, interrupt: BaseException) -> None:
            self.left = interrupt

    folder, shell, warnings = board_folder(tmp_path), Interrupted(), list[str]()

    with (
        pytest.raises(KeyboardInterrupt) as stopped,
        tuned(shell, Deadline(60), root=str(folder), warnings=warnings),
    ):
        raise AssertionError

    assert shell.left is stopped.value
    assert governors(folder) == {"schedutil"}
    assert not (folder / "run" / ".benchrunner-tune").exists()
    assert warnings == []


def test_a_connection_lost_while_the_governor_is_set_is_told(tmp_path: Path) -> None:
    class Lost(LocalShell):
        def run(self, argv: Sequence[str], deadline: Deadline, **further: Any) -> Finished:
            raise ConnectionLostError("gone")

    warnings: list[str] = []
    with (
        pytest.raises(ConnectionLostError),
        tuned(Lost(), Deadline(60), root=str(board_folder(tmp_path)), warnings=warnings),
    ):
        raise AssertionError

    assert len(warnings) == 1
    assert "may be still 'performance'" in warnings[0]


def test_a_shell_that_says_something_else_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MalformedMessageError):
        recover(LocalShell(shell=["echo"]), Deadline(60))
