"""Fits the timing model on published times, and says how far it is off for networks that it has not seen.

    python tools/fit_timing.py             errors by core
    python tools/fit_timing.py --report    each row of the reference engine, its network left out of the fit
    python tools/fit_timing.py --forms     other formulas, by the same errors
    python tools/fit_timing.py --check     exit 1 unless the package's coefficients.json is what the fit gives
    python tools/fit_timing.py --write     write it

Data: data/calibration_latency.csv (STMicroelectronics/stm32ai-modelzoo 1.0.0 to 2.1.0, MLPerf Tiny v1.0 and
v1.1). Layer lists: timing_networks.py. Method and limits: docs/decisions/timing-model.md.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

# this checkout, whatever is installed
sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

from fit_command import error_percentiles, run_fit, table
from layer_list import Layer
from timing_networks import NETWORKS

from benchrunner.model import LayerKind
from benchrunner.timing import REFERENCE_ENGINE, TERMS, CoreError, work
from benchrunner.timing.formula import FORMULA_VERSION

_ROOT = Path(__file__).parent.parent
CALIBRATION = _ROOT / "tools" / "data" / "calibration_latency.csv"
COEFFICIENTS = _ROOT / "benchrunner" / "timing" / "coefficients.json"
CORES = ("Cortex-M7", "Cortex-M33", "Cortex-M4")
REFERENCE_NAME = REFERENCE_ENGINE.rpartition(" ")[0]

# What a term costs on a Cortex-M7 before any data is seen, in cycles; the data may move it by a factor of e
# (one standard deviation) at little expense. Orders of magnitude of public int8 kernels' instruction counts.
PRIOR_CYCLES = {
    "convolution_mac": 0.7,
    "depthwise_mac": 2.5,
    "dense_mac": 1.5,
    "thin_input_mac": 1.0,
    "convolution_output": 6.0,
    "elementwise_output": 10.0,
    "moved_element": 3.0,
    "operator": 2000.0,
    # only in formulas that were tried
    "mac": 1.0,
    "converted_element": 3.0,
    "gathered_input": 2.0,
    "depthwise_output": 10.0,
    "weight": 0.5,
}
PRIOR_CORE = 1.5  # cores that issue one instruction at a time, against the Cortex-M7
SIGMA_COST, SIGMA_CORE, SIGMA_ENGINE = 1.0, 1.0, 0.2  # of the logarithm
SIGMA_ROW = 0.07  # of a published time against a perfect formula, log
OUTLIER = 0.1  # residuals beyond it (log) lose weight


@dataclass(frozen=True, slots=True)
class Row:
    """One published time."""

    model: str
    resolution: str
    board: str
    core: str
    engine: str  # "name version"
    cycles: float
    work: Mapping[str, int]
    group: str
    family: str
    reference: bool  # the reference engine's, of a convolutional network: counts in the errors
    left_out: str  # why the fit does not see it; empty if it does


@dataclass(frozen=True, slots=True)
class Fit:
    cycles: Mapping[str, float]
    cores: Mapping[str, float]
    engines: Mapping[str, float]

    def predict(self, row: Row) -> float:
        # an engine version that was only seen on the network left out counts as the reference
        factor = self.cores[row.core] * self.engines.get(row.engine, 1.0)
        return factor * sum(cost * row.work[term] for term, cost in self.cycles.items())


def amounts(layers: Sequence[Layer]) -> dict[str, int]:
    """The work of a network: what the package's formula sees, and what other formulas were tried with."""
    columns = zip(*(work(layer) for layer in layers), strict=True)
    found = dict(zip(TERMS, (sum(column) for column in columns), strict=True))
    found["mac"] = sum(layer.macs for layer in layers)
    found |= dict.fromkeys(("converted_element", "gathered_input", "depthwise_output", "weight"), 0)
    for layer in layers:
        if layer.kind is LayerKind.DEPTHWISE:
            found["depthwise_output"] += layer.output_elements
        if layer.kind is LayerKind.QUANTISE:
            found["converted_element"] += layer.output_elements
        if layer.kind is LayerKind.CONVOLUTION:
            found["gathered_input"] += layer.macs // layer.out_channels
        if layer.macs:
            inputs = 1 if layer.kind is LayerKind.DEPTHWISE else layer.in_channels
            found["weight"] += layer.kernel_h * layer.kernel_w * inputs * layer.out_channels
    return found


def load_rows(path: Path = CALIBRATION) -> list[Row]:
    """The int8 rows of networks whose layers are known; ValueError where layers and given MACs differ."""
    rows = []
    with path.open(encoding="utf-8", newline="") as file:
        for record in csv.DictReader(file):
            row = _row(record)
            if row is not None:
                rows.append(row)
    return rows


def _row(record: Mapping[str, str]) -> Row | None:
    name, engine, version = record["model"], record["engine"], record["engine_version"]
    first_zoo = "modelzoo 1.0.0" in record["source"]
    known = NETWORKS.get(f"{name} (zoo 1.0.0)" if first_zoo else name) or NETWORKS.get(name)
    if known is None or record["format"] != "int8" or record["core"] not in CORES:
        return None
    shape = [int(size) for size in record["resolution"].split("x")]
    work_done = amounts(known.build((*shape, 1, 1)[:3]).layers)
    if work_done["mac"] != int(record["macs"]):
        raise ValueError(f"{name} {record['resolution']}: {work_done['mac']} MACs, not {record['macs']}")
    if engine == REFERENCE_NAME and not version:  # one row of zoo 2.0.1, whose others all say 8.1.0
        version = "8.1.0"
    left_out = ""
    if known.group == "GMP":
        left_out = "10 cycles per MAC, four times any other network: not the kernels of the others"
    if "vww01" in name and (engine, version) in (
        ("X-CUBE-AI", "8.1.0"),
        ("Plumerai Inference Engine", "2023.05"),
    ):
        left_out = "0.6 of the time of the same layers by the same engine elsewhere: another network"
    return Row(
        model=name,
        resolution=record["resolution"],
        board=record["board"],
        core=record["core"],
        engine=f"{engine} {version}".rstrip(),
        cycles=float(record["latency_ms"]) * 1e-3 * int(record["clock_hz"]),
        work=work_done,
        group=known.group,
        family=known.family,
        reference=engine == REFERENCE_NAME and known.convolutional,
        left_out=left_out,
    )


def fit(
    rows: Sequence[Row],
    terms: Sequence[str] = TERMS,
    *,
    cores: Sequence[str] = CORES,
    reference: str = REFERENCE_ENGINE,
    prior: Mapping[str, float] = PRIOR_CYCLES,
) -> Fit:
    """Costs, core and engine factors that make the published times most likely, given the priors.

    log(time) = log(sum of cost x amount) + log(core factor) + log(engine factor) + error; all unknowns are
    logarithms, so every cost is positive. Gauss-Newton with weights that take the pull from outliers
    (pseudo-Huber); each network weighs as the square root of its rows on a core.
    """
    rows = [row for row in rows if not row.left_out]
    engines = sorted({row.engine for row in rows})
    factors = [*cores[1:], *engines]
    matrix = np.array([[row.work[term] for term in terms] for row in rows], dtype=float)
    applies = np.array([[name in (row.core, row.engine) for name in factors] for row in rows], dtype=float)
    observed = np.log([row.cycles for row in rows])
    repeats = Counter((row.group, row.core) for row in rows)
    weight = np.array([repeats[row.group, row.core] ** -0.5 for row in rows])

    others = len(cores) - 1
    centre = np.log([*(prior[term] for term in terms), *[PRIOR_CORE] * others, *[1.0] * len(engines)])
    spread = np.array([SIGMA_COST] * len(terms) + [SIGMA_CORE] * others + [SIGMA_ENGINE] * len(engines))
    unknown = centre.copy()
    for _ in range(500):
        shares = matrix * np.exp(unknown[: len(terms)])
        total = shares.sum(axis=1)
        residual = observed - np.log(total) - applies @ unknown[len(terms) :]
        slopes = np.hstack([shares / total[:, None], applies])
        pull = weight / np.sqrt(1 + (residual / OUTLIER) ** 2) / SIGMA_ROW**2
        hessian = slopes.T @ (pull[:, None] * slopes) + np.diag(spread**-2.0)
        gradient = slopes.T @ (pull * residual) - (unknown - centre) / spread**2
        step = np.clip(np.linalg.solve(hessian, gradient), -1, 1)
        unknown = unknown + step
        if np.abs(step).max() < 1e-10:
            break
    else:
        raise ArithmeticError("the fit did not settle")
    values = np.exp(unknown)
    by_engine = dict(zip(engines, values[len(terms) + others :], strict=True))
    scale = by_engine.get(reference, 1.0)
    return Fit(
        cycles={term: float(value * scale) for term, value in zip(terms, values, strict=False)},
        cores={cores[0]: 1.0} | {c: float(v) for c, v in zip(cores[1:], values[len(terms) :], strict=False)},
        engines={engine: float(value / scale) for engine, value in by_engine.items()},
    )


def predict_left_out(
    rows: Sequence[Row],
    key: Callable[[Row], str],
    terms: Sequence[str] = TERMS,
    fitted: Callable[[Sequence[Row], Sequence[str]], Fit] = fit,
) -> list[float]:
    """Each row's cycles, from a fit without any row of its network (or family), whatever core or engine."""
    fits = {
        held: fitted([row for row in rows if key(row) != held], terms)
        for held in sorted({key(r) for r in rows})
    }
    return [fits[key(row)].predict(row) for row in rows]


def network(row: Row) -> str:
    return row.group


def family(row: Row) -> str:
    return row.family


def errors_percent(rows: Sequence[Row], predicted: Sequence[float], core: str) -> list[float]:
    """Of the rows that count: the reference engine's, of convolutional networks, fitted or not."""
    return [
        100 * abs(value / row.cycles - 1)
        for row, value in zip(rows, predicted, strict=True)
        if row.core == core and row.reference
    ]


def core_errors(rows: Sequence[Row], terms: Sequence[str] = TERMS) -> dict[str, CoreError]:
    by_network, by_family = predict_left_out(rows, network, terms), predict_left_out(rows, family, terms)
    found = {}
    for core in CORES:
        near, far = errors_percent(rows, by_network, core), errors_percent(rows, by_family, core)
        found[core] = CoreError(
            rows=len(near),
            networks=len({row.group for row in rows if row.core == core and row.reference}),
            **error_percentiles(near, far),
        )
    return found


def document(rows: Sequence[Row]) -> dict[str, Any]:
    """What coefficients.json holds."""
    result = fit(rows)
    digest = hashlib.sha256(CALIBRATION.read_bytes()).hexdigest()
    return {
        "version": f"{FORMULA_VERSION}-{digest[:8]}",
        "formula": FORMULA_VERSION,
        "fitted_on": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "calibration": {
            "file": f"tools/data/{CALIBRATION.name}",
            "sha256": digest,
            "rows_fitted": sum(not row.left_out for row in rows),
            "rows_left_out": sum(bool(row.left_out) for row in rows),
            "networks": len({row.group for row in rows}),
        },
        "unit": f"cycles of a {CORES[0]} under {REFERENCE_ENGINE}, per unit of work",
        "cycles": result.cycles,
        "cores": result.cores,
        "engines": result.engines,
        "errors": {core: asdict(error) for core, error in core_errors(rows).items()},
    }


_KINDS = ("convolution_mac", "depthwise_mac", "dense_mac")
FORMS: dict[str, tuple[str, ...]] = {
    "one cost per MAC": ("mac",),
    "MACs by kind": _KINDS,
    "MACs by kind, operator": (*_KINDS, "operator"),
    "MACs by kind, convolution output, operator": (*_KINDS, "convolution_output", "operator"),
    "and elementwise, moved": tuple(term for term in TERMS if term != "thin_input_mac"),
    "shipped: and thin input": TERMS,
    "shipped + converted element": (*TERMS, "converted_element"),
    "shipped + gathered input": (*TERMS, "gathered_input"),
    "shipped + depthwise output": (*TERMS, "depthwise_output"),
    "shipped + weight": (*TERMS, "weight"),
    "shipped + all four": (*TERMS, "converted_element", "gathered_input", "depthwise_output", "weight"),
}


def errors_table(errors: Mapping[str, CoreError]) -> str:
    return table(
        ["core", "rows", "networks", "median %", "p90 %", "family left out: median %", "p90 %"],
        (
            [
                core, str(e.rows), str(e.networks), f"{e.median_percent:.1f}", f"{e.p90_percent:.1f}",
                f"{e.family_median_percent:.1f}", f"{e.family_p90_percent:.1f}",
            ]
            for core, e in errors.items()
        ),
    )  # fmt: skip


def report_table(rows: Sequence[Row]) -> str:
    predicted = predict_left_out(rows, network)
    lines = []
    for row, value in zip(rows, predicted, strict=True):
        if row.engine.startswith(REFERENCE_NAME):
            error = f"{100 * (value / row.cycles - 1):+.1f}"
            scale = 1e-6
            cells = [row.model, row.resolution, row.board, row.core, row.engine]
            numbers = [f"{row.cycles * scale:.3f}", f"{value * scale:.3f}", error]
            lines.append([*cells, *numbers, row.left_out or ""])
    header = ["model", "resolution", "board", "core", "engine", "published Mcycles", "predicted", "error %"]
    return table([*header, "not fitted because"], lines)


def forms_table(rows: Sequence[Row]) -> str:
    lines = []
    for name, terms in FORMS.items():
        errors = core_errors(rows, terms)
        cells = []
        for e in errors.values():
            near = f"{e.median_percent:.1f} / {e.p90_percent:.1f}"
            cells.append(f"{near} ({e.family_median_percent:.1f} / {e.family_p90_percent:.1f})")
        lines.append([name, str(len(terms)), *cells])
    return table(["formula", "costs", *CORES], lines)


def main() -> int:
    rows = load_rows()
    return run_fit(
        "Fit the timing model on published times.",
        COEFFICIENTS,
        lambda: document(rows),
        {
            "errors": lambda: errors_table(core_errors(rows)),
            "report": lambda: report_table(rows),
            "forms": lambda: forms_table(rows),
        },
    )


if __name__ == "__main__":
    sys.exit(main())
