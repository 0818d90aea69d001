"""`benchrunner analyze`: what a model costs, layer by layer, and which boards it fits."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchrunner.board import Board, list_boards
from benchrunner.cli.analysis_text import details, same_networks, summary
from benchrunner.cli.parameters import BoardId, ModelName
from benchrunner.cli.sweep import Numbers, print_sweep
from benchrunner.emulator.machines import board_or_machine
from benchrunner.errors import ExitStatus, ModelError, UsageError
from benchrunner.fit import ASSUMPTION, Fit, fit
from benchrunner.model import Model, load_model
from benchrunner.model.cost import ModelCost, model_cost
from benchrunner.zoo import resolve_model

if TYPE_CHECKING:
    from benchrunner.firmware.compiled import CompiledModel


@dataclass(frozen=True, slots=True)
class Analysis:
    """One model that could be read."""

    model: Model
    cost: ModelCost
    fits: tuple[Fit, ...]


@click.command(
    epilog="""\b
Examples:
  benchrunner analyze model.tflite
  benchrunner analyze fdmobilenet_0.25_128_int8 --board stm32f746g-disco
  benchrunner analyze fdmobilenet_0.25_224_int8 --memory
  benchrunner analyze *.tflite --json | jq '.models[].macs'
  benchrunner analyze --sweep fomo --resolution 320
  benchrunner analyze --sweep fomo --alpha 0.05,0.1,0.35 --resolution 96 --channels 1
  benchrunner analyze --sweep mobilenet_v2 --svg mobilenet_v2.svg
"""
)
@click.argument("models", nargs=-1, metavar="MODEL...", type=ModelName())
@click.option(
    "--board",
    "boards",
    multiple=True,
    metavar="ID",
    type=BoardId(machines=True),
    help="Only these; may be repeated.",
)
@click.option("--memory", is_flag=True, help="Also plan the arena of the aot engine, and draw it.")
@click.option(
    "--sweep",
    "family",
    metavar="FAMILY",
    help="Instead of files: fdmobilenet, mobilenet_v1, mobilenet_v2, mobilenet_v3_small or fomo by width and "
    "resolution.",
)
@click.option("--alpha", "alphas", metavar="A,B,...", type=Numbers(float), help="Width multipliers to sweep.")
@click.option(
    "--resolution", "resolutions", metavar="N,M,...", type=Numbers(int), help="Resolutions to sweep."
)
@click.option("--channels", type=int, help="Channels of the swept input; 3, or 1 for grey.")
@click.option("--classes", type=int, help="Classes of the swept networks; FOMO's with the background.")
@click.option(
    "--svg", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Draw the sweep."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    models: tuple[str, ...],
    boards: tuple[str, ...],
    memory: bool,
    family: str | None,
    alphas: tuple[float, ...] | None,
    resolutions: tuple[int, ...] | None,
    channels: int | None,
    classes: int | None,
    svg: Path | None,
    as_json: bool,
) -> int:
    """Print layers, totals, live memory and fit of each MODEL: a .tflite file or a name of the zoo.

    Exit status 2 when a file could not be read; the others are printed all the same.
    """
    if family is not None:
        if models or boards or memory:
            raise UsageError(
                "--sweep describes networks itself: it takes no MODEL, --board or --memory",
                hint=f"benchrunner analyze --sweep {family}",
            )
        print_sweep(
            family,
            alphas=alphas or (),
            resolutions=resolutions or (),
            channels=3 if channels is None else channels,
            classes=classes,
            svg=svg,
            as_json=as_json,
        )
        return ExitStatus.GOOD
    given: dict[str, object] = {"--alpha": alphas, "--resolution": resolutions, "--channels": channels}
    given |= {"--classes": classes, "--svg": svg}
    alone = [name for name, value in given.items() if value is not None]
    if alone:
        raise UsageError(
            f"{', '.join(alone)} without --sweep", hint="benchrunner analyze --sweep mobilenet_v2"
        )
    if not models:
        raise click.UsageError("Missing argument 'MODEL...'.", ctx=click.get_current_context())
    chosen = [board_or_machine(board) for board in boards] if boards else list_boards()
    analyses, errors = _analyse(models, chosen)
    plans = _plans(analyses, errors) if memory else {}
    if as_json:
        document = _document(analyses, errors)
        for entry in document["models"]:
            if entry["source"] in plans:
                entry["memory_plan"] = _plan_entry(plans[entry["source"]])
        click.echo(json.dumps(document, indent=2))
    else:
        _print(analyses)
        for compiled in plans.values():
            from benchrunner.cli.footprint_text import memory_table

            click.echo(f"\n{compiled.model.source}: {memory_table(compiled)}")
    for error in errors:
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"  hint: {error.hint}", err=True)
    return ExitStatus.USAGE if errors else ExitStatus.GOOD


def _analyse(models: tuple[str, ...], boards: list[Board]) -> tuple[list[Analysis], list[ModelError]]:
    analyses, errors = [], []
    for name in models:
        try:
            model = load_model(_file(name))
            cost = model_cost(model)
        except ModelError as error:
            errors.append(error)
        else:
            analyses.append(Analysis(model, cost, tuple(fit(cost, board) for board in boards)))
    return analyses, errors


def _plans(analyses: list[Analysis], errors: list[ModelError]) -> dict[str, CompiledModel]:
    """Source -> the model as the engine runs it; what it does not run is added to `errors`."""
    from benchrunner.firmware.compiled import compile_model

    plans: dict[str, CompiledModel] = {}
    for analysis in analyses:
        try:
            plans[analysis.model.source] = compile_model(analysis.model)
        except ModelError as error:
            errors.append(error)
    return plans


def _plan_entry(compiled: CompiledModel) -> dict[str, Any]:
    plan = compiled.plan
    return {
        "arena_bytes": plan.arena_bytes,
        "activation_bytes": plan.activation_bytes,
        "bound_bytes": plan.bound_bytes,
        "optimal": plan.optimal,
        "inputs_overwritten": plan.inputs_overwritten,
        "buffers": [
            {**asdict(buffer), "offset_bytes": offset}
            for buffer, offset in zip(plan.buffers, plan.offsets, strict=True)
        ],
    }


def _file(name: str) -> Path:
    """A path that exists is read as it is, so that the reader says what is wrong with it."""
    path = Path(name)
    return path if path.exists() else resolve_model(name)


def _print(analyses: list[Analysis]) -> None:
    for analysis in analyses:
        click.echo(details(analysis.model, analysis.cost, analysis.fits))
    if len(analyses) > 1:
        click.echo(summary([(a.model, a.cost, a.fits) for a in analyses]))
    if analyses:
        click.echo(f"Assumed: {ASSUMPTION}")


def _document(analyses: list[Analysis], errors: list[ModelError]) -> dict[str, Any]:
    return {
        "models": [_entry(analysis) for analysis in analyses],
        "same_network": [list(names) for names in same_networks([a.model for a in analyses])],
        "assumption": ASSUMPTION,
        "errors": [{"message": error.message, "hint": error.hint} for error in errors],
    }


def _entry(analysis: Analysis) -> dict[str, Any]:
    model, cost = analysis.model, analysis.cost
    graph = model.graph
    return {
        "name": model.name,
        "source": model.source,
        "sha256": model.sha256,
        "graph_sha256": model.graph_sha256,
        "size_bytes": model.size_bytes,
        "inputs": [_tensor(graph.tensors[i].shape, graph.tensors[i].dtype) for i in graph.inputs],
        "outputs": [_tensor(graph.tensors[i].shape, graph.tensors[i].dtype) for i in graph.outputs],
        "other_subgraphs": list(model.other_subgraphs),
        "macs": cost.macs,
        "counted_macs": cost.counted_macs,
        "unknown_operators": list(cost.unknown),
        "parameters": cost.parameters,
        "weight_bytes": cost.weight_bytes,
        "constant_bytes": cost.constant_bytes,
        "live_peak_bytes": cost.live.peak_bytes,
        "live_peak_layer": cost.live.peak_layer,
        "naive_peak_bytes": cost.naive_peak_bytes,
        "least_live_bytes": cost.live.least_bytes,
        "layers": [
            asdict(layer) | {"live_bytes": live}
            for layer, live in zip(cost.layers, cost.live.during_bytes, strict=True)
        ],
        "separable_pairs": [
            asdict(pair) | {"reduction": pair.reduction, "formula": pair.formula} for pair in cost.pairs
        ],
        "fits": [
            {
                "board": answer.board,
                "verdict": answer.verdict,
                "memories": [
                    asdict(memory) | {"verdict": memory.verdict, "shortfall_bytes": memory.shortfall_bytes}
                    for memory in answer.memories
                ],
            }
            for answer in analysis.fits
        ],
    }


def _tensor(shape: tuple[int, ...], dtype: str) -> dict[str, Any]:
    return {"shape": list(shape), "dtype": dtype}
