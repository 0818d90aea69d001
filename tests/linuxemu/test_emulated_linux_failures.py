"""What happens when QEMU fails: a script in its place that ends, hangs, or finds its port taken."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import pytest
from device_trees import device_tree

from benchrunner.board import load_board
from benchrunner.deadline import Deadline
from benchrunner.errors import DeadlineExceededError, LabError, UsageError
from benchrunner.linuxemu import TARGETS, EmulatedLinux, LinuxImage, emulated_linux
from benchrunner.linuxemu import machine as machine_module
from benchrunner.linuxemu.hardware import Hardware
from benchrunner.linuxemu.monitor import Monitor

BOARD = "stm32mp257f-dk"

# Answers what is asked of QEMU before a boot, then does as `BOOT` says.
SCRIPT = """\
#!/bin/sh
case "$*" in
    *--version*) echo "QEMU emulator version 9.8.7 (made up)"; exit ;;
    *dumpdtb=*) file=${2#*dumpdtb=}; exec cp "$TREE" "$file" ;;
esac
echo "$*" >>"$CALLS"
echo $$ >"$PID"
. "$BOOT"
"""


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shell script that stands for a boot."""
    program = tmp_path / "bin" / "qemu-system-aarch64"
    program.parent.mkdir()
    program.write_text(SCRIPT)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    for name in ("TREE", "CALLS", "PID", "BOOT"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    (tmp_path / "tree").write_bytes(device_tree(("compatible", b"linux,dummy-virt\0")))
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "user").write_text("a key")
    (folder / "host.pub").write_text("ssh-ed25519 AAAA comment\n")
    image = LinuxImage(TARGETS["arm64"], "key", folder)
    monkeypatch.setattr(machine_module, "build_image", lambda target, progress: image)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(machine_module.tempfile, "tempdir", str(temporary))
    return tmp_path / "boot"


def nothing_is_left(boot: Path) -> None:
    assert list((boot.parent / "temporary").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((boot.parent / "pid").read_text()), 0)


def test_an_emulator_that_ends_is_told_at_once_with_the_consoles_end(boot: Path) -> None:
    boot.write_text("echo 'Kernel panic - not syncing'; echo 'bad option' >&2; exit 1\n")
    with (
        pytest.raises(LabError, match="ended with status 1 before its network was up") as caught,
        emulated_linux(load_board(BOARD), deadline=Deadline(60)),
    ):
        pytest.fail("there is no board")
    assert "bad option\nKernel panic - not syncing" in caught.value.message
    assert "9.8.7" in caught.value.message
    nothing_is_left(boot)


def test_a_board_that_never_comes_up_ends_with_the_deadline(boot: Path) -> None:
    waits = boot.parent / "waits"
    boot.write_text(f"echo 'waiting for the disk'; touch '{waits}'; exec sleep 600\n")
    deadline = Deadline(60, clock=lambda: time.monotonic() + 60 * waits.exists())
    with (
        pytest.raises(DeadlineExceededError, match="its network was not up within 60 s") as caught,
        emulated_linux(load_board(BOARD), deadline=deadline),
    ):
        pytest.fail("there is no board")
    assert "waiting for the disk" in caught.value.message
    nothing_is_left(boot)


def test_a_port_that_somebody_else_took_meanwhile_is_replaced(boot: Path) -> None:
    boot.write_text(
        "[ $(wc -l <\"$CALLS\") -lt 3 ] || exit 7\necho 'Could not set up host forwarding rule' >&2\nexit 1\n"
    )
    with (
        pytest.raises(LabError, match="status 7"),
        emulated_linux(load_board(BOARD), deadline=Deadline(60)),
    ):
        pytest.fail("there is no board")
    calls = (boot.parent / "calls").read_text().splitlines()
    assert len(calls) == len(set(calls)) == 3  # each with ports of its own
    nothing_is_left(boot)


def test_an_error_in_the_block_ends_the_emulator(boot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that greets stands for the board; the script for QEMU."""
    boot.write_text("echo 'benchrunner: the network is up'; exec sleep 600\n")
    ports = machine_module._free_ports(2)
    monkeypatch.setattr(machine_module, "_free_ports", lambda _: ports)
    seen: list[tuple[EmulatedLinux, str, int, str]] = []
    with (
        pytest.raises(ZeroDivisionError),
        greeting_server(ports[0]),
        emulated_linux(load_board(BOARD), deadline=Deadline(60)) as running,
    ):
        look_and_fail(running, seen)
    (board, known_hosts, mode, console) = seen[0]
    assert (board.port, board.dropbear_port, board.qemu) == (*ports, "9.8.7")
    assert known_hosts == "".join(f"[127.0.0.1]:{port} ssh-ed25519 AAAA\n" for port in ports)
    assert (mode, console) == (0o600, "benchrunner: the network is up")
    nothing_is_left(boot)


def look_and_fail(running: EmulatedLinux, seen: list[tuple[EmulatedLinux, str, int, str]]) -> None:
    mode = running.private_key.stat().st_mode & 0o777
    seen.append((running, running.known_hosts.read_text(), mode, running.console_tail()))
    raise ZeroDivisionError


class greeting_server:  # noqa: N801
    """Says what an SSH server says first, once."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes it where nobody came
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        with connection:
            connection.sendall(b"SSH-2.0-none\r\n")


@pytest.mark.parametrize(
    ("icount", "expected"),
    [(True, "-smp 1 -m 512 -nographic -nodefaults -icount shift=0,sleep=on"), (False, "-smp 2 -m 512")],
)
def test_a_board_reaches_nothing_and_changes_no_image(boot: Path, icount: bool, expected: str) -> None:
    boot.write_text("exit 7\n")
    with pytest.raises(LabError), emulated_linux(load_board(BOARD), icount=icount):
        pytest.fail("there is no board")
    command = (boot.parent / "calls").read_text()
    assert expected in command
    assert ("-icount" in command) is icount
    assert "restrict=on,hostfwd=tcp:127.0.0.1:" in command
    assert "snapshot=on" in command
    assert "benchrunner.khz=400000,1500000" in command


def test_a_microcontroller_is_no_linux_board() -> None:
    with (
        pytest.raises(UsageError, match="expected a board that runs Linux"),
        emulated_linux(load_board("nucleo-f401re")),
    ):
        pytest.fail("there is no board")


def test_a_saved_state_that_qemu_refuses_is_thrown_away(boot: Path) -> None:
    boot.write_text("echo 'unknown section in the state' >&2; exit 1\n")
    image = boot.parent / "image"
    hardware = Hardware(
        board=load_board(BOARD),
        image=LinuxImage(TARGETS["arm64"], "key", image),
        program="qemu-system-aarch64",
        version="9.8.7",
        icount=True,
        tree=boot.parent / "board.dtb",
    )
    state = image / hardware.state_name()
    state.write_bytes(b"not a state")
    with (
        pytest.raises(LabError, match="ended with status 1 before its saved state was up") as caught,
        emulated_linux(load_board(BOARD), warm=True, deadline=Deadline(60)),
    ):
        pytest.fail("there is no board")
    assert "unknown section in the state" in caught.value.message
    assert "the next run boots anew" in caught.value.hint
    assert f"exec:cat {state}" in (boot.parent / "calls").read_text()
    assert not state.exists()
    nothing_is_left(boot)


def test_what_the_emulators_monitor_refuses_or_never_says_is_an_error() -> None:
    with Monitor() as monitor:
        talk(
            monitor,
            b'{"QMP": {}}',
            b'{"return": {}}',
            b'{"event": "STOP"}',
            b'{"error": {"desc": "not now"}}',
        )
        monitor.open(Deadline(60))
        with pytest.raises(LabError, match="QEMU: stop: not now"):
            monitor.execute("stop", Deadline(60))
        with pytest.raises(LabError, match="ended in the middle"):
            monitor.execute("cont", Deadline(60))
    with Monitor() as monitor, pytest.raises(DeadlineExceededError):
        monitor.execute("cont", Deadline(0.2))
    with Monitor() as monitor:
        talk(monitor, b'{"QMP": {}}', b'{"return": {}}', b'{"return": {"status": "guest-panicked"}}')
        monitor.open(Deadline(60))
        with pytest.raises(LabError, match="expected a paused board, found it guest-panicked"):
            monitor.resume(Deadline(60))
    with Monitor() as monitor:
        answers = (b'{"QMP": {}}', *[b'{"return": {}}'] * 3, b'{"return": {"status": "failed"}}')
        talk(monitor, *answers)
        monitor.open(Deadline(60))
        with pytest.raises(LabError, match="cannot be saved: failed"):
            monitor.save(Path("nowhere"), Deadline(60))


def talk(monitor: Monitor, *answers: bytes) -> None:
    """Say all of it beforehand, as QEMU's end of the conversation."""
    monitor.theirs.sendall(b"".join(answer + b"\n" for answer in answers))
