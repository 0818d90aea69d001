"""ProxyCommand: chosen and run as ssh does, against a real OpenSSH server, and every way it can end."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from open_files import open_files
from openssh_server import OpenSshServer, openssh_server
from tflite_builder import small_cnn

from benchrunner.deadline import Deadline
from benchrunner.errors import (
    ConnectionLostError,
    DeadlineExceededError,
    HostKeyError,
    HostUnreachableError,
    UsageError,
)
from benchrunner.store import load_runs
from benchrunner.transport.ssh import SshShell, accept_host_key, open_ssh
from benchrunner.transport.ssh_target import SshTarget, ssh_target

# Carries bytes between its standard streams and a TCP connection, as `nc HOST PORT` does.
RELAY = """
    import os, socket, sys, threading
    def pump(read, write):
        while data := read(65536):
            write(data)
    far = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    def up():
        pump(lambda size: os.read(0, size), far.sendall)
        os._exit(0)
    threading.Thread(target=up, daemon=True).start()
    pump(far.recv, lambda data: os.write(1, data))
    print("the far end is gone", file=sys.stderr)
    sys.exit(3)
"""
# A case like those of the command line, with time to put the board back on a busy machine.
CASE = """
    import sys
    from pathlib import Path
    from benchrunner.board import board_file_sha256, load_board
    from benchrunner.run import RunRequest, run_case
    from benchrunner.run.request import Limits, LinuxOptions
    class Silent:
        def step(self, step, detail): pass
        def progress(self, done, total, unit): pass
        def note(self, text): pass
    result = run_case(
        RunRequest(
            board=load_board("linux"),
            board_file_sha256=board_file_sha256("linux"),
            model=Path(sys.argv[1]),
            engine="tflite",
            linux=LinuxOptions(host="board", python=sys.argv[2]),
            results=Path(sys.argv[3]),
            limits=Limits(leaving_s=60),
        ),
        Silent(),
    )
    sys.exit(result.exit_status)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSshServer]:
    with openssh_server(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without keys, agent and known hosts, whose shell is sh."""
    folder = tmp_path / "user"
    (folder / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("SHELL", "/bin/sh")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture
def relay(tmp_path: Path) -> str:
    path = tmp_path / "relay.py"
    path.write_text(textwrap.dedent(RELAY))
    return f"{sys.executable} {path}"


def soon() -> Deadline:
    return Deadline(60)


def configure(home: Path, text: str) -> Path:
    path = home / ".ssh" / "config"
    path.write_text(textwrap.dedent(text))
    return path


def behind(server: OpenSshServer, home: Path, command: str, *, known_hosts: Path | None = None) -> SshTarget:
    """The server as `board`, which only the command reaches."""
    configure(
        home,
        f"Host board\n HostName 127.0.0.1\n Port {server.port}\n User {server.user}\n"
        f" ProxyCommand {command}\n"
        f" IdentityFile {server.key_file}\n IdentitiesOnly yes\n"
        f" UserKnownHostsFile {known_hosts or server.known_hosts}\n",
    )
    return ssh_target("board")


def says_hello(shell: SshShell) -> bool:
    try:
        return shell.run(["echo", "hello"], soon()).stdout == b"hello\n"
    finally:
        shell.close()


def wait_until(true: Callable[[], bool], what: str) -> None:
    deadline = soon()
    while not true():
        deadline.check(what)
        time.sleep(0.01)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


# --- which way --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        "Host board\n ProxyCommand nc %h %p\n ProxyJump outer",
        "Host board\n ProxyJump outer\n ProxyCommand nc %h %p",
        "Host board\n ProxyCommand none\nHost *\n ProxyJump outer",
        "Host board\n ProxyJump none\nHost *\n ProxyCommand nc %h %p",
        "Host board\n ProxyJump none\n ProxyJump outer\n ProxyCommand nc %h %p",
        "Host board\n ProxyJump outer\nHost *\n ProxyCommand none",
        "Host board\n ProxyCommand none\n ProxyCommand nc %h %p",
        "Host other\n ProxyJump outer\nHost *\n proxycommand=nc -x '# a' \"%h\" %p",
        'Host board\n ProxyCommand = "/opt/a b/way" %h',
        "Host board\n Port 7\nHost *\n ProxyCommand nc %n %r\nHost board\n ProxyJump outer",
        "Match host board\n ProxyCommand first\nMatch all\n ProxyCommand second",
    ],
)
def test_of_proxy_command_and_proxy_jump_the_first_counts_as_ssh_has_it(lines: str, home: Path) -> None:
    path = configure(home, f"{lines}\n")
    shown = subprocess.run(
        ["ssh", "-F", path, "-G", "board"], check=True, capture_output=True, text=True, timeout=60
    ).stdout.splitlines()
    expected = dict(line.split(" ", 1) for line in shown if line.startswith("proxy"))

    target = ssh_target("board")

    assert [hop.host for hop in target.jumps] == ([expected["proxyjump"]] if "proxyjump" in expected else [])
    if "proxycommand" in expected:
        values = {"%h": "board", "%n": "board", "%p": str(target.port), "%r": target.user}
        for token, value in values.items():
            expected["proxycommand"] = expected["proxycommand"].replace(token, value)
    assert target.proxy_command == expected.get("proxycommand")


def test_a_jump_that_is_given_wins_over_a_proxy_command(home: Path) -> None:
    configure(home, "Host board\n ProxyCommand nc %h %p\nHost outer\n ProxyCommand way-to %h\n")

    target = ssh_target("board", jump="outer,inner")
    assert target.proxy_command is None
    assert [(hop.host, hop.proxy_command) for hop in target.jumps] == [
        ("outer", "way-to outer"),
        ("inner", None),
    ]
    # Only the first host is reached directly: the way of a later one is the host before it.
    assert [hop.proxy_command for hop in ssh_target("board", jump="inner,outer").jumps] == [None, None]
    assert ssh_target("board", jump="none").proxy_command is None


def test_tokens_are_expanded_as_ssh_does(server: OpenSshServer, home: Path, tmp_path: Path) -> None:
    """Both run the same command, and it writes down what it was given."""
    written, way = tmp_path / "written", tmp_path / "way"
    way.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{written}\n")
    way.chmod(0o755)
    target = behind(server, home, f"{way} '%h' '%n' '%p' '%r' '%%h' 'a~b' '100%%' \"$0\"")
    ssh = ["ssh", "-F", str(home / ".ssh" / "config"), "-o", "BatchMode=yes", "board", "true"]
    assert subprocess.run(ssh, capture_output=True, timeout=60).returncode == 255
    expected = written.read_text()
    assert expected.splitlines()[:5] == ["127.0.0.1", "board", str(server.port), server.user, "%h"]

    with pytest.raises(HostUnreachableError):
        open_ssh(target, soon())
    assert written.read_text() == expected


def test_a_user_and_a_port_that_are_typed_are_the_ones_of_the_tokens(home: Path) -> None:
    configure(
        home, "Host board\n HostName 10.1.2.3\n Port 22\n User root\n ProxyCommand way %r@%h:%p %n %k\n"
    )
    assert ssh_target("me2@board:2222").proxy_command == "way me2@10.1.2.3:2222 board board"


def test_what_ssh_does_not_know_is_refused(home: Path) -> None:
    configure(home, "Host board\n ProxyCommand nc %h %q\n")
    with pytest.raises(UsageError, match=r"ProxyCommand of board: unknown token '%q'"):
        ssh_target("board")
    configure(home, "Host board\n ProxyUseFdpass yes\n ProxyCommand nc -F %h %p\n")
    with pytest.raises(UsageError, match="ProxyUseFdpass"):
        ssh_target("board")


# --- to the board -----------------------------------------------------------------------------------------


def test_a_board_behind_a_program_is_reached_and_its_key_is_checked(
    server: OpenSshServer, home: Path, relay: str, tmp_path: Path
) -> None:
    target = behind(server, home, f"{relay} %h %p")
    shell = open_ssh(target, soon())
    assert shell.description == f"{server.user}@127.0.0.1:{server.port} through a ProxyCommand"
    shell.put(b"x" * 3_000_000, str(tmp_path / "file"), soon())
    assert shell.get(str(tmp_path / "file"), soon(), max_bytes=3_000_000) == b"x" * 3_000_000
    assert says_hello(shell)

    stranger = behind(server, home, f"{relay} %h %p", known_hosts=tmp_path / "none")
    with pytest.raises(HostKeyError, match="unknown host key") as caught:
        open_ssh(stranger, soon())
    assert f"accept-host-key board {server.fingerprint}" in caught.value.hint
    accept_host_key(stranger, server.fingerprint, soon())
    assert says_hello(open_ssh(stranger, soon()))


def test_a_board_behind_ssh_itself_is_reached(server: OpenSshServer, home: Path, tmp_path: Path) -> None:
    with openssh_server(tmp_path / "outer") as outer:
        options = f"-o BatchMode=yes -o UserKnownHostsFile={outer.known_hosts} -i {outer.key_file}"
        way = f"ssh -F none {options} -p {outer.port} -W %h:%p {outer.user}@127.0.0.1"
        shell = open_ssh(behind(server, home, way), soon())
        assert len(outer.connections()) == 1
        assert says_hello(shell)
        wait_until(lambda: not outer.connections(), "the way is given up")
        outer.stop()
        with pytest.raises(HostUnreachableError, match=r"ended with status 255: .*Connection refused"):
            open_ssh(ssh_target("board"), soon())


def test_a_jump_host_may_lie_behind_a_program(server: OpenSshServer, home: Path, relay: str) -> None:
    target = behind(server, home, f"{relay} %h %p")
    configure(home, (home / ".ssh" / "config").read_text().replace("Host board", "Host board inner"))
    target = ssh_target("board", jump="inner")
    assert target.jumps[0].proxy_command is not None
    assert says_hello(open_ssh(target, soon()))


# --- how it ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("no-such-program %h", r"ended with status 127: .*no-such-program: not found"),
        ("sh -c 'echo no way to %h >&2; exit 1'", r"ended with status 1: no way to 127\.0\.0\.1$"),
        ("false", r"ended with status 1, and said nothing$"),
        ("sh -c 'kill -9 $$'", r"ended by signal 9"),
        ("sh -c 'yes no 2>&1 | head -c 300000 >&2; echo the end >&2; exit 2'", r"status 2: .*no no the end$"),
        ("echo HTTP/1.0 403 Forbidden", r"ended with status 0"),
    ],
)
def test_a_program_that_ends_is_an_error_with_its_status_and_its_words(
    server: OpenSshServer, home: Path, command: str, said: str
) -> None:
    threads, files = set(threading.enumerate()), open_files()
    with pytest.raises(HostUnreachableError, match=rf"127\.0\.0\.1.*: the ProxyCommand.* {said}") as caught:
        open_ssh(behind(server, home, command), soon())
    assert "`ssh board`" in caught.value.hint
    assert len(caught.value.message) < 700
    # What was there before may have gone meanwhile.
    wait_until(lambda: set(threading.enumerate()) <= threads, "its threads are gone")
    assert open_files() <= files


def test_a_program_that_hangs_is_ended_with_its_children_at_the_deadline(
    server: OpenSshServer, home: Path, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    way = f"sh -c 'trap \"\" TERM; sleep 600 & echo $! $$ >{pids}; echo waiting for the gate >&2; wait'"
    target = behind(server, home, way)
    budget_s = 1.0
    while True:  # a loaded machine may not have started it within the first one
        with pytest.raises(DeadlineExceededError, match="handshake: not done within") as caught:
            open_ssh(target, Deadline(budget_s))
        if pids.exists() and len(pids.read_text().split()) == 2 and "gate" in caught.value.hint:
            break
        budget_s *= 2
    assert "did not end: waiting for the gate" in caught.value.hint
    for process in map(int, pids.read_text().split()):
        wait_until(lambda process=process: not alive(process), "all of it is ended")  # type: ignore[misc]


def test_a_shell_that_is_not_there_is_named(
    server: OpenSshServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", "/no/such/shell")
    with pytest.raises(HostUnreachableError, match=r"/no/such/shell cannot be started"):
        open_ssh(behind(server, home, "true"), soon())


def test_a_connection_whose_program_dies_is_lost_with_its_last_words(
    server: OpenSshServer, home: Path, relay: str
) -> None:
    shell = open_ssh(behind(server, home, f"{relay} %h %p"), soon())
    try:
        with pytest.raises(ConnectionLostError, match="ended with status 3: the far end is gone"):
            shell.run(
                ["sh", "-c", "echo; exec sleep 600"],
                soon(),
                on_stdout=lambda _: server.drop_connections() and None,
            )
        with pytest.raises(ConnectionLostError, match=r"true was not started; .*the far end is gone"):
            shell.run(["true"], soon())
    finally:
        shell.close()


def test_a_program_that_talks_without_end_does_not_stand_still_nor_fill_the_memory(
    server: OpenSshServer, home: Path, relay: str
) -> None:
    shell = open_ssh(behind(server, home, f"sh -c 'yes >&2 & exec {relay} %h %p'"), soon())
    process = shell._nearest._carrier
    assert shell.run(["head", "-c", "1000000", "/dev/zero"], soon()).stdout == bytes(1_000_000)
    assert len(process._stderr) <= 4096 + 4096
    assert says_hello(shell)


def test_the_end_of_a_connection_ends_the_program_and_its_children(
    server: OpenSshServer, home: Path, relay: str, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    way = f"sh -c 'trap \"\" HUP TERM; sleep 600 & echo $! $$ >{pids}; {relay} %h %p; sleep 600'"
    assert says_hello(open_ssh(behind(server, home, way), soon()))
    for process in map(int, pids.read_text().split()):
        wait_until(lambda process=process: not alive(process), "it is ended")  # type: ignore[misc]


def test_ctrl_c_at_the_terminal_does_not_cut_the_way_before_the_board_is_put_back(
    server: OpenSshServer, home: Path, relay: str, tmp_path: Path
) -> None:
    """The terminal sends SIGINT to every process of its group."""
    pid = tmp_path / "pid"
    behind(server, home, f"sh -c 'echo $$ >{pid}; exec {relay} %h %p'")
    model = tmp_path / "small.tflite"
    model.write_bytes(small_cnn())
    (server.home / ".cache").mkdir(exist_ok=True)
    runner = tmp_path / "python"
    runner.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/runner\nexec sleep 600\n")
    runner.chmod(0o755)
    program = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CASE), str(model), str(runner), str(tmp_path / "results")],
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    started = tmp_path / "runner"
    wait_until(
        lambda: (started.exists() and bool(started.read_text())) or program.poll() is not None, "it runs"
    )
    os.killpg(program.pid, signal.SIGINT)
    _, said = program.communicate(timeout=120)
    assert program.returncode == 130, said
    assert list((server.home / ".cache").iterdir()) == []
    for file in pid, started:
        wait_until(lambda file=file: not alive(int(file.read_text())), "it is ended")  # type: ignore[misc]
    (run,) = load_runs(tmp_path / "results").runs
    assert run.document.measurements[0].reason == "stopped by Ctrl-C in step start"
    assert shlex.quote(str(relay)) not in str(run.document.measurements[0].provenance)
