"""A command that is talked with over SSH, against a real OpenSSH server, and every way in which that ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openssh_server import OpenSshServer, openssh_server

from benchrunner.deadline import Deadline
from benchrunner.errors import ConnectionLostError, DeadlineExceededError, LinkError
from benchrunner.transport.held_back import ctrl_c_held_back
from benchrunner.transport.shell import Dialogue
from benchrunner.transport.ssh import SshShell, open_ssh

ECHO = ["sh", "-c", 'while read -r line; do echo "got $line"; done; echo end; exit 5']
SILENT = ["sh", "-c", "echo $$; exec sleep 600"]
MAX = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSshServer]:
    with openssh_server(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def shell(server: OpenSshServer) -> Iterator[SshShell]:
    opened = open_ssh(server.target(), Deadline(60))
    yield opened
    opened.close()


def soon() -> Deadline:
    return Deadline(60)


class Taken:
    """What came, and enough of it once it ends with `mark`."""

    def __init__(self, mark: bytes = b"\n") -> None:
        self.data, self._mark = b"", mark

    def __call__(self, piece: bytes) -> bool:
        self.data += piece
        return self.data.endswith(self._mark)


def ask(talk: Dialogue, data: bytes, deadline: Deadline | None = None, *, most: int = MAX) -> bytes | None:
    taken = Taken()
    return taken.data if talk.exchange(data, deadline or soon(), take=taken, max_output_bytes=most) else None


def gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_until(true: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end_s, what
        time.sleep(0.01)


def test_each_word_is_answered_before_the_next_is_said(shell: SshShell) -> None:
    with shell.dialogue(ECHO, soon()) as talk:
        for number in range(200):
            assert ask(talk, b"%d\n" % number) == b"got %d\n" % number
        last = Taken()
        finished = talk.finish(soon(), take=last)
    assert (finished.status, last.data) == (5, b"end\n")
    assert shell.run(["true"], soon()).status == 0


def test_what_is_larger_than_every_buffer_comes_back_whole(shell: SshShell) -> None:
    data = os.urandom(5 << 20)
    with shell.dialogue(["cat"], soon()) as talk:
        for _ in range(3):
            came = bytearray()

            def take(piece: bytes, came: bytearray = came) -> bool:
                came.extend(piece)
                return len(came) >= len(data)

            assert talk.exchange(data, soon(), take=take, max_output_bytes=len(data))
            assert bytes(came) == data
        assert talk.finish(soon(), take=Taken()).status == 0


def test_a_command_that_ends_before_it_answers_is_said_so(shell: SshShell) -> None:
    with shell.dialogue(["sh", "-c", "read -r x; echo sorry >&2; kill -SEGV $$"], soon()) as talk:
        assert ask(talk, b"x\n") is None
        finished = talk.finish(soon(), take=Taken())
    assert finished.status == 128 + 11
    assert finished.stderr.startswith(b"sorry\n")


def test_a_command_that_does_not_answer_is_ended_at_the_deadline(shell: SshShell) -> None:
    process = 0

    def wait_for_nothing() -> None:
        nonlocal process
        with shell.dialogue(SILENT, soon()) as talk:
            process = int(ask(talk, b"") or b"0")
            ask(talk, b"", Deadline(0.3))

    with pytest.raises(DeadlineExceededError, match=r"sh: not done within 0\.3 s"):
        wait_for_nothing()
    wait_until(lambda: gone(process), "the command is ended")
    assert shell.run(["true"], soon()).status == 0


def test_a_block_that_ends_early_ends_the_command_and_keeps_the_connection(shell: SshShell) -> None:
    process = 0

    def stop() -> None:
        nonlocal process
        with shell.dialogue(SILENT, soon()) as talk:
            process = int(ask(talk, b"") or b"0")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    wait_until(lambda: gone(process), "the command is ended")
    with shell.dialogue(SILENT, soon()) as talk:
        process = int(ask(talk, b"") or b"0")
    wait_until(lambda: gone(process), "a block that forgets to finish leaves nothing behind")
    assert shell.run(["true"], soon()).status == 0


def test_more_than_was_asked_for_is_not_taken(shell: SshShell) -> None:
    with (
        pytest.raises(LinkError, match="printed more than 1000 bytes"),
        shell.dialogue(["yes"], soon()) as talk,
    ):
        talk.exchange(b"", soon(), take=Taken(b"never"), max_output_bytes=1000)
    assert shell.run(["true"], soon()).status == 0


def test_an_hour_of_answers_is_no_flood(shell: SshShell) -> None:
    """The bound is of one exchange, on both streams."""
    noisy = ["sh", "-c", 'while read -r line; do echo "$line" >&2; echo "$line"; done']
    line = b"x" * 9000 + b"\n"
    with shell.dialogue(noisy, soon()) as talk:
        for _ in range(100):
            assert ask(talk, line, most=200_000) == line
        finished = talk.finish(soon(), take=Taken())
    assert len(finished.stderr) <= (64 << 10) + 10 * len(line), "the last of it is enough"


@pytest.mark.parametrize("when", ["between", "waiting"])
def test_a_connection_that_goes_is_lost_while_the_command_ran(server: OpenSshServer, when: str) -> None:
    shell = open_ssh(server.target(), Deadline(60))

    def cut(piece: bytes) -> bool:
        if when == "waiting":
            assert server.drop_connections() > 0
        return when == "between"

    def talk_on() -> None:
        with shell.dialogue(ECHO, soon()) as talk:
            if talk.exchange(b"x\n", soon(), take=cut, max_output_bytes=MAX):
                server.drop_connections()
                wait_until(lambda: not shell.alive, "the connection is seen to be gone")
                talk.exchange(b"y\n", soon(), take=cut, max_output_bytes=MAX)
            talk.finish(soon(), take=cut)

    try:
        with pytest.raises(ConnectionLostError, match="connection lost while sh ran"):
            talk_on()
    finally:
        shell.close()


class Trap:
    """A lock of paramiko's; Ctrl-C comes in the very moment in which the main thread has taken it."""

    def __init__(self, lock: Any) -> None:
        self._lock, self._set = lock, True

    def acquire(self) -> bool:
        assert self._lock.acquire(timeout=30), "nobody gives it back"
        if self._set and threading.current_thread() is threading.main_thread():
            self._set = False
            signal.raise_signal(signal.SIGINT)
        return True

    def release(self) -> None:
        self._lock.release()


def test_ctrl_c_between_a_lock_and_its_release_does_not_stand_still_in_closing(shell: SshShell) -> None:
    process = 0

    def stop() -> None:
        nonlocal process
        with shell.dialogue(SILENT, soon()) as talk:
            process = int(ask(talk, b"") or b"0")
            pipe = talk._command._channel.in_buffer
            pipe._lock = Trap(pipe._lock)
            ask(talk, b"")

    with pytest.raises(KeyboardInterrupt):
        stop()
    wait_until(lambda: gone(process), "the command is ended")
    assert shell.run(["true"], soon()).status == 0


def test_a_second_ctrl_c_is_not_held_back_and_handlers_are_as_before() -> None:
    done = []

    def block() -> None:
        with ctrl_c_held_back():
            signal.raise_signal(signal.SIGINT)
            done.append("first")
            signal.raise_signal(signal.SIGINT)
            done.append("second")

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        block()
    assert done == ["first"]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    with ctrl_c_held_back():
        pass
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
