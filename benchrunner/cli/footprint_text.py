"""Footprints and memory plans as text."""

from __future__ import annotations

from benchrunner.firmware.compiled import CompiledModel
from benchrunner.firmware.footprint import PARTS, Footprint
from benchrunner.firmware.plan import MemoryPlan

_DRAWING_COLUMNS = 64


def footprint_table(parts: Footprint, empty: Footprint) -> str:
    """Bytes by part, and what the model costs over an empty one."""
    rows = [("part", "flash", "RAM", "over empty: flash", "RAM", "")]
    for part, meaning in PARTS.items():
        flash, ram = parts.flash_bytes.get(part, 0), parts.ram_bytes.get(part, 0)
        if flash or ram or part == "unattributed":
            over_flash, over_ram = flash - empty.flash_bytes.get(part, 0), ram - empty.ram_bytes.get(part, 0)
            rows.append((part, f"{flash:,}", f"{ram:,}", f"{over_flash:+,}", f"{over_ram:+,}", meaning))
    over_flash = parts.flash_total_bytes - empty.flash_total_bytes
    over_ram = parts.ram_total_bytes - empty.ram_total_bytes
    total = (
        f"{parts.flash_total_bytes:,}",
        f"{parts.ram_total_bytes:,}",
        f"{over_flash:+,}",
        f"{over_ram:+,}",
    )
    rows.append(("total", *total, "bytes"))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:5], widths[1:5], strict=True)]
        lines.append("  ".join([*cells, row[5]]).rstrip())
    return "\n".join(lines)


def memory_table(compiled: CompiledModel) -> str:
    """Every buffer of the arena with offset, size and lifetime, and a drawing of it."""
    plan, graph = compiled.plan, compiled.model.graph
    proof = "no plan is smaller" if plan.optimal else f"no plan is below {plan.bound_bytes:,}"
    heading = f"memory plan: {plan.arena_bytes:,} bytes = {plan.arena_bytes / 1024:.2f} KiB ({proof})"
    if plan.inputs_overwritten:
        heading += "; an inference overwrites the inputs"
    order = sorted(range(len(plan.buffers)), key=lambda i: (plan.buffers[i].first, plan.offsets[i]))
    rows = [("offset", "bytes", "layers", "what", "0 .. arena")]
    for i in order:
        buffer, offset = plan.buffers[i], plan.offsets[i]
        tensors = [graph.tensors[index] for index in buffer.tensors]
        what = "scratch" if buffer.scratch else f"{tensors[0].dtype} {'x'.join(map(str, tensors[0].shape))}"
        if any(index in graph.inputs for index in buffer.tensors):
            what += ", input"
        if any(index in graph.outputs for index in buffer.tensors):
            what += ", output"
        if len(tensors) > 1:
            what += f", {len(tensors) - 1} alias" + ("es" if len(tensors) > 2 else "")
        last = min(buffer.last, len(graph.operators) - 1)
        lifetime = f"{max(buffer.first, 0)}..{max(last, 0)}"
        rows.append(
            (f"{offset:,}", f"{buffer.size_bytes:,}", lifetime, what, _bar(plan, offset, buffer.size_bytes))
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [heading]
    for row in rows:
        numbers = [cell.rjust(width) for cell, width in zip(row[:3], widths[:3], strict=True)]
        lines.append("  ".join([*numbers, row[3].ljust(widths[3]), row[4]]).rstrip())
    return "\n".join(lines)


def _bar(plan: MemoryPlan, offset: int, size: int) -> str:
    scale = _DRAWING_COLUMNS / max(plan.arena_bytes, 1)
    start = min(int(offset * scale), _DRAWING_COLUMNS - 1)
    width = max(1, round((offset + size) * scale) - start)
    return "|" + (" " * start + "#" * width).ljust(_DRAWING_COLUMNS)[:_DRAWING_COLUMNS] + "|"
