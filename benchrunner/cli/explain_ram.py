"""`benchrunner explain-ram`: what each kilobyte of a model's RAM on a board is, and what would change it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from benchrunner.cli.analysis_text import columns
from benchrunner.cli.parameters import BoardId, ModelName
from benchrunner.cli.sweep import Numbers
from benchrunner.errors import UsageError

if TYPE_CHECKING:
    from benchrunner.ram import Change, Explanation
    from benchrunner.ram.compare import Account

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(k|m|ki|mi)?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "ki": 1 << 10, "mi": 1 << 20}


def parse_size(text: str, option: str) -> int:
    """Bytes of 235000, 235k, 235kB, 229.5KiB. Raises `UsageError`."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{option} {text}: not an amount of memory", hint="for example 235k, 235000 or 229.5KiB"
        )
    return round(float(match[1]) * _UNITS[(match[2] or "").lower()])


@click.command(
    epilog="""\b
Examples:
  benchrunner explain-ram fomo_0.1_grey_96_int8 --board stm32f469i-disco
  benchrunner explain-ram fomo_0.1_grey_96_int8 --board stm32f469i-disco --measured 235k --documented 100k
  benchrunner explain-ram model.tflite --board nucleo-f401re --resolution 64,80,96 --json
"""
)
@click.argument("model", metavar="MODEL", type=ModelName())
@click.option("--board", "board_id", required=True, metavar="ID", type=BoardId(), help="A board with an MCU.")
@click.option("--measured", metavar="SIZE", help="RAM that a tool reported: 235k, 235000, 229.5KiB.")
@click.option("--documented", metavar="SIZE", help="RAM that somebody promised.")
@click.option(
    "--resolution", "resolutions", metavar="N,M,...", type=Numbers(int), help="Other resolutions to plan."
)
@click.option("--no-build", is_flag=True, help="Link nothing: runtime and stack are then an upper limit.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    model: str,
    board_id: str,
    measured: str | None,
    documented: str | None,
    resolutions: tuple[int, ...] | None,
    no_build: bool,
    as_json: bool,
) -> None:
    """Say what each kB of RAM of MODEL on a board is: activations at the peak, scratch, input, runtime.

    Then what another resolution, other channels or another placement would change. Every figure of them
    comes from the planner of the aot engine. k and M are powers of 1000, Ki and Mi of 1024.
    """
    from benchrunner.board import load_board
    from benchrunner.firmware.toolchain import find_toolchain
    from benchrunner.model import load_model
    from benchrunner.ram import explain_ram
    from benchrunner.ram.compare import account
    from benchrunner.zoo import resolve_model

    measured_bytes = None if measured is None else parse_size(measured, "--measured")
    documented_bytes = None if documented is None else parse_size(documented, "--documented")
    explanation = explain_ram(
        load_model(resolve_model(model)),
        load_board(board_id),
        None if no_build else find_toolchain(),
        resolutions=resolutions or (),
        below_bytes=documented_bytes,
    )
    found = None
    if measured_bytes is not None:
        found = account(explanation, measured_bytes, documented_bytes)
    if as_json:
        click.echo(json.dumps(_document(explanation, measured_bytes, documented_bytes, found), indent=2))
        return
    parts = [_parts(explanation), _changes(explanation)]
    if found is not None and measured_bytes is not None:
        parts.append(_account(explanation, found, measured_bytes, documented_bytes))
    if documented_bytes is not None:
        parts.append(_documented(explanation, documented_bytes))
    click.echo("\n\n".join(parts))


def _parts(explanation: Explanation) -> str:
    model, board = explanation.model, explanation.board
    assert board.mcu is not None
    rows = [
        (part.name, f"{part.size_bytes:,}", f"{part.size_bytes / 1000:.1f}", part.text)
        for part in explanation.parts
    ]
    total = explanation.total_bytes
    rows.append(("total", f"{total:,}", f"{total / 1000:.1f}", f"= {total / 1024:.2f} KiB"))
    at = f"; peak at {explanation.peak_layer}" if explanation.peak_layer else ""
    return "\n".join(
        (
            f"{model.name} on {board.id} ({board.mcu.chip.core}), engine aot{at}",
            f"{explanation.fits}",
            "",
            columns(("RAM", "bytes", "kB", "what"), rows, right=(1, 2)),
        )
    )


def _changes(explanation: Explanation) -> str:
    base = explanation.total_bytes
    rows = []
    problems: dict[str, list[str]] = {}
    for change in explanation.changes:
        if change.total_bytes is None:
            problems.setdefault(change.problem, []).append(change.name)
            continue
        rows.append(
            (
                change.kind if change.kind != change.name else "",
                change.name + ("" if change.by_engine else " *"),
                f"{change.arena_bytes:,}",
                f"{change.kept_bytes:,}",
                f"{change.total_bytes:,}",
                f"{change.total_bytes - base:+,}" if change.total_bytes != base else "",
            )
        )
    header = ("changed", "to", "activations", "kept input", "total", "difference")
    lines = [columns(header, rows, right=(2, 3, 4, 5))]
    lines += [f"no {', '.join(names)}: {problem}" for problem, names in problems.items()]
    if any(not change.by_engine for change in explanation.changes):
        lines.append(
            "* a bound: the map between them exists only as rows of one window; this engine does not do it"
        )
    lines.append(
        "External RAM takes activations out of the chip and changes none of these sums; "
        "this project's ports do not switch it on."
    )
    return "\n".join(lines)


def _account(explanation: Explanation, found: Account, measured: int, documented: int | None) -> str:
    rows = [] if documented is None else [(f"{documented:,}", "documented")]
    rows += [(f"{step.size_bytes:+,}", step.text) for step in found.steps]
    rows.append((f"{measured - found.unexplained_bytes:,}", "sum"))
    rows.append((f"{found.unexplained_bytes:+,}", "not explained"))
    rows.append((f"{measured:,}", "measured"))
    verdict = (
        "The sum comes within 2 % of what was measured. That is arithmetic, not a look into the tool."
        if found.close
        else "No combination of these habits comes within 2 %: the rest has another reason."
    )
    if found.others:
        verdict += f" {found.others} further combinations come as near."
    lines = ["What leads to the measured figure", columns(("bytes", "why"), rows, right=(0,)), verdict]
    from benchrunner.ram.compare import ruled_out

    out = ruled_out(explanation, measured)
    if out:
        listed = ", ".join(f"{name} ({size:,} bytes)" for name, size in out)
        lines.append(f"Ruled out, since one tensor by itself is more than was measured: {listed}.")
    return "\n".join(lines)


def _documented(explanation: Explanation, documented: int) -> str:
    from benchrunner.ram.compare import below

    largest = explanation.as_it_is.largest_bytes
    lines = [f"What would be below the documented {documented:,} bytes"]
    if explanation.least_bytes >= documented:
        lines.append(
            f"Not this network with whole tensors: no plan for these kernels is below "
            f"{explanation.least_bytes:,} bytes (largest tensor: {largest:,}), before runtime and stack."
        )
    names = below(explanation, documented)
    by_name: dict[str, Change] = {change.name: change for change in explanation.changes}
    rows = [(f"{by_name[name].total_bytes:,}", name) for name in names]
    lines.append(columns(("total", "with"), rows, right=(0,)) if rows else "Nothing of what is listed above.")
    return "\n".join(lines)


def _document(
    explanation: Explanation, measured: int | None, documented: int | None, found: Account | None
) -> dict[str, Any]:
    from benchrunner.ram.compare import below, ruled_out

    return {
        "model": explanation.model.name,
        "model_sha256": explanation.model.sha256,
        "board": explanation.board.id,
        "total_bytes": explanation.total_bytes,
        "arena_bytes": explanation.arena_bytes,
        "least_arena_bytes": explanation.least_bytes,
        "input_bytes": explanation.input_bytes,
        "peak_layer": explanation.peak_layer,
        "placement": explanation.fits,
        "runtime": asdict(explanation.runtime),
        "parts": [asdict(part) for part in explanation.parts],
        "changes": [asdict(change) for change in explanation.changes],
        "measured_bytes": measured,
        "documented_bytes": documented,
        "account": None if found is None else asdict(found),
        "ruled_out": None if measured is None else [name for name, _ in ruled_out(explanation, measured)],
        "below_documented": None if documented is None else list(below(explanation, documented)),
    }
