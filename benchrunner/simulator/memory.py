"""The memories of a simulated STM32: NOR flash (erase before write), RAM, system memory."""

from __future__ import annotations

from dataclasses import dataclass

from benchrunner.board import Mcu, Sector
from benchrunner.image import SIMULATED_UID
from benchrunner.simulator.faults import StuckBits

ERASED = 0xFF


@dataclass(frozen=True, slots=True)
class _System:
    """System memory of one family (AN2606)."""

    start: int
    end: int
    version_address: int
    aligned_reads_only: bool = False  # size and UID answer only to reads that start on 256 bytes


# Keyed by the address of the flash size register, which tells the families apart.
_SYSTEMS = {
    0x1FFF7A22: _System(0x1FFF0000, 0x1FFF7800, 0x1FFF76DE, aligned_reads_only=True),  # F4
    0x1FF0F442: _System(0x1FF00000, 0x1FF0EDC0, 0x1FF0EDBE),  # F7
    0x1FF1E880: _System(0x1FF00000, 0x1FF1E800, 0x1FF1E7FE),  # H72x, H74x
    0x08FFF80C: _System(0x1FF00000, 0x1FF14000, 0x1FF13FFE),  # H7A3
    0x1FFF75E0: _System(0x1FFF0000, 0x1FFF7000, 0x1FFF6FFE),  # L4, G4
    0x0BFA07A0: _System(0x0BF90000, 0x0BFA0000, 0x0BF99EFE),  # U5
}
# Parts with two banks, whose halves the codes FFFE and FFFD erase (F76x: in the single-bank mode they ship
# in).
_DUAL_BANK_CHIPS = frozenset({0x434, 0x450, 0x480, 0x415, 0x470, 0x469, 0x482})


class NorFlash:
    """Internal flash by its sectors; programming only clears bits, or fails on parts with ECC."""

    def __init__(self, mcu: Mcu, content: bytes = b"", stuck: StuckBits | None = None) -> None:
        geometry = mcu.flash
        if len(content) > geometry.size_bytes:
            raise ValueError(f"flash content of {len(content)} bytes exceeds {geometry.size_bytes}")
        self.base, self.size_bytes = geometry.base, geometry.size_bytes
        self.end = self.base + self.size_bytes
        self.sectors = geometry.sector_list()
        self.erase_counts = [0] * len(self.sectors)
        self.protected: set[int] = set()
        self.programming_errors = 0
        self._word_bytes, self._rewritable = geometry.write_bytes, geometry.rewritable
        self._dual_bank = mcu.chip.chip_id in _DUAL_BANK_CHIPS
        self._stuck = stuck
        self._cells = bytearray(content.ljust(self.size_bytes, bytes([ERASED])))
        self._apply_stuck()

    @property
    def content(self) -> bytes:
        return bytes(self._cells)

    def bank(self, number: int) -> range | None:
        """Sector numbers of bank 1 or 2, None on a part with a single bank."""
        half = len(self.sectors) // 2
        if not self._dual_bank:
            return None
        return range(half) if number == 1 else range(half, len(self.sectors))

    def read(self, address: int, count: int) -> bytes:
        return bytes(self._cells[address - self.base : address - self.base + count])

    def erase(self, index: int) -> None:
        """Erase one sector; a protected one stays as it is, as on the chip."""
        self.erase_counts[index] += 1
        if index in self.protected:
            self.programming_errors += 1
            return
        sector = self.sectors[index]
        start = sector.address - self.base
        self._cells[start : start + sector.size_bytes] = bytes([ERASED]) * sector.size_bytes
        self._apply_stuck()

    def program(self, address: int, data: bytes) -> None:
        """Program `data`; words that cannot be programmed are left, and counted in `programming_errors`.

        Without ECC (F4, F7) bits are only ever cleared. With ECC a flash word must be erased to be
        programmed, and a part of a word is programmed as the whole word with 0xFF around it.
        """
        step = 1 if self._rewritable else self._word_bytes
        before = (address - self.base) % step
        padded = b"\xff" * before + data
        padded = padded.ljust(-(-len(padded) // step) * step, b"\xff")
        start = address - self.base - before
        if self._is_writable(start, len(padded)):
            self._program_plain(start, padded)
        else:
            for offset in range(0, len(padded), step):
                if self._is_writable(start + offset, step):
                    self._program_plain(start + offset, padded[offset : offset + step])
                else:
                    self.programming_errors += 1
        self._apply_stuck()

    def _is_writable(self, start: int, count: int) -> bool:
        if any(s.index in self.protected for s in self._sectors_of(start, count)):
            return False
        return self._rewritable or self._cells.count(ERASED, start, start + count) == count

    def _sectors_of(self, start: int, count: int) -> list[Sector]:
        if not self.protected:
            return []
        first, last = self.base + start, self.base + start + count
        return [s for s in self.sectors if s.address < last and first < s.end]

    def _program_plain(self, start: int, data: bytes) -> None:
        cells = int.from_bytes(self._cells[start : start + len(data)], "little")
        merged = cells & int.from_bytes(data, "little")
        self._cells[start : start + len(data)] = merged.to_bytes(len(data), "little")

    def _apply_stuck(self) -> None:
        if self._stuck is not None and self.base <= self._stuck.address < self.end:
            self._cells[self._stuck.address - self.base] &= ~self._stuck.mask & 0xFF


class MemoryMap:
    """What the ROM bootloader can reach: flash, RAM, system memory, size register and unique id."""

    def __init__(self, mcu: Mcu, flash: NorFlash, uid: bytes = SIMULATED_UID) -> None:
        self.flash = flash
        self._mcu, self._uid = mcu, uid
        self.rams = {memory.base: bytearray(memory.size_bytes) for memory in mcu.memories}
        self._system = _SYSTEMS.get(mcu.flash.size_register)
        self.read_only = self._read_only_areas()  # system memory, size register, unique id

    def erase_ram(self) -> None:
        for ram in self.rams.values():
            ram[:] = bytes(len(ram))

    def read(self, address: int, count: int) -> bytes | None:
        """`count` bytes, or None where the ROM answers NACK."""
        if self.flash.base <= address and address + count <= self.flash.end:
            return self.flash.read(address, count)
        for base, ram in self.rams.items():
            if base <= address and address + count <= base + len(ram):
                return bytes(ram[address - base : address - base + count])
        for base, content in self.read_only.items():
            if base <= address and address + count <= base + len(content):
                return content[address - base : address - base + count]
        return None

    def is_readable(self, address: int) -> bool:
        """Whether the ROM accepts `address` for Read Memory, before it knows the length."""
        page = self._mcu.flash.size_register & ~0xFF
        strict = self._system is not None and self._system.aligned_reads_only
        if strict and page < address < page + 256:
            return False
        return self.read(address, 1) is not None

    def is_writable(self, address: int) -> bool:
        """Whether the ROM accepts `address` for Write Memory; the RAM it uses itself is not for the host."""
        if address % 4:
            return False
        return self.flash.base <= address < self.flash.end or self._ram_at(address) is not None

    def write(self, address: int, data: bytes) -> bool:
        """Program flash or write RAM; False where the range runs out of the memory it starts in."""
        if self.flash.base <= address < self.flash.end:
            if address + len(data) > self.flash.end:
                return False
            self.flash.program(address, data)
            return True
        base = self._ram_at(address)
        if base is None or address + len(data) > base + len(self.rams[base]):
            return False
        self.rams[base][address - base : address - base + len(data)] = data
        return True

    def vectors_at(self, address: int) -> tuple[int, int] | None:
        """Initial stack pointer and reset vector at `address` when a core could start from them."""
        words = self.read(address, 8)
        if words is None:
            return None
        stack, reset = int.from_bytes(words[:4], "little"), int.from_bytes(words[4:], "little")
        stack_good = stack % 4 == 0 and any(b < stack <= b + len(r) for b, r in self.rams.items())
        return (stack, reset) if stack_good and reset & 1 and self.read(reset & ~1, 2) else None

    def _ram_at(self, address: int) -> int | None:
        if address < self._mcu.bootloader.ram_used_to and address >= 0x20000000:
            return None
        found = (base for base, ram in self.rams.items() if base <= address < base + len(ram))
        return next(found, None)

    def _read_only_areas(self) -> dict[int, bytes]:
        register = self._mcu.flash.size_register
        page = bytearray(b"\xff" * 256)
        page[register & 0xFF : (register & 0xFF) + 2] = (self.flash.size_bytes // 1024).to_bytes(2, "little")
        areas = {register & ~0xFF: page}
        uid_register = self._mcu.flash.uid_register
        uid_page = areas.setdefault(uid_register & ~0xFF, bytearray(b"\xff" * 256))
        uid_page[uid_register & 0xFF : (uid_register & 0xFF) + 12] = self._uid
        if self._system is not None:
            rom = bytearray(b"\xff" * (self._system.end - self._system.start))
            rom[self._system.version_address - self._system.start] = self._mcu.bootloader.version
            entry = self._mcu.bootloader.base - self._system.start
            words = (self._mcu.bootloader.ram_used_to, self._mcu.bootloader.base + 0x201)
            rom[entry : entry + 8] = b"".join(word.to_bytes(4, "little") for word in words)
            areas[self._system.start] = rom
        return {start: bytes(content) for start, content in areas.items()}
