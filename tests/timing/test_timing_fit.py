"""The shipped coefficients are what the published times give, and hold for networks the fit has not seen."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchrunner.timing import REFERENCE_ENGINE, load_coefficients

TOOL = Path(__file__).parents[2] / "tools" / "fit_timing.py"


def differences(shipped: dict[str, Any], fitted: dict[str, Any], tolerance: float) -> list[str]:
    """Of the command that all fits share; found beside the tool once that is loaded."""
    found: list[str] = importlib.import_module("fit_command").differences(shipped, fitted, tolerance)
    return found


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fit_timing", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fit_timing"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows(tool: ModuleType) -> list[Any]:
    found: list[Any] = tool.load_rows()
    return found


@pytest.fixture(scope="module")
def fitted(tool: ModuleType, rows: list[Any]) -> dict[str, Any]:
    document: dict[str, Any] = tool.document(rows)
    return document


def test_the_shipped_coefficients_are_what_the_fit_gives(tool: ModuleType, fitted: dict[str, Any]) -> None:
    shipped = json.loads(tool.COEFFICIENTS.read_text(encoding="utf-8"))
    assert differences(shipped, fitted, tolerance=1e-6) == []


def test_a_coefficient_that_was_edited_is_noticed(tool: ModuleType, fitted: dict[str, Any]) -> None:
    edited = fitted | {"cycles": fitted["cycles"] | {"dense_mac": fitted["cycles"]["dense_mac"] * 1.00001}}
    (found,) = differences(edited, fitted, tolerance=1e-6)
    assert found.startswith("cycles.dense_mac")


@pytest.mark.parametrize("core", ["Cortex-M7", "Cortex-M33"])
def test_networks_left_out_are_off_by_at_most_15_percent_in_the_median(
    fitted: dict[str, Any], core: str
) -> None:
    errors = fitted["errors"][core]
    assert errors["rows"] >= 16
    assert errors["median_percent"] <= 15
    assert errors["family_median_percent"] <= 15
    assert load_coefficients().errors[core].median_percent == errors["median_percent"]


def test_the_rows_of_the_reference_version_are_near_with_their_network_left_out(
    tool: ModuleType, rows: list[Any]
) -> None:
    predicted = tool.predict_left_out(rows, tool.network)
    errors = [
        100 * abs(v / row.cycles - 1)
        for row, v in zip(rows, predicted, strict=True)
        if row.engine == REFERENCE_ENGINE
    ]
    assert len(errors) == 6
    assert sorted(errors)[3] < 15
    assert max(errors) < 20


def test_a_network_left_out_has_no_say_in_its_own_prediction(tool: ModuleType, rows: list[Any]) -> None:
    slower = [replace(r, cycles=r.cycles * 1.2) if r.group == "ResNet-8" else r for r in rows]
    before = tool.predict_left_out(rows, tool.network)
    after = tool.predict_left_out(slower, tool.network)
    cells = [(row.group, a, b) for row, a, b in zip(rows, before, after, strict=True)]
    assert all(a == b for group, a, b in cells if group == "ResNet-8")
    assert any(a != b for group, a, b in cells if group != "ResNet-8")


def test_one_network_under_two_names_is_left_out_together(rows: list[Any]) -> None:
    names = {
        group: {row.model for row in rows if row.group == group} for group in ("ResNet-8", "MobileNetV1 0.25")
    }
    assert names == {
        "ResNet-8": {"ResNet v1 8", "MLPerf Tiny ic01 ResNet-8"},
        "MobileNetV1 0.25": {"MobileNetV1 0.25", "MLPerf Tiny vww01 MobileNetV1 0.25"},
    }


def test_a_layer_list_that_misses_the_given_macs_is_refused(tool: ModuleType, tmp_path: Path) -> None:
    text = tool.CALIBRATION.read_text(encoding="utf-8")
    wrong = tmp_path / "calibration.csv"
    wrong.write_text(text.replace(",11783232", ",11783233"), encoding="utf-8")
    with pytest.raises(ValueError, match="11783232 MACs, not 11783233"):
        tool.load_rows(wrong)


def test_rows_that_the_fit_does_not_see_count_in_the_errors(tool: ModuleType, rows: list[Any]) -> None:
    left_out = [row for row in rows if row.left_out and row.reference]
    assert len(left_out) == 5  # GMP twice, and the visual wake words of X-CUBE-AI 8.1.0 on three cores
    exact = [row.cycles for row in rows]
    doubled = [2 * row.cycles if row.left_out else row.cycles for row in rows]
    for core in tool.CORES:
        assert max(tool.errors_percent(rows, exact, core)) == 0
        assert max(tool.errors_percent(rows, doubled, core)) == 100
