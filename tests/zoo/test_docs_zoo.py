"""docs/zoo.md says of the shipped networks what the index says, and of FOMO what the package computes."""

from __future__ import annotations

from pathlib import Path

from benchrunner.networks.sweep import sweep
from benchrunner.zoo import list_models

TEXT = (Path(__file__).parents[2] / "docs" / "zoo.md").read_text(encoding="utf-8")


def test_the_table_has_every_seeded_network_with_its_counts() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]
    expected = []
    for model in list_models():
        if model.family == "Digits CNN":
            continue
        counts = (f"{model.parameters:,}", f"{model.weight_bytes:,}", f"{model.weight_bytes / 1024:.2f}")
        row = (f"`{model.name}`", model.resolution, *counts, f"{model.macs:,}", f"{model.size_bytes:,}")
        expected.append(f"| {' | '.join(row)} |".replace(",", " "))
    assert rows == expected


def test_the_maps_of_fomo_are_those_that_a_sweep_gives() -> None:
    for point in sweep("fomo", resolutions=(320,)):
        shapes = " | ".join(str(shape) for shape in (point.input_shape, point.at_cut, point.at_last))
        assert f"| {point.alpha:g} | {shapes} | `{point.graph_sha256[:12]}` |" in TEXT
