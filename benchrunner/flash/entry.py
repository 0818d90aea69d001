"""Into the ROM bootloader, and back into the application."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from benchrunner.deadline import Deadline
from benchrunner.errors import LinkError
from benchrunner.flash.rom import RomBootloader


class Entry(StrEnum):
    """How the bootloader was reached."""

    LINES = "BOOT0 and NRST"
    WAITING = "it was waiting"
    ASKED = "the firmware jumped"
    PUSHED = "pushed out of an interrupted command"  # flash may hold a block that nobody sent

    @property
    def clean(self) -> bool:
        """False where the entry itself may have changed the flash."""
        return self is not Entry.PUSHED


def enter(rom: RomBootloader, *, ask_to_jump: Callable[[], None] | None = None, deadline: Deadline) -> Entry:
    """Reach the bootloader by the lines; without lines see whether it is waiting, ask the running firmware
    (`ask_to_jump` speaks its protocol), and as the last resort push it out of an interrupted Write.

    Raises `LinkError` with what to do by hand when nothing answers.
    """
    rom.set_format()
    rom.discard()
    if rom.transport.has_lines:
        try:
            rom.reset_into_rom(deadline)
        except LinkError as error:
            raise LinkError(
                f"{rom.transport.description}: no bootloader answers after a reset with BOOT0 high",
                hint="check the wiring of RTS (BOOT0) and DTR (NRST), and the option bytes about BOOT0",
            ) from error
        return Entry.LINES
    try:
        rom.synchronise(deadline)
        return Entry.WAITING
    except LinkError:
        pass
    if ask_to_jump is not None:
        try:
            ask_to_jump()
            rom.set_format()
            rom.drain()
            rom.synchronise(deadline)
            return Entry.ASKED
        except LinkError:
            rom.set_format()
    try:
        rom.push_out(deadline)
    except LinkError as error:
        raise LinkError(
            f"{rom.transport.description}: neither the ROM bootloader nor the firmware answers",
            hint="set BOOT0 high and press reset, then try again",
        ) from error
    return Entry.PUSHED


def leave(rom: RomBootloader, base: int, *, deadline: Deadline) -> None:
    """Start the application: by a true reset where there are lines, else by Go.

    Go leaves clocks and peripherals as the ROM set them (AN3155); the firmware sets up its own.
    """
    if rom.transport.has_lines:
        rom.reset_into_application()
    else:
        rom.go(base, deadline)
    rom.discard()
