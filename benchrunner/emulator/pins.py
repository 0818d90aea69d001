"""GPIO ports: which pins are handed to which alternate function."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MODER, _IDR, _ODR, _AFRL, _AFRH = 0x00, 0x10, 0x14, 0x20, 0x24
_ALTERNATE = 2


@dataclass(frozen=True, slots=True)
class Pin:
    """ "PA9" with the number of its alternate function."""

    port: str
    number: int
    function: int


def pin(name: str, function: int) -> Pin:
    match = re.fullmatch(r"P([A-K])(\d{1,2})", name)
    if match is None or int(match[2]) > 15:
        raise ValueError(f"no pin {name!r}")
    return Pin(match[1], int(match[2]), function)


class Gpio:
    """One port. `reset_mode` is MODER after reset."""

    def __init__(self, reset_mode: int) -> None:
        self._values = {_MODER: reset_mode}

    def read(self, offset: int) -> int:
        if offset == _IDR:
            return self._values.get(_ODR, 0)
        return self._values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        match offset:
            case 0x18:  # BSRR: set wins
                out = self._values.get(_ODR, 0)
                self._values[_ODR] = out & ~(value >> 16) | value & 0xFFFF
            case 0x28:  # BRR
                self._values[_ODR] = self._values.get(_ODR, 0) & ~value
            case _:
                self._values[offset] = value

    def performs(self, number: int, function: int) -> bool:
        """Whether pin `number` is handed to alternate function `function`."""
        if self._values[_MODER] >> 2 * number & 3 != _ALTERNATE:
            return False
        register = self._values.get(_AFRH if number >= 8 else _AFRL, 0)
        return register >> 4 * (number % 8) & 0xF == function
