"""`benchrunner sim`: runs a simulated or emulated board that other tools can talk to."""

from __future__ import annotations

import json
import signal
import threading
from contextlib import AbstractContextManager
from pathlib import Path

import click

from benchrunner.board import Board, BoardKind
from benchrunner.cli.parameters import BoardId
from benchrunner.durable import write_atomic
from benchrunner.emulator.machines import flashable_board
from benchrunner.errors import StoreError, UsageError
from benchrunner.simulator.board import Boot, SimulatedBoard
from benchrunner.simulator.clock import INSTANT, REAL, BoardClock
from benchrunner.simulator.faults import Faults, parse
from benchrunner.simulator.pty import serve_pty
from benchrunner.simulator.rfc2217 import serve_rfc2217
from benchrunner.transport import Lines

_EPILOG = """\b
Examples:
  benchrunner sim stm32h747i-disco
  benchrunner sim nucleo-f401re --pty --throttle 115200
  benchrunner sim stm32f769i-disco --fault nack_block=5 --fault slow_erase_s=60
  benchrunner sim stm32h747i-disco --flash board.bin --boot app
  benchrunner sim stm32mp257f-dk --fault throttling
  cp firmware/build/image.bin board.bin; benchrunner sim nucleo-l4r5zi --emulate --flash board.bin

\b
The line on stdout is what other tools take as their port:
  stm32flash -m 8n1 -w fw.bin -v /dev/pts/7      (a pty has no parity)
  benchrunner run --board stm32h747i-disco --port rfc2217://127.0.0.1:40001
"""


def _factor(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    words = {"instant": INSTANT, "real": REAL}
    try:
        factor = words[value] if value in words else float(value)
    except ValueError:
        factor = -1.0
    if not 0.0 <= factor < float("inf"):
        raise click.BadParameter(f"expected instant, real or a number such as 0.1, found {value!r}")
    return factor


@click.command(epilog=_EPILOG)
@click.argument("board_id", metavar="BOARD", type=BoardId())
@click.option("--emulate", is_flag=True, help="Execute what flash holds, instruction by instruction.")
@click.option(
    "--rfc2217", "kind", flag_value="rfc2217", default="rfc2217", help="Serve RFC 2217 on loopback (default)."
)
@click.option("--pty", "kind", flag_value="pty", help="Serve a pseudo-terminal: no parity, no lines.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Something that is wrong with the board; may be given several times. A wrong name lists all.",
)
@click.option(
    "--time",
    "factor",
    callback=_factor,
    default="instant",
    metavar="instant|real|FACTOR",
    help="How long modelled durations take: not at all, as long as on the board, or FACTOR times that.",
)
@click.option(
    "--throttle", type=click.IntRange(min=300), metavar="BAUD", help="Bytes take their time on the wire."
)
@click.option(
    "--flash",
    "flash_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What flash holds at the start, and where it is kept at the end.",
)
@click.option(
    "--boot",
    type=click.Choice([boot.value for boot in Boot]),
    default=Boot.AUTO.value,
    help="Where the board starts while no line drives BOOT0; auto: in the application where there is one.",
)
@click.option(
    "--ttl-lines",
    is_flag=True,
    help="RTS set is BOOT0 low and DTR set holds reset, as stm32loader has it without -R and -B.",
)
@click.option("--no-password", is_flag=True, help="Linux boards: root needs no key, as on OpenSTLinux.")
@click.option("--checksum", is_flag=True, help="The bootloader offers Get Checksum.")
@click.option("--json", "as_json", is_flag=True, help="Print the port as a JSON object.")
def command(
    board_id: str,
    emulate: bool,
    kind: str,
    faults: tuple[str, ...],
    factor: float,
    throttle: int | None,
    flash_file: Path | None,
    boot: str,
    ttl_lines: bool,
    no_password: bool,
    checksum: bool,
    as_json: bool,
) -> None:
    """Run a simulated BOARD until Ctrl-C.

    A board that runs Linux is an SSH server on loopback: the line on stdout is the command to log in.

    A microcontroller board starts in its ROM bootloader or in the application that flash holds, and any
    tool for the STM32's serial bootloader may use it. With --emulate it runs any image of the real board,
    and counts instructions.

    Times that a simulated board reports are modelled, never measured.
    """
    board = flashable_board(board_id)
    if board.kind is BoardKind.LINUX and not emulate:
        given: dict[str, object] = {"--pty": kind == "pty", "--throttle": throttle, "--flash": flash_file}
        given |= {"--boot": boot != Boot.AUTO.value, "--ttl-lines": ttl_lines, "--checksum": checksum}
        _run_linux(board, given, faults, factor, passwordless=no_password, as_json=as_json)
        return
    if no_password:
        raise UsageError("--no-password: only boards that run Linux have logins")
    make = _emulated if emulate else SimulatedBoard
    sim = make(
        board,
        parse(faults),
        BoardClock(factor),
        _preloaded(flash_file, board),
        boot=Boot(boot),
        checksum=checksum,
    )
    title = "emulated" if emulate else "simulated"
    lines = Lines(boot0_inverted=ttl_lines, reset_inverted=ttl_lines)
    server: AbstractContextManager[str]
    server = serve_pty(sim, throttle) if kind == "pty" else serve_rfc2217(sim, throttle, wiring=lines)
    _end_on_signals()
    try:
        with server as port:
            record = {"board": board_id, "kind": kind, "port": port, "mode": sim.mode.name.lower()}
            record["fidelity"] = title
            click.echo(json.dumps(record) if as_json else port)
            click.echo(
                f"{sim.board.name}, {title}, in {sim.mode.name.lower()} mode; Ctrl-C ends it", err=True
            )
            threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        if flash_file is not None:
            _keep(flash_file, sim.flash.content)


def _end_on_signals() -> None:
    """A service manager's stop is a clean end, too, and so is an interrupt to a shell's background job."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)


def _run_linux(
    board: Board,
    given: dict[str, object],
    faults: tuple[str, ...],
    factor: float,
    *,
    passwordless: bool,
    as_json: bool,
) -> None:
    from benchrunner.cli.sim_linux import refuse_options, serve_linux  # the model of time, TFLite ...

    refuse_options(board, given)
    _end_on_signals()
    try:
        serve_linux(board, faults, BoardClock(factor), passwordless=passwordless, as_json=as_json)
    except KeyboardInterrupt:
        pass


def _emulated(
    board: Board, faults: Faults, clock: BoardClock, flash: bytes, *, boot: Boot, checksum: bool
) -> SimulatedBoard:
    """A board that executes its image, and tells here what the image does wrong."""
    try:
        from benchrunner.emulator.board import EmulatedFirmware, emulated_board
    except ModuleNotFoundError as error:
        raise UsageError(
            f"an emulated board needs the package {error.name}, which is not installed",
            hint="pip install 'benchrunner[emulator]'; or leave --emulate away",
        ) from error
    firmware = EmulatedFirmware(board, lambda fault: click.echo(f"the core: {fault}", err=True))
    return emulated_board(board, faults, clock, flash, boot=boot, checksum=checksum, firmware=firmware)


def _preloaded(flash_file: Path | None, board: Board) -> bytes:
    """What flash holds at the start; a file that is not there yet is an erased flash."""
    if flash_file is None:
        return b""
    try:
        content = flash_file.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UsageError(f"--flash {flash_file}: cannot be read: {error.strerror or error}") from error
    if board.mcu is not None and len(content) > board.mcu.flash.size_bytes:
        there = board.mcu.flash.size_bytes
        raise UsageError(f"--flash {flash_file}: {len(content)} bytes, the flash of {board.id} has {there}")
    return content


def _keep(flash_file: Path, content: bytes) -> None:
    try:
        write_atomic(flash_file, content.rstrip(b"\xff"))
    except OSError as error:
        raise StoreError(f"--flash {flash_file}: cannot be written: {error.strerror or error}") from error
