"""What a suite leaves for other programs: JUnit XML and a JSON summary of the rows of its cases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from benchrunner.compare import Report
from benchrunner.errors import ExitStatus
from benchrunner.record import Measurement, NotMeasured, Outcome
from benchrunner.report.comparison import report_fields
from benchrunner.store import load_run
from benchrunner.suite.journal import Finished, Journal
from benchrunner.suite.plan import PlannedCase
from benchrunner.suite.rows import NOT_RUN
from benchrunner.table import Row, row_of

_GOOD = (Outcome.OK, Outcome.DEGRADED)
# Values that a continuous-integration server may plot.
_PROPERTIES = (
    "latency_median_ms",
    "latency_p95_ms",
    "median_instructions",
    "total_ram_bytes",
    "total_flash_bytes",
    "process_peak_bytes",
)


@dataclass(frozen=True, slots=True)
class Result:
    """A planned case and its row."""

    case: PlannedCase
    finished: Finished
    measurement: Measurement
    row: Row

    @property
    def good(self) -> bool:
        return self.measurement.outcome in _GOOD

    @property
    def lab_fault(self) -> bool:
        """The board or the lab is at fault, and not the case."""
        return self.measurement.outcome is Outcome.ABANDONED or self.measurement.step == NOT_RUN


def results_of(journal: Journal) -> list[Result]:
    """Every case that has its row, in the order of the plan. Raises `StoreError`."""
    found = []
    finished = journal.finished()
    for case in journal.plan.cases:
        if case.number in finished:
            run = load_run(finished[case.number].path)
            (measurement,) = run.document.measurements
            row = row_of(measurement, run_id=run.document.run_id, altered=run.altered)
            found.append(Result(case, finished[case.number], measurement, row))
    return found


def exit_status(results: Sequence[Result], statuses: Mapping[int, int]) -> int:
    """1 before 3. `statuses`: by number, of the cases that ran now; others follow from their rows."""
    found = {
        statuses.get(result.case.number, ExitStatus.BOARD if result.lab_fault else ExitStatus.FAILED)
        for result in results
        if not result.good
    }
    return worst(found)


def worst(statuses: Iterable[int]) -> int:
    """1 before 3 before 4."""
    found = set(statuses)
    order = (ExitStatus.FAILED, ExitStatus.BOARD, ExitStatus.INCONCLUSIVE)
    return next((one for one in order if one in found), ExitStatus.GOOD)


def summary(journal: Journal, results: Sequence[Result], report: Report | None = None) -> str:
    """The suite and each case with its outcome, and what the gate says, as JSON."""
    cases = [
        {
            "board": result.case.board,
            "engine": result.case.engine,
            "model": result.case.model_name,
            "target": result.case.target,
            "outcome": result.measurement.outcome.value,
            "reason": result.measurement.reason,
            "run_id": result.finished.run_id,
            "record": str(result.finished.path),
            **_values(result.row),
        }
        for result in results
    ]
    counts = {
        outcome.value: sum(result.measurement.outcome is outcome for result in results) for outcome in Outcome
    }
    document = {
        "suite": journal.plan.name,
        "suite_run": journal.suite_run,
        "planned": len(journal.plan.cases),
        "counts": counts,
        "cases": cases,
    }
    if report is not None:
        document["gate"] = report_fields(report)
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def junit(
    journal: Journal,
    results: Sequence[Result],
    regressions: Mapping[str, str] | None = None,
    lab_faults: Mapping[str, str] | None = None,
) -> bytes:
    """JUnit XML: `classname` is the board, `failure` a failed case or a regression, `error` a lab fault.

    `regressions` and `lab_faults` are what the gate says of cases that have a number: texts by run id.
    """
    regressions, lab_faults = regressions or {}, lab_faults or {}
    suite = ET.Element("testsuite", name=journal.plan.name, tests=str(len(results)))
    failures = errors = 0
    for result in results:
        duration_s = result.measurement.provenance.duration_ns / 1e9
        # Several cases of a board may differ only in what a title leaves out; names must be unique.
        name = (
            f"{result.case.title} {result.case.runs} runs {result.measurement.fidelity} #{result.case.number}"
        )
        case = ET.SubElement(
            suite, "testcase", classname=result.case.board, name=_xml(name), time=f"{duration_s:.3f}"
        )
        properties = ET.SubElement(case, "properties")
        for key, value in (_values(result.row) | {"fidelity": result.row.fidelity}).items():
            ET.SubElement(properties, "property", name=key, value=_xml(str(value)))
        reason = _xml(result.measurement.reason)
        if result.good and result.finished.run_id in regressions:
            failures += 1
            message = _xml(regressions[result.finished.run_id])
            ET.SubElement(case, "failure", type="regression", message=message)
        elif result.good and result.finished.run_id in lab_faults:
            errors += 1
            ET.SubElement(case, "error", type="lab", message=_xml(lab_faults[result.finished.run_id]))
        elif not result.good and result.lab_fault:
            errors += 1
            ET.SubElement(case, "error", type="lab", message=reason)
        elif not result.good:
            failures += 1
            ET.SubElement(case, "failure", type=result.measurement.outcome.value, message=reason)
        ET.SubElement(case, "system-out").text = str(result.finished.path)
    suite.set("failures", str(failures))
    suite.set("errors", str(errors))
    text: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _values(row: Row) -> dict[str, int | float]:
    values = {name: getattr(row, name) for name in _PROPERTIES}
    return {name: value for name, value in values.items() if not isinstance(value, NotMeasured)}


def _xml(text: str) -> str:
    """Text of a device without the characters that XML cannot hold."""
    return "".join(character if character.isprintable() else "?" for character in text)
