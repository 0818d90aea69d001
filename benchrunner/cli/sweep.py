"""`benchrunner analyze --sweep`: a family of networks by width and resolution, as table, JSON and picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchrunner.cli.analysis_text import columns, kib
from benchrunner.errors import UsageError

if TYPE_CHECKING:
    from benchrunner.networks.sweep import OneNetwork, Point


if TYPE_CHECKING:
    _NumbersType = click.ParamType[tuple[float, ...]]
else:
    _NumbersType = click.ParamType  # older releases of click do not subscript it


class Numbers(_NumbersType):
    """Numbers with commas between them."""

    name = "numbers"

    def __init__(self, kind: type[int] | type[float]) -> None:
        self._kind = kind

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(self._kind(part) for part in str(value).split(","))
        except ValueError:
            what = "whole numbers" if self._kind is int else "numbers"
            self.fail(f"{value!r}: expected {what} with commas between them, as in 96,128", param, ctx)


def print_sweep(
    family: str,
    *,
    alphas: Sequence[float],
    resolutions: Sequence[int],
    channels: int,
    classes: int | None,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Print the sweep, and write its picture to `svg`. Raises `UsageError`."""
    from benchrunner.networks.sweep import same_networks, sweep

    points = sweep(family, alphas=alphas, resolutions=resolutions, channels=channels, classes=classes)
    groups = same_networks(points)
    if svg is not None:
        from benchrunner.report.sweep_svg import sweep_svg

        try:
            svg.write_text(sweep_svg(points), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{svg}: cannot be written: {error.strerror}") from error
    if as_json:
        document = {
            "networks": [asdict(point) for point in points],
            "same_network": [asdict(g) for g in groups],
        }
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(_text(points, groups))
    if svg is not None:
        click.echo(f"\nPicture: {svg}")


def _text(points: Sequence[Point], groups: Sequence[OneNetwork]) -> str:
    from benchrunner.networks import FAMILIES
    from benchrunner.networks.published import SOURCES

    family = points[0].family
    maps = any(point.at_cut for point in points)
    accuracy = any(point.top1_percent is not None for point in points)
    header = ["alpha", "input", "parameters", "weight bytes", "weights", "MACs", "live peak", "at layer"]
    header += ["at block_6", "at block_16"] * maps + ["published top-1"] * accuracy + ["network"]
    rows = []
    for point in points:
        row = [
            f"{point.alpha:g}",
            _shape(point.input_shape),
            f"{point.parameters:,}",
            f"{point.weight_bytes:,}",
            kib(point.weight_bytes),
            f"{point.macs:,}",
            kib(point.live_peak_bytes),
            point.live_peak_layer,
        ]
        if maps:
            row += [_shape(point.at_cut), _shape(point.at_last)]
        if accuracy:
            row.append("-" if point.top1_percent is None else f"{point.top1_percent:.1f} %")
        rows.append((*row, point.graph_sha256[:12]))
    parts = [f"{FAMILIES[family].title}: width and resolution"]
    parts.append(columns(tuple(header), rows, right=(0, 2, 3, 4, 5, 6)))
    notes = ["int8, batch normalisation folded. Live peak: without outputs over inputs."]
    if maps and family == "fomo":
        notes.append(
            "at block_6: block_6_expand_relu, the cut; at block_16: block_16_project_BN, untruncated."
        )
    if accuracy:
        notes.append(
            f"Published top-1: ImageNet, float, 1000 classes; {SOURCES[family]}. Not measured here; "
            "- where nobody published it."
        )
    parts.append("\n".join(notes))
    for group in groups:
        alphas = " and ".join(f"{alpha:g}" for alpha in group.alphas)
        size = _shape((group.resolution, group.resolution, group.channels))
        parts.append(
            f"One network: {FAMILIES[family].title} with alpha {alphas} at {size} "
            f"(graph sha256 {group.graph_sha256[:12]}).\n  Why: {group.reason}.\n"
            f"  Widths in it: {', '.join(map(str, group.widths))}. Equal time, RAM and flash follow."
        )
    return "\n\n".join(parts)


def _shape(shape: tuple[int, ...] | None) -> str:
    return "-" if shape is None else f"({', '.join(map(str, shape))})"
