"""`benchrunner models`: the models that ship with the project."""

from __future__ import annotations

import dataclasses
import json

import click

from benchrunner.zoo import ZooModel, default_model, list_models

_HEADINGS = (
    "name", "network", "alpha", "resolution", "input",
    "parameters", "weights KiB", "MACs", "file bytes", "sha256",
)  # fmt: skip
_FIRST_NUMBER, _LAST_NUMBER = 5, 8  # columns that are aligned to the right


@click.command(
    epilog="""\b
Examples:
  benchrunner models
  benchrunner models --json
  benchrunner analyze st_fdmobilenet_v1_224_uint8
"""
)
@click.option("--json", "as_json", is_flag=True, help="Print everything that is known, for programs.")
def command(as_json: bool) -> None:
    """List the models of the zoo. Each name can be given wherever a model is asked for.

    But for the digits networks, weights are seeded, not trained: time and memory are those of the published
    networks, the answers mean nothing.
    """
    models = list_models()
    if as_json:
        documents = [{**dataclasses.asdict(model), "path": str(model.path)} for model in models]
        click.echo(json.dumps(documents, indent=2))
        return
    rows = [_HEADINGS, *(_row(model) for model in models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        cells = [
            cell.rjust(width) if _FIRST_NUMBER <= column <= _LAST_NUMBER else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())
    click.echo(f"`benchrunner run` without --model takes {default_model()}.", err=True)


def _row(model: ZooModel) -> tuple[str, ...]:
    return (
        model.name,
        model.family,
        model.alpha,
        model.resolution,
        model.input_type,
        f"{model.parameters:,}",
        f"{model.weight_bytes / 1024:.2f}",
        f"{model.macs:,}",
        f"{model.size_bytes:,}",
        model.sha256[:12],
    )
