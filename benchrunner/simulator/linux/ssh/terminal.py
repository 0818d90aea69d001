"""The pseudo-terminal of a simulated board: echo, line editing, Ctrl-C, and an interactive shell on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchrunner.simulator.linux.process import (
    Group,
    Input,
    Output,
    SignalledError,
    decode,
    encode,
)
from benchrunner.simulator.linux.shell.builtins import ShellExit
from benchrunner.simulator.linux.shell.parser import parse_program
from benchrunner.simulator.linux.shell.syntax import ShellSyntaxError

if TYPE_CHECKING:
    from benchrunner.simulator.linux.machine import LinuxMachine
    from benchrunner.simulator.linux.shell.interpreter import Shell

_INTERRUPT, _END, _KILL_LINE, _ERASE_WORD, _ESCAPE = 0x03, 0x04, 0x15, 0x17, 0x1B
_ERASE = (0x08, 0x7F)
_MAX_LINE_BYTES = 1 << 16
_MAX_HISTORY = 500


class InterruptedLineError(Exception):
    """Ctrl-C while a line was typed."""


class Terminal:
    """Both ends of a terminal in canonical mode."""

    def __init__(self, source: Input, sink: Output, group: Group) -> None:
        self._source, self._sink, self._group = source, sink, group
        self._pending = bytearray()  # complete lines for whoever reads
        self._raw = bytearray()
        self.history: list[bytes] = []
        self._after_return = False

    def write(self, data: bytes) -> None:
        self._sink.write(data.replace(b"\n", b"\r\n"))

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            parts = []
            while line := self.readline():
                parts.append(line)
            return b"".join(parts)
        if not self._pending:
            self._pending += self._line()
        data = bytes(self._pending[:size])
        del self._pending[:size]
        return data

    def readline(self) -> bytes:
        if self._pending:
            line, self._pending = bytes(self._pending), bytearray()
            return line
        try:
            return self._line()
        except InterruptedLineError:
            raise SignalledError(2) from None

    def _byte(self) -> int | None:
        if not self._raw:
            self._raw += self._source.read(4096)
            if not self._raw:
                return None
        byte = self._raw[0]
        del self._raw[0]
        return byte

    def _line(self) -> bytes:
        """One edited line with its newline; empty at the end of input."""
        line = bytearray()
        position = len(self.history)
        while True:
            byte = self._byte()
            if byte is None or (byte == _END and not line):
                return b""
            after_return, self._after_return = self._after_return, byte == 0x0D
            if byte == 0x0A and after_return:
                continue  # CR LF is one end of line
            if byte in (0x0D, 0x0A):
                self._sink.write(b"\r\n")
                return bytes(line) + b"\n"
            if byte == _INTERRUPT:
                self._sink.write(b"^C\r\n")
                raise InterruptedLineError
            if byte in _ERASE:
                if line:
                    line.pop()
                    while line and line[-1] & 0xC0 == 0x80:
                        line.pop()
                    self._sink.write(b"\b \b")
            elif byte in (_KILL_LINE, _ERASE_WORD):
                keep = 0 if byte == _KILL_LINE else len(bytes(line).rstrip().rpartition(b" ")[0])
                self._sink.write(b"\b \b" * (len(line) - keep))
                del line[keep:]
            elif byte == _ESCAPE:
                position = self._arrow(line, position)
            elif byte >= 0x20 and len(line) < _MAX_LINE_BYTES:
                line.append(byte)
                self._sink.write(bytes([byte]))

    def _arrow(self, line: bytearray, position: int) -> int:
        """Up and down bring back earlier lines; other keys with an escape do nothing."""
        if self._byte() != 0x5B:
            return position
        key = self._byte()
        if key not in (0x41, 0x42):
            return position
        position = max(0, position - 1) if key == 0x41 else min(len(self.history), position + 1)
        self._sink.write(b"\b \b" * len(line))
        line[:] = self.history[position] if position < len(self.history) else b""
        self._sink.write(bytes(line))
        return position

    def converse(self, shell: Shell, machine: LinuxMachine) -> int:
        """An interactive shell until `exit` or Ctrl-D."""
        shell.interactive = True
        self.write(machine.files.read("/etc/motd") if machine.files.exists("/etc/motd") else b"")
        text = ""
        while True:
            home = "~" if shell.folder == shell.home else shell.folder
            prompt = "> " if text else f"root@{machine.profile.hostname}:{home}# "
            self.write(encode(prompt))
            try:
                line = self._line()
            except InterruptedLineError:
                text, shell.status = "", 130
                continue
            if not line:
                self.write(b"\n" if text else b"logout\n")
                return shell.status
            if line.strip() and (not self.history or self.history[-1] != line.rstrip(b"\n")):
                self.history.append(line.rstrip(b"\n"))
                del self.history[:-_MAX_HISTORY]
            text += decode(line)
            try:
                program = parse_program(text)
            except ShellSyntaxError as error:
                if error.incomplete and len(text) < _MAX_LINE_BYTES:
                    continue
                self.write(encode(f"-sh: {error}\n"))
                text, shell.status = "", 2
                continue
            text = ""
            try:
                shell.run_line(program)
            except ShellExit as ended:
                return ended.status
