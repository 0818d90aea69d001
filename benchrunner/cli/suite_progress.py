"""How a suite goes, for people: a few lines rewritten in place, or in a log plain stamped lines."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TextIO

from benchrunner.record import Outcome
from benchrunner.report.cells import one_line
from benchrunner.suite.engine import CaseRow
from benchrunner.suite.lanes import Lane
from benchrunner.wording import counted

_SHOWN_LANES = 16  # more rows than this are no longer read, and cost a core at a few hertz
_LOG_EVERY_S = 60.0  # off a terminal: a line now and then, so that a log shows that something moves


class SuiteProgress:
    """A listener of a suite that prints; data go to stdout elsewhere, this goes to stderr."""

    def __init__(self, total: int, done: int, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()
        self._total, self._done = total, done
        self._drawn = 0
        self._logged_s = time.monotonic()

    def row(self, row: CaseRow) -> None:
        self._done += 1
        good = row.outcome in (Outcome.OK, Outcome.DEGRADED)
        word = row.outcome if good else f"{row.outcome.upper()}:"
        self._print(
            f"[{self._done}/{self._total}] {row.case.title}  {word} {row.summary}  {row.duration_s:.1f} s"
        )

    def note(self, text: str) -> None:
        self._print(f"! {text}")

    def tick(self, lanes: Sequence[Lane], waiting: int) -> None:
        busy = [lane for lane in lanes if lane.order is not None]
        if not self._live:
            if time.monotonic() - self._logged_s >= _LOG_EVERY_S:
                self._logged_s = time.monotonic()
                self._print(f"{counted(len(busy), 'board')} at work, {counted(waiting, 'case')} waiting")
            return
        now_s = time.monotonic()
        width = shutil.get_terminal_size().columns
        lines = []
        for lane in busy[:_SHOWN_LANES]:
            case = lane.case
            model = case.model_name if case else ""
            lines.append(f"  {lane.name:<24.24} {model:<32.32} {now_s - lane.began_s:>6.0f} s  {lane.step}")
        more = f", {counted(len(busy) - _SHOWN_LANES, 'more board')}" if len(busy) > _SHOWN_LANES else ""
        lines.append(f"  {self._done} of {counted(self._total, 'case')} done, {waiting} waiting{more}")
        self._erase()
        self._stream.write("".join(f"{one_line(line)[: width - 1]}\n" for line in lines))
        self._stream.flush()
        self._drawn = len(lines)

    def done(self) -> None:
        self._erase()

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}F\x1b[J")
            self._drawn = 0

    def _print(self, text: str) -> None:
        self._erase()
        stamp = "" if self._live else f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S} "
        self._stream.write(f"{stamp}{one_line(text)}\n")
        self._stream.flush()
