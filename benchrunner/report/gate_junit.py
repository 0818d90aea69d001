"""The gate's report as JUnit XML: a test case for each cell, regression = failure, lab = error."""

from __future__ import annotations

from xml.etree import ElementTree

from benchrunner.compare import Report, Verdict
from benchrunner.compare.finding import Finding
from benchrunner.report.cells import one_line

_SKIPPED = (
    Verdict.SUSPECT,
    Verdict.INCONCLUSIVE,
    Verdict.UNLIKE,
    Verdict.MISSING,
    Verdict.UNJUDGED,
    Verdict.NEW,
)


def junit(report: Report) -> bytes:
    """One suite; `classname` is the board, `name` the case, metric and fidelity."""
    suite = ElementTree.Element("testsuite", name=f"baseline {one_line(report.baseline.name)}")
    counts = {"failure": 0, "error": 0, "skipped": 0}
    for finding in report.findings:
        case = ElementTree.SubElement(
            suite, "testcase", classname=one_line(finding.key.board), name=one_line(finding.key.label)
        )
        _properties(case, finding)
        kind = _kind(finding)
        if kind is not None:
            counts[kind] += 1
            element = ElementTree.SubElement(case, kind, message=_message(finding))
            element.set("type", "lab" if kind == "error" else str(finding.verdict))
    suite.set("tests", str(len(report.findings)))
    for attribute, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(counts[kind]))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    data: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def by_run(report: Report, kind: str) -> dict[str, str]:
    """What the gate says of each run: its cells that are a `failure` or an `error`, in one text."""
    found: dict[str, list[str]] = {}
    for finding in report.findings:
        if _kind(finding) == kind and finding.comparison.after is not None:
            text = f"{one_line(finding.key.metric)} {_message(finding)}"
            found.setdefault(finding.comparison.after.last.run_id, []).append(text)
    return {run_id: "; ".join(texts) for run_id, texts in found.items()}


def _kind(finding: Finding) -> str | None:
    if finding.known is not None:
        return None
    if finding.verdict in (Verdict.REGRESSED, Verdict.FAILED):
        return "failure"
    if finding.verdict is Verdict.LAB_FAULT:
        return "error"
    return "skipped" if finding.verdict in _SKIPPED else None


def _message(finding: Finding) -> str:
    parts = [finding.comparison.change, finding.comparison.reason, finding.note]
    return one_line("; ".join(filter(None, parts)) or str(finding.verdict))


def _properties(case: ElementTree.Element, finding: Finding) -> None:
    one = finding.comparison
    values = {
        "cell_id": finding.key.cell_id,
        "unit": finding.key.unit,
        "before": "" if one.before is None else repr(one.before.median),
        "after": "" if one.after is None else repr(one.after.median),
        "change_percent": "" if one.change_percent is None else f"{one.change_percent:.4f}",
        "own_change_percent": "" if one.own_change_percent is None else f"{one.own_change_percent:.4f}",
        "canary": one.canary,
        "limit_percent": "" if one.limit_percent is None else f"{one.limit_percent:.4f}",
        "verdict": str(finding.verdict),
    }
    properties = ElementTree.SubElement(case, "properties")
    for name, value in values.items():
        if value:
            ElementTree.SubElement(properties, "property", name=name, value=value)
