"""`benchrunner run`: one model on one board, from the file to the table."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchrunner.cli import terminal
from benchrunner.cli.linux_options import given, linux_options, options_of
from benchrunner.cli.parameters import BoardId, ModelName
from benchrunner.cli.progress import Progress
from benchrunner.errors import UsageError

if TYPE_CHECKING:
    from benchrunner.run import CaseResult, Step


class _Shown:
    """A run's observer that shows its steps."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def step(self, step: Step, detail: str) -> None:
        self._progress.step(step, detail)

    def progress(self, done: int, total: int, unit: str) -> None:
        self._progress.update(done, total, unit)

    def note(self, text: str) -> None:
        self._progress.note(text)


class _Silent:
    def step(self, step: Step, detail: str) -> None:
        """Nothing to show."""

    def progress(self, done: int, total: int, unit: str) -> None:
        """Nothing to show."""

    def note(self, text: str) -> None:
        click.echo(f"  ! {text}", err=True)


@click.command(
    epilog="""\b
Examples:
  benchrunner run --board stm32h747i-disco --sim
  benchrunner run --board nucleo-h7a3zi-q --sim --model my_network.tflite --json
  benchrunner run --board stm32h747i-disco --emulate
  benchrunner run --board mps2-an500
  benchrunner run --board stm32mp257f-dk --host root@192.168.7.1 --tune --starts 5
  benchrunner run --board linux --host pi@raspberrypi.local
  benchrunner run --board stm32mp157f-dk2 --sim
  benchrunner run --board stm32h747i-disco --port rfc2217://127.0.0.1:2217 --runs 50
  benchrunner run --board stm32f769i-disco --sim --fault wrong_clock=0.5
  benchrunner run --board nucleo-l4r5zi --engine mlperf-tiny --port /dev/ttyACM0 --model kws.tflite \
      --fidelity measured

Engine mlperf-tiny measures any firmware that speaks that benchmark's serial commands and is on the board.

The record lands under results/; `benchrunner table` makes tables of all records.
Exit status: 0 good, 1 failed case, 2 usage, 3 board or lab, 130 Ctrl-C."""
)
@click.option(
    "--board",
    "board_id",
    type=BoardId(machines=True),
    required=True,
    help="Board id; see `benchrunner boards`.",
)
@click.option(
    "--model",
    type=ModelName(),
    default=None,
    help="A .tflite file or a name of the zoo; default: fdmobilenet_0.25_128_int8.",
)
@click.option(
    "--engine",
    default=None,
    help="What executes the model on the board; default: aot, on Linux boards tflite.",
)
@click.option(
    "--runs",
    type=click.IntRange(1, 100_000),
    default=None,
    help="Timed inferences of each start; default: 10, on Linux boards 50.",
)
@click.option(
    "--warmup",
    "warmups",
    type=click.IntRange(0, 100_000),
    default=None,
    help="Warm-ups; default: until stable.",
)
@click.option("--port", default=None, help="Device path, rfc2217://host:port or socket://host:port.")
@click.option("--sim", "simulate", is_flag=True, help="Use a simulated board, started for this run.")
@click.option(
    "--emulate", is_flag=True, help="Use an emulated board, which executes the image of the real one."
)
@click.option(
    "--fault", "faults", multiple=True, metavar="NAME=VALUE", help="With --sim or --emulate: a fault."
)
@click.option(
    "--fidelity",
    type=click.Choice(["measured", "emulated", "simulated"]),
    help="With --engine mlperf-tiny: what is behind the port, where nothing else tells.",
)
@click.option("--lines", "boot_lines", is_flag=True, help="RTS and DTR of --port drive BOOT0 and NRST.")
@click.option("--place", default=None, help="A place of lab.toml.")
@click.option("--lab", "lab_file", type=click.Path(path_type=Path), default=None, help="Use this lab.toml.")
@click.option(
    "--input",
    "input_file",
    type=click.Path(path_type=Path),
    default=None,
    help="Input tensor as .npy or raw .bin; default: a seeded image.",
)
@click.option(
    "--tolerance",
    type=click.IntRange(0),
    default=None,
    help="Allowed error in LSB; default: 0, on Linux boards what other kernels round differently.",
)
@click.option(
    "--reflash", is_flag=True, help="Compare every byte of flash instead of trusting what is known."
)
@click.option(
    "--image",
    type=click.Path(path_type=Path),
    default=None,
    help="Flash this image instead of building one (results/images/ keeps those that ran).",
)
@click.option("--unprotect", is_flag=True, help="Lift readout protection; this erases the whole chip.")
@linux_options
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON on stdout.")
@click.option(
    "--out",
    "results",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of the records.",
)
@click.option("--quiet", "-q", is_flag=True, help="Do not show the steps.")
def command(
    board_id: str,
    model: str | None,
    engine: str | None,
    runs: int | None,
    warmups: int | None,
    port: str | None,
    simulate: bool,
    emulate: bool,
    faults: tuple[str, ...],
    fidelity: str | None,
    boot_lines: bool,
    place: str | None,
    lab_file: Path | None,
    input_file: Path | None,
    tolerance: int | None,
    reflash: bool,
    image: Path | None,
    unprotect: bool,
    as_json: bool,
    results: Path,
    quiet: bool,
    **linux: Any,
) -> int:
    """Run one model on one board and store the record."""
    if sum((simulate, emulate, port is not None, place is not None, linux["host"] is not None)) > 1:
        raise UsageError(
            "--sim, --emulate, --port, --host and --place exclude each other", hint="give at most one"
        )
    if faults and not (simulate or emulate):
        raise UsageError(
            "--fault needs --sim or --emulate", hint="for other tools: benchrunner sim BOARD --fault ..."
        )

    from benchrunner.board import BoardKind
    from benchrunner.emulator.machines import MACHINES, board_or_machine, facts_sha256
    from benchrunner.record import Fidelity
    from benchrunner.run import MLPERF_TINY, RunRequest, run_case, run_tiny_case
    from benchrunner.simulator.faults import parse
    from benchrunner.simulator.linux import parse_linux
    from benchrunner.zoo import default_model, resolve_model

    board = board_or_machine(board_id)
    on_linux = board.kind is BoardKind.LINUX
    engine = engine or ("tflite" if on_linux else "aot")
    if not on_linux and (useless := given(click.get_current_context(), linux)):
        raise UsageError(
            f"{board.id} is a microcontroller board: {', '.join(useless)} cannot be used with it",
            hint="`benchrunner boards` shows the kind of each board",
        )
    if image is not None and (on_linux or engine == MLPERF_TINY or board.id in MACHINES):
        raise UsageError(
            f"--image is for boards whose flash benchrunner writes, not for {board.id} with engine {engine}",
            hint="leave it away",
        )
    if fidelity and engine != MLPERF_TINY:
        raise UsageError(
            f"--fidelity is for engine {MLPERF_TINY}: other firmware says itself what it runs on",
            hint="leave it away",
        )
    request = RunRequest(
        board=board,
        board_file_sha256=facts_sha256(board),
        model=resolve_model(model or default_model()),
        engine=engine,
        runs=runs or (50 if on_linux else 10),
        warmups=warmups,
        port=port,
        boot_lines=boot_lines,
        simulate=simulate,
        emulate=emulate,
        faults=parse(faults) if faults and not on_linux else None,
        linux_faults=parse_linux(faults) if faults and on_linux else None,
        linux=options_of(linux),
        stated_fidelity=Fidelity(fidelity) if fidelity else None,
        input_file=input_file,
        tolerance_lsb=tolerance or 0,
        tolerance_stated=tolerance is not None,
        reflash=reflash,
        image=image,
        unprotect=unprotect,
        lab_file=lab_file,
        place=place,
        results=results,
        command=tuple(sys.argv[1:]),
    )
    # A lab's scheduler ends a job with SIGTERM: the same clean way out as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    progress = Progress()
    try:
        run = run_tiny_case if engine == MLPERF_TINY else run_case
        result = run(request, _Silent() if quiet else _Shown(progress))
    finally:
        progress.done()
    _show(result, as_json=as_json)
    return result.exit_status


def _show(result: CaseResult, *, as_json: bool) -> None:
    from benchrunner.report import format_tables, run_summary

    if as_json:
        from dataclasses import asdict

        click.echo(json.dumps(asdict(result.measurement), indent=1, sort_keys=True))
    else:
        click.echo(run_summary(result.measurement))
        click.echo()
        width = terminal.width()
        click.echo(format_tables([result.measurement], width))
    if result.path is None:
        click.echo(f"error: the result is not stored: {result.problem}", err=True)
    if result.hint:
        click.echo(f"  hint: {result.hint}", err=True)
    if result.path is not None:
        click.echo(f"record: {result.path}", err=True)
