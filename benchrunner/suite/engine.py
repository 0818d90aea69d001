"""Runs a plan: lanes in parallel, deadlines, boards that are set aside, and a row for every case."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Final, Protocol, assert_never

from benchrunner import lab
from benchrunner.board import load_board
from benchrunner.errors import ExitStatus
from benchrunner.record import Outcome, RunDocument
from benchrunner.store import new_run_id, record_path, save_run
from benchrunner.suite.journal import Journal
from benchrunner.suite.lanes import Lane
from benchrunner.suite.plan import PlannedCase
from benchrunner.suite.rows import not_run
from benchrunner.suite.worker import Done, Order, Refused, Step
from benchrunner.wording import counted

RUNNER: Final = "benchrunner.suite.case:run"
_PRELOADED: Final = (
    "benchrunner.suite.case",
    "benchrunner.runtime.interpreter",
    "benchrunner.simulator.board",
)
_TICK_S: Final = 0.25
_BESIDE_EACH_OTHER: Final = 2  # simulated boards at work for each core
_SILENT_S: Final = 0.75  # a case tells where it is four times a second


@dataclass(frozen=True, slots=True)
class Options:
    """How a plan is run."""

    jobs: int = 0  # lanes at once; 0: all of them
    lab_file: Path | None = None
    runner: str = RUNNER
    preloaded: tuple[str, ...] = _PRELOADED  # imported once, before the lanes' processes are forked


@dataclass(frozen=True, slots=True)
class CaseRow:
    """How a case ended."""

    case: PlannedCase
    run_id: str
    path: Path
    outcome: str
    summary: str
    exit_status: int
    duration_s: float


class Listener(Protocol):
    """Who is told how a suite goes. Must not raise."""

    def row(self, row: CaseRow) -> None:
        """A case has its row."""

    def tick(self, lanes: Sequence[Lane], waiting: int) -> None:
        """Some time has passed; `waiting` cases have not begun."""

    def note(self, text: str) -> None:
        """Something a person should know."""


class Suite:
    """One run of a plan in this process, which holds its journal."""

    def __init__(self, journal: Journal, options: Options, listener: Listener) -> None:
        self._journal, self._options, self._listener = journal, options, listener
        self._plan = journal.plan
        self._rows: list[CaseRow] = []
        self._queues: dict[tuple[str, bool], deque[PlannedCase]] = {}
        self._stopping = False

    def run(self) -> list[CaseRow]:
        """Run what has no row yet; after Ctrl-C the running cases end sanely, and it is raised again."""
        finished = self._journal.finished()
        for case in self._plan.cases:
            if case.number not in finished:
                self._queues.setdefault((case.board, case.target == "real"), deque()).append(case)
        lanes = [lane for key in self._queues for lane in self._lanes_of(*key)]
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(self._options.preloaded))
        try:
            self._loop(lanes, context)
        except BaseException:
            self._stop_all(lanes)
            self._journal.ended(complete=False)
            raise
        finally:
            for lane in lanes:
                lane.end(kill=lane.order is not None)
        self._journal.ended(complete=True)
        return self._rows

    def _lanes_of(self, board: str, real: bool) -> list[Lane]:
        if not real:
            return [Lane(board, board, None, real)]
        places = lab.find_lab(self._options.lab_file).places_of(board)
        named = [Lane(place.name, board, place.name, real) for place in places]
        return named or [Lane(board, board, None, real)]

    def _queue(self, lane: Lane) -> deque[PlannedCase]:
        return self._queues[lane.board, lane.real]

    # --- the loop ---------------------------------------------------------------------------------------

    def _loop(self, lanes: list[Lane], context: multiprocessing.context.ForkServerContext) -> None:
        shown_s = 0.0
        while True:
            self._feed(lanes, context)
            busy = [lane for lane in lanes if lane.order is not None]
            if not busy:
                break
            self._receive(busy)
            now_s = time.monotonic()
            for lane in busy:
                self._watch(lane, now_s)
            if now_s - shown_s >= _TICK_S:
                shown_s = now_s
                self._listener.tick(lanes, sum(map(len, self._queues.values())))
        for key, queue in self._queues.items():  # boards whose every lane was set aside
            why = "; ".join(lane.set_aside for lane in lanes if (lane.board, lane.real) == key)
            while queue:
                case = queue.popleft()
                self._row_without_record(case, f"board set aside: {why}", None, ExitStatus.BOARD, 0.0)

    def _feed(self, lanes: list[Lane], context: multiprocessing.context.ForkServerContext) -> None:
        """Give idle lanes their next case, as far as so many may run at once."""
        room = (self._options.jobs or len(lanes)) - sum(lane.order is not None for lane in lanes)
        # Simulated and emulated boards compute all the time: more of them than cores only get in each other's
        # way, and a conversation of two threads suffers most. One that has gone silent computes nothing.
        now_s = time.monotonic()
        computing = sum(
            lane.order is not None and not lane.real and now_s - lane.heard_s < _SILENT_S for lane in lanes
        )
        local = (self._options.jobs or _BESIDE_EACH_OTHER * len(os.sched_getaffinity(0))) - computing
        # Whoever has had the fewest cases is next, so that no board waits for the end of all others.
        for lane in sorted(lanes, key=lambda each: each.done):
            if lane.order is not None or lane.set_aside:
                continue
            queue = self._queue(lane)
            if not queue:
                lane.end()
            elif room > 0 and (lane.real or local > 0):
                room -= 1
                local -= not lane.real
                if lane.process is None or not lane.process.is_alive():
                    lane.end()
                    lane.start_process(context, self._journal.folder, self._options.runner)
                case = queue.popleft()
                run_id = new_run_id(datetime.now(UTC))
                self._journal.started(case, run_id)
                results, suite_run = self._journal.results.resolve(), self._journal.suite_run
                lab_file = self._options.lab_file
                deadline_s = self._plan.case_deadline_s
                lane.send(Order(case, run_id, suite_run, results, lane.place, lab_file, deadline_s))

    def _receive(self, busy: Sequence[Lane]) -> None:
        by_connection = {lane.connection: lane for lane in busy if lane.connection is not None}
        for ready in wait(list(by_connection), timeout=_TICK_S):
            assert isinstance(ready, Connection)
            lane = by_connection[ready]
            try:
                answer = ready.recv()
            except (EOFError, OSError):
                self._lost(lane)
                continue
            match answer:
                case Step(text):
                    lane.step, lane.heard_s = text, time.monotonic()
                case Done() | Refused():
                    self._answered(lane, answer)
                case _:
                    assert_never(answer)

    def _watch(self, lane: Lane, now_s: float) -> None:
        if lane.order is None:
            return
        limit_s = self._plan.case_deadline_s
        if lane.stop_s is None and now_s - lane.began_s > limit_s:
            lane.stop(f"not done within {limit_s} s, in step {lane.step or 'start'}")
        elif lane.is_overdue(now_s):
            lane.end(kill=True)
            self._lost(lane)

    # --- how a case ends --------------------------------------------------------------------------------

    def _answered(self, lane: Lane, answer: Done | Refused) -> None:
        order = lane.order
        assert order is not None
        match answer:
            case Done(outcome, summary, exit_status):
                if outcome == Outcome.ABANDONED:
                    exit_status, summary = ExitStatus.BOARD, lane.stop_reason or summary
                if self._stopping and outcome == Outcome.ABANDONED:
                    lane.order = None  # no row: it is run again when the suite goes on
                    return
                self._final(lane, order, outcome, summary, exit_status)
            case Refused(message, hint, exit_status):
                reason = f"{message} ({hint})" if hint else message
                # Could not be tried: the model or the engine is no fault of the board.
                status = ExitStatus.BOARD if exit_status == ExitStatus.BOARD else ExitStatus.FAILED
                self._final(lane, order, "", reason, status)
            case _:
                assert_never(answer)
        if lane.stop_s is not None:
            lane.end()  # it was told to stop, which the process may take for itself

    def _lost(self, lane: Lane) -> None:
        """The process of a case is gone."""
        order, reason = lane.order, lane.stop_reason
        process = lane.process
        lane.end()
        if order is None:
            return
        if self._stopping:
            lane.order = None
            return
        if not reason:
            code = process.exitcode if process is not None else None
            reason = f"the process of the case ended with {code} in step {lane.step or 'start'}"
        self._final(lane, order, "", reason, ExitStatus.BOARD)

    def _final(self, lane: Lane, order: Order, outcome: str, summary: str, exit_status: int) -> None:
        duration_s = time.monotonic() - lane.began_s
        lane.order = None
        lane.done += 1
        if record_path(self._journal.results, order.run_id).is_file():
            self._row(order.case, order.run_id, outcome or Outcome.FAILED, summary, exit_status, duration_s)
        else:
            self._row_without_record(order.case, summary, order, exit_status, duration_s)
        lane.failures = lane.failures + 1 if exit_status == ExitStatus.BOARD else 0
        if lane.failures >= self._plan.failures_of_a_board:
            lane.set_aside = f"{counted(lane.failures, 'failure')} in a row, the last: {summary}"
            lane.end()
            self._listener.note(f"{lane.name} is set aside: {lane.set_aside}")

    def _row_without_record(
        self, case: PlannedCase, reason: str, order: Order | None, exit_status: int, duration_s: float
    ) -> None:
        run_id = order.run_id if order else new_run_id(datetime.now(UTC))
        if order is None:
            self._journal.started(case, run_id)
        place = (order.place if order else None) or ""
        measurement = not_run(
            case,
            load_board(case.board),
            reason,
            suite_run=self._journal.suite_run,
            place=place,
            refused=exit_status != ExitStatus.BOARD,
        )
        save_run(RunDocument(run_id, (measurement,)), self._journal.results)
        self._row(case, run_id, measurement.outcome, reason, exit_status, duration_s)

    def _row(
        self, case: PlannedCase, run_id: str, outcome: str, summary: str, exit_status: int, duration_s: float
    ) -> None:
        self._journal.final(case, run_id)
        path = record_path(self._journal.results, run_id)
        row = CaseRow(case, run_id, path, outcome, summary, exit_status, duration_s)
        self._rows.append(row)
        self._listener.row(row)

    def _stop_all(self, lanes: Sequence[Lane]) -> None:
        """Tell every running case to stop, and wait until each has left its board sane."""
        self._stopping = True
        for lane in lanes:
            if lane.order is not None:
                lane.stop("the suite was stopped")
        while busy := [lane for lane in lanes if lane.order is not None]:
            self._receive(busy)
            for lane in busy:
                if lane.order is not None and lane.is_overdue(time.monotonic()):
                    lane.end(kill=True)
                    lane.order = None
