"""Serves a simulated board on a pseudo-terminal, for tools that want a tty: no lines, no parity."""

from __future__ import annotations

import os
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from benchrunner.simulator.board import SimulatedBoard
from benchrunner.simulator.serving import BACKLOG_BYTES, READ_BYTES, Pump, Waiter, server_thread


@contextmanager
def serve_pty(board: SimulatedBoard, throttle_baud: int | None = None) -> Iterator[str]:
    """Serve `board` for as long as the block lasts; yields the path of the tty.

    `throttle_baud` makes bytes take their real time on the wire: 11 bits each to the bootloader, 10 to the
    application.
    """
    master, slave = os.openpty()
    try:
        tty.setraw(slave)
        os.set_blocking(master, False)
        # the slave stays open here, so a client that leaves does not end the terminal for the next one
        pump = Pump(board, throttle_baud)
        with server_thread(board, "simulated board on a pty", lambda waiter: _serve(master, pump, waiter)):
            yield os.ttyname(slave)
    finally:
        os.close(master)
        os.close(slave)


def _serve(master: int, pump: Pump, waiter: Waiter) -> None:
    unsent = bytearray()
    while not waiter.stopping:
        unsent += pump.to_host(None)
        if unsent:
            try:
                del unsent[: os.write(master, unsent)]
            except BlockingIOError:
                pass
        listening = [] if pump.congested or len(unsent) > BACKLOG_BYTES else [master]
        ready, _ = waiter.wait(listening, [master] if unsent else [], pump.timeout_s())
        if ready:
            try:
                unsent += pump.from_host(os.read(master, READ_BYTES), None)
            except BlockingIOError:
                pass
