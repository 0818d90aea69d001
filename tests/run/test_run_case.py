"""The main job on the simulated board, and every way in which a case ends early."""

from __future__ import annotations

import hashlib
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from run_boards import BOARD, Watching, served_board

from benchrunner import image
from benchrunner.board import load_board
from benchrunner.emulator.machines import board_or_machine
from benchrunner.errors import (
    LabError,
    ModelError,
    PlaceLockedError,
    PortError,
    ReadoutProtectedError,
    UsageError,
    WrongChipError,
)
from benchrunner.lab import place_lock
from benchrunner.record import ClockCheck, CounterUnit, Fidelity, Latency, NotMeasured, Outcome, OutputCheck
from benchrunner.run import CaseResult, RunRequest, Step, run_case
from benchrunner.run.request import COMPUTED, ONLY_LINUX, Limits
from benchrunner.store import load_run

Request = Callable[..., RunRequest]


def stored(result: CaseResult) -> Path:
    assert result.path is not None, result.problem
    return result.path


def test_a_good_run_leaves_a_record_that_says_how_each_number_came_about(request_for: Request) -> None:
    watching = Watching()
    result = run_case(request_for(runs=7), watching)
    measurement = load_run(stored(result)).document.measurements[0]
    assert measurement == result.measurement
    assert result.exit_status == 0
    assert watching.steps[0] == Step.ANALYSE
    assert watching.steps[-1] == Step.STORE
    assert set(watching.steps) == set(Step) - ONLY_LINUX
    assert measurement.outcome is Outcome.OK
    assert measurement.fidelity is Fidelity.SIMULATED
    assert measurement.case.board_name == "STM32H747I-DISCO"
    assert measurement.case.resolution == "8x8x3"
    assert measurement.case.format == "int8"
    assert measurement.case.model_sha256 == hashlib.sha256(request_for().model.read_bytes()).hexdigest()
    assert isinstance(measurement.latency, Latency)
    assert len(measurement.latency.starts[0].timed_counts) == 7
    assert len(set(measurement.latency.starts[0].output_crc32)) == 1
    assert measurement.latency.starts[0].cold_counts > measurement.latency.starts[0].timed_counts[0]
    assert measurement.latency.counter_hz == 400_000_000
    assert isinstance(measurement.output, OutputCheck)
    assert measurement.output.max_difference_lsb == 0
    assert measurement.output.values == 10
    assert isinstance(measurement.clock, ClockCheck)
    assert abs(measurement.clock.deviation_ppm) <= measurement.clock.limit_ppm
    assert measurement.clock.host_ns >= 1_000_000_000
    assert not isinstance(measurement.layers, NotMeasured)
    layers = sum(layer.counts for layer in measurement.layers)
    assert layers == pytest.approx(measurement.latency.starts[0].timed_counts[0], rel=0.01)
    assert not isinstance(measurement.timing_model, NotMeasured)
    assert measurement.timing_model.error_percent > 0
    assert not isinstance(measurement.flashing, NotMeasured)
    assert measurement.flashing.verified_by == "read-back"
    assert isinstance(measurement.footprint.code_flash_bytes, NotMeasured)
    assert measurement.warnings == ()


def test_two_runs_of_one_case_agree_to_the_cycle(request_for: Request) -> None:
    first, second = (run_case(request_for(), Watching()).measurement for _ in range(2))
    assert first.latency == second.latency
    assert first.layers == second.layers
    assert first.output == second.output


@pytest.mark.parametrize(
    "board_id",
    ["stm32f769i-disco", "stm32l4r9i-disco", "nucleo-h7a3zi-q", "b-u585i-iot02a", "nucleo-f401re"],
)
def test_every_family_of_boards_runs(request_for: Request, board_id: str) -> None:
    result = run_case(request_for(board=load_board(board_id)), Watching())
    assert result.measurement.outcome is Outcome.OK, result.measurement.reason


def test_a_wrong_answer_has_no_latency(request_for: Request) -> None:
    result = run_case(request_for("wrong_output"), Watching())
    assert result.measurement.outcome is Outcome.FAILED
    assert "output values differ" in result.measurement.reason
    assert isinstance(result.measurement.latency, NotMeasured)
    assert result.exit_status == 1


@pytest.mark.parametrize(
    "fault", ["wrong_clock=0.5", "wrong_clock=1.02", "frozen_counter", "wrapped_counter"]
)
def test_a_counter_that_lies_makes_the_run_invalid(request_for: Request, fault: str) -> None:
    result = run_case(request_for(fault, runs=100), Watching())
    assert result.measurement.outcome is Outcome.INVALID
    assert "counter" in result.measurement.reason
    assert isinstance(result.measurement.latency, NotMeasured)
    assert result.exit_status == 1


def test_a_board_without_a_crystal_is_held_to_what_its_oscillator_promises(request_for: Request) -> None:
    board = load_board("nucleo-l4r5zi")
    good = run_case(request_for("wrong_clock=1.008", board=board), Watching()).measurement
    assert good.outcome is Outcome.OK, good.reason
    assert isinstance(good.clock, ClockCheck)
    assert good.clock.limit_ppm == 10_000
    assert 7_000 < good.clock.deviation_ppm < 9_000
    assert any("HSI16, which is within 1 %" in warning for warning in good.warnings)
    assert isinstance(good.latency, Latency)
    assert good.latency.counter_hz == 120_000_000, "milliseconds come from the nominal clock"
    bad = run_case(request_for("wrong_clock=1.02", board=board), Watching()).measurement
    assert bad.outcome is Outcome.INVALID
    assert "limit 1 %" in bad.reason
    crystal = run_case(request_for("wrong_clock=1.008"), Watching()).measurement
    assert crystal.outcome is Outcome.INVALID
    assert "limit 0.5 %" in crystal.reason


def test_firmware_that_is_not_the_image_is_not_timed(request_for: Request) -> None:
    result = run_case(request_for("wrong_firmware"), Watching())
    assert result.measurement.outcome is Outcome.FAILED
    assert "image SHA-256" in result.measurement.reason
    assert isinstance(result.measurement.latency, NotMeasured)
    assert result.exit_status == 3


@pytest.mark.parametrize(
    ("step", "ends_in"),
    [
        ("boot", Step.BOOT),
        ("load", Step.INPUT),
        ("crc", Step.INPUT),
        ("run", Step.COLD),
        ("samples", Step.COLD),
        ("output", Step.OUTPUT),
        ("time", Step.WARM_UP),
        ("run:2", Step.WARM_UP),
        ("profile", Step.LAYERS),
        ("layers", Step.LAYERS),
        ("memory", Step.MEMORY),
    ],
)
@pytest.mark.parametrize("what", ["hang_at", "reset_at"])
def test_a_board_that_hangs_or_resets_ends_the_case_in_that_step(
    request_for: Request, what: str, step: str, ends_in: Step
) -> None:
    if (what, step) == ("reset_at", "boot"):
        return  # a reset while booting is one more boot
    result = run_case(request_for(f"{what}={step}"), Watching())
    measurement = result.measurement
    assert measurement.outcome is Outcome.FAILED
    assert result.exit_status == 3
    if step != "time":  # asked between output and warm-up
        assert measurement.step == ends_in
    assert any("the new image is on the board" in warning for warning in measurement.warnings)
    assert result.hint


@pytest.mark.parametrize("step", ["sync", "erase", "write", "read"])
def test_a_bootloader_that_hangs_once_is_brought_back(request_for: Request, step: str) -> None:
    result = run_case(request_for(f"hang_at={step}"), Watching())
    assert result.measurement.outcome is Outcome.OK, result.measurement.reason


@pytest.mark.parametrize("step", [step for step in Step if step not in ONLY_LINUX])
def test_ctrl_c_at_any_step_leaves_a_record_and_a_sane_board(request_for: Request, step: Step) -> None:
    def stop(reached: Step) -> None:
        if reached is step:
            signal.raise_signal(signal.SIGINT)

    with served_board() as (_, url):
        request = request_for(port=url, boot_lines=True)
        if step is Step.ANALYSE:
            with pytest.raises(KeyboardInterrupt):  # there is no case yet to keep a record of
                run_case(request, Watching(stop))
            return
        result = run_case(request, Watching(stop))
        measurement = load_run(stored(result)).document.measurements[0]
        assert result.exit_status == 130
        if step is Step.STORE:
            assert measurement.outcome is Outcome.OK  # it was done, and its record was finished first
        else:
            assert measurement.outcome is Outcome.ABANDONED
            assert measurement.reason == f"stopped by Ctrl-C in step {step}"
            assert any("board" in warning for warning in measurement.warnings)
        # Port and lock are free again, and the board works.
        again = run_case(request_for(port=url, boot_lines=True), Watching())
        assert again.measurement.outcome is Outcome.OK


def test_a_board_without_lines_is_asked_to_jump_to_its_bootloader(request_for: Request) -> None:
    with served_board() as (_, url):
        for _ in range(2):  # the first finds an empty chip in its bootloader, the second a running firmware
            result = run_case(request_for(port=url, reflash=True), Watching())
            assert result.measurement.outcome is Outcome.OK, result.measurement.reason


def test_the_same_image_is_not_written_twice(request_for: Request) -> None:
    with served_board() as (board, url):
        first = run_case(request_for(port=url, boot_lines=True), Watching()).measurement.flashing
        second = run_case(request_for(port=url, boot_lines=True), Watching()).measurement.flashing
        assert not isinstance(first, NotMeasured)
        assert not isinstance(second, NotMeasured)
        assert first.written_bytes > 0
        assert second.written_bytes == 0
        assert max(board.flash.erase_counts) == 1


def test_flash_that_changed_behind_the_samples_is_found_out_and_put_right(request_for: Request) -> None:
    with served_board() as (board, url):
        run_case(request_for(port=url, boot_lines=True), Watching())
        # A byte that no sample of this image looks at: the image fails its own checksum and does not boot.
        board.flash._cells[0x1500] ^= 0x04
        measurement = run_case(request_for(port=url, boot_lines=True), Watching()).measurement
    assert measurement.outcome is Outcome.OK, measurement.reason
    assert not isinstance(measurement.flashing, NotMeasured)
    assert measurement.flashing.verified_by == "read-back"
    assert "flash looked unchanged by samples" in measurement.warnings[0]


def test_a_board_in_instant_time_elsewhere_says_that_its_clock_cannot_be_checked(
    request_for: Request,
) -> None:
    with served_board() as (_, url):
        measurement = run_case(request_for(port=url, boot_lines=True), Watching()).measurement
    assert measurement.outcome is Outcome.OK
    assert measurement.fidelity is Fidelity.SIMULATED
    assert measurement.clock == NotMeasured("the board says that its time is not wall time")


def test_a_board_in_real_time_is_checked_against_the_hosts_clock(request_for: Request) -> None:
    with served_board(factor=1.0) as (_, url):
        good = run_case(request_for(port=url, boot_lines=True), Watching()).measurement
    assert isinstance(good.clock, ClockCheck)
    with served_board("wrong_clock=0.9", factor=1.0) as (_, url):
        bad = run_case(request_for(port=url, boot_lines=True), Watching()).measurement
    assert bad.outcome is Outcome.INVALID


def test_a_real_chip_gets_compiled_firmware_and_never_an_image_for_the_simulated_board(
    request_for: Request,
) -> None:
    with served_board(uid=bytes(range(12))) as (board, url):
        result = run_case(request_for(port=url, boot_lines=True), Watching())
        info = image.read(board.flash.content)
    assert info.payload_bytes == 0, "code, and no model file to play"
    assert result.measurement.fidelity is Fidelity.MEASURED
    assert result.measurement.outcome is Outcome.FAILED, "a board that only plays models cannot execute it"
    assert isinstance(result.measurement.latency, NotMeasured)


def test_the_emulated_board_executes_the_image_of_the_real_one(request_for: Request) -> None:
    first, second = (
        run_case(request_for(simulate=False, emulate=True, runs=3), Watching()).measurement for _ in range(2)
    )
    assert first.outcome is Outcome.OK, first.reason
    assert first.fidelity is Fidelity.EMULATED
    assert isinstance(first.latency, Latency)
    assert first.latency.unit is CounterUnit.INSTRUCTIONS
    assert first.latency == second.latency
    assert first.layers == second.layers
    assert not isinstance(first.layers, NotMeasured)
    total = sum(layer.counts for layer in first.layers)
    assert total == pytest.approx(first.latency.starts[0].timed_counts[0], rel=0.01)
    assert isinstance(first.output, OutputCheck)
    assert first.output.max_difference_lsb == 0
    assert first.clock == NotMeasured("an emulator counts instructions")
    footprint = first.footprint
    assert isinstance(footprint.code_flash_bytes, int)
    assert isinstance(footprint.stack_bytes, int)


def test_without_the_emulator_package_the_extra_is_named(
    request_for: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "unicorn", None)
    for name in [name for name in sys.modules if name.startswith("benchrunner.emulator")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(UsageError, match="needs the package unicorn") as caught:
        run_case(request_for(emulate=True), Watching())
    assert "benchrunner[emulator]" in caught.value.hint


def test_another_chip_is_refused_before_anything_is_erased(request_for: Request, tmp_path: Path) -> None:
    with pytest.raises(WrongChipError, match="0x451"):
        run_case(request_for("wrong_chip_id=0x451"), Watching())
    assert not (tmp_path / "results").exists(), "what could not be tried is no result"


def test_a_protected_chip_is_reported_and_not_unprotected(request_for: Request) -> None:
    with pytest.raises(ReadoutProtectedError):
        run_case(request_for("readout_protected"), Watching())


def test_a_worn_flash_cell_is_a_failed_case_that_names_the_address(request_for: Request) -> None:
    result = run_case(request_for("stuck_bits=0x08000500:0xFF"), Watching())
    assert result.measurement.outcome is Outcome.FAILED
    assert "0x08000500" in result.measurement.reason
    assert "ROM bootloader" in result.measurement.warnings[0]
    assert result.exit_status == 3


def test_a_missing_port_says_so_and_stores_nothing(request_for: Request, tmp_path: Path) -> None:
    with pytest.raises(PortError, match="/dev/no-such-port"):
        run_case(request_for(port="/dev/no-such-port"), Watching())
    assert not (tmp_path / "results").exists()


def test_a_taken_place_names_its_holder(request_for: Request) -> None:
    with (
        served_board() as (_, url),
        place_lock(url, "somebody's nightly job"),
        pytest.raises(PlaceLockedError, match="somebody's nightly job"),
    ):
        run_case(request_for(port=url), Watching())


def test_without_a_port_connected_boards_are_looked_for_and_sim_is_named(
    request_for: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serial.tools.list_ports.comports", list)
    with pytest.raises(LabError, match="0483:374e") as caught:
        run_case(request_for(simulate=False), Watching())
    assert "--sim" in caught.value.hint


def test_a_place_of_lab_toml_brings_its_port_and_lines(request_for: Request, tmp_path: Path) -> None:
    with served_board() as (_, url):
        (tmp_path / "lab.toml").write_text(
            f'[places.desk]\nboard = "{BOARD}"\nport = "{url}"\nboot0 = "rts"\nnrst = "dtr"\n'
        )
        measurement = run_case(request_for(simulate=False), Watching()).measurement
    assert measurement.outcome is Outcome.OK
    assert measurement.provenance.place == "desk"


def test_a_place_that_holds_another_board_is_refused(request_for: Request, tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text('[places.desk]\nboard = "nucleo-f401re"\nport = "/dev/ttyACM7"\n')
    with pytest.raises(UsageError, match="holds a nucleo-f401re"):
        run_case(request_for(simulate=False, place="desk"), Watching())


def test_an_engine_that_the_board_does_not_run_is_refused(request_for: Request) -> None:
    with pytest.raises(UsageError, match="does not run engine 'tflm'"):
        run_case(request_for(engine="tflm"), Watching())


def test_a_file_that_is_no_model_is_refused_before_a_board_is_touched(
    request_for: Request, model: Path
) -> None:
    model.write_bytes(model.read_bytes()[:100])
    watching = Watching()
    with pytest.raises(ModelError):
        run_case(request_for(), watching)
    assert watching.steps == [Step.ANALYSE]


def test_a_full_disk_leaves_nothing_half_written_and_does_not_cost_the_numbers(
    request_for: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("benchrunner.durable.os.fsync", full)
    result = run_case(request_for(), Watching())
    assert result.path is None
    assert result.exit_status == 3
    assert "No space left on device" in result.problem
    assert isinstance(result.measurement.latency, Latency)
    assert [path for path in (tmp_path / "results").rglob("*") if path.is_file()] == []


def test_noise_on_the_line_is_put_right_and_told(request_for: Request) -> None:
    result = run_case(request_for("flip_bit_every=4001"), Watching())
    assert result.measurement.outcome is Outcome.OK, result.measurement.reason
    flashing = result.measurement.flashing
    assert not isinstance(flashing, NotMeasured)
    assert flashing.link_errors > 0


@pytest.mark.parametrize(
    ("board", "changes", "patient"),
    [
        (BOARD, {"simulate": True}, True),
        (BOARD, {"emulate": True}, True),
        ("mps2-an386", {}, True),
        (BOARD, {"port": "/dev/ttyACM0"}, False),
        (BOARD, {"simulate": True, "limits": Limits()}, False),
    ],
)
def test_a_board_that_this_computer_computes_has_more_time_to_answer_unless_it_is_said_how_much(
    board: str, changes: dict[str, object], patient: bool
) -> None:
    settings = {"board": board_or_machine(board), "board_file_sha256": "00" * 32, "model": Path("m.tflite")}
    request = RunRequest(**{**settings, **changes})  # type: ignore[arg-type]
    assert (request.limits is COMPUTED) is patient
    assert COMPUTED.request_s > Limits().request_s
