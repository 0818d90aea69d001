"""The simulated firmware: what boots, what it answers, what its counter says."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import pytest
from rom_host import RomHost, make_board
from simulated_host import HZ, INPUT, KERNELS, MODEL, Host, booted, built

from benchrunner.board import Board
from benchrunner.errors import DeadlineExceededError, DeviceFaultError, DoesNotFitError, UsageError
from benchrunner.firmware.simulated import simulated_image
from benchrunner.protocol.device import decode
from benchrunner.protocol.frames import Frame, FrameDecoder
from benchrunner.protocol.messages import (
    Accepted,
    Echo,
    Echoed,
    ErrorCode,
    FidelityCode,
    GetInputCrc,
    GetLayers,
    GetManifest,
    GetMemory,
    GetSamples,
    GetTime,
    InputCrc,
    JumpToBootloader,
    LoadInput,
    Manifest,
    Memory,
    Output,
    ReadOutput,
    Request,
    Reset,
    Run,
    RunDone,
    RunProfile,
    Samples,
    Time,
)
from benchrunner.runtime import Interpreter
from benchrunner.session import clock as clock_check
from benchrunner.session import mcu
from benchrunner.simulator.application import LOOP_OVERHEAD_CYCLES, PROFILE_CYCLES_PER_LAYER
from benchrunner.simulator.board import Mode, SimulatedBoard
from benchrunner.simulator.clock import BoardClock
from benchrunner.timing import predict

# --- what boots ---------------------------------------------------------------------------------------


def test_an_erased_flash_does_not_answer(board: Board) -> None:
    sim = SimulatedBoard(board)
    sim.set_lines(boot0=False, reset=True)
    sim.set_lines(boot0=False, reset=False)
    with pytest.raises(DeadlineExceededError, match="GetManifest"):
        Host(sim).manifest()
    assert sim.mode is Mode.DEAD


@pytest.mark.parametrize("at", [0x400, 0x500, 0x1000])
def test_a_damaged_image_does_not_answer(board: Board, at: int) -> None:
    damaged = bytearray(built(board))
    damaged[at] ^= 0x01
    sim = SimulatedBoard(board, flash=bytes(damaged))
    assert sim.mode is Mode.ROM, "nothing to boot: the bootloader starts"
    sim.set_lines(boot0=False, reset=True)
    sim.set_lines(boot0=False, reset=False)
    assert (sim.mode, sim.transmit()) == (Mode.DEAD, b"")


def test_an_image_without_plausible_vectors_does_not_boot(board: Board) -> None:
    image = struct.pack("<II", 0, 0) + built(board)[8:]
    assert SimulatedBoard(board, flash=image).mode is Mode.ROM


def test_an_image_for_another_chip_says_so_and_refuses_to_run(board: Board) -> None:
    other = make_board(chip_id=0x413)
    sim = SimulatedBoard(board, flash=built(other))
    with pytest.raises(DeviceFaultError) as boot:
        Host(sim).manifest()
    assert boot.value.code is ErrorCode.WRONG_CHIP
    assert "0x413" in boot.value.text
    assert "0x433" in boot.value.text
    host = Host(sim)
    manifest = host.ask(GetManifest())
    assert isinstance(manifest, Manifest)
    assert manifest.input_bytes == ()
    for request in (Run(1), Echo(b""), GetTime(), LoadInput(0, 0, b"x")):
        with pytest.raises(DeviceFaultError) as refused:
            host.ask(request)
        assert refused.value.code is ErrorCode.WRONG_CHIP
    assert host.ask(JumpToBootloader()) == Accepted()
    assert RomHost(sim).command(0x02) == bytes.fromhex("7901043379")


def test_an_image_whose_payload_is_no_model_says_so(board: Board) -> None:
    with pytest.raises(DeviceFaultError) as boot:
        Host(SimulatedBoard(board, flash=built(board, b"not a model" * 10))).manifest()
    assert boot.value.code is ErrorCode.BAD_IMAGE


def test_an_unknown_kernel_set_is_refused(board: Board) -> None:
    image = simulated_image(board, MODEL, model_name="m", engine="aot", kernels="magic")
    with pytest.raises(DeviceFaultError, match="magic") as boot:
        Host(SimulatedBoard(board, flash=image)).manifest()
    assert boot.value.code is ErrorCode.BAD_IMAGE


def test_the_image_that_was_flashed_through_the_bootloader_runs(board: Board) -> None:
    sim = SimulatedBoard(board)
    rom, image = RomHost(sim), built(board)
    for at in range(0, len(image), 256):
        assert rom.write(0x08000000 + at, image[at : at + 256]) == b"\x79" * 3
    reply = rom.go(0x08000000)
    assert reply.startswith(b"\x79\x79\x00"), "the acknowledged Go, then the application's first delimiter"
    assert Host(sim).manifest().text["model"] == "small"


def test_the_image_has_vectors_a_core_could_start_from(board: Board) -> None:
    stack, reset = struct.unpack_from("<II", built(board))
    assert stack == 0x20018000
    assert reset & 1
    assert 0x08000000 < reset < 0x08080000
    assert len(built(board)) % 4 == 0


def test_a_model_larger_than_the_flash_is_refused(board: Board) -> None:
    with pytest.raises(DoesNotFitError, match="524288"):
        built(board, bytes(512 * 1024))


def test_only_microcontroller_boards_have_images_and_simulators(board: Board) -> None:
    linux = replace(board, mcu=None)
    with pytest.raises(UsageError, match="microcontroller"):
        built(linux)
    with pytest.raises(UsageError, match="microcontroller"):
        SimulatedBoard(linux)


# --- what it says -------------------------------------------------------------------------------------


def test_the_manifest_names_image_model_and_how_times_come_about(board: Board) -> None:
    manifest = booted(board).manifest()
    expected = mcu.Expected(
        board="test-board",
        chip_id=0x433,
        image_sha256=manifest.image_sha256,
        model_sha256=manifest.model_sha256,
        input_bytes=(192,),
        output_bytes=(10,),
    )
    mcu.check_manifest(manifest, expected)
    assert manifest.fidelity is FidelityCode.SIMULATED
    assert manifest.core_clock_hz == HZ
    assert manifest.time_scale_permille == 0
    assert manifest.text["engine"] == "aot"
    assert manifest.text["kernels"] == "builtin-ref"
    assert "modelled" in manifest.text["timing_basis"]
    assert float(manifest.text["timing_error_percent"]) > 0
    assert manifest.text["timing_model"]


def test_every_boot_announces_the_manifest_unasked(board: Board) -> None:
    sim = SimulatedBoard(board, flash=built(board))
    announced = sim.transmit()
    assert announced.startswith(b"\x00"), "a delimiter closes what the line has picked up"
    (frame,) = FrameDecoder(8192).feed(announced)
    assert isinstance(frame, Frame)
    assert frame.sequence == 0
    manifest = decode(frame)
    assert isinstance(manifest, Manifest)
    assert manifest.text["board"] == "test-board"
    sim.power_cycle()
    assert sim.transmit() == announced


def test_outputs_are_those_of_the_runtime_with_the_named_kernels(board: Board) -> None:
    host = booted(board)
    manifest = host.manifest()
    (wanted,) = Interpreter(MODEL, KERNELS).run([INPUT])
    host.load()
    batch = host.batch(2)
    assert {sample.output_crc32 for sample in batch.samples} == {zlib.crc32(wanted)}
    assert mcu.read_outputs(host.link, manifest, chunk_bytes=4, deadline=host.deadline()) == (wanted,)
    host.load(bytes(192))
    assert host.batch(1).samples[0].output_crc32 != zlib.crc32(wanted), "another input, another output"


def test_every_inference_takes_the_modelled_cycles_and_the_first_is_cold() -> None:
    board = make_board(core="Cortex-M7", dcache_bytes=16384)
    host = booted(board)
    layers = host.manifest().layer_count
    host.load()
    first, second = host.batch(3), host.batch(2)
    assert (first.first_is_cold, second.first_is_cold) == (True, False)
    cold, *warm = [sample.cycles for sample in first.samples + second.samples]
    assert len(set(warm)) == 1
    assert cold > warm[0]
    cycles, total = mcu.profile_layers(host.link, host.deadline())
    assert sum(cycles) == warm[0]
    assert total == warm[0] + PROFILE_CYCLES_PER_LAYER * layers


def test_the_cycles_are_those_of_the_timing_model(board: Board) -> None:
    from benchrunner.model import layer_costs, parse_model

    host = booted(board)
    host.load()
    host.batch(1)
    expected = predict(layer_costs(parse_model(MODEL, "small")), "Cortex-M4")
    assert host.batch(1).samples[0].cycles == expected.total_cycles
    cycles, _ = mcu.profile_layers(host.link, host.deadline())
    assert cycles == expected.layer_cycles


def test_the_counter_brackets_the_samples_and_agrees_with_the_host_clock(board: Board) -> None:
    host = booted(board)
    host.load()
    start = clock_check.read_counter(host.link, host.sim.clock, host.deadline())
    done = host.ask(Run(100))
    assert isinstance(done, RunDone)
    samples = host.ask(GetSamples(0, 80))
    assert isinstance(samples, Samples)
    bracket = done.ended_cycles - done.began_cycles
    assert 100 * samples.samples[1].cycles < bracket < 100 * (samples.samples[1].cycles + 100) + HZ // 100
    check = clock_check.finish_window(
        host.link, host.sim.clock, start, nominal_hz=HZ, deadline=host.deadline(30)
    )
    assert abs(check.deviation_ppm) < 1000
    assert check.host_ns >= 1_000_000_000, "a second of board time passed, and next to none of real time"


def test_memory_reports_what_is_known_and_nothing_else(board: Board) -> None:
    memory = booted(board).ask(GetMemory())
    assert isinstance(memory, Memory)
    assert memory.arena_bytes is not None
    assert memory.arena_bytes >= 192
    assert (memory.stack_bytes, memory.stack_used_bytes, memory.heap_bytes, memory.static_bytes) == (
        None,
    ) * 4


def test_simple_requests_are_answered(board: Board) -> None:
    host = booted(board)
    assert host.ask(Echo(b"\x00\xff" * 400)) == Echoed(b"\x00\xff" * 400)
    host.load()
    assert host.ask(GetInputCrc(0)) == InputCrc(zlib.crc32(INPUT))
    first, second = host.ask(GetTime()), host.ask(GetTime())
    assert isinstance(first, Time)
    assert isinstance(second, Time)
    assert second.cycles > first.cycles


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Run(1), ErrorCode.NO_INPUT),
        (RunProfile(), ErrorCode.NO_INPUT),
        (Run(0), ErrorCode.BAD_ARGUMENT),
        (Run(257), ErrorCode.BAD_ARGUMENT),
        (LoadInput(1, 0, b"x"), ErrorCode.BAD_ARGUMENT),
        (LoadInput(0, 190, b"xyz"), ErrorCode.BAD_ARGUMENT),
        (GetInputCrc(1), ErrorCode.BAD_ARGUMENT),
        (GetSamples(0, 1), ErrorCode.BAD_ARGUMENT),
        (GetLayers(0, 1), ErrorCode.BAD_ARGUMENT),
        (ReadOutput(0, 0, 1), ErrorCode.BAD_ARGUMENT),
    ],
)
def test_requests_that_make_no_sense_are_errors(board: Board, request_: Request, code: ErrorCode) -> None:
    with pytest.raises(DeviceFaultError) as refused:
        booted(board).ask(request_)
    assert refused.value.code is code


def test_an_input_with_a_hole_is_not_complete(board: Board) -> None:
    host = booted(board)
    host.ask(LoadInput(0, 0, bytes(100)))
    host.ask(LoadInput(0, 101, bytes(91)))
    with pytest.raises(DeviceFaultError) as refused:
        host.ask(Run(1))
    assert refused.value.code is ErrorCode.NO_INPUT
    host.ask(LoadInput(0, 100, bytes(1)))
    assert isinstance(host.ask(Run(1)), RunDone)


def test_reading_outside_of_an_output_is_an_error(board: Board) -> None:
    host = booted(board)
    host.load()
    host.batch(1)
    assert isinstance(host.ask(ReadOutput(0, 9, 1)), Output)
    for wrong in (ReadOutput(0, 9, 2), ReadOutput(0, 0, 0), ReadOutput(1, 0, 1)):
        with pytest.raises(DeviceFaultError):
            host.ask(wrong)


def test_a_reset_boots_again_with_its_state_gone(board: Board) -> None:
    host = booted(board)
    host.load()
    host.batch(1)
    assert host.ask(Reset()) == Accepted()
    assert host.manifest().chip_id == 0x433
    with pytest.raises(DeviceFaultError) as refused:
        host.ask(Run(1))
    assert refused.value.code is ErrorCode.NO_INPUT


def test_a_jump_to_the_bootloader_is_acknowledged_first(board: Board) -> None:
    host = booted(board)
    assert host.ask(JumpToBootloader()) == Accepted()
    assert host.sim.mode is Mode.ROM
    assert RomHost(host.sim).command(0x02)[:1] == b"\x79"


def test_in_real_time_an_answer_comes_when_the_inferences_are_done(board: Board) -> None:
    now = [1000.0]
    clock = BoardClock(
        1.0, monotonic=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds)
    )
    sim = SimulatedBoard(board, clock=clock, flash=built(board))
    host = Host(sim)
    assert host.manifest().time_scale_permille == 1000
    host.load()
    before = now[0]
    batch = host.batch(100)
    modelled = (sum(s.cycles for s in batch.samples) + 101 * LOOP_OVERHEAD_CYCLES) / HZ
    assert now[0] - before >= modelled
