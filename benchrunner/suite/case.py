"""One case of a suite, run as `benchrunner run` does it."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchrunner.board import Board, BoardKind
from benchrunner.emulator.machines import board_or_machine, facts_sha256
from benchrunner.record import NotMeasured, Outcome
from benchrunner.report import cells
from benchrunner.run import MLPERF_TINY, RunRequest, Step, run_case, run_tiny_case
from benchrunner.run.request import LinuxOptions, parse_cpus
from benchrunner.session.linux.preflight import Policy
from benchrunner.simulator.faults import parse
from benchrunner.suite.worker import Done, Order, Tell
from benchrunner.table import row_of

if TYPE_CHECKING:
    from benchrunner.run.linux.kept import KeptConnection


class _Told:
    """A run's observer that passes on its steps."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._step = ""

    def step(self, step: Step, detail: str) -> None:
        self._step = step
        self._tell(f"{step} {detail}".rstrip())

    def progress(self, done: int, total: int, unit: str) -> None:
        self._tell(f"{self._step} {done * 100 // max(1, total)} %")

    def note(self, text: str) -> None:
        """The record has what matters."""


def run(order: Order, tell: Tell) -> Done:
    """Run the case and leave its record; see `benchrunner.run.run_case` for what it raises."""
    request = _request(order, board_or_machine(order.case.board))
    result = (run_tiny_case if request.engine == MLPERF_TINY else run_case)(request, _Told(tell))
    measurement = result.measurement
    good = measurement.outcome in (Outcome.OK, Outcome.DEGRADED)
    row = row_of(measurement)
    value = cells.latency(row)
    if not isinstance(row.median_instructions, NotMeasured):
        value = f"{row.median_instructions:,.0f} instructions"
    return Done(measurement.outcome, value if good else measurement.reason, result.exit_status)


def _request(order: Order, board: Board) -> RunRequest:
    case = order.case
    request = RunRequest(
        board=board,
        board_file_sha256=facts_sha256(board),
        model=Path(case.model),
        engine=case.engine,
        runs=case.runs,
        warmups=case.options.warmup,
        tolerance_lsb=case.options.tolerance or 0,
        tolerance_stated=case.options.tolerance is not None,
        simulate=case.target == "sim",
        emulate=case.target == "emulate",
        lab_file=order.lab_file,
        place=order.place,
        results=order.results,
        command=tuple(sys.argv[1:]),
        run_id=order.run_id,
        suite_run=order.suite_run,
        stopped_by=f"the suite (a case may take {order.deadline_s} s)",
    )
    if board.kind is not BoardKind.LINUX:
        return replace(request, faults=parse(case.faults) if case.faults else None)
    from benchrunner.simulator.linux import parse_linux

    given = case.options
    options = LinuxOptions(
        threads=case.threads,
        starts=case.starts,
        tune=case.tune,
        kept=_kept(),
        xnnpack={"on": True, "off": False, "": None}[given.xnnpack],
        kernels=given.kernels,
        runtime=given.runtime,
        timing=given.timing,
        policy=Policy(given.policy),
        affinity=parse_cpus(given.affinity) if given.affinity else None,
        delegate=given.delegate or None,
        python=given.board_python,
    )
    faults = parse_linux(case.faults) if case.faults else None
    return replace(request, linux=options, linux_faults=faults)


@cache
def _kept() -> KeptConnection:
    """Of this process, which serves one place: its cases share a connection."""
    from benchrunner.run.linux.kept import KeptConnection

    return KeptConnection()
