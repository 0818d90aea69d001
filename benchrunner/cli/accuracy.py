"""`benchrunner accuracy`: a model over a labelled data set, on the host and on a board."""

from __future__ import annotations

import signal
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchrunner.cli.accuracy_shown import Shown, Silent, show
from benchrunner.cli.linux_options import given, linux_untimed_options, options_of
from benchrunner.cli.parameters import BoardId, ModelName
from benchrunner.cli.progress import Progress
from benchrunner.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from benchrunner.run import RunRequest

_RESIZES = ("nearest", "box", "bilinear", "bicubic", "lanczos")
_FITS = ("stretch", "crop", "pad")


def _number(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """A number, also as a fraction."""
    try:
        return float(Fraction(value.strip()))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise click.BadParameter(
            f"{value!r} is no number; examples: 0.0078125, 1/255, -1", ctx, param
        ) from None


def _numbers(ctx: click.Context, param: click.Parameter, value: str) -> tuple[float, ...]:
    """One number, or one for each channel, with commas between them."""
    return tuple(_number(ctx, param, part) for part in value.split(","))


@click.command(
    epilog="""\b
DATASET is a folder with a folder of each class in it, a folder of Food-101's layout (images/, meta/), or an
.npz file with the arrays x and y. The order of the classes is that of their names, or of --classes.

\b
value = ((pixel * scale + offset) - mean) / std, then the model's own quantisation. Networks of the ST model
zoo take --scale 1/127.5 --offset -1 or --scale 1/255.

\b
Examples:
  benchrunner accuracy --model digits_cnn_int8 --float-model digits_cnn_float \\
      --dataset tests/data/digits/test.npz --scale 1/16 --board stm32h747i-disco --sim
  benchrunner accuracy --model flowers.tflite --dataset flower_photos --scale 1/127.5 --offset -1
  benchrunner accuracy --model food.tflite --dataset food-101 --split test --limit 500 \\
      --board stm32h747i-disco --port /dev/ttyACM0
  benchrunner accuracy --model flowers.tflite --dataset flower_photos --scale 1/127.5 --offset -1 \\
      --board stm32mp257f-dk --host root@192.168.7.1

What was answered is kept: the same command goes on where an earlier one was stopped.
The result lands under results/accuracy/ (docs/accuracy.md).
Exit status: 0 good, 1 the device's answers are not what they must be, 2 usage, 3 board or lab,
130 Ctrl-C."""
)
@click.option("--model", type=ModelName(), required=True, help="A .tflite file or a name of the zoo.")
@click.option("--float-model", type=ModelName(), help="The same network before quantisation, for the host.")
@click.option(
    "--dataset",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder or .npz file of labelled images.",
)
@click.option("--split", help="Of the data set: meta/NAME.txt, or a folder NAME; Food-101: test.")
@click.option(
    "--classes",
    "classes_file",
    type=click.Path(path_type=Path),
    help="Text file with a class in each line, in the order of the model's outputs.",
)
@click.option("--limit", type=click.IntRange(1), help="Take so many images, at equal distances.")
@click.option("--resize", type=click.Choice(_RESIZES), default="bilinear", show_default=True)
@click.option(
    "--fit",
    type=click.Choice(_FITS),
    default="stretch",
    show_default=True,
    help="What is done with images of another shape than the input's.",
)
@click.option("--scale", metavar="NUMBER", callback=_number, default="1/255", show_default=True)
@click.option("--offset", metavar="NUMBER", callback=_number, default="0", show_default=True)
@click.option("--mean", metavar="NUMBER,...", callback=_numbers, default="0", show_default=True)
@click.option("--std", metavar="NUMBER,...", callback=_numbers, default="1", show_default=True)
@click.option(
    "--board", "board_id", type=BoardId(machines=True), help="Board id; without it only the host computes."
)
@click.option(
    "--engine", help="What executes the model on the board: aot, on Linux boards tflite; others are refused."
)
@click.option("--port", help="Device path, rfc2217://host:port or socket://host:port.")
@click.option("--sim", "simulate", is_flag=True, help="Use a simulated board, started for this.")
@click.option("--emulate", is_flag=True, help="Use an emulated board: it executes the real one's image.")
@click.option("--fault", "faults", multiple=True, metavar="NAME=VALUE", help="With --sim or --emulate.")
@click.option("--lines", "boot_lines", is_flag=True, help="RTS and DTR of --port drive BOOT0 and NRST.")
@click.option("--place", help="A place of lab.toml.")
@click.option("--lab", "lab_file", type=click.Path(path_type=Path), help="Use this lab.toml.")
@click.option(
    "--tolerance",
    type=click.IntRange(0),
    help="Linux board: allowed difference in LSB; default: what other kernels round differently.",
)
@linux_untimed_options
@click.option("--new", is_flag=True, help="Begin anew instead of going on with what was stopped.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.option(
    "--out",
    "results",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of the results.",
)
@click.option("--quiet", "-q", is_flag=True, help="Do not show the steps.")
def command(
    model: str,
    float_model: str | None,
    dataset: Path,
    split: str | None,
    classes_file: Path | None,
    limit: int | None,
    resize: str,
    fit: str,
    scale: float,
    offset: float,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    board_id: str | None,
    engine: str | None,
    port: str | None,
    simulate: bool,
    emulate: bool,
    faults: tuple[str, ...],
    boot_lines: bool,
    place: str | None,
    lab_file: Path | None,
    tolerance: int | None,
    new: bool,
    as_json: bool,
    results: Path,
    quiet: bool,
    **linux: Any,
) -> int:
    """Count how often a model is right: float, int8 on the host, int8 on the board.

    Every answer of the board is compared with the host's: bit for bit, or on Linux boards, whose runtimes
    have kernels of their own, within a tolerance that is stated.
    """
    reached = (simulate, emulate, port is not None, place is not None, linux["host"] is not None)
    if sum(reached) > 1:
        raise UsageError(
            "--sim, --emulate, --port, --host and --place exclude each other", hint="give at most one"
        )
    if faults and not (simulate or emulate):
        raise UsageError("--fault needs --sim or --emulate", hint="leave it away for a real board")
    of_a_board = (
        *linux,
        "simulate",
        "emulate",
        "port",
        "place",
        "lab_file",
        "engine",
        "tolerance",
        "boot_lines",
    )
    if board_id is None and (useless := given(click.get_current_context(), of_a_board)):
        raise UsageError(f"{', '.join(useless)}: need --board", hint="`benchrunner boards` has ids")

    from benchrunner.accuracy.measure import AccuracyRequest, measure_accuracy
    from benchrunner.accuracy.preprocessing import Fit, Preprocessing, Resize
    from benchrunner.zoo import resolve_model

    path, arguments = resolve_model(model), tuple(sys.argv[1:])
    device = None
    if board_id is not None:
        device = _device(
            board_id,
            path,
            engine,
            port,
            simulate,
            emulate,
            faults,
            boot_lines,
            place,
            lab_file,
            tolerance,
            results,
            arguments,
            linux,
        )
    request = AccuracyRequest(
        model=path,
        dataset=dataset,
        float_model=resolve_model(float_model) if float_model else None,
        device=device,
        split=split,
        classes_file=classes_file,
        limit=limit,
        preprocessing=Preprocessing(Resize(resize), Fit(fit), scale, offset, mean, std),
        results=results,
        new=new,
        command=arguments,
    )
    # A lab's scheduler ends a job with SIGTERM: the same clean way out as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    progress = Progress()
    shown = (Silent if quiet else Shown)(progress)
    try:
        result = measure_accuracy(request, shown)
    except KeyboardInterrupt:
        progress.done()
        kept = (
            f"{shown.done} of {shown.total} images are answered and kept" if shown.total else "no image yet"
        )
        click.echo(f"stopped: {kept}; the same command goes on", err=True)
        return ExitStatus.INTERRUPTED
    finally:
        progress.done()
    return show(result, as_json=as_json)


def _device(
    board_id: str,
    model: Path,
    engine: str | None,
    port: str | None,
    simulate: bool,
    emulate: bool,
    faults: tuple[str, ...],
    boot_lines: bool,
    place: str | None,
    lab_file: Path | None,
    tolerance: int | None,
    results: Path,
    arguments: tuple[str, ...],
    linux: dict[str, Any],
) -> RunRequest:
    from benchrunner.board import BoardKind
    from benchrunner.emulator.machines import board_or_machine, facts_sha256
    from benchrunner.run import RunRequest
    from benchrunner.simulator.faults import parse
    from benchrunner.simulator.linux import parse_linux

    board = board_or_machine(board_id)
    on_linux = board.kind is BoardKind.LINUX
    useless = given(click.get_current_context(), (*linux, "tolerance"))
    if useless and not on_linux:
        raise UsageError(
            f"{board.id} is a microcontroller board: {', '.join(useless)} cannot be used with it",
            hint="`benchrunner boards` shows the kind of each board",
        )
    return RunRequest(
        board=board,
        board_file_sha256=facts_sha256(board),
        model=model,
        engine=engine or ("tflite" if on_linux else "aot"),
        port=port,
        boot_lines=boot_lines,
        simulate=simulate,
        emulate=emulate,
        faults=parse(faults) if faults and not on_linux else None,
        linux_faults=parse_linux(faults) if faults and on_linux else None,
        linux=options_of(linux),
        tolerance_lsb=tolerance or 0,
        tolerance_stated=tolerance is not None,
        place=place,
        lab_file=lab_file,
        results=results,
        command=arguments,
    )
