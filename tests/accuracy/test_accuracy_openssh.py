"""Accuracy of this machine as a Linux board behind a real OpenSSH server, with the runtime that is here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from digits import DATA, SCALE, Told, digits_request
from linux_digits import ROUNDED, rounded_request
from linux_loopback import FAKE_RUNNER, Loopback, loopback

from benchrunner.accuracy.document import Source, load_accuracy
from benchrunner.accuracy.measure import AccuracyRequest, measure_accuracy
from benchrunner.errors import BenchrunnerError, BoardError, FallBackError, PlaceLockedError, WrongBoardError
from benchrunner.record import Fidelity
from benchrunner.zoo import resolve_model

TOP = Path(__file__).parents[2]
DIGITS = resolve_model("digits_cnn_int8")
TENSORS = """
def tensor(size):
    return dict(name="t", dtype="int8", shape=[1, size], bytes=size)
def model(delegate=None, delegated=0):
    say("loaded", init_ns=1, inputs=[tensor(64)], outputs=[tensor(10)], operators=1, delegated=delegated,
        delegate=delegate)
def answer(data):
    import base64
    sys.stdin.buffer.read(64)
    say("answer", outputs=[base64.b64encode(data).decode()])
"""


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Loopback]:
    with loopback(tmp_path) as found:
        yield found


def request(board: Loopback, limit: int = 60, **options: Any) -> AccuracyRequest:
    device = board.request(options.pop("of", "linux"), model=DIGITS, **options)
    return digits_request(board.results, limit=limit, device=device)


def fake(board: Loopback, events: str) -> AccuracyRequest:
    """A runner that says what the test wants: its program takes the place of the board's Python."""
    text = FAKE_RUNNER.format(python=f"{sys.executable} -u", events=TENSORS + events)
    # The inputs are read from the same stream as the request, which must not be read ahead.
    return request(
        board, python=board.program(text.replace("sys.stdin.readline()", "sys.stdin.buffer.readline()"))
    )


def test_the_digits_are_what_they_are_here_and_nothing_stays_on_the_board(board: Loopback) -> None:
    result = measure_accuracy(request(board, limit=540), Told())
    document = result.document
    assert {figure.source: figure.right for figure in document.figures} == {
        Source.HOST: 511,
        Source.DEVICE: 511,
    }
    assert document.board is not None
    assert document.board.fidelity is Fidelity.MEASURED
    assert document.board.kernels == "default, with XNNPACK"
    assert document.board.conditions["machine"] == os.uname().machine
    assert document.board.board_name != "linux"
    assert document.comparison is not None
    assert document.comparison.beyond == 0
    assert load_accuracy(result.path).document == document
    assert board.left_behind == []


def test_reference_kernels_of_the_same_runtime_are_held_to_the_last_bit(board: Loopback) -> None:
    device = board.request(model=ROUNDED, kernels="reference")
    document = measure_accuracy(rounded_request(board.results, device), Told()).document
    assert document.comparison is not None
    assert document.comparison.exact
    assert document.comparison.reference.endswith("builtin-without-default-delegates")
    assert (document.comparison.tolerance_lsb, document.comparison.same_bytes) == (0, 12)
    assert document.agreements[0].same_bytes != 12, "the oracle rounds differently"


def test_the_nearest_kernels_are_found_where_the_board_takes_what_it_likes(board: Loopback) -> None:
    device = board.request(model=ROUNDED)
    document = measure_accuracy(rounded_request(board.results, device), Told()).document
    assert document.comparison is not None
    assert not document.comparison.exact
    assert document.comparison.reference.endswith(" default")
    assert (document.comparison.tolerance_lsb, document.comparison.same_bytes) == (2, 12)


def test_a_connection_cut_twice_in_the_middle_loses_no_answer_and_the_board_is_cleaned(
    board: Loopback,
) -> None:
    cut_at = [20, 40]

    def cut(done: int) -> None:
        if cut_at and done >= cut_at[0]:
            cut_at.pop(0)
            assert board.server.drop_connections() > 0

    told = Told(cut)
    document = measure_accuracy(request(board), told).document
    assert document.sessions == 3
    assert sum("connecting again" in note for note in told.notes) == 2
    assert document.comparison is not None
    assert (document.comparison.images, document.comparison.beyond) == (60, 0)
    assert board.left_behind == []
    whole = measure_accuracy(request(board), Told()).document
    assert document.figures == whole.figures
    assert document.dataset.sha256 == whole.dataset.sha256


def test_a_runner_that_dies_in_the_middle_is_an_error_and_the_same_command_goes_on(board: Loopback) -> None:
    def kill(done: int) -> None:
        if done == 16:
            for entry in Path("/proc").iterdir():
                try:
                    words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                    mine = str(board.server.home).encode() in words and b"board_runner.py" in words
                    if mine and b"\0-c\0" not in words:
                        os.kill(int(entry.name), signal.SIGKILL)
                except OSError:
                    continue  # ended meanwhile

    with pytest.raises(BoardError, match=r"the runner was killed after 16 answers \(status 137\)"):
        measure_accuracy(request(board), Told(kill))
    assert board.left_behind == []
    told = Told()
    assert measure_accuracy(request(board), told).document.sessions == 2
    assert told.counts[0] == (16, 60, 16)


HELLO = "hello()\nmodel()\n"


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ("", "ended without a word after its start"),
        ("hello()", "ended without a word after finding a runtime"),
        (HELLO, "ended without a word after loading the model"),
        (HELLO + "answer(bytes(9))", r"answered outputs of \[9\] bytes"),
        (HELLO + "answer(bytes(10))\nanswer(bytes(10))", "ended without a word after 2 answers"),
        (HELLO + "answer(bytes(10))\nsay('answer', outputs=['AAAA'])", "Answered unasked|outputs of"),
        # It is read before the first question has been asked, or after.
        (HELLO + "say('answer', outputs=['AAAA'])", "Answered unasked|outputs of"),
        (HELLO + "sys.stdin.buffer.read(64)\nsay('answer', outputs=['not base64'])", "a list of base64"),
        (HELLO + "sys.stdin.buffer.read(64)\nsay('error', kind='model', message='node 3')", "model: node 3"),
        (HELLO + "sample('timed')", "SampleTaken unasked"),
        ("hello()\nloaded(10)", r"has inputs of \[\], here they are"),
        ("hello()\nmodel('/lib/npu.so', None)", "does not tell whether it took any of the model"),
        ("print('x' * (9 << 20))", "printed more than|a line of more than"),
    ],
)
def test_a_runner_that_is_out_of_its_mind_is_an_error_and_never_a_figure(
    board: Loopback, events: str, said: str
) -> None:
    with pytest.raises(BenchrunnerError, match=said) as caught:
        measure_accuracy(fake(board, events), Told())
    assert caught.value.message.isprintable()
    assert not list(board.results.glob("accuracy/accuracy-*.json"))
    assert board.left_behind == []


def test_a_delegate_of_which_nobody_knows_whether_it_computes_is_a_fall_back(board: Loopback) -> None:
    with pytest.raises(FallBackError, match="does not tell whether it took any"):
        measure_accuracy(fake(board, "hello()\nmodel('/lib/npu.so', None)"), Told())


def test_a_runner_that_miscounts_its_answers_is_not_believed(board: Loopback) -> None:
    lying = HELLO + "for _ in range(60): answer(bytes(10))\nsay('done', samples=59)"
    with pytest.raises(BoardError, match="gave 60 answers, and counts 59"):
        measure_accuracy(fake(board, lying), Told())
    assert not list(board.results.glob("accuracy/accuracy-*.json"))


def test_wrong_answers_are_stored_as_wrong(board: Loopback) -> None:
    wrong = HELLO + "for _ in range(60): answer(bytes(range(10)))\nsay('done', samples=60)"
    document = measure_accuracy(fake(board, wrong), Told()).document
    assert document.is_wrong
    assert document.comparison is not None
    assert document.comparison.beyond == 60


def test_another_board_and_one_in_use_are_refused_before_anything_is_copied(board: Loopback) -> None:
    from benchrunner.lab import place_lock

    with pytest.raises(WrongBoardError):
        measure_accuracy(request(board, of="stm32mp257f-dk"), Told())
    asked = request(board)
    assert asked.device is not None
    assert asked.device.linux.target is not None
    with (
        place_lock(f"ssh://{asked.device.linux.target.address}", "another run"),
        pytest.raises(PlaceLockedError, match="another run"),
    ):
        measure_accuracy(asked, Told())
    assert board.left_behind == []


# --- the command ------------------------------------------------------------------------------------------


# A Python that takes its time with each input, so that nobody is too late to stop it.
SLOW = """#!{python}
import os, runpy, sys, time
read = os.read
def slow(descriptor, size):
    time.sleep(0.05)
    return read(descriptor, size)
os.read = slow
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def command(board: Loopback, python: str, *words: str) -> list[str]:
    return [
        *(
            sys.executable,
            "-m",
            "benchrunner",
            "accuracy",
            "--model",
            "digits_cnn_int8",
            "--scale",
            str(SCALE),
        ),
        *("--dataset", str(DATA), "--board", "linux", "--board-python", python, *words),
    ]


def environment(board: Loopback) -> dict[str, str]:
    """A home whose known_hosts has the server's key, and a lab with a place."""
    home = board.folder / "home"
    (home / ".ssh").mkdir(parents=True, exist_ok=True)
    (home / ".ssh" / "known_hosts").write_bytes(board.server.known_hosts.read_bytes())
    known = {key: value for key, value in os.environ.items() if key != "SSH_AUTH_SOCK"}
    return {**known, "HOME": str(home), "PYTHONPATH": str(TOP)}


def at(board: Loopback) -> tuple[str, ...]:
    server = board.server
    return ("--host", f"{server.user}@{server.host}:{server.port}", "--key", str(server.key_file))


def test_the_command_takes_a_host_or_a_place_and_ctrl_c_leaves_nothing_but_what_was_answered(
    board: Loopback, tmp_path: Path
) -> None:
    slow = board.program(SLOW.format(python=sys.executable))
    process = subprocess.Popen(
        command(board, slow, *at(board)),
        cwd=tmp_path,
        env=environment(board),
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: batches(tmp_path / "results") >= 2, process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "images are answered and kept; the same command goes on" in said
    assert board.left_behind == []
    server = board.server
    (tmp_path / "lab.toml").write_text(
        f'[places.bench]\nboard = "linux"\nhost = "{server.user}@{server.host}:{server.port}"\n'
        f'key_file = "{server.key_file}"\n'
    )
    done = subprocess.run(
        command(board, sys.executable, "--json"),
        cwd=tmp_path,
        env=environment(board),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["sessions"] == 2, "the place goes on where the host was stopped"
    assert document["board"]["place"] == "bench"
    assert document["comparison"]["images"] == 540
    assert board.left_behind == []


def batches(results: Path) -> int:
    found = list((results / "accuracy").glob("journal-*.jsonl"))
    return sum(path.read_bytes().count(b'"event":"answers"') for path in found)


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end_s = time.monotonic() + 120
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end_s
        time.sleep(0.005)
