"""One case on a page: distribution, history, layers, memory, conditions, provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchrunner.compare import Verdict
from benchrunner.pages import charts
from benchrunner.pages.gather import Card
from benchrunner.pages.markup import Markup, tag
from benchrunner.record import CounterUnit, Latency, Measurement, NotMeasured, Outcome, ProcessMemory
from benchrunner.report import cells
from benchrunner.report.summary import run_summary

BAD = (Verdict.REGRESSED, Verdict.FAILED)
UNSURE = (Verdict.SUSPECT, Verdict.INCONCLUSIVE, Verdict.LAB_FAULT, Verdict.UNLIKE, Verdict.MISSING)


def card(one: Card) -> Markup:
    """A closed `details` that a click opens."""
    parts = [tag("pre", run_summary(one.measurement))]
    parts += _verdicts(one)
    parts += _distribution(one)
    parts += _history(one)
    parts += _layers(one.measurement)
    parts += _memory(one.measurement)
    parts += _facts("Conditions", _conditions(one.measurement))
    parts += _facts("Provenance", _provenance(one))
    for name, log in one.measurement.logs.items():
        parts.append(tag("details", tag("summary", f"raw text: {name}"), tag("div", tag("pre", log))))
    head = tag("summary", one.title, " ", badge(one.row.fidelity), " ", tag("b", value(one)))
    return tag("details", head, tag("div", *parts), id=one.anchor)


def value(one: Card) -> str:
    """The median, an emulator's instructions, or the reason why there is no number."""
    row = one.row
    if not isinstance(row.median_instructions, NotMeasured):
        return f"{row.median_instructions:,.0f} instructions"
    return cells.latency(row)


def badge(text: str, kind: str = "soft") -> Markup:
    return tag("span", text, class_=f"badge {kind}")


def verdict_of(one: Card) -> str:
    """The most serious verdict over the case's metrics; empty without a baseline."""
    for group in (BAD, UNSURE, (Verdict.IMPROVED,)):
        for finding in one.findings:
            if finding.verdict in group:
                return finding.verdict.value
    return one.findings[0].verdict.value if one.findings else ""


def kind_of(verdict: str) -> str:
    if verdict in [each.value for each in BAD]:
        return "bad"
    return (
        "warn" if verdict in [each.value for each in UNSURE] else "good" if verdict == "improved" else "soft"
    )


def _verdicts(one: Card) -> list[Markup]:
    moved = [finding for finding in one.findings if finding.verdict is not Verdict.SAME]
    lines = []
    for finding in moved:
        comparison = finding.comparison
        change = f" {comparison.change}" if comparison.change else ""
        reason = f": {comparison.reason}" if comparison.reason else ""
        text = f"{finding.key.metric}{change} {finding.verdict}{reason}"
        lines.append(tag("li", text, class_=kind_of(finding.verdict.value)))
    return [tag("h3", "Against the baseline"), tag("ul", *lines)] if lines else []


def _distribution(one: Card) -> list[Markup]:
    latency = one.measurement.latency
    if isinstance(latency, NotMeasured) or one.measurement.outcome not in (Outcome.OK, Outcome.DEGRADED):
        return []
    scale, unit = _scale(latency)
    starts = [
        [count * scale for count in start.timed_counts] for start in latency.starts if start.timed_counts
    ]
    if not starts:
        return []
    middle = one.row.latency_median_ms
    if isinstance(middle, NotMeasured):
        middle = one.row.median_instructions
    if isinstance(middle, NotMeasured):
        return []
    samples = [sample for start in starts for sample in start]
    if min(samples) == max(samples):
        text = f"all {len(samples)} samples are equal: {samples[0]:.6g} {unit}"
        return [tag("h3", "Distribution"), tag("p", text)]
    return [tag("h3", "Distribution"), charts.strips(starts, unit, middle)]


def _scale(latency: Latency) -> tuple[float, str]:
    if latency.unit is CounterUnit.INSTRUCTIONS:
        return 1.0, "instructions"
    return (1000 / latency.counter_hz if latency.counter_hz > 0 else 0.0), "ms"


def _history(one: Card) -> list[Markup]:
    values: list[float] = []
    bands: list[tuple[float, float] | None] = []
    labels: list[str] = []
    marks: list[charts.Mark] = []
    notes: list[Markup] = []
    for era in one.eras:
        first = len(values)
        if era.began_because:
            marks.append(charts.Mark(first, "conditions", f"conditions changed: {era.began_because}"))
            notes.append(
                tag("li", f"{era.nights[0].date}: conditions changed: {era.began_because}", class_="warn")
            )
        for step in era.steps:
            text = f"{step.first_bad.date}: {step.change.percent:+.2f} %, {step.revisions}"
            marks.append(charts.Mark(first + step.change.index, "change", text))
            notes.append(tag("li", text, class_="bad"))
        if era.modes is not None:
            notes.append(tag("li", era.modes.text(len(era.nights))))
        for night in era.nights:
            last = night.points[-1]
            values.append(night.value)
            bands.append(None if last.ci_low is None or last.ci_high is None else (last.ci_low, last.ci_high))
            labels.append(night.date)
    if len(values) < 2:
        return []
    made = [tag("h3", "History"), charts.history(values, bands, labels, marks, one.unit)]
    return [*made, tag("ul", *notes)] if notes else made


def _layers(measurement: Measurement) -> list[Markup]:
    layers = measurement.layers
    if isinstance(layers, NotMeasured):
        return []
    scale, unit = (1.0, "")
    if isinstance(measurement.latency, Latency):
        scale, unit = _scale(measurement.latency)
    rows = [(f"{layer.index} {layer.operator}", layer.counts * scale) for layer in layers]
    return [tag("h3", "Layers, in a pass of their own"), charts.bars(rows, unit)]


def _memory(measurement: Measurement) -> list[Markup]:
    footprint = measurement.footprint
    made: list[Markup] = []
    for title, names in (
        ("RAM", ("activation_ram", "runtime_ram", "stack", "heap")),
        ("Flash", ("weights_flash", "code_flash")),
    ):
        parts = [
            (name.replace("_ram", "").replace("_flash", ""), size)
            for name in names
            if isinstance(size := getattr(footprint, f"{name}_bytes"), int)
        ]
        if sum(size for _, size in parts):
            made += [tag("h3", title), charts.stack(parts)]
    memory = measurement.process_memory
    if isinstance(memory, ProcessMemory) and isinstance(memory.peak_bytes, int):
        parts = [("peak of the process", memory.peak_bytes)]
        if isinstance(memory.before_bytes, int) and memory.before_bytes <= memory.peak_bytes:
            parts = [("before the model", memory.before_bytes),
                     ("with the model", memory.peak_bytes - memory.before_bytes)]  # fmt: skip
        made += [tag("h3", "Memory of the process"), charts.stack(parts)]
    return made


def _conditions(measurement: Measurement) -> Mapping[str, str]:
    after = measurement.conditions_after
    facts = {}
    for key, found in measurement.conditions.items():
        moved = f" (at the end {after[key]})" if key in after and after[key] != found else ""
        facts[key] = f"{found}{moved}"
    return facts


def _provenance(one: Card) -> Mapping[str, str]:
    measurement, provenance = one.measurement, one.measurement.provenance
    return {
        "record": one.document,
        "run": f"{one.row.run_id}{', altered' if one.row.altered else ''}",
        "taken": provenance.started_at,
        "benchrunner": f"{provenance.tool_version} {provenance.revision}",
        "host": provenance.host,
        "place": f"{provenance.place} {provenance.port}".strip(),
        "model": measurement.case.model_sha256,
        "image": provenance.image_sha256 or "none",
        "input": measurement.case.input_sha256,
        "packages": ", ".join(f"{name} {version}" for name, version in provenance.packages.items()),
        "command": " ".join(provenance.command),
    }


def _facts(title: str, facts: Mapping[str, str]) -> list[Markup]:
    if not facts:
        return []
    pairs: Sequence[Markup] = [
        part for key, found in facts.items() for part in (tag("dt", key), tag("dd", cells.one_line(found)))
    ]
    return [tag("details", tag("summary", title), tag("div", tag("dl", *pairs)))]
