"""Firmware that faults while it runs on an emulated board: the record says in which layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from run_boards import Watching

from benchrunner.emulator.machines import board_or_machine, facts_sha256
from benchrunner.firmware import project
from benchrunner.firmware.generate import GeneratedModel
from benchrunner.record import NotMeasured, Outcome
from benchrunner.run import RunRequest, Step, run_case
from benchrunner.run.request import Limits

PATIENT = Limits(boot_s=60, request_s=30)
NOWHERE = "(const int8_t *)(void *)0xC0000000u"  # nothing answers there on any of the boards
LAYERS = {
    "layer_000_conv_2d": "layer 0 CONV_2D",
    "layer_001_depthwise_conv_2d": "layer 1 DEPTHWISE_CONV_2D",
    "layer_002_conv_2d": "layer 2 CONV_2D",
    "layer_007_fully_connected": "layer 7 FULLY_CONNECTED",
    "layer_008_softmax": "layer 8 SOFTMAX",
}


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes firmware in which one layer reads its input where there is no memory."""
    real = project.generate

    def make(function: str) -> None:
        def generate(*arguments: Any, headers: Sequence[str], keep_inputs: bool) -> GeneratedModel:
            made = real(*arguments, headers=headers, keep_inputs=keep_inputs)
            head = rf"static void {function}\(void\)\n{{\n    layer_now = \d+;\n    \w+\("
            start = rf"({head})\(const \w+ \*\)\(void \*\)\(arena \+ \d+\)"
            text, count = re.subn(start, rf"\g<1>{NOWHERE}", made.files["model.c"])
            assert count == 1 or not arguments[1], function  # the empty model has no layers
            return replace(made, files={**made.files, "model.c": text})

        monkeypatch.setattr(project, "generate", generate)

    return make


@pytest.mark.parametrize(
    ("function", "board"),
    [
        *((function, "stm32h747i-disco") for function in LAYERS),
        ("layer_002_conv_2d", "nucleo-l4r5zi"),
        ("layer_002_conv_2d", "mps2-an505"),
    ],
)
def test_a_fault_in_a_kernel_names_the_layer_that_called_it(
    request_for: Callable[..., RunRequest], broken: Callable[[str], None], function: str, board: str
) -> None:
    broken(function)
    chosen = board_or_machine(board)
    request = request_for(
        board=chosen,
        board_file_sha256=facts_sha256(chosen),
        emulate=board.startswith(("stm32", "nucleo")),
        simulate=False,
        limits=PATIENT,
    )
    measurement = run_case(request, Watching()).measurement
    assert measurement.outcome is Outcome.FAILED
    assert measurement.step == Step.COLD
    assert "cfsr=" in measurement.reason
    assert f"{LAYERS[function]} ({function})" in measurement.reason
    assert isinstance(measurement.latency, NotMeasured)
