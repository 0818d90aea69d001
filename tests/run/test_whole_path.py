"""Model -> C -> ELF -> emulated board -> protocol -> record -> table, for whole networks on three cores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from run_boards import Watching
from tflite_builder import anomaly_detection, image_classification, keyword_spotting, visual_wake_words

import benchrunner
from benchrunner.board import load_board
from benchrunner.record import CounterUnit, Fidelity, Latency, NotMeasured, Outcome, OutputCheck
from benchrunner.run import RunRequest, run_case
from benchrunner.run.request import COMPUTED
from benchrunner.zoo import resolve_model

BOARDS = {"Cortex-M7": "stm32h747i-disco", "Cortex-M4": "stm32l4r9i-disco", "Cortex-M33": "b-u585i-iot02a"}
BUILT = {
    "visual_wake_words": visual_wake_words,
    "keyword_spotting": keyword_spotting,
    "image_classification": image_classification,
    "anomaly_detection": anomaly_detection,
}
SHIPPED = (
    "fdmobilenet_0.25_128_int8",
    "fdmobilenet_0.25_224_uint8",
    "st_fdmobilenet_v1_128_uint8",
    "st_fdmobilenet_v1_224_int8",
)


@pytest.mark.parametrize("core", BOARDS)
@pytest.mark.parametrize("name", [*BUILT, *SHIPPED])
def test_a_network_runs_from_its_file_to_a_table(
    request_for: Callable[..., RunRequest], tmp_path: Path, name: str, core: str
) -> None:
    if name in BUILT:
        model = tmp_path / f"{name}.tflite"
        model.write_bytes(BUILT[name]())
    else:
        model = resolve_model(name)
    board = load_board(BOARDS[core])
    result = run_case(
        request_for(emulate=True, board=board, model=model, runs=2, limits=COMPUTED), Watching()
    )
    measurement = result.measurement
    assert measurement.outcome is Outcome.OK, measurement.reason
    assert measurement.fidelity is Fidelity.EMULATED
    assert isinstance(measurement.output, OutputCheck)
    assert (measurement.output.tolerance_lsb, measurement.output.max_difference_lsb) == (0, 0)
    assert isinstance(measurement.latency, Latency)
    assert measurement.latency.unit is CounterUnit.INSTRUCTIONS
    assert len(set(measurement.latency.starts[0].timed_counts)) == 1, "instructions of one input do not vary"
    assert not isinstance(measurement.layers, NotMeasured)
    layers = sum(layer.counts for layer in measurement.layers)
    assert layers == pytest.approx(measurement.latency.starts[0].timed_counts[0], rel=0.01)
    (row,) = benchrunner.load_results(tmp_path / "results").itertuples()
    assert row.fidelity == "emulated"
    assert row.median_instructions == measurement.latency.starts[0].timed_counts[0]
    assert row.total_flash_bytes > row.weights_flash_bytes > 0
