"""`benchrunner run` as a process against a real OpenSSH server; and a harness that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from board_folder import governor
from linux_loopback import FAKE_RUNNER, Loopback, loopback
from run_boards import Watching

from benchrunner.deadline import Deadline
from benchrunner.record import Outcome
from benchrunner.run import run_case
from benchrunner.store import load_runs

TOP = Path(__file__).parents[2]
LAB = """
[places.bench]
board = "linux"
host = "{user}@{host}:{port}"
key_file = "{key}"
"""
# Another harness with the same request, until it is killed.
HARNESS = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import linux_loopback
from run_boards import Watching
from benchrunner.run import run_case
from benchrunner.transport.ssh_target import SshTarget
server = SshTarget(host={host!r}, user={user!r}, port={port}, key_files=(Path({key!r}),), only_key_files=True,
                   known_hosts=(Path({known_hosts!r}),))
from benchrunner.board import board_file_sha256, load_board
from benchrunner.run import RunRequest
from benchrunner.run.request import LinuxOptions
run_case(
    RunRequest(
        board=load_board("stm32mp257f-dk"), board_file_sha256="", model=Path({model!r}), engine="tflite",
        results=Path({results!r}),
        linux=LinuxOptions(target=server, python={python!r}, tune=True, fit=linux_loopback.PATIENT,
                           system_root={root!r}),
    ),
    Watching(),
)
"""


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Loopback]:
    with loopback(tmp_path) as found:
        yield found


def command(board: Loopback, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, in a home whose known_hosts has the server's key."""
    home = board.folder / "home"
    (home / ".ssh").mkdir(parents=True, exist_ok=True)
    (home / ".ssh" / "known_hosts").write_bytes(board.server.known_hosts.read_bytes())
    environment = {key: value for key, value in os.environ.items() if key != "SSH_AUTH_SOCK"}
    return subprocess.run(
        [sys.executable, "-m", "benchrunner", "run", "--board", "linux", *words],
        cwd=board.folder,
        env={**environment, "HOME": str(home), "PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_place_of_the_lab_file_is_all_that_is_needed(board: Loopback) -> None:
    server = board.server
    (board.folder / "lab.toml").write_text(
        LAB.format(user=server.user, host=server.host, port=server.port, key=server.key_file)
    )

    words = ("--model", "small.tflite", "--board-python", sys.executable, "--starts=2", "--runs=4", "--json")
    done = command(board, *words)

    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["provenance"]["place"] == "bench"
    assert printed["provenance"]["port"] == server.target().description
    assert printed["fidelity"] == "measured"
    assert [len(start["timed_counts"]) for start in printed["latency"]["starts"]] == [4, 4]
    assert "PRIVATE" not in done.stdout + done.stderr


def test_a_host_and_a_key_can_be_given_and_the_table_is_that_of_linux_boards(board: Loopback) -> None:
    server = board.server
    host = f"{server.user}@{server.host}:{server.port}"

    done = command(
        board,
        *("--host", host, "--key", str(server.key_file), "--model", "small.tflite", "--threads", "1"),
        *("--board-python", sys.executable, "--affinity", str(min(os.sched_getaffinity(0)))),
    )

    assert done.returncode == 0, done.stderr
    assert "MPU inference time" in done.stdout
    assert "bit-exact" in done.stdout


def test_a_host_that_is_not_known_is_refused_with_the_way_to_accept_it(board: Loopback) -> None:
    server = board.server
    done = command(board, "--host", f"{server.user}@localhost:{server.port}", "--key", str(server.key_file))

    assert done.returncode == 3
    assert server.fingerprint in done.stderr
    assert "accept-host-key" in done.stderr


def test_a_harness_that_is_killed_leaves_a_board_that_puts_itself_right(board: Loopback) -> None:
    root = board.board_files()
    started = board.folder / "started"
    slow = FAKE_RUNNER.format(
        python=sys.executable,
        events=f"hello()\nloaded(10)\nopen({str(started)!r}, 'w').write(str(os.getpid()))\nsample('cold')\n"
        "while True: time.sleep(0.1); sample('warmup')",
    )
    server = board.server
    program = HARNESS.format(
        tests=str(Path(__file__).parent),
        host=server.host,
        user=server.user,
        port=server.port,
        key=str(server.key_file),
        known_hosts=str(server.known_hosts),
        model=str(board.model),
        results=str(board.results),
        python=board.program(slow),
        root=root,
    )
    program = f"import sys; sys.path.insert(0, {str(TOP / 'tests')!r})\n{program}"
    with subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(TOP)}
    ) as harness:
        deadline = Deadline(60)
        while not (started.exists() and started.read_text()):
            assert harness.poll() is None
            deadline.check("the runner starts")
            time.sleep(0.02)
        assert governor(Path(root), 0).read_text().strip() == "performance"
        harness.send_signal(signal.SIGKILL)
        harness.wait(60)

    deadline = Deadline(60)
    runner = Path("/proc") / started.read_text()
    while (Path(root) / "run" / ".benchrunner-tune").exists() or runner.exists():
        deadline.check("the board gives its governor back and ends the runner")
        time.sleep(0.05)
    assert governor(Path(root), 0).read_text().strip() == "schedutil"
    assert len(board.left_behind) == 1

    request = board.request("stm32mp257f-dk", system_root=root, tune=True)
    assert run_case(request, Watching()).measurement.outcome is Outcome.OK
    assert board.left_behind == []
    assert len(load_runs([board.results]).runs) == 1
