"""The process of one board: runs the cases it is sent, one after the other, and tells how they go."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, Protocol

from benchrunner.errors import BenchrunnerError, ExitStatus
from benchrunner.suite.journal import hold_as_worker
from benchrunner.suite.plan import PlannedCase

GRACE_S: Final = 8.0
"""How long a case that is told to stop may take to leave its board sane, before it is killed."""

_TELL_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Order:
    """A case, and where its record goes."""

    case: PlannedCase
    run_id: str
    suite_run: str
    results: Path
    place: str | None
    lab_file: Path | None = None
    deadline_s: int = 0  # for the record of a case that is stopped


@dataclass(frozen=True, slots=True)
class Step:
    """A case is at a step."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """A case that has its record."""

    outcome: str
    summary: str  # one line
    exit_status: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A case that could not be tried; it has no record yet."""

    message: str
    hint: str
    exit_status: int


Answer = Step | Done | Refused


class Tell(Protocol):
    def __call__(self, text: str) -> None: ...


Runner = Callable[[Order, Tell], Done]
"""Runs one case and leaves its record; raises `BenchrunnerError` for what could not be tried."""


def work(connection: Connection, lifeline: Connection, folder: Path, runner: str) -> None:
    """Serve until the connection ends. `runner` is `module:function`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the suite decides what a Ctrl-C of its terminal means
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        threading.Thread(target=_end_with_the_suite, args=(lifeline,), daemon=True).start()
        held = hold_as_worker(folder)
        try:
            _serve(connection, lifeline, runner)
        finally:
            os.close(held)
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        return


def _serve(connection: Connection, lifeline: Connection, runner: str) -> None:
    module, _, name = runner.partition(":")
    run: Runner = getattr(import_module(module), name)
    while True:
        order = connection.recv()
        if _is_cut(lifeline):
            return
        connection.send(_answer(run, order, _Teller(connection)))


class _Teller:
    """Sends where a case is, not more often than anyone reads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last_s, self._step = 0.0, ""

    def __call__(self, text: str) -> None:
        now_s, step = time.monotonic(), text.partition(" ")[0]
        # A new step is always told: it is what a case that hangs is said to hang in.
        if step != self._step or now_s - self._last_s >= _TELL_EVERY_S:
            self._last_s, self._step = now_s, step
            self._connection.send(Step(text))


def _answer(run: Runner, order: Order, tell: Tell) -> Answer:
    try:
        return run(order, tell)
    except BenchrunnerError as error:
        return Refused(error.message, error.hint, error.exit_status)
    except Exception as error:
        # A defect of ours in one case is that case's row; the night goes on.
        where = traceback.extract_tb(error.__traceback__)[-1]
        message = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        return Refused(message, "this is a defect of benchrunner: report it", ExitStatus.BOARD)


def _is_cut(lifeline: Connection) -> bool:
    return lifeline.poll(0)  # nothing is ever sent: readable means ended


def _end_with_the_suite(lifeline: Connection) -> None:
    """When the suite is gone, whatever way: stop as by Ctrl-C, then for certain."""
    lifeline.poll(None)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)
