"""Cases on QEMU's machines: through the same run as a board, and never mistaken for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from run_boards import Watching

from benchrunner.emulator import qemu
from benchrunner.emulator.machines import MACHINES, board_or_machine, facts_sha256
from benchrunner.errors import ConfigError, UnknownBoardError, UsageError
from benchrunner.record import CounterUnit, Fidelity, Latency, NotMeasured, Outcome, OutputCheck
from benchrunner.resources import shipped
from benchrunner.run import MLPERF_TINY, RunRequest, Step, run_case, run_tiny_case
from benchrunner.run.request import Limits
from benchrunner.simulator.faults import parse

PATIENT = Limits(boot_s=60, request_s=30)


@pytest.fixture
def machine_request(request_for: Callable[..., RunRequest]) -> Callable[..., RunRequest]:
    """Makes a request of a run on a machine of QEMU."""

    def make(machine: str = "mps2-an500", **changes: object) -> RunRequest:
        board = board_or_machine(machine)
        settings = {"board": board, "board_file_sha256": facts_sha256(board), "limits": PATIENT, "runs": 3}
        return request_for(**{**settings, "simulate": False, **changes})

    return make


@pytest.mark.parametrize("machine", MACHINES)
def test_a_case_runs_on_the_machine_and_is_recorded_as_emulated_instructions(
    machine_request: Callable[..., RunRequest], machine: str
) -> None:
    watching = Watching()
    result = run_case(machine_request(machine), watching)
    measurement = result.measurement
    assert measurement.outcome is Outcome.OK, measurement.reason
    assert result.path is not None
    assert measurement.fidelity is Fidelity.EMULATED
    assert isinstance(measurement.output, OutputCheck)
    assert (measurement.output.tolerance_lsb, measurement.output.max_difference_lsb) == (0, 0)
    assert isinstance(measurement.latency, Latency)
    assert measurement.latency.unit is CounterUnit.INSTRUCTIONS
    assert measurement.flashing == NotMeasured("loaded by QEMU: the machine has no flash to write")
    assert isinstance(measurement.clock, NotMeasured)
    assert not isinstance(measurement.layers, NotMeasured)
    assert measurement.footprint.code_flash_bytes
    assert measurement.provenance.place == f"QEMU {MACHINES[machine].machine}"
    assert len(measurement.provenance.board_file_sha256) == 64
    assert watching.steps[-1] is Step.STORE


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"port": "/dev/ttyACM0"}, "--port"),
        ({"place": "desk"}, "--place"),
        ({"simulate": True}, "--sim"),
        ({"faults": parse(["nack_block=1"])}, "--fault"),
        ({"boot_lines": True}, "--lines"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_ways_to_a_real_board_are_refused(
    machine_request: Callable[..., RunRequest], changes: dict[str, object], option: str
) -> None:
    request = machine_request(**changes)
    with pytest.raises(UsageError, match=f"machine of QEMU.*{option}"):
        run_case(request, Watching())
    assert not request.results.exists()


def test_foreign_firmware_is_not_looked_for_on_a_machine(
    machine_request: Callable[..., RunRequest], tmp_path: Path
) -> None:
    from tflite_builder import keyword_spotting

    path = tmp_path / "keyword_spotting.tflite"
    path.write_bytes(keyword_spotting())
    with pytest.raises(UsageError, match="no firmware on it"):
        run_tiny_case(machine_request(engine=MLPERF_TINY, model=path), Watching())


def test_without_qemu_it_is_said_what_to_install_and_nothing_is_stored(
    machine_request: Callable[..., RunRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qemu, "PROGRAM", "qemu-system-none")
    request = machine_request()
    with pytest.raises(UsageError) as caught:
        run_case(request, Watching())
    assert "qemu-system-none is not installed" in caught.value.message
    assert "apt-get install qemu-system-arm" in caught.value.hint
    assert not request.results.exists()


def test_what_qemu_said_when_it_ended_on_its_own_is_in_the_record(
    machine_request: Callable[..., RunRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = replace(MACHINES["mps2-an500"], machine="mps2-an999")
    monkeypatch.setitem(MACHINES, "mps2-an500", unknown)
    measurement = run_case(machine_request(), Watching()).measurement
    assert measurement.outcome is Outcome.FAILED
    assert "connection lost" in measurement.reason
    assert any(
        "mps2-an999" in warning or "unsupported machine" in warning for warning in measurement.warnings
    )
    assert isinstance(measurement.latency, NotMeasured)


def test_a_misspelt_machine_is_an_unknown_board_with_the_close_match() -> None:
    with pytest.raises(UnknownBoardError) as caught:
        board_or_machine("mps2-an50")
    assert "mps2-an500" in caught.value.hint


def test_a_board_file_with_the_id_of_a_machine_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (shipped("boards") / "nucleo-f401re.toml").read_text()
    (tmp_path / "netduinoplus2.toml").write_text(text.replace('"nucleo-f401re"', '"netduinoplus2"'))
    monkeypatch.setenv("BENCHRUNNER_BOARDS", str(tmp_path))
    with pytest.raises(ConfigError, match="same id"):
        board_or_machine("netduinoplus2")
