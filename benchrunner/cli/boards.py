"""`benchrunner boards`: what boards there are, and what one of them has."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import click

from benchrunner.board import Board, LinuxSystem, Mcu, list_boards
from benchrunner.cli.parameters import BoardId
from benchrunner.emulator.machines import MACHINES, board_or_machine, facts_sha256

_EPILOG = """\b
Examples:
  benchrunner boards
  benchrunner boards stm32h747i-disco
  benchrunner boards --json | jq -r '.[].id'

Board files of your own: put them in a folder and name it in BENCHRUNNER_BOARDS, or with
`benchrunner --boards FOLDER boards`.
"""

_NOT_OF_A_MACHINE = {
    "chip": ("chip_id", "icache_bytes", "dcache_bytes"),
    "flash": ("size_register", "uid_register", "erase_sector_s", "erase_mass_s"),
}


@click.command(epilog=_EPILOG)
@click.argument("board_id", metavar="[ID]", type=BoardId(machines=True), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print everything that the board files say, as JSON.")
def command(board_id: str | None, as_json: bool) -> None:
    """List the boards, or show one. Kind `emulator`: a machine of QEMU, which `benchrunner run` starts."""
    if board_id is not None:
        board = board_or_machine(board_id)
        click.echo(json.dumps(_record(board), indent=2) if as_json else _details(board))
    else:
        boards = [*list_boards(), *(machine.board() for machine in MACHINES.values())]
        click.echo(json.dumps([_record(board) for board in boards], indent=2) if as_json else _table(boards))


def _record(board: Board) -> dict[str, object]:
    """The board file as it was read, and its hash; numbers stay integers. `emulator`: what runs a machine."""
    record = dataclasses.asdict(board)
    if board.linux is not None and not board.linux.device_tree:
        record["linux"] = None  # as the machine reports at each run
    if board.id in MACHINES:
        for key, names in _NOT_OF_A_MACHINE.items():
            record["mcu"][key] |= dict.fromkeys(names)
        record["mcu"]["bootloader"] = None
    emulator = "QEMU" if board.id in MACHINES else None
    return {**record, "emulator": emulator, "file_sha256": facts_sha256(board)}


def _table(boards: Sequence[Board]) -> str:
    head = ("id", "name", "kind", "core", "clock", "flash", "RAM", "engines")
    rows = [head] + [_row(board) for board in boards]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(board: Board) -> tuple[str, ...]:
    engines = " ".join(board.engines)
    if board.mcu is not None:
        chip, flash = board.mcu.chip, board.mcu.flash
        ram_bytes = sum(memory.size_bytes for memory in board.mcu.memories)
        sizes = (_mhz(chip.clock_hz), _size(flash.size_bytes), _size(ram_bytes))
        return (board.id, board.name, _kind(board), chip.core, *sizes, engines)
    assert board.linux is not None
    linux = board.linux
    if not linux.device_tree:
        return (board.id, board.name, board.kind, *["as it reports"] * 2, "-", "as it reports", engines)
    core = f"{linux.cpus}x {linux.core}"
    return (
        board.id,
        board.name,
        board.kind,
        core,
        _mhz(linux.clock_hz),
        "-",
        _size(linux.ram_bytes),
        engines,
    )


def _kind(board: Board) -> str:
    return "emulator" if board.id in MACHINES else board.kind


def _details(board: Board) -> str:
    lines = [("board", board.name), ("series", board.series), ("kind", _kind(board))]
    lines.append(("engines", ", ".join(board.engines)))
    if board.id in MACHINES and board.mcu is not None:
        lines += _machine_details(board.mcu)
    elif board.mcu is not None:
        lines += _mcu_details(board.mcu)
    if board.linux is not None:
        lines += _linux_details(board.linux)
    lines.append(("file SHA-256", facts_sha256(board)))
    width = max(len(label) for label, _ in lines)
    return "\n".join(f"{label.ljust(width)}  {text}" for label, text in lines)


def _mcu_details(mcu: Mcu) -> list[tuple[str, str]]:
    chip, flash, rom, serial = mcu.chip, mcu.flash, mcu.bootloader, mcu.serial
    sectors = ", ".join(f"{run.count} x {_size(run.size_bytes)}" for run in flash.sectors)
    caches = f"I {_size(chip.icache_bytes)}, D {_size(chip.dcache_bytes)}"
    return [
        ("chip", f"{chip.part}, id 0x{chip.chip_id:03x}"),
        ("core", f"{chip.core}, FPU {chip.fpu}, caches {caches}"),
        (
            "clock",
            f"{_mhz(chip.clock_hz)} from {chip.clock_source}, within {chip.clock_tolerance_ppm / 1e4:g} %, "
            f"{chip.flash_wait_states} flash wait states",
        ),
        ("flash", f"{_size(flash.size_bytes)} at 0x{flash.base:08x}, write unit {flash.write_bytes} B"),
        ("sectors", sectors),
        *[("memory", f"{each.name}, {_size(each.size_bytes)} at 0x{each.base:08x}") for each in mcu.memories],
        ("boot loader", f"{rom.usart} at 0x{rom.base:08x}, keeps RAM below 0x{rom.ram_used_to:08x}"),
        ("serial port", f"{serial.usart}, {serial.baud_hz} Bd, USB id {' or '.join(serial.usb_ids)}"),
        ("BOOT0, NRST", "driven by the host" if serial.boot_lines else "not wired to the host"),
    ]


def _machine_details(mcu: Mcu) -> list[tuple[str, str]]:
    chip, code = mcu.chip, mcu.flash
    return [
        ("machine", f"{chip.part} of qemu-system-arm"),
        ("core", f"{chip.core}, FPU {chip.fpu}"),
        ("clock", f"{_mhz(chip.clock_hz)} in name: instructions are counted, no time passes"),
        ("code", f"{_size(code.size_bytes)} at 0x{code.base:08x}, loaded by QEMU"),
        *[("memory", f"{each.name}, {_size(each.size_bytes)} at 0x{each.base:08x}") for each in mcu.memories],
        ("serial port", f"{mcu.serial.usart}, a socket of the run"),
    ]


def _linux_details(linux: LinuxSystem) -> list[tuple[str, str]]:
    if not linux.device_tree:
        return [("chip, core, clock", "as the machine reports at each run")]
    return [
        ("chip", linux.soc),
        ("core", f"{linux.cpus}x {linux.core}"),
        ("clock", _mhz(linux.clock_hz)),
        ("memory", _size(linux.ram_bytes)),
        ("accelerators", ", ".join(linux.accelerators) or "none"),
        ("device tree", "; ".join(linux.device_tree)),
    ]


def _mhz(clock_hz: int) -> str:
    return f"{clock_hz / 1e6:g} MHz"


def _size(size_bytes: int) -> str:
    for unit, unit_bytes in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size_bytes >= unit_bytes and size_bytes % unit_bytes == 0:
            return f"{size_bytes // unit_bytes} {unit}"
    return f"{size_bytes / 1024:g} KiB" if size_bytes >= 1024 else f"{size_bytes} B"
