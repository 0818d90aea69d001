"""What may be wrong with the simulated firmware, and how a host notices it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simulated_host import HZ, INPUT, KERNELS, MODEL, Host, booted, built

from benchrunner.board import Board
from benchrunner.errors import BoardResetError, ClockInvalidError, DeadlineExceededError
from benchrunner.protocol.messages import (
    Echo,
    GetInputCrc,
    GetLayers,
    GetManifest,
    GetMemory,
    GetSamples,
    GetTime,
    JumpToBootloader,
    LoadInput,
    ReadOutput,
    Request,
    Reset,
    Run,
    RunProfile,
)
from benchrunner.runtime import Interpreter
from benchrunner.session import clock as clock_check
from benchrunner.session import mcu
from benchrunner.simulator.board import Mode, SimulatedBoard
from benchrunner.simulator.faults import At, Faults


def test_wrong_firmware_announces_another_image(board: Board) -> None:
    good, wrong = booted(board).manifest(), booted(board, Faults(wrong_firmware=True)).manifest()
    assert good.image_sha256 != wrong.image_sha256
    assert replace(wrong, image_sha256=good.image_sha256) == good


def test_a_wrong_output_differs_in_one_bit(board: Board) -> None:
    host = booted(board, Faults(wrong_output=True))
    manifest = host.manifest()
    host.load()
    host.batch(1)
    (output,) = mcu.read_outputs(host.link, manifest, chunk_bytes=64, deadline=host.deadline())
    (wanted,) = Interpreter(MODEL, KERNELS).run([INPUT])
    assert [a ^ b for a, b in zip(output, wanted, strict=True)] == [0x40] + [0] * 9


@pytest.mark.parametrize(
    ("faults", "complaint"),
    [
        (Faults(wrong_clock=0.5), "off by -50"),
        (Faults(wrong_clock=1.02), r"off by \+2"),
        (Faults(wrapped_counter=True), "backwards|went back|does not fit|do not fit"),
        (Faults(frozen_counter=True), "0 cycles|did not move"),
    ],
)
def test_a_bad_counter_is_found_by_the_checks_of_a_session(
    board: Board, faults: Faults, complaint: str
) -> None:
    host = booted(board, faults)
    host.load()

    def timed_session() -> None:
        start = clock_check.read_counter(host.link, host.sim.clock, host.deadline())
        host.batch(50)
        clock_check.finish_window(host.link, host.sim.clock, start, nominal_hz=HZ, deadline=host.deadline(30))

    with pytest.raises(ClockInvalidError, match=complaint):
        timed_session()


REQUESTS: dict[str, Request] = {
    "manifest": GetManifest(),
    "echo": Echo(b"x"),
    "time": GetTime(),
    "load": LoadInput(0, 0, b"x"),
    "crc": GetInputCrc(0),
    "run": Run(1),
    "samples": GetSamples(0, 1),
    "profile": RunProfile(),
    "layers": GetLayers(0, 1),
    "output": ReadOutput(0, 0, 1),
    "memory": GetMemory(),
    "jump": JumpToBootloader(),
    "reset": Reset(),
}


@pytest.mark.parametrize("step", REQUESTS)
def test_a_hang_at_any_step_is_silence_until_a_reset(board: Board, step: str) -> None:
    host = booted(board, Faults(hang_at=At(step)))
    with pytest.raises(DeadlineExceededError):
        host.ask(REQUESTS[step])
    assert host.sim.mode is Mode.DEAD
    host.sim.set_lines(boot0=False, reset=True)
    host.sim.set_lines(boot0=False, reset=False)
    assert Host(host.sim).manifest().chip_id == 0x433, "it hung once"


@pytest.mark.parametrize("step", [step for step in REQUESTS if step != "reset"])
def test_a_reset_at_any_step_is_noticed(board: Board, step: str) -> None:
    host = booted(board, Faults(reset_at=At(step)))
    with pytest.raises(BoardResetError):
        host.ask(REQUESTS[step])


def test_a_hang_at_boot_hits_every_boot_when_declared_so(board: Board) -> None:
    sim = SimulatedBoard(board, Faults(hang_at=At("boot", 1, onwards=True)), flash=built(board))
    for _ in range(3):
        assert (sim.mode, sim.transmit()) == (Mode.DEAD, b"")
        sim.power_cycle()


def test_stale_chatter_comes_before_the_manifest(board: Board) -> None:
    sim = SimulatedBoard(board, Faults(stale_chatter=True), flash=built(board))
    host = Host(sim)
    assert host.manifest().chip_id == 0x433
    assert host.link.counts.bad_frames >= 1
