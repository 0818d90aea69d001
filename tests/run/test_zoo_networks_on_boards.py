"""The other families of the zoo on boards: every shipped network simulated, two of them executed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from run_boards import Watching

from benchrunner.board import load_board
from benchrunner.record import Fidelity, Outcome, OutputCheck
from benchrunner.run import RunRequest, run_case
from benchrunner.run.request import COMPUTED
from benchrunner.zoo import list_models, resolve_model

# Those of other tests apart, and large ones, whose host reference takes long.
SIMULATED = [
    model.name
    for model in list_models()
    if model.family in ("MobileNetV1", "MobileNetV2", "MobileNetV3 Small", "FOMO") and model.macs < 2e7
]
EXECUTED = ("fomo_0.1_grey_96_int8", "mobilenet_v3_small_0.35_96_int8")


def run(request: RunRequest, fidelity: Fidelity) -> None:
    measurement = run_case(request, Watching()).measurement
    assert measurement.outcome is Outcome.OK, measurement.reason
    assert measurement.fidelity is fidelity
    assert isinstance(measurement.output, OutputCheck)
    assert (measurement.output.tolerance_lsb, measurement.output.max_difference_lsb) == (0, 0)


@pytest.mark.parametrize("name", SIMULATED)
def test_a_simulated_board_runs_it(request_for: Callable[..., RunRequest], name: str) -> None:
    board = load_board("stm32h747i-disco")
    request = request_for(simulate=True, board=board, model=resolve_model(name), runs=2, limits=COMPUTED)
    run(request, Fidelity.SIMULATED)


@pytest.mark.parametrize("name", EXECUTED)
def test_an_emulated_cortex_m4_computes_what_the_oracle_does(
    request_for: Callable[..., RunRequest], name: str
) -> None:
    board = load_board("stm32f469i-disco")
    request = request_for(emulate=True, board=board, model=resolve_model(name), runs=1, limits=COMPUTED)
    run(request, Fidelity.EMULATED)
