"""The STM32F405 image on QEMU's netduinoplus2: a machine with exceptions, but without clock registers."""

from __future__ import annotations

import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import pytest
from elftools.elf.elffile import ELFFile
from port_build import ANSWER, build_with_gcc, lay_out, mcu, stm32_boards

from benchrunner.board import Board, Memory

FAULT = (
    "r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr", "sp", "exception", "exc_return", "cfsr", "hfsr",
    "mmfar", "bfar",
)  # fmt: skip
HARD_FAULT = 3
DEADLINE_S = 120.0


def netduino() -> Board:
    """The F401's board file, with what differs in an STM32F405 as on the Netduino Plus 2."""
    board = stm32_boards()["nucleo-f401re"]
    facts = mcu(board)
    return replace(
        board,
        id="netduinoplus2",
        mcu=replace(
            facts,
            chip=replace(facts.chip, clock_hz=168_000_000, flash_wait_states=5),
            flash=replace(facts.flash, size_bytes=1 << 20),
            memories=(Memory("SRAM1-2", 0x20000000, 131_072),),
            serial=replace(facts.serial, usart="USART1"),
        ),
    )


class Machine:
    """A running QEMU; killed when it is not done in time, so that no read waits for ever."""

    def __init__(self, image: Path) -> None:
        command = ["qemu-system-arm", "-M", "netduinoplus2", "-display", "none", "-monitor", "none"]
        command += ["-serial", "stdio", "-kernel", str(image)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._timer = threading.Timer(DEADLINE_S, self._process.kill)

    def __enter__(self) -> Machine:
        self._timer.start()
        self.wait_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._process.kill()
        self._process.communicate()

    def wait_ready(self) -> None:
        assert self._read(1) == b"R"

    def ask(self, command: bytes) -> dict[str, int]:
        assert self._process.stdin is not None
        self._process.stdin.write(command)
        self._process.stdin.flush()
        return self.read(ANSWER)

    def read(self, names: tuple[str, ...]) -> dict[str, int]:
        words = struct.unpack(f"<{len(names)}I", self._read(4 * len(names)))
        return dict(zip(names, words, strict=True))

    def _read(self, count: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(count)
        assert len(data) == count, f"{len(data)} bytes within {DEADLINE_S} s"
        return data


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    board = netduino()
    folder = lay_out(board, tmp_path_factory.mktemp("netduino") / "project")
    # With the counter of real parts, which stands still here.
    header = folder / "board_port.h"
    text = header.read_text()
    assert "#define PORT_OWN_COUNTER 1" in text
    header.write_text(text.replace("#define PORT_OWN_COUNTER 1", ""))
    return build_with_gcc(board, folder)


@pytest.fixture
def machine(image: Path) -> Iterator[Machine]:
    with Machine(image) as running:
        yield running


def function_at(image: Path, address: int) -> str:
    with image.open("rb") as file:
        for symbol in ELFFile(file).get_section_by_name(".symtab").iter_symbols():
            start = symbol["st_value"] & ~1
            if symbol["st_info"]["type"] == "STT_FUNC" and start <= address < start + symbol["st_size"]:
                return str(symbol.name)
    return "none"


def test_clocks_that_do_not_come_up_are_a_reported_fallback(machine: Machine) -> None:
    answer = machine.ask(b"x")
    assert answer["clock_fallback"] == 1
    assert answer["core_clock_hz"] == 16_000_000  # HSI, as it is after reset


def test_a_counter_that_stands_still_is_found(machine: Machine) -> None:
    assert machine.ask(b"x")["counter_running"] == 0  # the machine's DWT reads 0


def test_start_up_fills_data_and_clears_bss_after_every_reset(machine: Machine) -> None:
    assert [machine.ask(b"x")["cleared"] for _ in range(2)] == [0, 1]
    assert machine.ask(b"r")["cleared"] == 2
    machine.wait_ready()
    again = machine.ask(b"x")
    assert (again["initialised"], again["cleared"]) == (0x12345678, 0)


def test_the_stack_is_painted_below_what_was_used(machine: Machine) -> None:
    painted = machine.ask(b"x")["painted_bytes"]
    assert 3000 < painted < 4096


def test_a_fault_is_reported_with_the_registers_of_the_code_that_faulted(
    machine: Machine, image: Path
) -> None:
    machine.ask(b"f")
    fault = machine.read(FAULT)
    assert fault["exception"] == HARD_FAULT
    assert fault["bfar"] == 0xC0000000
    assert fault["cfsr"] == 0x8200  # precise bus fault, BFAR valid
    assert fault["hfsr"] == 0x40000000  # forced: bus faults have no handler of their own
    assert function_at(image, fault["pc"]) == "touch_nothing"
    assert function_at(image, fault["lr"]) == "main"
    assert 0x20000000 < fault["sp"] <= 0x20001000


def test_a_stack_overflow_is_a_fault_that_still_gets_reported(machine: Machine) -> None:
    machine.ask(b"o")
    fault = machine.read(FAULT)
    assert fault["exception"] == HARD_FAULT
    assert fault["cfsr"] & 0x1000  # the registers could not be stacked
    assert fault["sp"] < 0x20000000
    assert fault["bfar"] < 0x20000000
    assert [fault[name] for name in FAULT[:8]] == [0] * 8


def test_the_way_into_the_boot_loader_survives_the_reset_and_is_taken_once(
    machine: Machine, image: Path
) -> None:
    machine.ask(b"b")
    # The machine has no ROM there: reading its vector table faults, in start-up, before main.
    fault = machine.read(FAULT)
    assert fault["bfar"] == 0x1FFF0000
    assert function_at(image, fault["pc"]) == "port_start"
