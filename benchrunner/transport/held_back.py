"""Ctrl-C where it would break a library in the middle of its own bookkeeping."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_Handler = Callable[[int, FrameType | None], Any]


@contextmanager
def ctrl_c_held_back() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block is done; a second one does not.

    For blocks that are short unless something is wrong, which the second one then ends. paramiko takes a lock
    in one statement and begins the `try` that releases it in the next: a KeyboardInterrupt between the two
    leaves the lock taken, and whoever closes the channel waits for it for ever.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python interrupts the main thread alone
        return
    came: list[int] = []
    before: dict[signal.Signals, _Handler] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)
        if callable(handler):  # else it raises nothing
            before[number] = handler

    def hold(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            before[signal.Signals(number)](number, frame)

    try:
        for number in before:
            signal.signal(number, hold)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if len(came) == 1:
            signal.raise_signal(came[0])
