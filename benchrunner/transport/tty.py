"""A serial port of this machine, or a pty, as a transport."""

from __future__ import annotations

import errno
import os
import select
import termios
from pathlib import Path

import serial

from benchrunner.deadline import Deadline
from benchrunner.errors import PortError
from benchrunner.transport import Lines, Parity

_WRITE_STALL_S = 10.0  # no byte taken for so long: nobody drains the line
# A read sleeps in the kernel for at most one unit of VTIME: one system call, where waiting for the descriptor
# first takes two, and trying again and again keeps a processor from whoever is to answer. Writes must not
# sleep, as nothing would bound that; changing the descriptor between them costs 0.3 us.
_SLICE_S, _SLICE_VTIME = 0.1, 1
_HANG_UP = select.POLLHUP | select.POLLERR | select.POLLNVAL
_DISCARD_LIMIT_BYTES = 1 << 20  # a device that never stops talking must not hold the caller
_DIALOUT_HINT = (
    "add your user to the group that owns the port: sudo usermod -a -G dialout $USER, then log in again"
)


class TtyTransport:
    """A tty opened by pyserial for its settings; bytes go through the descriptor directly.

    The kernel raises DTR and RTS when a tty is opened. With the default wiring that releases NRST and sets
    BOOT0, which a running board does not notice; BOOT0 goes low right after. A board whose reset line is
    inverted does restart: nothing in user space can prevent it. HUPCL is cleared, so that closing the port
    does not drop the lines and hold the board in reset.
    """

    def __init__(self, path: str, *, baud_hz: int, parity: Parity, lines: Lines | None) -> None:
        self._path = path
        self._lines = lines
        # The kernel drops PARENB on a pty without a word, and every later change fails with EINVAL.
        self._is_pty = str(Path(path).resolve()).startswith("/dev/pts/")
        port = serial.Serial()
        port.port = path
        port.baudrate = baud_hz
        port.parity = Parity.NONE if self._is_pty else parity
        port.timeout = 0
        port.exclusive = True
        if lines is not None:
            port.rts, port.dtr = lines.levels(boot0=False, reset=False)
        try:
            port.open()
        except (OSError, ValueError, termios.error) as error:
            raise _open_error(path, error) from error
        self._port = port
        self._descriptor: int = port.fileno()
        self._may_sleep = False  # as pyserial opens it: O_NONBLOCK
        self._readable = select.poll()
        self._readable.register(self._descriptor, select.POLLIN)
        self._has_lines = lines is not None and not self._is_pty and self._answers_modem_lines()
        if not self._is_pty:
            self._prepare_hardware()
        try:
            self._set_slice()
        except termios.error as error:
            self.close()
            raise _open_error(path, error) from error

    def _set_slice(self) -> None:
        """Bound the sleep of a read. pyserial sets it to none with every change of the format."""
        attributes = termios.tcgetattr(self._descriptor)
        attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 0, _SLICE_VTIME
        termios.tcsetattr(self._descriptor, termios.TCSANOW, attributes)

    def _let_sleep(self, allowed: bool) -> None:
        os.set_blocking(self._descriptor, allowed)
        self._may_sleep = allowed

    def _answers_modem_lines(self) -> bool:
        try:
            _ = self._port.cts
        except OSError:  # ENOTTY: a tty without modem lines
            return False
        return True

    def _prepare_hardware(self) -> None:
        try:
            attributes = termios.tcgetattr(self._descriptor)
            attributes[2] &= ~termios.HUPCL
            termios.tcsetattr(self._descriptor, termios.TCSANOW, attributes)
        except termios.error as error:
            self.close()
            raise _open_error(self._path, error) from error
        try:
            self._port.set_low_latency_mode(True)  # FTDI: 1 ms instead of 16 ms for each short reply
        except (OSError, ValueError, NotImplementedError):
            pass  # drivers without the setting have no latency timer either

    @property
    def description(self) -> str:
        return f"{self._path} (pty: 8N1, no modem lines)" if self._is_pty else self._path

    @property
    def has_lines(self) -> bool:
        return self._has_lines

    def write(self, data: bytes) -> None:
        try:
            if self._may_sleep:
                self._let_sleep(False)
            sent_bytes = os.write(self._descriptor, data)
        except BlockingIOError:
            sent_bytes = 0
        except OSError as error:
            raise self._lost(error) from error
        if sent_bytes < len(data):
            self._write_rest(memoryview(data)[sent_bytes:])

    def _write_rest(self, view: memoryview) -> None:
        """What the driver did not take at once, as it makes room."""
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                _, ready, _ = select.select([], [self._descriptor], [], _WRITE_STALL_S)
                if not ready:
                    raise PortError(
                        f"{self._path}: took no byte for {_WRITE_STALL_S:g} s",
                        hint="flow control holds the line, or nobody reads the other end of the pty",
                    ) from None
            except OSError as error:
                raise self._lost(error) from error

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        while True:
            remaining_s = deadline.remaining_s()
            try:
                if remaining_s < _SLICE_S:
                    return self._read_shortly(max_bytes, remaining_s)
                if not self._may_sleep:
                    self._let_sleep(True)
                data = os.read(self._descriptor, max_bytes)
            except OSError as error:
                raise self._lost(error) from error
            if data:
                return data
            self._check_hang_up(self._readable.poll(0))

    def _read_shortly(self, max_bytes: int, limit_s: float) -> bytes:
        """Within less than a slice."""
        if self._may_sleep:
            self._let_sleep(False)
        ready = self._readable.poll(limit_s * 1000)
        try:
            data = os.read(self._descriptor, max_bytes) if ready else b""
        except BlockingIOError:
            data = b""  # ready and empty: another program reads the same port
        if not data:
            self._check_hang_up(ready)
        return data

    def _check_hang_up(self, ready: list[tuple[int, int]]) -> None:
        if ready and ready[0][1] & _HANG_UP:
            raise self._lost(None)

    def discard_input(self) -> int:
        dropped = 0
        while dropped < _DISCARD_LIMIT_BYTES:
            try:
                if self._may_sleep:
                    self._let_sleep(False)
                data = os.read(self._descriptor, 65536)
            except BlockingIOError:
                break
            except OSError as error:
                raise self._lost(error) from error
            if not data:
                break  # VMIN = 0: an empty line reads as nothing
            dropped += len(data)
        return dropped

    def set_format(self, baud_hz: int, parity: Parity) -> None:
        if self._descriptor < 0:
            raise self._lost(None)
        try:
            if not self._is_pty:
                self._port.flush()  # what was written leaves at the old rate
                self._port.parity = parity
            self._port.baudrate = baud_hz
            self._set_slice()
        except (OSError, termios.error) as error:
            raise self._lost(error) from error
        except ValueError as error:
            raise PortError(f"{self._path}: does not run at {baud_hz} baud: {error}") from error

    def set_lines(self, *, boot0: bool, reset: bool) -> None:
        if self._lines is None or not self._has_lines:
            raise PortError(
                f"{self.description}: has no lines to BOOT0 and NRST",
                hint="set BOOT0 and press reset by hand, or wire RTS and DTR",
            )
        rts, dtr = self._lines.levels(boot0=boot0, reset=reset)
        try:
            # BOOT0 is sampled when NRST is released, so it moves first.
            if self._lines.swapped:
                self._port.dtr = dtr
                self._port.rts = rts
            else:
                self._port.rts = rts
                self._port.dtr = dtr
        except (OSError, termios.error) as error:
            raise self._lost(error) from error

    def close(self) -> None:
        try:
            self._port.close()
        except OSError:
            pass  # the device is gone, and so is what there was to release
        self._descriptor = -1

    def _lost(self, error: Exception | None) -> PortError:
        if self._descriptor < 0:
            return PortError(f"{self._path}: used after it was closed")
        reason = str(error) if error is not None else "end of file"
        return PortError(
            f"{self._path}: lost while in use: {reason}",
            hint="the device was unplugged, lost power, or its other end was closed; plug it in again",
        )


def _open_error(path: str, error: Exception) -> PortError:
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return PortError(
            f"{path}: no such port", hint="plug the board in; `ls /dev/serial/by-id` lists what is there"
        )
    if number in (errno.EACCES, errno.EPERM):
        return PortError(f"{path}: no permission to open it", hint=_DIALOUT_HINT)
    if number in (errno.EBUSY, errno.EAGAIN):
        return PortError(
            f"{path}: in use by another program",
            hint=f"`fuser -v {path}` names it; close it, or choose another port",
        )
    return PortError(f"{path}: cannot be opened as a serial port: {error}", hint="is it a tty?")
