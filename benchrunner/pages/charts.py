"""Small SVG charts without a library: they scale, print, follow dark mode and need no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchrunner.pages.markup import Markup, join, tag
from benchrunner.wording import counted

_WIDTH, _LEFT, _RIGHT = 640.0, 96.0, 12.0
_PLOT = _WIDTH - _LEFT - _RIGHT
_MOST_DOTS = 400  # of a strip; of more samples every k-th is drawn, and the caption says so


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical mark of a history: a change point, or new conditions."""

    index: int
    kind: str  # "change", "conditions"
    title: str


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values from `low` to `high`, about `count` of them."""
    span = high - low
    if span <= 0:
        return [low]
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step) * step
    steps = int((high - first) / step + 1e-9) + 1
    # Rounding may carry the outermost a little over the edge.
    return [min(max(low, first + step * index), high) for index in range(steps)]


def strips(starts: Sequence[Sequence[float]], unit: str, median: float) -> Markup:
    """Every sample as a dot, a line for each start, and the median as a rule."""
    samples = [value for start in starts for value in start]
    low, high = _range(samples)
    height = 26.0 * len(starts) + 34
    shapes = [_x_axis(low, high, height - 24, unit)]
    for row, start in enumerate(starts):
        y = 14 + 26.0 * row
        shapes.append(tag("text", f"start {row + 1}", x=_LEFT - 8, y=y + 4, text_anchor="end"))
        every = max(1, len(start) * len(starts) // _MOST_DOTS)
        for number, value in enumerate(start[::every]):
            # Spread over the strip's height so that equal samples can be seen to be several.
            shift = ((number * 7) % 9 - 4) * 1.6
            shapes.append(tag("circle", cx=_round(_x(value, low, high)), cy=_round(y + shift), r=2.2))
    x = _round(_x(median, low, high))
    shapes.append(tag("line", x1=x, x2=x, y1=2, y2=height - 26, class_="rule"))
    return _svg(height, f"distribution of {counted(len(samples), 'sample')}", shapes)


def history(
    values: Sequence[float], bands: Sequence[tuple[float, float] | None], labels: Sequence[str],
    marks: Sequence[Mark], unit: str,
) -> Markup:  # fmt: skip
    """Nightly medians with their intervals, and marks where the level or the conditions changed."""
    known = [edge for band in bands if band for edge in band]
    low, high = _range([*values, *known])
    height, top = 190.0, 10.0
    bottom = height - 30

    def y(value: float) -> float:
        return _round(bottom - (value - low) / (high - low) * (bottom - top))

    def x(index: int) -> float:
        return _round(_LEFT + (_PLOT * index / (len(values) - 1) if len(values) > 1 else _PLOT / 2))

    shapes = []
    for tick in ticks(low, high, 4):
        shapes.append(tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y(tick), y2=y(tick), class_="grid"))
        shapes.append(tag("text", f"{tick:.6g} {unit}", x=_LEFT - 8, y=y(tick) + 4, text_anchor="end"))
    for mark in marks:
        line = tag("line", tag("title", mark.title), x1=x(mark.index), x2=x(mark.index), y1=top, y2=bottom)
        shapes.append(tag("g", line, class_=f"mark {mark.kind}"))
    for index, band in enumerate(bands):
        if band and band[0] < band[1]:
            shapes.append(tag("line", x1=x(index), x2=x(index), y1=y(band[0]), y2=y(band[1]), class_="band"))
    points = " ".join(f"{x(index)},{y(value)}" for index, value in enumerate(values))
    shapes.append(tag("polyline", points=points, class_="line"))
    for index, (value, label) in enumerate(zip(values, labels, strict=True)):
        title = tag("title", f"{label}: {value:.6g} {unit}")
        shapes.append(tag("circle", title, cx=x(index), cy=y(value), r=2.6))
    for index in sorted({0, len(values) - 1}):
        anchor = "start" if index == 0 and len(values) > 1 else "end" if len(values) > 1 else "middle"
        shapes.append(tag("text", labels[index], x=x(index), y=height - 8, text_anchor=anchor))
    return _svg(height, f"history of {counted(len(values), 'result')}", shapes)


def bars(rows: Sequence[tuple[str, float]], unit: str) -> Markup:
    """A horizontal bar for each layer, with its share."""
    total = sum(value for _, value in rows) or 1.0
    most = max((value for _, value in rows), default=0.0) or 1.0
    height = 16.0 * len(rows) + 6
    shapes = []
    for row, (name, value) in enumerate(rows):
        y = 3 + 16.0 * row
        length = _round((_PLOT - 190) * value / most)
        label = f"{value:,.6g} {unit}  {100 * value / total:.1f} %"
        shapes.append(tag("text", name, x=_LEFT + 60, y=y + 11, text_anchor="end"))
        shapes.append(tag("rect", x=_LEFT + 68, y=y, width=max(0.5, length), height=12))
        shapes.append(tag("text", label, x=_round(_LEFT + 74 + length), y=y + 11))
    return _svg(height, f"time of {counted(len(rows), 'layer')}", shapes)


def stack(parts: Sequence[tuple[str, int]], limit: int | None = None) -> Markup:
    """Bytes by use beside each other, against what the board has where that is known."""
    total = sum(size for _, size in parts)
    scale = _PLOT / max(total, limit or 0, 1)
    shapes, x = [], _LEFT
    for index, (name, size) in enumerate(parts):
        title = tag("title", f"{name}: {size:,} bytes")
        width = _round(size * scale)
        shapes.append(tag("rect", title, x=_round(x), y=6, width=width, height=20, class_=f"part{index % 6}"))
        x += size * scale
    legend_x = _LEFT
    for index, (name, size) in enumerate(parts):
        words = f"{name} {size / 1024:.2f} KiB"
        shapes.append(tag("rect", x=_round(legend_x), y=34, width=9, height=9, class_=f"part{index % 6}"))
        shapes.append(tag("text", words, x=_round(legend_x + 13), y=43))
        legend_x += 24 + 6.4 * len(words)
    if limit is not None:
        shapes.append(tag("rect", x=_LEFT, y=6, width=_round(limit * scale), height=20, class_="frame"))
    shapes.append(tag("text", f"{total / 1024:.2f} KiB", x=_LEFT - 8, y=20, text_anchor="end"))
    return _svg(50.0, "memory by use", shapes)


def scatter(points: Sequence[tuple[float, float, str, bool]], x_unit: str, y_unit: str) -> Markup:
    """One point for each case; those that no other beats in both directions are joined (Pareto front)."""
    height, top = 320.0, 12.0
    bottom = height - 34
    x_low, x_high = _range([0.0, *(x for x, _, _, _ in points)])
    y_low, y_high = _range([0.0, *(y for _, y, _, _ in points)])

    def at(x: float, y: float) -> tuple[float, float]:
        return _round(_x(x, x_low, x_high)), _round(bottom - (y - y_low) / (y_high - y_low) * (bottom - top))

    shapes = [_x_axis(x_low, x_high, bottom + 4, x_unit)]
    for tick in ticks(y_low, y_high, 5):
        y = at(x_low, tick)[1]
        shapes.append(tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
        shapes.append(tag("text", f"{tick:.6g} {y_unit}", x=_LEFT - 8, y=y + 4, text_anchor="end"))
    front = " ".join(f"{x},{y}" for x, y in (at(x, y) for x, y, _, best in sorted(points) if best))
    shapes.append(tag("polyline", points=front, class_="front"))
    for x, y, title, best in points:
        cx, cy = at(x, y)
        shapes.append(
            tag(
                "circle",
                tag("title", title),
                cx=cx,
                cy=cy,
                r=5 if best else 4,
                class_="best" if best else None,
            )
        )
    return _svg(height, counted(len(points), "case"), shapes)


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points no other beats: less or equal in both, less in one."""
    return [not any(x <= mine[0] and y <= mine[1] and (x, y) != mine for x, y in points) for mine in points]


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:
        margin = abs(low) * 0.005 or 1.0
    else:
        margin = (high - low) * 0.06
    return low - margin if low else low, high + margin


def _x(value: float, low: float, high: float) -> float:
    return _LEFT + (value - low) / (high - low) * _PLOT


def _x_axis(low: float, high: float, y: float, unit: str) -> Markup:
    shapes = [tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid")]
    for tick in ticks(low, high, 4):
        x = _round(_x(tick, low, high))
        shapes.append(tag("text", f"{tick:.6g} {unit}", x=x, y=y + 16, text_anchor="middle"))
    return join(shapes)


def _round(value: float) -> float:
    return round(value, 1)


def _svg(height: float, label: str, shapes: list[Markup]) -> Markup:
    return tag(
        "svg", *shapes, viewBox=f"0 0 {_WIDTH:g} {height:g}", role="img", aria_label=label, class_="chart"
    )
