"""What the fits of the timing models share: the command line, tables, and figures of errors."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def run_fit(
    description: str,
    coefficients: Path,
    document: Callable[[], Mapping[str, Any]],
    tables: Mapping[str, Callable[[], str]],
) -> int:
    """The exit status. `document` is what `coefficients` should hold; `tables` are printed on demand, by
    the name of the option, and the one called "errors" without any."""
    parser = argparse.ArgumentParser(description=description)
    action = parser.add_mutually_exclusive_group()
    for name in (*(name for name in tables if name != "errors"), "check", "write"):
        action.add_argument(f"--{name}", action="store_const", const=name, dest="action")
    parser.set_defaults(action="errors")
    chosen = parser.parse_args().action
    if chosen == "check":
        found = differences(json.loads(coefficients.read_text(encoding="utf-8")), document())
        print("\n".join(found) or f"{coefficients.name} is what the fit gives")
        return 1 if found else 0
    if chosen == "write":
        coefficients.write_text(json.dumps(document(), indent=2) + "\n", encoding="utf-8")
        print(f"wrote {coefficients}")
    else:
        print(tables[chosen]())
    return 0


def differences(shipped: Mapping[str, Any], fitted: Mapping[str, Any], tolerance: float = 1e-6) -> list[str]:
    """Keys whose values differ (numbers: by more than `tolerance` of the larger); the date of the fit may."""
    found = []
    for key in sorted(shipped.keys() | fitted.keys() - {"fitted_on"}):
        old, new = shipped.get(key), fitted.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += [f"{key}.{inner}" for inner in differences(old, new, tolerance)]
        elif isinstance(old, float) and isinstance(new, float):
            if not math.isclose(old, new, rel_tol=tolerance):
                found.append(f"{key}: {old} is shipped, {new} is fitted")
        elif old != new and key != "fitted_on":
            found.append(f"{key}: {old} is shipped, {new} is fitted")
    return found


def error_percentiles(near: Sequence[float], far: Sequence[float]) -> dict[str, float]:
    """Fields of an error, from the errors in percent with the network (`near`) or its family left out."""
    return {
        "median_percent": round(float(np.median(near)), 2),
        "p90_percent": round(float(np.percentile(near, 90)), 2),
        "family_median_percent": round(float(np.median(far)), 2),
        "family_p90_percent": round(float(np.percentile(far, 90)), 2),
    }


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *lines))
