"""What a board is: core, clock, memories, flash geometry, chip id, serial ports, engines."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from benchrunner.config import FILE_CONFIG


class BoardKind(StrEnum):
    MCU = "mcu"
    LINUX = "linux"


@dataclass(frozen=True, slots=True)
class SectorRun:
    """`count` erase units of `size_bytes`, in address order."""

    __pydantic_config__ = FILE_CONFIG

    count: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Sector:
    """One erase unit; `index` is the number the ROM bootloader uses."""

    index: int
    address: int
    size_bytes: int

    @property
    def end(self) -> int:
        return self.address + self.size_bytes


@dataclass(frozen=True, slots=True)
class Flash:
    """Internal flash as the ROM bootloader sees it. Source of geometry: AN2606 and the reference manuals."""

    __pydantic_config__ = FILE_CONFIG

    base: int
    size_bytes: int
    write_bytes: int  # flash word: writes are multiples of it and aligned to it
    rewritable: bool  # True where programming identical data again is harmless (no ECC)
    sectors: tuple[SectorRun, ...]
    size_register: int  # address of the 16-bit flash size in KiB
    uid_register: int  # address of the 96-bit unique id
    erase_sector_s: float  # typical time to erase the largest sector
    erase_mass_s: float

    def sector_list(self) -> tuple[Sector, ...]:
        """Every sector, in the ROM's numbering."""
        found: list[Sector] = []
        address = self.base
        for run in self.sectors:
            for _ in range(run.count):
                found.append(Sector(len(found), address, run.size_bytes))
                address += run.size_bytes
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Memory:
    """A RAM region that the application may use."""

    __pydantic_config__ = FILE_CONFIG

    name: str
    base: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Bootloader:
    """The ROM's USART bootloader (AN2606, AN3155)."""

    __pydantic_config__ = FILE_CONFIG

    base: int  # system memory: initial SP and reset vector are its first two words
    version: int  # as GetVersion answers it, 0x31 is V3.1
    usart: str
    ram_used_to: int  # RAM below this address belongs to the ROM while it runs


@dataclass(frozen=True, slots=True)
class Chip:
    __pydantic_config__ = FILE_CONFIG

    part: str
    chip_id: int  # 12-bit product id, as GetID and DBGMCU_IDCODE answer it
    core: str  # "Cortex-M7"
    clock_hz: int  # the frequency that the firmware sets up
    fpu: str  # "none", "single", "double"
    icache_bytes: int
    dcache_bytes: int
    flash_wait_states: int
    clock_source: str  # what the firmware's PLL runs from: "HSE" (a crystal) or "HSI16" (an RC oscillator)
    clock_tolerance_ppm: int  # how far the clock may be from `clock_hz`


@dataclass(frozen=True, slots=True)
class SerialPort:
    """The virtual COM port of the board's debug probe."""

    __pydantic_config__ = FILE_CONFIG

    usart: str
    baud_hz: int
    usb_ids: tuple[str, ...]  # "0483:374b"
    boot_lines: bool  # True where BOOT0 and NRST are reachable from the host


@dataclass(frozen=True, slots=True)
class Mcu:
    __pydantic_config__ = FILE_CONFIG

    chip: Chip
    flash: Flash
    memories: tuple[Memory, ...]
    bootloader: Bootloader
    serial: SerialPort


@dataclass(frozen=True, slots=True)
class LinuxSystem:
    __pydantic_config__ = FILE_CONFIG

    soc: str
    device_tree: tuple[str, ...]  # the root node's `compatible` or `model` strings that identify the board
    core: str
    cpus: int
    clock_hz: int
    ram_bytes: int
    accelerators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One kind of board. Exactly one of `mcu` and `linux` is set, according to `kind`."""

    __pydantic_config__ = FILE_CONFIG

    id: str
    name: str  # as its maker prints it, used in published tables
    series: str  # "STM32H7"
    kind: BoardKind
    engines: tuple[str, ...]
    mcu: Mcu | None = None
    linux: LinuxSystem | None = None
