"""Runs the command or the shell that a client has asked for, on its channel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from benchrunner.simulator.linux.machine import DEFAULT_PATH
from benchrunner.simulator.linux.process import Group, Process, SignalledError, encode
from benchrunner.simulator.linux.shell.interpreter import Shell
from benchrunner.simulator.linux.ssh.door import Door, Wish
from benchrunner.simulator.linux.ssh.terminal import Terminal

HOME = "/home/root"
_CHUNK_BYTES = 32768


class ChannelInput:
    """What the client sends."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._kept = bytearray()
        self._ended = False

    def _fill(self) -> bool:
        if self._ended:
            return False
        try:
            data = self._channel.recv(_CHUNK_BYTES)
        except (OSError, EOFError):
            data = b""
        self._ended = not data
        self._kept += data
        return not self._ended

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            while self._fill():
                pass
            size = len(self._kept)
        elif not self._kept and size:
            self._fill()
        data = bytes(self._kept[:size])
        del self._kept[:size]
        return data

    def readline(self) -> bytes:
        start = 0
        while (end := self._kept.find(b"\n", start)) < 0:
            start = len(self._kept)
            if not self._fill():
                break
        end = len(self._kept) if end < 0 else end + 1
        line = bytes(self._kept[:end])
        del self._kept[:end]
        return line


class ChannelOutput:
    """What the client gets."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send

    def write(self, data: bytes) -> None:
        try:
            self._send(data)
        except (OSError, EOFError):
            raise SignalledError(1) from None  # the client is gone: SIGHUP


def begin(door: Door, channel: Any, wish: Wish) -> None:
    """Start what the client wants in a thread of its own."""
    threading.Thread(
        target=_body, args=(door, channel, wish), name="simulated board, command", daemon=True
    ).start()


def _body(door: Door, channel: Any, wish: Wish) -> None:
    status = 1
    try:
        if wish.command is not None and door.interrupted("exec"):
            return
        status = run_wish(door, channel, wish)
    except SignalledError as error:
        status = 128 + error.number
    except (OSError, EOFError):
        pass  # the connection is gone
    finally:
        try:
            channel.send_exit_status(status & 0xFF)
            channel.shutdown_write()
            channel.close()
        except Exception:  # whatever paramiko raises where the connection is gone, or stands still
            pass


def run_wish(door: Door, channel: Any, wish: Wish) -> int:
    """Run it to its end; returns the exit status."""
    machine = door.machine
    environment = {
        "USER": "root",
        "LOGNAME": "root",
        "HOME": HOME,
        "SHELL": "/bin/sh",
        "PATH": DEFAULT_PATH,
        "SSH_CONNECTION": "127.0.0.1 40000 127.0.0.1 22",
        **wish.environment,
    }
    source = ChannelInput(channel)
    out, errors = ChannelOutput(channel.sendall), ChannelOutput(channel.sendall_stderr)
    # Without a terminal nothing ends a command whose connection is gone, until it writes.
    group = Group(lambda: bool(wish.terminal) and bool(channel.closed), door.drop)
    terminal = None
    if wish.terminal:
        environment["TERM"] = wish.terminal
        terminal = Terminal(source, out, group)
        group.terminal = "pts/0"
        streams: dict[int, object] = {0: terminal, 1: terminal, 2: terminal}
    else:
        streams = {0: source, 1: out, 2: errors}
    process = Process(machine, group, ["-sh" if wish.command is None else "sh"], environment, HOME, streams)
    process.parent = door.process.pid
    machine.remember(process)
    machine.enter(process)
    shell = Shell(process)
    try:
        if wish.command is not None:
            return shell.run_text(wish.command)
        if terminal is not None:
            return terminal.converse(shell, machine)
        return converse_plainly(shell, source)
    finally:
        machine.forget(process)


def converse_plainly(shell: Shell, source: ChannelInput) -> int:
    """Commands from standard input, one after the other, without a prompt."""
    from benchrunner.simulator.linux.commands.control import run_script_from

    status = run_script_from(shell, source)
    shell.process.stdout.write(encode(""))
    return status
