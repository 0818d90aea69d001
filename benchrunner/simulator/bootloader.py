"""The device side of AN3155: the ROM bootloader of an STM32 on a USART.

Bytes in, bytes out, no I/O. The protocol is written as one generator that asks for the next N bytes, so a
command reads as its flow chart in AN3155; like the ROM it waits for bytes without a time-out.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import IntEnum

from benchrunner.board import Mcu
from benchrunner.simulator.clock import BoardClock
from benchrunner.simulator.faults import FaultCounters, Interruption
from benchrunner.simulator.memory import MemoryMap

SYNC, ACK, NACK, BUSY = 0x7F, b"\x79", b"\x1f", b"\x76"
_ERASE_BUFFER_PAGES = 581  # of ST's open bootloader: longer lists lose their first entries without an error
_CHECKSUM_LIMIT_BYTES = 0x0200_0000


class Command(IntEnum):
    GET = 0x00
    GET_VERSION = 0x01
    GET_ID = 0x02
    READ_MEMORY = 0x11
    GO = 0x21
    WRITE_MEMORY = 0x31
    ERASE = 0x43
    EXTENDED_ERASE = 0x44
    WRITE_PROTECT = 0x63
    WRITE_UNPROTECT = 0x73
    READOUT_PROTECT = 0x82
    READOUT_UNPROTECT = 0x92
    GET_CHECKSUM = 0xA1


# With readout protection on, all others are refused at the command byte.
_ALWAYS_ALLOWED = frozenset({Command.GET, Command.GET_VERSION, Command.GET_ID, Command.READOUT_UNPROTECT})


class SystemResetError(Exception):
    """The ROM resets the chip (protection commands, faults)."""


class HangError(Exception):
    """The board stops answering until it is reset (a fault)."""


class GoError(Exception):
    """The ROM leaves for the program whose vectors are at `address`."""

    def __init__(self, address: int) -> None:
        super().__init__(f"go {address:#010x}")
        self.address = address


_Bytes = Generator[int, bytes, None]
_Field = Generator[int, bytes, bytes | None]


class Protection:
    """Readout protection level 1, which outlives resets."""

    def __init__(self, readout: bool) -> None:
        self.readout = readout


class RomBootloader:
    """One run of the ROM, from reset to reset.

    `emit` takes the bytes that the ROM sends. `feed` raises `SystemResetError`, `HangError` or `GoError`
    when the ROM ends; bytes behind the one that ended it are lost, as they are when a USART is switched
    off.
    """

    again_in_s = None  # it does nothing but answer

    def __init__(
        self,
        mcu: Mcu,
        memory: MemoryMap,
        protection: Protection,
        clock: BoardClock,
        counters: FaultCounters,
        emit: Callable[[bytes], None],
        *,
        checksum: bool = False,
    ) -> None:
        self._mcu, self._memory, self._protection = mcu, memory, protection
        self._clock, self._counters, self._faults = clock, counters, counters.faults
        self._send = emit
        self._answered = False
        self.commands = tuple(
            command
            for command in Command
            if command is not (Command.ERASE if mcu.bootloader.version >= 0x30 else Command.EXTENDED_ERASE)
            and (checksum or command is not Command.GET_CHECKSUM)
        )
        self.synced = False
        self._buffer = bytearray()
        self._protocol = self._run()
        self._wanted = next(self._protocol)

    def feed(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= self._wanted:
            part = bytes(self._buffer[: self._wanted])
            del self._buffer[: self._wanted]
            self._answered = False
            self._wanted = self._protocol.send(part)
            if self._answered and self._faults.loses_early_bytes:
                self._buffer.clear()  # overrun: its receiver holds one byte, and it was answering

    def _emit(self, data: bytes) -> None:
        self._answered = True
        self._send(data)

    # --- the protocol ------------------------------------------------------------------------------------

    def _run(self) -> _Bytes:
        while (yield 1)[0] != SYNC:
            pass
        self._stop_at("sync")
        self.synced = True
        self._emit(b"\x00" + ACK if self._faults.zero_before_ack else ACK)
        while True:
            code, complement = yield 2
            if code ^ complement != 0xFF or code not in self.commands:
                self._emit(NACK)  # 0x7F 0x7F ends here too: that is how a synced device answers a new sync
                continue
            command = Command(code)
            if self._protection.readout and command not in _ALWAYS_ALLOWED:
                self._emit(NACK)
                continue
            yield from self._execute(command)

    def _execute(self, command: Command) -> _Bytes:
        match command:
            case Command.GET:
                self._stop_at("get")
                listed = bytes(self.commands)
                self._emit(ACK + bytes([len(listed), self._mcu.bootloader.version]) + listed + ACK)
            case Command.GET_VERSION:
                self._stop_at("version")
                self._emit(ACK + bytes([self._mcu.bootloader.version, 0, 0]) + ACK)
            case Command.GET_ID:
                self._emit(ACK + b"\x01" + self._chip_id().to_bytes(2, "big") + ACK)
            case Command.READ_MEMORY:
                yield from self._read_memory()
            case Command.GO:
                yield from self._go()
            case Command.WRITE_MEMORY:
                yield from self._write_memory()
            case Command.ERASE:
                yield from self._erase()
            case Command.EXTENDED_ERASE:
                yield from self._extended_erase()
            case Command.WRITE_PROTECT:
                yield from self._write_protect()
            case Command.WRITE_UNPROTECT:
                self._stop_at("protect")
                self._memory.flash.protected.clear()
                self._reset_after(ACK + ACK)
            case Command.READOUT_PROTECT:
                self._stop_at("protect")
                self._protection.readout = True
                self._reset_after(ACK + ACK)
            case Command.READOUT_UNPROTECT:
                self._readout_unprotect()
            case Command.GET_CHECKSUM:
                yield from self._get_checksum()

    def _chip_id(self) -> int:
        answered = self._stop_at("id")
        if self._faults.wrong_chip_id is not None and answered > self._faults.wrong_chip_after:
            return self._faults.wrong_chip_id
        return self._mcu.chip.chip_id

    def _address(self) -> Generator[int, bytes, int | None]:
        field = yield 5
        return int.from_bytes(field[:4], "big") if _xor(field) == 0 else None

    def _read_memory(self) -> _Bytes:
        self._emit(ACK)
        address = yield from self._address()
        if address is None or not self._memory.is_readable(address):
            self._emit(NACK)
            return
        self._emit(ACK)
        length, complement = yield 2
        data = self._memory.read(address, length + 1)
        if length ^ complement != 0xFF or data is None:
            self._emit(NACK)
            return
        half = data[: len(data) // 2]
        count = self._stop_at("read", lambda: self._emit(ACK + half))
        if count == self._faults.short_read_block:
            data = half
        if count == self._faults.flip_read_block:
            data = bytes([data[0] ^ 0x10]) + data[1:]
        self._emit(ACK + data)

    def _go(self) -> _Bytes:
        self._emit(ACK)
        address = yield from self._address()
        if address is None or self._memory.vectors_at(address) is None:
            self._emit(NACK)
            return
        self._stop_at("go")
        self._emit(ACK)
        raise GoError(address)

    def _write_memory(self) -> _Bytes:
        self._emit(ACK)
        address = yield from self._address()
        if address is None or not self._memory.is_writable(address):
            self._emit(NACK)
            return
        self._emit(ACK)
        length = (yield 1)[0]
        field = yield length + 2
        data = field[:-1]
        memory = self._memory
        count = self._stop_at("write", lambda: memory.write(address, data[: len(data) // 8 * 4]))
        refused = _xor(field) ^ length != 0 or len(data) % 4 != 0 or count == self._faults.nack_block
        if refused or not memory.write(address, data):
            self._emit(NACK)
            return
        if count != self._faults.lose_ack_block:
            self._acknowledge_slowly()

    def _erase(self) -> _Bytes:
        self._emit(ACK)
        count = (yield 1)[0]
        if count == 0xFF:
            good = (yield 1) == b"\x00"
            yield from self._erase_sectors(self._all_sectors() if good else None, mass=True)
            return
        field = yield count + 2
        pages = list(field[:-1])
        yield from self._erase_sectors(pages if _xor(field) ^ count == 0 else None)

    def _extended_erase(self) -> _Bytes:
        self._emit(ACK)
        head = yield 2
        count = int.from_bytes(head, "big")
        if count >= 0xFFF0:
            checksum = (yield 1)[0]
            banks = {0xFFFF: self._all_sectors(), 0xFFFE: self._bank(1), 0xFFFD: self._bank(2)}
            sectors = banks.get(count) if checksum == _xor(head) else None
            yield from self._erase_sectors(sectors, mass=True)
            return
        field = yield 2 * (count + 1) + 1
        pages = [int.from_bytes(field[at : at + 2], "big") for at in range(0, len(field) - 1, 2)]
        good = _xor(head) ^ _xor(field) == 0
        yield from self._erase_sectors(pages[-_ERASE_BUFFER_PAGES:] if good else None)

    def _all_sectors(self) -> range:
        return range(len(self._memory.flash.sectors))

    def _bank(self, number: int) -> range | None:
        return self._memory.flash.bank(number)

    def _erase_sectors(self, sectors: range | list[int] | None, *, mass: bool = False) -> _Bytes:
        """Erase and acknowledge. No error of a page is reported: sectors that do not exist are skipped."""
        if sectors is None:
            self._emit(NACK)
            return
        flash, geometry = self._memory.flash, self._mcu.flash
        real = [index for index in sectors if index < len(flash.sectors)]

        def erase(indices: list[int]) -> None:
            for index in indices:
                flash.erase(index)

        self._stop_at("erase", lambda: erase(real[: len(real) // 2]))
        erase(real)
        largest = max(sector.size_bytes for sector in flash.sectors)
        each = sum(flash.sectors[i].size_bytes for i in real) / largest * geometry.erase_sector_s
        modelled_s = min(each, geometry.erase_mass_s) if mass else each
        self._clock.advance(self._faults.slow_erase_s or modelled_s)
        self._acknowledge_slowly()
        yield from ()

    def _write_protect(self) -> _Bytes:
        self._emit(ACK)
        count = (yield 1)[0]
        field = yield count + 2
        if _xor(field) ^ count != 0:
            self._emit(NACK)
            return
        self._stop_at("protect")
        self._memory.flash.protected.update(field[:-1])  # sector codes are not checked
        self._reset_after(ACK)

    def _readout_unprotect(self) -> None:
        self._stop_at("protect")
        self._emit(ACK + ACK)  # both before the erase, as ST's open bootloader does
        for index in self._all_sectors():
            self._memory.flash.erase(index)
        self._memory.erase_ram()
        self._protection.readout = False
        self._clock.advance(self._faults.slow_erase_s or self._mcu.flash.erase_mass_s)
        raise SystemResetError

    def _get_checksum(self) -> _Bytes:
        """The short form: address, size, CRC. The long form is not known well enough to be played."""
        self._emit(ACK)
        address = yield from self._address()
        if address is None or address % 4 or not self._memory.is_readable(address):
            self._emit(NACK)
            return
        self._emit(ACK)
        field = yield 5
        size = int.from_bytes(field[:4], "big")
        fits = 0 < size <= _CHECKSUM_LIMIT_BYTES and size % 4 == 0
        data = self._memory.read(address, size) if fits and _xor(field) == 0 else None
        if data is None:
            self._emit(NACK)
            return
        self._stop_at("checksum")
        crc32 = stm32_crc32(data).to_bytes(4, "big")
        self._emit(ACK + ACK + crc32 + bytes([_xor(crc32)]))

    # --- faults and ends ---------------------------------------------------------------------------------

    def _acknowledge_slowly(self) -> None:
        self._emit(BUSY * (self._faults.busy_count or 0) + ACK)

    def _reset_after(self, reply: bytes) -> None:
        self._emit(reply)
        raise SystemResetError

    def _stop_at(self, step: str, half_done: Callable[[], object] = lambda: None) -> int:
        """Count the step; where a fault interrupts it, do half of it and end."""
        count = self._counters.reach(step)
        match self._counters.interruption(step, count):
            case Interruption.HANG:
                half_done()
                raise HangError
            case Interruption.RESET:
                half_done()
                raise SystemResetError
            case None:
                return count


def stm32_crc32(data: bytes) -> int:
    """The CRC unit of the STM32 over little-endian words: 0x04C11DB7, initial 0xFFFFFFFF, not reflected.

    Bytes 01..08 give 0xA3141BDA. `data` is a whole number of words.
    """
    crc = 0xFFFFFFFF
    for at in range(0, len(data), 4):
        for byte in (data[at + 3], data[at + 2], data[at + 1], data[at]):
            crc = (crc << 8 & 0xFFFFFFFF) ^ _CRC_TABLE[crc >> 24 ^ byte]
    return crc


def _crc_table() -> tuple[int, ...]:
    table = []
    for index in range(256):
        value = index << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
        table.append(value & 0xFFFFFFFF)
    return tuple(table)


_CRC_TABLE = _crc_table()


def _xor(data: bytes) -> int:
    """XOR of all bytes, by folding one long integer in half: a block of 256 takes 9 steps."""
    value, half_bits = int.from_bytes(data, "big"), 8 << max(0, len(data) - 1).bit_length()
    while half_bits > 8:
        half_bits //= 2
        value = value >> half_bits ^ value & (1 << half_bits) - 1
    return value
