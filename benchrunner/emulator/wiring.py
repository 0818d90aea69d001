"""What a board's schematic says and its file does not: crystal, supply of the core, pins of the VCP."""

from __future__ import annotations

from dataclasses import dataclass

from benchrunner.board import Board
from benchrunner.emulator.pins import Pin, pin
from benchrunner.errors import UsageError


@dataclass(frozen=True, slots=True)
class Wiring:
    """`hse_hz` 0: no crystal and no clock is fitted."""

    hse_hz: int
    transmit: Pin
    receive: Pin
    smps: bool = False  # STM32H7: the core is supplied by the SMPS, not by the LDO


# Board manuals: UM2411, UM1907, UM2033, UM1932, UM1724, UM2407, UM2179, UM2153, UM2271, UM2839, UM2861.
_WIRING = {
    "stm32h747i-disco": Wiring(25_000_000, pin("PA9", 7), pin("PA10", 7), smps=True),
    "nucleo-h7a3zi-q": Wiring(8_000_000, pin("PD8", 7), pin("PD9", 7), smps=True),
    "stm32f746g-disco": Wiring(25_000_000, pin("PA9", 7), pin("PB7", 7)),
    "stm32f769i-disco": Wiring(25_000_000, pin("PA9", 7), pin("PA10", 7)),
    "stm32f469i-disco": Wiring(8_000_000, pin("PB10", 7), pin("PB11", 7)),
    "nucleo-f401re": Wiring(8_000_000, pin("PA2", 7), pin("PA3", 7)),
    "b-l475e-iot01a": Wiring(0, pin("PB6", 7), pin("PB7", 7)),
    "nucleo-l4r5zi": Wiring(0, pin("PG7", 8), pin("PG8", 8)),
    "stm32l4r9i-disco": Wiring(16_000_000, pin("PA2", 7), pin("PA3", 7)),
    "b-u585i-iot02a": Wiring(16_000_000, pin("PA9", 7), pin("PA10", 7)),
    "nucleo-u575zi-q": Wiring(0, pin("PA9", 7), pin("PA10", 7)),
}


def wiring_of(board: Board) -> Wiring:
    """The wiring of `board`. Raises `UsageError` for a board that is not known here."""
    found = _WIRING.get(board.id)
    if found is None:
        raise UsageError(
            f"board {board.id}: its wiring is not known to the emulator",
            hint="known boards: " + ", ".join(_WIRING) + "; add a line to benchrunner/emulator/wiring.py",
        )
    return found
