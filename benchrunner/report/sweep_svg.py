"""A sweep as an SVG picture: MACs and live memory over the resolution, a line per width multiplier."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from benchrunner.networks import FAMILIES
from benchrunner.networks.sweep import Point

_WIDTH, _HEIGHT = 540.0, 340.0  # of one panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 140.0, 48.0, 48.0
_LINE_HEIGHT = 13.0
# Distinct without colour, too: each line ends in its label.
_COLOURS = ("#0b6e99", "#c4541c", "#3d8b37", "#8a3ffc", "#b0851a", "#b1306b", "#52616b")
_STYLE = """\
text { font: 11px system-ui, sans-serif; fill: #222 } .title { font-size: 13px; font-weight: 600 }
.grid { stroke: #ddd } .axis { stroke: #888 } .line { fill: none; stroke-width: 1.6 }
.paper { fill: #fff } @media (prefers-color-scheme: dark) {
  text { fill: #e6e6e6 } .grid { stroke: #3a3a3a } .axis { stroke: #999 } .paper { fill: #161616 } }"""


@dataclass(frozen=True, slots=True)
class _Line:
    label: str
    colour: str
    spots: tuple[tuple[float, float], ...]  # x, y in units of the axes


@dataclass(frozen=True, slots=True)
class _Scale:
    """From a value to a coordinate; logarithmic where `log`."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def __call__(self, value: float) -> float:
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)


def sweep_svg(points: Sequence[Point]) -> str:
    """Two panels side by side, as one document; ends with a newline. Needs at least one point."""
    title = FAMILIES[points[0].family].title
    panels = (
        _panel(f"{title}: million MACs", _lines(points, lambda p: p.macs / 1e6), _x_name(points), 0.0),
        _panel(
            f"{title}: live activations, KiB",
            _lines(points, lambda p: p.live_peak_bytes / 1024),
            _x_name(points),
            _WIDTH,
        ),
    )
    width = 2 * _WIDTH
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {_HEIGHT:g}" '
            f'width="{width:g}" height="{_HEIGHT:g}" role="img">',
            f"<title>{escape(title)}: width and resolution</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="paper" width="{width:g}" height="{_HEIGHT:g}"/>',
            *panels,
            "</svg>",
            "",
        )
    )


def _over_resolution(points: Sequence[Point]) -> bool:
    """With a single resolution the width is what varies."""
    return len({point.resolution for point in points}) > 1


def _x_name(points: Sequence[Point]) -> str:
    if _over_resolution(points):
        return f"resolution, pixels ({points[0].channels} channels)"
    return f"width multiplier, at {'x'.join(map(str, points[0].input_shape))}"


def _lines(points: Sequence[Point], value: Callable[[Point], float]) -> list[_Line]:
    """One line per width; widths whose values are all the same share one."""
    if not _over_resolution(points):
        return [_Line("", _COLOURS[0], tuple(sorted((point.alpha, value(point)) for point in points)))]
    by_alpha: dict[float, list[tuple[float, float]]] = {}
    for point in points:
        by_alpha.setdefault(point.alpha, []).append((point.resolution, value(point)))
    shared: dict[tuple[tuple[float, float], ...], list[float]] = {}
    for alpha, spots in by_alpha.items():
        shared.setdefault(tuple(sorted(spots)), []).append(alpha)
    colour_of = dict(zip(by_alpha, itertools.cycle(_COLOURS), strict=False))
    return [_Line(_label(alphas), colour_of[alphas[0]], spots) for spots, alphas in shared.items()]


def _label(alphas: Sequence[float]) -> str:
    listed = [f"{alpha:g}" for alpha in sorted(alphas)]
    return ", ".join(listed if len(listed) <= 4 else [*listed[:2], "...", listed[-1]])


def _panel(title: str, lines: Sequence[_Line], x_name: str, shift: float) -> str:
    xs = sorted({x for line in lines for x, _ in line.spots})
    values = [y for line in lines for _, y in line.spots]
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    x_at = _Scale(xs[0], xs[-1], _LEFT, right, log=False)
    y_at = _Scale(min(values) / 1.25, max(values) * 1.25, bottom, _TOP, log=True)
    parts = [f'<g transform="translate({shift:g} 0)">', f'<text class="title" x="{_LEFT:g}" y="24">']
    parts[-1] += f"{escape(title)}</text>"
    for tick in _ticks(y_at.low, y_at.high):
        y = y_at(tick)
        parts.append(f'<path class="grid" d="M{_LEFT:g} {y:.1f}H{right:g}"/>')
        parts.append(f'<text x="{_LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    parts.append(f'<path class="axis" d="M{_LEFT:g} {bottom:g}H{right:g}"/>')
    end = -math.inf
    for x in xs:
        if x_at(x) - end > 26:  # a label's width
            end = x_at(x)
            parts.append(f'<text x="{end:.1f}" y="{bottom + 16:g}" text-anchor="middle">{x:g}</text>')
    parts.append(
        f'<text x="{(_LEFT + right) / 2:g}" y="{bottom + 34:g}" text-anchor="middle">{escape(x_name)}</text>'
    )
    labels = _apart([y_at(line.spots[-1][1]) for line in lines])
    for line, label_y in zip(lines, labels, strict=True):
        spots = [(x_at(x), y_at(y)) for x, y in line.spots]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
        parts.append(f'<path class="line" stroke="{line.colour}" d="{path}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{line.colour}"/>' for x, y in spots]
        if line.label:
            text = f"α {line.label}"
            parts.append(f'<text x="{right + 8:g}" y="{label_y + 4:.1f}">{escape(text)}</text>')
    return "\n".join((*parts, "</g>"))


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten; in narrow ranges all, in wide ones only the powers."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if last - first <= 4 else (1,)
    found = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    return [tick for tick in found if low <= tick <= high]


def _apart(wanted: Sequence[float]) -> list[float]:
    """The heights, moved down where a label would lie on the one above it."""
    placed = [0.0] * len(wanted)
    above = -math.inf
    for index in sorted(range(len(wanted)), key=lambda i: wanted[i]):
        placed[index] = above = max(wanted[index], above + _LINE_HEIGHT)
    return placed
