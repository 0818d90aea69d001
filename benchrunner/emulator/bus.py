"""The peripheral bus: which peripheral answers at an address, and what an access to none does."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Protocol

_MASKS = {1: 0xFF, 2: 0xFFFF, 4: 0xFFFFFFFF}


class Peripheral(Protocol):
    """Registers of 32 bits at word offsets."""

    def read(self, offset: int) -> int: ...
    def write(self, offset: int, value: int) -> None: ...


def always() -> bool:
    return True


class Store:
    """A peripheral that keeps what is written: all there is to say about many for a start-up.

    `reset` are the values at reset where they are not 0; `writable` limits what a write changes.
    """

    def __init__(self, reset: dict[int, int] | None = None, writable: dict[int, int] | None = None) -> None:
        self.values = dict(reset or {})
        self._writable = writable or {}

    def read(self, offset: int) -> int:
        return self.values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        mask = self._writable.get(offset, 0xFFFFFFFF)
        self.values[offset] = self.values.get(offset, 0) & ~mask | value & mask


class Bus:
    """Peripherals by base address. One without its clock reads 0 and ignores writes, as on silicon.

    `on_access` is told of every access, `on_error` of those to addresses where nothing is.
    """

    def __init__(self, on_access: Callable[[], None], on_error: Callable[[int], None]) -> None:
        self._bases: list[int] = []
        self._devices: list[tuple[int, Peripheral, Callable[[], bool]]] = []
        self._on_access, self._on_error = on_access, on_error
        self.last_read = 0  # the address a stuck program waits for is the one it keeps reading

    def add(
        self, base: int, peripheral: Peripheral, *, size: int = 0x400, clocked: Callable[[], bool] = always
    ) -> None:
        at = bisect_right(self._bases, base)
        self._bases.insert(at, base)
        self._devices.insert(at, (base + size, peripheral, clocked))

    def read(self, address: int, size: int) -> int:
        self._on_access()
        self.last_read = address
        at = bisect_right(self._bases, address) - 1
        if at < 0 or address >= self._devices[at][0]:
            self._on_error(address)
            return 0
        _, peripheral, clocked = self._devices[at]
        if not clocked():
            return 0
        value = peripheral.read(address - self._bases[at] & ~3)
        return value >> 8 * (address & 3) & _MASKS[size] if size != 4 else value & 0xFFFFFFFF

    def write(self, address: int, size: int, value: int) -> None:
        self._on_access()
        at = bisect_right(self._bases, address) - 1
        if at < 0 or address >= self._devices[at][0]:
            self._on_error(address)
            return
        _, peripheral, clocked = self._devices[at]
        if clocked():
            # data registers are what is written in bytes; elsewhere the rest of the word becomes 0
            shift = 8 * (address & 3)
            peripheral.write(address - self._bases[at] & ~3, (value & _MASKS[size]) << shift)
