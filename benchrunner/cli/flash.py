"""`benchrunner flash`: any binary onto a board through its ROM bootloader."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchrunner.cli.parameters import BoardId
from benchrunner.cli.progress import Progress
from benchrunner.errors import BenchrunnerError

if TYPE_CHECKING:
    from benchrunner.flash.sectors import Progress as Stage

_EPILOG = """\b
Examples:
  benchrunner flash firmware.bin --board nucleo-f401re --port /dev/ttyUSB0 --lines
  benchrunner flash firmware.bin --board stm32h747i-disco --port rfc2217://lab:2217 --lines --json
  benchrunner flash firmware.bin --board stm32f769i-disco --port /dev/ttyUSB0   # BOOT0 set by hand

Sectors that hold what they should are left alone. Everything is read back.
Exit status: 0 flash equals the file, 2 usage, 3 board or lab, 130 Ctrl-C.
"""
_BUDGET_S = 900.0  # 2 MB at 57600 baud, written and verified


@click.command(epilog=_EPILOG)
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--board", "board_id", type=BoardId(), required=True, help="Board id; see `benchrunner boards`."
)
@click.option("--port", required=True, help="Device path, rfc2217://host:port or socket://host:port.")
@click.option("--baud", "baud_hz", type=click.IntRange(1200, 1_000_000), default=115200, show_default=True)
@click.option("--lines", "boot_lines", is_flag=True, help="RTS and DTR of --port drive BOOT0 and NRST.")
@click.option("--checksum", is_flag=True, help="Verify by the chip's own CRC where its bootloader has one.")
@click.option("--unprotect", is_flag=True, help="Lift readout protection; this erases the whole chip.")
@click.option("--no-start", is_flag=True, help="Stay in the bootloader.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON on stdout.")
def command(
    image: Path,
    board_id: str,
    port: str,
    baud_hz: int,
    boot_lines: bool,
    checksum: bool,
    unprotect: bool,
    no_start: bool,
    as_json: bool,
) -> None:
    """Write IMAGE, a binary, to the start of a board's flash."""
    from benchrunner import lab
    from benchrunner.board import require_mcu
    from benchrunner.deadline import Deadline
    from benchrunner.emulator.machines import flashable_board
    from benchrunner.flash.entry import enter, leave
    from benchrunner.flash.journal import Journal
    from benchrunner.flash.program import Options, program
    from benchrunner.flash.rom import RomBootloader
    from benchrunner.transport import Lines, Parity
    from benchrunner.transport.serial import open_transport

    board = flashable_board(board_id)
    require_mcu(board)
    assert board.mcu is not None
    _say_if_stale(image)
    data, deadline, journal = image.read_bytes(), Deadline(_BUDGET_S), Journal()
    lines = Lines() if boot_lines or board.mcu.serial.boot_lines else None
    shown = Progress()
    stages: list[str] = []

    def show(stage: Stage) -> None:
        if stages[-1:] != [stage.phase]:
            stages.append(stage.phase)
            shown.step(stage.phase)
        shown.update(stage.done_bytes, stage.total_bytes, "bytes")

    with lab.place_lock(port, " ".join(("benchrunner", *sys.argv[1:]))):
        transport = open_transport(port, baud_hz=baud_hz, parity=Parity.EVEN, lines=lines)
        try:
            rom = RomBootloader(transport, baud_hz=baud_hz)
            shown.step("connect", transport.description)
            entry = enter(rom, deadline=deadline)
            flashing = program(
                rom,
                board,
                data,
                deadline=deadline,
                options=Options(checksum=checksum, allow_unprotect=unprotect),
                journal=journal,
                progress=show,
                clean_entry=entry.clean,
            )
            if not no_start:
                leave(rom, board.mcu.flash.base, deadline=deadline)
        except BaseException:
            shown.done()
            click.echo(f"on the board: {journal.summary()}", err=True)
            raise
        finally:
            shown.done()
            transport.close()
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(flashing), indent=2))
    else:
        click.echo(
            f"{image.name}: {flashing.written_bytes} bytes written, {flashing.erased_sectors} sectors "
            f"erased, {flashing.skipped_sectors} unchanged, verified by {flashing.verified_by} "
            f"in {flashing.duration_ns / 1e9:.1f} s"
        )


def _say_if_stale(image: Path) -> None:
    """Warn where the image lies in a project of ours whose sources are not those it was built from."""
    from benchrunner.firmware.recorded import check_built, project_of

    folder = project_of(image)
    if folder is None:
        return
    try:
        check_built(folder)
    except BenchrunnerError as error:
        click.echo(f"  ! {error.message}", err=True)
