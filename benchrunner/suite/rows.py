"""A row for a planned case that has no measurement: what was planned, and why there is no number."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from benchrunner import __version__
from benchrunner.board import Board, BoardKind
from benchrunner.record import (
    BoardClass,
    Case,
    Fidelity,
    Footprint,
    Measurement,
    NotMeasured,
    Outcome,
    Provenance,
)
from benchrunner.suite.plan import PlannedCase

NOT_RUN: Final = "not run"
REFUSED: Final = "refused"
_FIDELITY = {"real": Fidelity.MEASURED, "emulate": Fidelity.EMULATED, "sim": Fidelity.SIMULATED}


def not_run(
    case: PlannedCase, board: Board, reason: str, *, suite_run: str, place: str, refused: bool = False
) -> Measurement:
    """The record of a case that gave none of its own. `fidelity` is what was wanted.

    `refused`: model, engine or options are at fault, and not the board or the lab.
    """
    # With the whole of a run; a suite in which nothing fails never needs it in its own process.
    from benchrunner.run.provenance import installed_packages, revision

    missing = NotMeasured(reason)
    linux = board.kind is BoardKind.LINUX
    return Measurement(
        case=Case(
            board=board.id,
            board_class=BoardClass.LINUX if linux else BoardClass.MCU,
            board_name=board.name,
            series=board.series,
            engine=case.engine,
            engine_version=__version__,
            model=case.model_name,
            model_sha256=case.model_sha256,
            graph_sha256="",
            format="",
            quantization=missing,
            resolution="",
            execution_engine=f"{case.threads} CPU",
            clock_hz=missing,
            starts=case.starts,
            timed_runs=case.runs,
            input_sha256="",
        ),
        fidelity=_FIDELITY[case.target],
        outcome=Outcome.FAILED,
        reason=reason,
        step=REFUSED if refused else NOT_RUN,
        latency=missing,
        layers=missing,
        footprint=Footprint(missing, missing, missing, missing, missing, missing),
        process_memory=missing,
        shares=missing,
        output=missing,
        clock=missing,
        flashing=missing,
        timing_model=missing,
        conditions={},
        conditions_after={},
        steps_ns={},
        provenance=Provenance(
            tool_version=__version__,
            revision=revision(),
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            duration_ns=0,
            host="",
            python="",
            packages=installed_packages(),
            place=place,
            port="",
            image_sha256="",
            board_file_sha256="",
            suite_run=suite_run,
        ),
    )
