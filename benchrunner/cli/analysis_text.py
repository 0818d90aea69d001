"""The analysis of models as text: layer table, totals, separable pairs, fit per board, summary of several."""

from __future__ import annotations

from collections.abc import Sequence

from benchrunner.fit import Fit, MemoryNeed, Verdict
from benchrunner.model import LayerCost, Model
from benchrunner.model.cost import ModelCost

Analysed = tuple[Model, ModelCost, tuple[Fit, ...]]


def details(model: Model, cost: ModelCost, fits: tuple[Fit, ...]) -> str:
    """Everything about one model."""
    parts = [
        _heading(model),
        columns(
            (
                "#",
                "operator",
                "input -> output",
                "kernel",
                "MACs",
                "parameters",
                "weight bytes",
                "live bytes",
            ),
            [
                _layer_row(layer, live)
                for layer, live in zip(cost.layers, cost.live.during_bytes, strict=True)
            ],
            right=(0, 4, 5, 6, 7),
        ),
        _totals(model, cost),
    ]
    if cost.pairs:
        parts.append(_pairs(cost))
    if fits:
        rows = [(answer.board, answer.verdict, *_memories(answer)) for answer in fits]
        parts.append(columns(("board", "verdict", "flash", "RAM", "why"), rows))
    return "\n\n".join(parts) + "\n"


def summary(analysed: Sequence[Analysed]) -> str:
    """One line per model, and which of them are the same network."""
    rows = []
    for model, cost, fits in analysed:
        known = sum(answer.verdict is not Verdict.UNKNOWN for answer in fits)
        fitting = sum(answer.verdict is Verdict.FITS for answer in fits)
        tight = sum(answer.verdict is Verdict.TIGHT for answer in fits)
        rows.append(
            (
                model.name,
                _macs(cost.macs),
                f"{cost.parameters:,}",
                kib(cost.weight_bytes),
                kib(cost.live.peak_bytes),
                model.graph_sha256[:12],
                f"{fitting} of {known}" + (f", {tight} tight" if tight else ""),
            )
        )
    header = ("model", "MACs", "parameters", "weights", "live peak", "network", "boards it fits")
    text = "Summary\n" + columns(header, rows, right=(1, 2, 3, 4))
    for names in same_networks([model for model, _, _ in analysed]):
        text += f"\nSame network up to weights: {', '.join(names)}"
    return text + "\n"


def same_networks(models: Sequence[Model]) -> list[tuple[str, ...]]:
    """Sources of the models whose graphs are equal up to weights, where there are several."""
    groups: dict[str, list[str]] = {}
    for model in models:
        groups.setdefault(model.graph_sha256, []).append(model.source)
    return [tuple(names) for names in groups.values() if len(names) > 1]


def kib(size_bytes: int) -> str:
    return f"{size_bytes / 1024:.2f} KiB"


def _heading(model: Model) -> str:
    graph = model.graph
    inputs, outputs = (
        ", ".join(f"{_shape(graph.tensors[i].shape)} {graph.tensors[i].dtype}" for i in side)
        for side in (graph.inputs, graph.outputs)
    )
    lines = [
        f"{model.name}: {inputs} -> {outputs}, {len(graph.operators)} layers",
        f"  {model.source}: {kib(model.size_bytes)}, sha256 {model.sha256}",
        f"  network (graph up to weights): sha256 {model.graph_sha256}",
    ]
    if any(tensor.dynamic for tensor in graph.tensors):
        lines.append("  open dimensions of the file are counted as 1")
    if model.other_subgraphs:
        lines.append(f"  not analysed, further subgraphs: {'; '.join(model.other_subgraphs)}")
    return "\n".join(lines)


def _layer_row(layer: LayerCost, live_bytes: int) -> tuple[str, ...]:
    shapes = " + ".join(map(_shape, layer.input_shapes)), " + ".join(map(_shape, layer.output_shapes))
    kernel = ""
    if (layer.kernel_h, layer.kernel_w, layer.stride_h, layer.stride_w) != (1, 1, 1, 1):
        kernel = f"{layer.kernel_h}x{layer.kernel_w}"
        if layer.stride_h == layer.stride_w:
            kernel += f" s{layer.stride_h}" if layer.stride_h > 1 else ""
        else:
            kernel += f" s{layer.stride_h}x{layer.stride_w}"
    return (
        str(layer.index),
        layer.operator,
        " -> ".join(shapes),
        kernel,
        _macs(layer.macs),
        f"{layer.parameters:,}",
        f"{layer.weight_bytes:,}",
        f"{live_bytes:,}",
    )


def _totals(model: Model, cost: ModelCost) -> str:
    macs = f"{cost.counted_macs:,}"
    if cost.unknown:
        macs += f" + unknown: {', '.join(cost.unknown)}"
    rows = [
        ("MACs", macs),
        ("parameters", f"{cost.parameters:,}"),
        ("weights", f"{cost.weight_bytes:,} bytes = {kib(cost.weight_bytes)}"),
        ("constants in the file", f"{cost.constant_bytes:,} bytes = {kib(cost.constant_bytes)}"),
        ("live peak", f"{kib(cost.live.peak_bytes)}{_at(model, cost.live.peak_layer)}"),
        ("naive peak", f"{kib(cost.naive_peak_bytes)} (input + output + live shortcut of one layer)"),
        ("least", f"{kib(cost.live.least_bytes)} (if every output could be laid over its input)"),
    ]
    return columns(("total", ""), rows)


def _at(model: Model, layer: int | None) -> str:
    return "" if layer is None else f" at layer {layer} {model.graph.operators[layer].name}"


def _pairs(cost: ModelCost) -> str:
    rows = [
        (
            f"{pair.depthwise} + {pair.pointwise}",
            f"{pair.in_channels} -> {pair.out_channels}",
            f"{pair.macs:,}",
            f"{pair.standard_macs:,}",
            f"{pair.reduction:.4f}",
            f"1/{pair.out_channels} + 1/{pair.kernel_h * pair.kernel_w} = {pair.formula:.4f}",
            f"{1 / pair.reduction:.2f}x",
        )
        for pair in cost.pairs
    ]
    header = ("separable pair", "channels", "MACs", "standard MACs", "ratio", "1/d_j + 1/k^2", "fewer MACs")
    return columns(header, rows, right=(2, 3, 4, 6))


def _memories(answer: Fit) -> tuple[str, str, str]:
    """Flash, RAM, and why it is not a plain "fits"."""
    *flash, ram = answer.memories
    why = "; ".join(filter(None, map(_why, answer.memories)))
    return _need(flash[0]) if flash else "", _need(ram), why


def _need(memory: MemoryNeed) -> str:
    capacity = kib(memory.capacity_bytes) if memory.capacity_bytes else "unknown"
    return f"{kib(memory.need_bytes)} of {capacity}"


def _why(memory: MemoryNeed) -> str:
    match memory.verdict:
        case Verdict.FITS:
            return ""
        case Verdict.UNKNOWN:
            return f"{memory.memory} is the machine's"
        case Verdict.DOES_NOT_FIT:
            return f"{memory.memory} is short by {kib(memory.shortfall_bytes)}"
        case Verdict.TIGHT if memory.need_bytes > memory.capacity_bytes:
            over = memory.need_bytes - memory.capacity_bytes
            return f"{memory.memory}: {kib(over)} too much unless outputs are laid over inputs"
        case Verdict.TIGHT:
            return f"{memory.memory}: {memory.need_bytes / memory.capacity_bytes:.0%} used"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) if shape else "scalar"


def _macs(macs: int | None) -> str:
    return "unknown" if macs is None else f"{macs:,}"


def columns(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], right: tuple[int, ...] = ()) -> str:
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    ]
    return "\n".join(lines)
