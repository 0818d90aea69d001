"""A board for the simulator's tests, and a host that speaks to a simulated one without a server."""

from __future__ import annotations

from benchrunner.board import (
    Board,
    BoardKind,
    Bootloader,
    Chip,
    Flash,
    Mcu,
    Memory,
    SectorRun,
    SerialPort,
)
from benchrunner.simulator.board import SimulatedBoard


def make_board(
    *,
    chip_id: int = 0x433,
    core: str = "Cortex-M4",
    series: str = "STM32F4",
    sectors: tuple[SectorRun, ...] = (SectorRun(4, 0x4000), SectorRun(1, 0x10000), SectorRun(3, 0x20000)),
    write_bytes: int = 4,
    rewritable: bool = True,
    size_register: int = 0x1FFF7A22,
    uid_register: int = 0x1FFF7A10,
    dcache_bytes: int = 0,
    rom_base: int = 0x1FFF0000,
    rom_version: int = 0x31,
) -> Board:
    """An STM32F401-like board; the tests of other families change what differs."""
    return Board(
        id="test-board",
        name="TEST-BOARD",
        series=series,
        kind=BoardKind.MCU,
        engines=("aot",),
        mcu=Mcu(
            chip=Chip("STM32F401RE", chip_id, core, 84_000_000, "single", 0, dcache_bytes, 2, "HSE", 100),
            flash=Flash(
                base=0x08000000,
                size_bytes=sum(run.count * run.size_bytes for run in sectors),
                write_bytes=write_bytes,
                rewritable=rewritable,
                sectors=sectors,
                size_register=size_register,
                uid_register=uid_register,
                erase_sector_s=2.0,
                erase_mass_s=6.0,
            ),
            memories=(Memory("SRAM1", 0x20000000, 0x18000),),
            bootloader=Bootloader(rom_base, rom_version, "USART1", 0x20003000),
            serial=SerialPort("USART2", 115200, ("0483:374b",), boot_lines=True),
        ),
    )


class RomHost:
    """Sends commands to a simulated board as bytes and returns the bytes it answers."""

    def __init__(self, sim: SimulatedBoard, *, sync: bool = True) -> None:
        self.sim = sim
        if sync:
            assert self.say(b"\x7f") == b"\x79"

    def say(self, data: bytes) -> bytes:
        self.sim.receive(data)
        return self.sim.transmit()

    def command(self, code: int, *fields: bytes) -> bytes:
        """All fields at once: the ROM reads them without a time-out, in order."""
        return self.say(bytes((code, code ^ 0xFF)) + b"".join(fields))

    def read(self, address: int, count: int) -> bytes:
        return self.command(
            0x11, with_xor(address.to_bytes(4, "big")), bytes((count - 1, (count - 1) ^ 0xFF))
        )

    def write(self, address: int, data: bytes) -> bytes:
        return self.command(
            0x31, with_xor(address.to_bytes(4, "big")), with_xor(bytes([len(data) - 1]) + data)
        )

    def erase(self, *pages: int) -> bytes:
        field = (len(pages) - 1).to_bytes(2, "big") + b"".join(page.to_bytes(2, "big") for page in pages)
        return self.command(0x44, with_xor(field))

    def go(self, address: int) -> bytes:
        return self.command(0x21, with_xor(address.to_bytes(4, "big")))


def with_xor(data: bytes) -> bytes:
    check = 0
    for byte in data:
        check ^= byte
    return data + bytes([check])
