"""x-linux-ai and x-linux-ai-benchmark: the version, and one table for the models of a folder."""

from __future__ import annotations

import json
import posixpath
from typing import Any

from benchrunner.errors import BenchrunnerError
from benchrunner.simulator.linux.process import Process, encode
from benchrunner.simulator.linux.tools import nbg, onnxruntime, tflite
from benchrunner.simulator.linux.tools.network import NotANetworkError

_BLUE, _PLAIN = "\x1b[34m", "\x1b[0m"
_COLUMNS = ("Model Name", "Inference Time (ms)", "CPU %", "GPU %", "NPU %", "Peak RAM (MB)")
_TITLES = {".nb": "NBG models benchmark", ".tflite": "TensorFlow Lite models benchmark"}
_TITLES[".onnx"] = "ONNX models benchmark"
_RUNS = 10
_DELEGATE = "/usr/lib/libvx_delegate.so.2"


def x_linux_ai(process: Process) -> int:
    if process.arguments[1:] in (["-v"], ["--version"]):
        process.out(f"\nX-LINUX-AI version: {process.machine.profile.x_linux_ai}\n\n")
        return 0
    process.out("usage: x-linux-ai [-v] [-l] [-i] [-h] (simulated board: -v alone)\n")
    return 0


def x_linux_ai_benchmark(process: Process) -> int:
    words = process.arguments[1:]
    options: dict[str, str] = {}
    flags = set()
    while words:
        word = words.pop(0)
        if word in ("-m", "--model_path", "-d", "--models_directory", "-c", "--cpu_cores") and words:
            options[word.lstrip("-")[0]] = words.pop(0)
        elif word in ("--minimal_serial", "--export_results"):
            flags.add(word)
        else:
            process.out(
                "usage: x-linux-ai-benchmark [-m MODEL | -d FOLDER] [-c CPU_CORES] [--export_results]\n"
            )
            return 0 if word in ("-h", "--help") else 2
    try:
        paths = _models(process, options)
    except OSError as error:
        process.error(f"{error.strerror}")
        return 1
    cores = options.get("c", "")
    threads = int(cores) if cores.isdigit() and int(cores) else process.machine.profile.linux.cpus
    rows: dict[str, list[tuple[str, ...]]] = {}
    for path in paths:
        suffix = posixpath.splitext(path)[1]
        if suffix not in _TITLES or (suffix == ".nb" and not process.machine.profile.has_npu):
            process.out(f"{path}: this type of model is not supported, skipped\n")
            continue
        try:
            row = _row(process, path, suffix, threads)
        except (BenchrunnerError, NotANetworkError, OSError) as error:
            process.out(f"{path}: benchmark failed: {error}\n")
            continue
        if row is not None:
            rows.setdefault(suffix, []).append(row)
    _print(process, rows)
    if "--export_results" in flags:
        _export(process, rows)
    return 0


def _models(process: Process, options: dict[str, str]) -> list[str]:
    if "m" in options:
        process.machine.files.find(process.path(options["m"]))
        return [options["m"]]
    folder = options.get("d", ".")
    node = process.machine.files.find(process.path(folder))
    return [f"{folder}/{name}" for name in sorted(node.children)]


def _row(process: Process, path: str, suffix: str, threads: int) -> tuple[str, ...] | None:
    """The cells of one model; None where the tool below gave no result."""
    profile = process.machine.profile
    data = process.machine.files.read(process.path(path))
    measured: Any
    match suffix:
        case ".nb":
            measured = nbg.measure(process, data, _RUNS)
            time_ms, peak = measured.mean_us / 1000, measured.peak_bytes
        case ".tflite":
            options = dict(tflite._DEFAULTS)
            options |= {"num_runs": str(_RUNS), "num_threads": str(threads)}
            if profile.has_npu:
                options["external_delegate_path"] = _DELEGATE
            measured = tflite.measure(process, data, options)
            time_ms, peak = measured.mean_us / 1000, measured.peak_bytes
        case _:
            measured = onnxruntime.measure(
                process, data, runs=_RUNS, threads=threads, accelerated=profile.has_npu
            )
            time_ms, peak = sum(measured.timed_ns) / len(measured.timed_ns) / 1e6, measured.peak_bytes
    execution = measured.execution
    if execution.fell_back:
        process.out((onnxruntime.VSINPU_RETRY if suffix == ".onnx" else tflite.VX_RETRY) + "\n")
    if process.machine.faults.tool_without_result:
        return None
    npu, gpu = nbg.shares_percent(execution)
    shares = ("0.0", f"{gpu:.2f}", f"{npu:.2f}") if execution.accelerated else ("100", "NA", "NA")
    name = posixpath.splitext(posixpath.basename(path))[0]
    return (name, f"{time_ms:.2f}", *shares, f"{peak / (1 << 20):.2f}")


def _print(process: Process, rows: dict[str, list[tuple[str, ...]]]) -> None:
    profile = process.machine.profile
    hz = profile.accelerator_hz
    facts: list[tuple[str, ...]] = [
        ("Machine ", profile.model),
        ("CPU cores ", str(profile.linux.cpus)),
        ("CPU Clock frequency ", f"{profile.linux.clock_hz // 1_000_000} MHz"),
        ("GPU/NPU Driver Version ", "6.4.19" if hz else "NA"),
        ("GPU/NPU Clock frequency ", f"{hz // 1_000_000} MHz" if hz else "NA"),
        ("X-LINUX-AI Version ", profile.x_linux_ai),
    ]
    process.out(_table("X-LINUX-AI unified NN model benchmark", None, facts))
    for suffix, title in _TITLES.items():
        if suffix in rows:
            process.out(_table(title, _COLUMNS, rows[suffix]))
    poor = [
        row for found in rows.values() for row in found if row[3] != "NA" and float(row[3]) > float(row[4])
    ]
    if poor:
        process.out(f"{_BLUE}Non-Optimal models{_PLAIN}\n")
        for row in poor:
            process.out(f"{row[0]} GPU usage is {row[3]}% compared to NPU usage {row[4]}% ...\n")


def _table(title: str, columns: tuple[str, ...] | None, rows: list[tuple[str, ...]]) -> str:
    """A table with a double border, as PrettyTable draws it."""
    every = [columns, *rows] if columns else rows
    widths = [max(len(row[index]) for row in every) + 2 for index in range(len(every[0]))]
    inner = sum(widths) + len(widths) - 1
    extra = max(0, len(title) + 2 - inner)
    widths[0] += extra
    inner += extra

    def rule(left: str, middle: str, right: str) -> str:
        return left + middle.join("═" * width for width in widths) + right + "\n"

    def line(cells: tuple[str, ...]) -> str:
        return "║" + "║".join(cell.center(width) for cell, width in zip(cells, widths, strict=True)) + "║\n"

    before, after = (inner - len(title)) // 2, inner - len(title) - (inner - len(title)) // 2
    text = f"╔{'═' * inner}╗\n║{' ' * before}{_BLUE}{title}{_PLAIN}{' ' * after}║\n"
    if columns:
        text += rule("╠", "╦", "╣") + line(columns) + rule("╠", "╬", "╣")
    else:
        text += rule("╠", "╦", "╣")
    return text + "".join(map(line, rows)) + rule("╚", "╩", "╝")


def _export(process: Process, rows: dict[str, list[tuple[str, ...]]]) -> None:
    document = {
        _TITLES[suffix]: [dict(zip(_COLUMNS, row, strict=True)) for row in found]
        for suffix, found in rows.items()
    }
    path = process.path("x-linux-ai-benchmark-result.json")
    process.machine.files.write(path, encode(json.dumps(document, indent=2) + "\n"))
