"""`benchrunner run --emulate` as a user types it: real Linux on QEMU, whose instructions repeat."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from host_machine import needs_debian_packages

from benchrunner import metrics
from benchrunner.cli import cli
from benchrunner.record import CounterUnit, Fidelity, Latency, Measurement, Outcome, OutputCheck
from benchrunner.runtime import Interpreter, KernelSet
from benchrunner.store import load_runs
from benchrunner.zoo import resolve_model

pytestmark = needs_debian_packages


def run(board: str, model: str, results: Path) -> tuple[Measurement, str]:
    words = ["run", "--board", board, "--emulate", "--model", model, "--runs", "40", "--out", str(results)]
    done = CliRunner().invoke(cli, [*words, "--quiet"], standalone_mode=False)
    assert done.exception is None, done.output
    assert done.return_value == 0, done.output
    (only,) = load_runs(results).runs
    (measurement,) = only.document.measurements
    return measurement, done.stdout


# The int8 file takes about half a tick of armhf's kernel too much: docs/decisions/emulated-linux.md.
@pytest.mark.parametrize(
    ("board", "model"),
    [
        ("stm32mp257f-dk", "fdmobilenet_0.25_128_int8"),
        ("stm32mp157f-dk2", "fdmobilenet_0.25_128_uint8"),
    ],
)
def test_two_runs_on_an_emulated_board_count_the_same_instructions_and_give_the_hosts_bytes(
    board: str, model: str, tmp_path: Path
) -> None:
    first, printed = run(board, model, tmp_path / "first")
    second, _ = run(board, model, tmp_path / "second")

    host = Interpreter(resolve_model(model).read_bytes(), KernelSet.BUILTIN)
    medians = []
    for measurement in (first, second):
        assert (measurement.fidelity, measurement.outcome) == (Fidelity.EMULATED, Outcome.OK)
        assert isinstance(measurement.latency, Latency)
        assert measurement.latency.unit is CounterUnit.INSTRUCTIONS
        medians.append(metrics.median(measurement.latency.starts[0].timed_counts))
        assert isinstance(measurement.output, OutputCheck)
        assert measurement.output.reference.startswith(host.reference)
        assert measurement.output.differing_values == 0
        assert measurement.output.output_sha256 == measurement.output.reference_sha256
        assert measurement.conditions["emulator_icount"] is True
        assert str(measurement.conditions["emulator"]).startswith("QEMU ")
        assert len(str(measurement.conditions["emulator_image"])) >= 16
        # The governor is recorded as its file has it, and as one that decides about nothing.
        assert measurement.conditions["governor"] == "schedutil"
        assert "without effect" in str(measurement.conditions["emulator_cpufreq"])
        assert not any("governor" in warning for warning in measurement.warnings)
    if medians[0] != pytest.approx(medians[1], rel=1e-4):
        # 20 and 18 of 40 inferences held ticks of the kernel when others took half of the computer's time: on
        # the edge of the median. Then a third run has to agree with one of the two.
        again, _ = run(board, model, tmp_path / "third")
        assert isinstance(again.latency, Latency)
        third = metrics.median(again.latency.starts[0].timed_counts)
        assert any(third == pytest.approx(median, rel=1e-4) for median in medians), (third, medians)
    assert medians[0] > 1_000_000  # the model has millions of multiplications
    # Never a board's time: neither in the summary nor in the table.
    assert "counts instructions, not time" in printed
    assert " ms ±" not in printed
