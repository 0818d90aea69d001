"""Plots of results as PNG, SVG or PDF files, for papers and slides; needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchrunner.compare.nights import eras
from benchrunner.compare.settings import Settings
from benchrunner.errors import UsageError
from benchrunner.history import History

if TYPE_CHECKING:
    import pandas

_FORMATS = (".png", ".svg", ".pdf")


def plot_latency(frame: pandas.DataFrame, path: str | Path) -> Path:
    """Median latency in ms with its 95 % interval, a bar for each row of `load_results()`.

    The format follows from the suffix: .png, .svg, .pdf. Raises `UsageError` for another one, without
    matplotlib, and for rows of more than one fidelity: what is not measured never stands beside what is.
    """
    rows, fidelity = _timed(frame)
    figure, axes = _figure(height_in=0.6 + 0.32 * len(rows))
    labels = [f"{row.model}, {row.board_name}, {row.engine}" for row in rows]
    medians = [float(row.latency_median_ms) for row in rows]
    below = [_distance(row.latency_median_ms, row.latency_ci_low_ms) for row in rows]
    above = [_distance(row.latency_ci_high_ms, row.latency_median_ms) for row in rows]
    axes.barh(range(len(rows)), medians, xerr=[below, above])
    axes.set_yticks(range(len(rows)), labels)
    axes.invert_yaxis()
    axes.set_xlabel(f"median latency in ms, {fidelity}")
    return _save(figure, path)


def plot_memory(frame: pandas.DataFrame, path: str | Path) -> Path:
    """Activation RAM in KiB against median latency in ms, a point for each row; else as `plot_latency`."""
    rows, fidelity = _timed(frame.dropna(subset=["activation_ram_bytes"]))
    figure, axes = _figure(height_in=4.0)
    for row in rows:
        x, y = float(row.latency_median_ms), int(row.activation_ram_bytes) / 1024
        axes.plot([x], [y], "o", color="C0")
        axes.annotate(
            f"{row.model}, {row.board_name}", (x, y), fontsize=7, textcoords="offset points", xytext=(4, 4)
        )
    axes.set_xlabel(f"median latency in ms, {fidelity}")
    axes.set_ylabel("activation RAM in KiB")
    return _save(figure, path)


def plot_history(history: History, words: Sequence[str], path: str | Path) -> Path:
    """The nightly medians of the one cell whose label has all `words`, with change points and new conditions.

    Raises `UsageError` when the words select no cell or several, and as `plot_latency`.
    """
    keys = history.cells(*words)
    if len(keys) != 1:
        found = ", ".join(key.label for key in keys[:5]) or "none"
        raise UsageError(f"{' '.join(words)}: expected the words of one cell, found {found}")
    (key,) = keys
    figure, axes = _figure(height_in=3.0)
    offset = 0
    labels: list[str] = []
    for era in eras(history.series(key), Settings().floor(key.metric)):
        places = range(offset, offset + len(era.nights))
        axes.plot(places, [night.value for night in era.nights], "o-", color="C0", markersize=3)
        if era.began_because:
            axes.axvline(offset - 0.5, color="C1", linestyle=":", label="conditions changed")
        for step in era.steps:
            axes.axvline(offset + step.change.index - 0.5, color="C3", linestyle="--", label="change")
        labels += [night.date for night in era.nights]
        offset += len(era.nights)
    axes.set_xticks([0, offset - 1], [labels[0], labels[-1]])
    axes.set_ylabel(f"{key.metric} in {key.unit}")
    axes.set_title(key.label, fontsize=8)
    return _save(figure, path)


def _timed(frame: pandas.DataFrame) -> tuple[list[Any], str]:
    rows: list[Any] = list(frame.dropna(subset=["latency_median_ms"]).itertuples())
    fidelities = sorted({str(row.fidelity) for row in rows})
    if len(fidelities) != 1:
        raise UsageError(
            f"expected timed results of one fidelity, found {' and '.join(fidelities) or 'none'}",
            hint='choose them: frame[frame.fidelity == "measured"]',
        )
    return rows, fidelities[0]


def _distance(high: Any, low: Any) -> float:
    import pandas

    return 0.0 if pandas.isna(high) or pandas.isna(low) else float(high) - float(low)


def _figure(*, height_in: float) -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise UsageError(
            "plots need the package matplotlib, which is not installed",
            hint="pip install 'benchrunner[plots]'",
        ) from error
    figure = Figure(figsize=(7.0, height_in), layout="constrained")
    return figure, figure.subplots()


def _save(figure: Any, path: str | Path) -> Path:
    file = Path(path)
    if file.suffix.lower() not in _FORMATS:
        raise UsageError(f"{file}: expected a name that ends in {', '.join(_FORMATS)}")
    # Without dates and random ids the same data give the same bytes.
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(file.suffix.lower(), {})
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "benchrunner"}):
        figure.savefig(file, dpi=150, metadata=metadata)
    return file
