from __future__ import annotations

import json
from pathlib import Path

import click
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from benchrunner.cli import cli
from benchrunner.cli.parameters import ModelName
from benchrunner.zoo import list_models


def test_models_prints_one_line_per_model_on_stdout() -> None:
    result = CliRunner().invoke(cli, ["models"])
    assert result.exit_code == 0
    heading, *lines = result.stdout.splitlines()
    assert heading.split()[:3] == ["name", "network", "alpha"]
    assert [line.split()[0] for line in lines] == [model.name for model in list_models()]
    assert lines[0].split()[-6:] == ["int8", "125,477", "128.32", "3,848,448", "197,232", "e71454ad944a"]
    assert "fdmobilenet_0.25_128_int8" in result.stderr


def test_models_json_has_every_field_and_the_path() -> None:
    result = CliRunner().invoke(cli, ["models", "--json"])
    documents = json.loads(result.stdout)
    assert [document["name"] for document in documents] == [model.name for model in list_models()]
    assert documents[0]["macs"] == 3_848_448
    assert all(Path(document["path"]).is_file() for document in documents)
    assert result.stderr == ""


@click.command()
@click.argument("model", type=ModelName())
def show(model: str) -> None:
    click.echo(model)


def test_a_model_argument_is_passed_on_as_it_was_given() -> None:
    assert CliRunner().invoke(show, ["Some/Model.tflite"]).stdout == "Some/Model.tflite\n"


def completions(incomplete: str) -> list[tuple[str, str]]:
    shell = ShellComplete(show, {}, "show", "_SHOW_COMPLETE")
    return [(item.type, item.value) for item in shell.get_completions([], incomplete)]


def test_names_of_the_zoo_are_completed() -> None:
    assert completions("fdmobilenet_0.25_128") == [
        ("plain", "fdmobilenet_0.25_128_int8"),
        ("plain", "fdmobilenet_0.25_128_uint8"),
    ]
    assert len(completions("")) == len(list_models())


def test_anything_else_is_completed_as_a_file() -> None:
    assert completions("./models/") == [("file", "./models/")]
