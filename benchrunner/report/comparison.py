"""Comparisons and the gate's report as text, Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from benchrunner.compare import Comparison, Report, Verdict
from benchrunner.compare.finding import Finding
from benchrunner.compare.verdict import Side
from benchrunner.report import markdown, text
from benchrunner.report.cells import Table, duration, kibibytes, one_line
from benchrunner.wording import counted

HEADER = ("Case", "Metric", "Before", "After", "Change", "95 % interval", "Limit", "Verdict", "Why")


def comparison_table(comparisons: Iterable[Comparison], title: str, *, all_cells: bool = True) -> Table:
    """One row per cell; without `all_cells` only those that are not the same."""
    shown = [one for one in comparisons if all_cells or one.verdict is not Verdict.SAME]
    rows = tuple(tuple(one_line(cell) for cell in _row(one, one.reason)) for one in shown)
    return Table(title, HEADER, rows, ())


def report_table(report: Report, *, all_cells: bool = False) -> Table:
    shown = [one for one in report.findings if all_cells or one.verdict is not Verdict.SAME]
    rows = tuple(tuple(one_line(cell) for cell in _row(one.comparison, _why(one))) for one in shown)
    same = len(report.findings) - len(shown)
    notes = (f"the same: {counted(same, 'further cell')}",) if same else ()
    return Table(f"Against baseline {one_line(report.baseline.name)}", HEADER, rows, notes)


def report_text(report: Report, width: int | None = None, *, as_markdown: bool = False) -> str:
    """Table of what is not the same, alarms by event, and the result in one line."""
    table = report_table(report)
    laid_out = markdown.layout(table) if as_markdown else text.layout(table, width)
    lines = [laid_out] if table.rows else []
    mark = "- " if as_markdown else "  ! "
    lines += [f"{mark}{alarm.scope}: {one_line(alarm.what)}\n" for alarm in report.alarms]
    lines += [f"{mark}conditions: {one_line(one.text)}\n" for one in report.unlike]
    return "".join(lines) + _summary(report) + "\n"


def report_json(report: Report) -> str:
    return _json(report_fields(report))


def report_fields(report: Report) -> dict[str, Any]:
    """The whole report as plain data."""
    return {
        "baseline": report.baseline.name,
        "run_ids": list(report.run_ids),
        "status": int(report.status),
        "cells": [
            {
                **_fields(one.comparison),
                "confirmed": one.confirmed,
                "known": one.known,
                "note": one.note,
                "noise": {
                    "absolute": one.threshold.absolute,
                    "percent": one.threshold.percent,
                    "nights": one.threshold.nights,
                },
            }
            for one in report.findings
        ],
        "alarms": [
            {
                "scope": alarm.scope,
                "what": alarm.what,
                "cells": [one.key.cell_id for one in alarm.findings],
            }
            for alarm in report.alarms
        ],
        "unlike": [
            {
                "board": one.board,
                "differing": dict(one.differing),
                "cells": one.cells,
                "latencies_percent": list(one.latencies_percent),
            }
            for one in report.unlike
        ],
    }


def comparisons_json(comparisons: Sequence[Comparison]) -> str:
    return _json([_fields(one) for one in comparisons])


def level(value: float, unit: str) -> str:
    """A value with its unit, rounded as in the tables of results."""
    match unit:
        case "bytes":
            return kibibytes(round(value))
        case "percent":
            return f"{duration(value)} %"
        case _:
            return f"{duration(value)} {unit}"


def _summary(report: Report) -> str:
    counts = dict.fromkeys(Verdict, 0)
    for one in report.findings:
        counts[one.verdict] += 1
    parts = [f"{count} {verdict}" for verdict, count in counts.items() if count]
    known = sum(one.known is not None for one in report.findings)
    return f"{', '.join(parts) or 'no cells'}{f'; {known} acknowledged' if known else ''}"


def _row(one: Comparison, why: str) -> tuple[str, ...]:
    interval = one.interval_percent
    return (
        f"{one.key.case} ({one.key.fidelity})",
        one.key.metric,
        _level(one.before),
        _level(one.after),
        one.change,
        "" if interval is None else f"{interval[0]:+.2f} .. {interval[1]:+.2f} %",
        "" if one.limit_percent is None else f"{one.limit_percent:.2g} %",
        str(one.verdict),
        why,
    )


def _why(finding: Finding) -> str:
    known = f"{finding.known}: " if finding.known else ""
    return known + "; ".join(
        filter(None, (finding.comparison.reason, finding.note, finding.comparison.advice))
    )


def _level(side: Side | None) -> str:
    return "" if side is None else level(side.median, side.last.key.unit)


def _fields(one: Comparison) -> dict[str, Any]:
    def side(found: Side | None) -> dict[str, Any] | None:
        if found is None:
            return None
        return {
            "median": found.median,
            "starts": found.starts,
            "replicates": list(found.replicates),
            "run_ids": [point.run_id for point in found.points],
            "class": found.last.cell_class,
            "image_sha256": sorted(found.images),
            "revision": found.last.revision,
        }

    return {
        "cell_id": one.key.cell_id,
        "case": one.key.case,
        "metric": one.key.metric,
        "unit": one.key.unit,
        "fidelity": one.key.fidelity,
        "verdict": str(one.verdict),
        "reason": one.reason,
        "change_percent": one.change_percent,
        "own_change_percent": one.own_change_percent,
        "canary_change_percent": one.change_percent if one.canary else None,
        "canary": one.canary or None,
        "interval_percent": one.interval_percent,
        "p": one.p,
        "limit_percent": one.limit_percent,
        "differing": dict(one.differing),
        "advice": one.advice,
        "before": side(one.before),
        "after": side(one.after),
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
