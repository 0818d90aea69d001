"""Fits the model of time of Linux boards on published times, and says how far it is off.

    python tools/fit_mpu_timing.py             errors by core
    python tools/fit_mpu_timing.py --report    each row, its network left out of the fit
    python tools/fit_mpu_timing.py --forms     other formulas, by the same errors
    python tools/fit_mpu_timing.py --check     exit 1 unless linux_coefficients.json is what the fit gives
    python tools/fit_mpu_timing.py --write     write it

Data: data/calibration_mpu.csv (STMicroelectronics/stm32ai-modelzoo 1.0.0, 2.0.1, 2.1.0). Layer lists:
timing_networks.py. Method of the fit: fit_timing.py. Choices and limits: docs/decisions/mpu-timing-model.md.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

# this checkout, whatever is installed
sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

import fit_timing
from fit_command import error_percentiles, run_fit, table
from fit_timing import Fit, Row, amounts, family, network, predict_left_out
from layer_list import Layer
from timing_networks import NETWORKS

from benchrunner.timing.linux import (
    CPU_CORES,
    CPU_TERMS,
    GPU_TERMS,
    LINUX_FORMULA_VERSION,
    NPU_TERMS,
    LinuxError,
    accelerator_work,
    cpu_work,
)

_ROOT = Path(__file__).parent.parent
CALIBRATION = _ROOT / "tools" / "data" / "calibration_mpu.csv"
COEFFICIENTS = _ROOT / "benchrunner" / "timing" / "linux_coefficients.json"
NEWEST = "v5.1.0"
# The rows of zoo 1.0.0 name TensorFlow Lite 2.11.0 and no X-LINUX-AI; v3.0.0 is the one that had it then.
FIRST_ZOO = "v3.0.0"
ACCELERATOR = "NPU/GPU"

# Cycles before any data is seen (fit_timing.py says how much they bind): of two Cortex-A7 that share the
# work, and of the GPU and NPU.
PRIOR_CPU = {
    "convolution_mac": 0.8,
    "depthwise_mac": 3.0,
    "dense_mac": 1.0,
    "thin_input_mac": 0.5,
    "convolution_output": 5.0,
    "elementwise_output": 5.0,
    "moved_element": 2.0,
    "operator": 10_000.0,
    "gathered_input": 2.0,
    # only in formulas that were tried
    "mac": 1.0,
    "depthwise_output": 10.0,
    "converted_element": 3.0,
    "weight": 0.5,
}
PRIOR_ACCELERATOR = {"input_element": 3.0, "output_element": 3.0, "operator": 5_000.0}


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of the table, as the three fits see them; `left_out` says why a row is in none."""

    cpu: tuple[Row, ...]
    gpu: tuple[Row, ...]
    npu: tuple[Row, ...]
    left_out: tuple[str, ...]


def load_rows(path: Path = CALIBRATION) -> Rows:
    """Rows of networks whose layers are known; ValueError where layers and given MACs differ."""
    cpu: list[Row] = []
    gpu: list[Row] = []
    npu: list[Row] = []
    left_out: list[str] = []
    with path.open(encoding="utf-8", newline="") as file:
        for record in csv.DictReader(file):
            name = f"{record['model']} {record['resolution']}"
            if record["carried_over_unchanged"] == "yes":
                left_out.append(f"{name}: the same figure as in zoo 1.0.0 under a new label")
                continue
            if record["model"] not in NETWORKS:
                left_out.append(f"{name}: no count of MACs to check a layer list against")
                continue
            row, layers = _row(record)
            if record["engine"] == "CPU":
                cpu.append(row)
                continue
            shares = float(record["npu_pct"]), float(record["gpu_pct"])  # rounded: they can sum to 100.01
            work = _accelerated(layers)
            gpu.append(replace(row, work=work, cycles=row.cycles * shares[1] / sum(shares)))
            npu.append(replace(row, work=work, cycles=row.cycles * shares[0] / sum(shares)))
    return Rows(tuple(cpu), tuple(gpu), tuple(npu), tuple(left_out))


def _row(record: Mapping[str, str]) -> tuple[Row, Sequence[Layer]]:
    known = NETWORKS[record["model"]]
    shape = [int(size) for size in record["resolution"].split("x")]
    layers = known.build((shape[0], shape[1], shape[2])).layers
    work = amounts(layers)
    if work["mac"] != int(record["macs"]):
        raise ValueError(
            f"{record['model']} {record['resolution']}: {work['mac']} MACs, not {record['macs']}"
        )
    work |= dict(zip(CPU_TERMS, (sum(c) for c in zip(*map(cpu_work, layers), strict=True)), strict=True))
    core = ACCELERATOR
    if record["engine"] == "CPU":
        core = CPU_CORES[0] if record["cpu_threads"] == "2" else CPU_CORES[1]
    row = Row(
        model=record["model"],
        resolution=record["resolution"],
        board=record["board"],
        core=core,
        engine=record["x_linux_ai_version"] or FIRST_ZOO,
        cycles=float(record["latency_ms"]) * 1e-3 * int(record["clock_hz"]),
        work=work,
        group=known.group,
        family=known.family,
        reference=True,
        left_out="",
    )
    return row, layers


def _accelerated(layers: Sequence[Layer]) -> dict[str, int]:
    columns = [accelerator_work(layer, first=number == 0) for number, layer in enumerate(layers)]
    return dict(zip(GPU_TERMS, (sum(column) for column in zip(*columns, strict=True)), strict=True))


def fit_cpu(rows: Sequence[Row], terms: Sequence[str] = CPU_TERMS) -> Fit:
    return fit_timing.fit(rows, terms, cores=CPU_CORES, reference=NEWEST, prior=PRIOR_CPU)


def fit_accelerator(rows: Sequence[Row], terms: Sequence[str]) -> Fit:
    return fit_timing.fit(rows, terms, cores=(ACCELERATOR,), reference=NEWEST, prior=PRIOR_ACCELERATOR)


def left_out_accelerator(rows: Rows) -> list[tuple[float, float]]:
    """Predicted GPU and NPU cycles of each row, its network left out."""
    gpu = predict_left_out(rows.gpu, network, GPU_TERMS, fit_accelerator)
    npu = predict_left_out(rows.npu, network, NPU_TERMS, fit_accelerator)
    return list(zip(gpu, npu, strict=True))


def _off_percent(rows: Sequence[Row], predicted: Sequence[float]) -> list[float]:
    return [100 * abs(value / row.cycles - 1) for row, value in zip(rows, predicted, strict=True)]


def _error(rows: Sequence[Row], near: Sequence[float], far: Sequence[float]) -> LinuxError:
    return LinuxError(
        rows=len(near),
        networks=len({row.group for row in rows}),
        **error_percentiles(near, far),
    )


def errors(rows: Rows, terms: Sequence[str] = CPU_TERMS) -> dict[str, LinuxError]:
    by_network = _off_percent(rows.cpu, predict_left_out(rows.cpu, network, terms, fit_cpu))
    by_family = _off_percent(rows.cpu, predict_left_out(rows.cpu, family, terms, fit_cpu))
    found = {}
    for core in CPU_CORES:
        chosen = [number for number, row in enumerate(rows.cpu) if row.core == core]
        found[core] = _error(
            [rows.cpu[n] for n in chosen], [by_network[n] for n in chosen], [by_family[n] for n in chosen]
        )
    totals = [replace(g, cycles=g.cycles + n.cycles) for g, n in zip(rows.gpu, rows.npu, strict=True)]
    near = _off_percent(totals, [gpu + npu for gpu, npu in left_out_accelerator(rows)])
    # both networks are of one family: without it there is nothing to fit
    found[ACCELERATOR] = _error(totals, near, near)
    return found


def document(rows: Rows) -> dict[str, Any]:
    """What linux_coefficients.json holds."""
    cpu = fit_cpu(rows.cpu)
    gpu, npu = fit_accelerator(rows.gpu, GPU_TERMS), fit_accelerator(rows.npu, NPU_TERMS)
    digest = hashlib.sha256(CALIBRATION.read_bytes()).hexdigest()
    return {
        "version": f"mpu-{LINUX_FORMULA_VERSION}-{digest[:8]}",
        "formula": LINUX_FORMULA_VERSION,
        "fitted_on": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "calibration": {
            "file": f"tools/data/{CALIBRATION.name}",
            "sha256": digest,
            "rows_fitted": len(rows.cpu) + len(rows.gpu),
            "rows_left_out": len(rows.left_out),
            "networks": len({row.group for row in (*rows.cpu, *rows.gpu)}),
        },
        "cpu": {
            "unit": f"cycles of {CPU_CORES[0]} under X-LINUX-AI {NEWEST}, per unit of work",
            "cycles": cpu.cycles,
            "cores": cpu.cores,
            "releases": cpu.engines,
        },
        "gpu": {"unit": "cycles at the GPU's clock", "release": NEWEST, "cycles": _scaled(gpu)},
        "npu": {"unit": "cycles at the NPU's clock", "release": NEWEST, "cycles": _scaled(npu)},
        "errors": {core: asdict(error) for core, error in errors(rows).items()},
    }


def _scaled(fitted: Fit) -> dict[str, float]:
    return {term: cost * fitted.engines[NEWEST] for term, cost in fitted.cycles.items()}


_KINDS = ("convolution_mac", "depthwise_mac")
FORMS: dict[str, tuple[str, ...]] = {
    "one cost per MAC": ("mac",),
    "MACs by kind": _KINDS,
    "MACs by kind, operator": (*_KINDS, "operator"),
    "MACs by kind, convolution output, operator": (*_KINDS, "convolution_output", "operator"),
    "that of microcontrollers": tuple(term for term in CPU_TERMS if term != "gathered_input"),
    "shipped: and gathered input": CPU_TERMS,
    "shipped + depthwise output": (*CPU_TERMS, "depthwise_output"),
    "shipped + converted element": (*CPU_TERMS, "converted_element"),
    "shipped + weight": (*CPU_TERMS, "weight"),
}


def _figures(error: LinuxError) -> str:
    near = f"{error.median_percent:.1f} / {error.p90_percent:.1f}"
    return f"{near} ({error.family_median_percent:.1f} / {error.family_p90_percent:.1f})"


def errors_table(found: Mapping[str, LinuxError]) -> str:
    lines = [[core, str(e.rows), str(e.networks), _figures(e)] for core, e in found.items()]
    return table(["executed by", "rows", "networks", "median / p90 % (family left out)"], lines)


def forms_table(rows: Rows) -> str:
    lines = []
    for name, terms in FORMS.items():
        found = errors(rows, terms)
        lines.append([name, str(len(terms)), *(_figures(found[core]) for core in CPU_CORES)])
    return table(["formula", "costs", *CPU_CORES], lines)


def report_table(rows: Rows) -> str:
    predicted = predict_left_out(rows.cpu, network, CPU_TERMS, fit_cpu)
    lines = [
        _report_line(row, row.core, row.cycles, value) for row, value in zip(rows.cpu, predicted, strict=True)
    ]
    for gpu, npu, (on_gpu, on_npu) in zip(rows.gpu, rows.npu, left_out_accelerator(rows), strict=True):
        lines.append(_report_line(gpu, "GPU", gpu.cycles, on_gpu))
        lines.append(_report_line(npu, "NPU", npu.cycles, on_npu))
    header = ["model", "resolution", "executed by", "release", "published Mcycles", "predicted", "error %"]
    return table(header, lines) + "\n\nnot used:\n" + "\n".join(f"- {reason}" for reason in rows.left_out)


def _report_line(row: Row, unit: str, published: float, predicted: float) -> list[str]:
    figures = [
        f"{published * 1e-6:.3f}",
        f"{predicted * 1e-6:.3f}",
        f"{100 * (predicted / published - 1):+.1f}",
    ]
    return [row.model, row.resolution, unit, row.engine, *figures]


def main() -> int:
    rows = load_rows()
    return run_fit(
        "Fit the timing model of Linux boards on published times.",
        COEFFICIENTS,
        lambda: document(rows),
        {
            "errors": lambda: errors_table(errors(rows)),
            "report": lambda: report_table(rows),
            "forms": lambda: forms_table(rows),
        },
    )


if __name__ == "__main__":
    sys.exit(main())
