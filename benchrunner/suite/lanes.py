"""A lane: one place, or one simulated board, with the process that runs its cases."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchrunner.suite.plan import PlannedCase
from benchrunner.suite.worker import GRACE_S, Order, work


@dataclass(slots=True)
class Lane:
    """State of one lane; times are of the monotonic clock."""

    name: str
    board: str
    place: str | None
    real: bool
    process: BaseProcess | None = None
    connection: Connection | None = None
    lifeline: Connection | None = None
    order: Order | None = None
    began_s: float = 0.0
    heard_s: float = 0.0  # the last time that its case said where it is
    stop_s: float | None = None  # told to stop then
    stop_reason: str = ""
    step: str = ""
    failures: int = 0  # of board or lab, in a row
    set_aside: str = ""  # why it takes no more cases
    done: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def case(self) -> PlannedCase | None:
        return self.order.case if self.order else None

    def start_process(self, context: BaseContext, folder: Path, runner: str) -> None:
        ours, theirs = context.Pipe()
        their_lifeline, our_lifeline = context.Pipe(duplex=False)
        process = context.Process(  # type: ignore[attr-defined]  # every real context has it
            target=work, args=(theirs, their_lifeline, folder, runner), name=self.name, daemon=True
        )
        process.start()
        theirs.close()
        their_lifeline.close()
        self.process, self.connection, self.lifeline = process, ours, our_lifeline

    def send(self, order: Order) -> None:
        """Give the process its next case; a process that is gone shows when its answer is awaited."""
        assert self.connection is not None
        self.heard_s = time.monotonic()
        self.order, self.began_s, self.stop_s, self.stop_reason, self.step = (
            order,
            time.monotonic(),
            None,
            "",
            "",
        )
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(order)

    def stop(self, reason: str) -> None:
        """Tell the case to stop, which leaves its board sane and its record written."""
        if self.stop_s is None and self.process is not None and self.process.pid is not None:
            self.stop_s, self.stop_reason = time.monotonic(), reason
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGTERM)

    def is_overdue(self, now_s: float) -> bool:
        """Told to stop, and did not."""
        return self.stop_s is not None and now_s > self.stop_s + GRACE_S

    def end(self, *, kill: bool = False) -> None:
        """End the process, idle or not."""
        process, self.process = self.process, None
        connection, self.connection = self.connection, None
        lifeline, self.lifeline = self.lifeline, None
        if connection is not None:
            connection.close()
        if process is not None:
            if kill:
                process.kill()
            process.join(GRACE_S)
            if process.is_alive():
                process.kill()
                process.join()
        # Last: it is what tells a process that the suite is gone, and it would interrupt one that is ending.
        if lifeline is not None:
            lifeline.close()
