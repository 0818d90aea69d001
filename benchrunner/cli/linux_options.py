"""Options of commands for boards that run Linux: those of `run`, and without times those of `accuracy`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from benchrunner.run.request import LinuxOptions

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--host", default=None, help="Linux board: user@host[:port], or an alias of ~/.ssh/config."),
    click.option(
        "--key",
        "key_file",
        type=click.Path(path_type=Path),
        default=None,
        help="Linux board: private key to try first.",
    ),
    click.option("--jump", default=None, help="Linux board: hosts on the way, the nearest first."),
    click.option(
        "--password-variable",
        default=None,
        metavar="NAME",
        help="Linux board: environment variable that holds the password.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(1, 256),
        default=1,
        show_default=True,
        help="Linux board: threads of the interpreter; ST's published tables have 2 on boards with two CPUs.",
    ),
    click.option(
        "--affinity", default=None, metavar="CPUS", help="Linux board: CPUs to stay on, such as 0 or 0-1,3."
    ),
    click.option("--delegate", default=None, help="Linux board: path of a delegate library on the board."),
    click.option(
        "--kernels",
        type=click.Choice(["default", "reference"]),
        default="default",
        show_default=True,
        help="Linux board: kernels of the runtime; reference is without default delegates.",
    ),
    click.option(
        "--runtime",
        type=click.Choice(["auto", "tflite_runtime", "ai_edge_litert", "tensorflow"]),
        default="auto",
        show_default=True,
        help="Linux board: which of its runtimes.",
    ),
    click.option(
        "--board-python", default="python3", show_default=True, help="Linux board: its Python with a runtime."
    ),
)
_TIMED = (
    click.option(
        "--starts",
        type=click.IntRange(1, 1000),
        default=1,
        show_default=True,
        help="Linux board: processes that measure one after the other; 5 or more to publish.",
    ),
    click.option("--tune", is_flag=True, help="Linux board: governor `performance` during the run."),
    click.option(
        "--policy",
        type=click.Choice(["warn", "refuse"]),
        default="warn",
        show_default=True,
        help="Linux board: what to do about one that is busy, hot, or may change its frequency.",
    ),
    click.option(
        "--timing",
        type=click.Choice(["auto", "python", "native", "batched"]),
        default="auto",
        show_default=True,
        help="Linux board: how inferences are timed.",
    ),
    click.option(
        "--xnnpack",
        type=click.Choice(["on", "off"]),
        default=None,
        help="With --engine benchmark-model; default: what the board's build does.",
    ),
)


def linux_options(command: Command) -> Command:
    """Add the options to a command that takes times, and them as keywords."""
    return _with((*_OPTIONS, *_TIMED), command)


def linux_untimed_options(command: Command) -> Command:
    """Those that decide about answers, not about times."""
    return _with(_OPTIONS, command)


def _with(options: Sequence[Callable[[Command], Command]], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def given(context: click.Context, names: Iterable[str]) -> list[str]:
    """Those of the options that were typed, as they are typed."""
    default = click.core.ParameterSource.DEFAULT
    return [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in names and context.get_parameter_source(parameter.name) is not default
    ]


def options_of(values: dict[str, Any]) -> LinuxOptions:
    """Raises `UsageError` for an affinity that is none."""
    from benchrunner.run.request import LinuxOptions, parse_cpus
    from benchrunner.session.linux.preflight import Policy

    untimed = LinuxOptions(
        host=values["host"],
        key_file=values["key_file"],
        jump=values["jump"],
        password_variable=values["password_variable"],
        ask=_ask if sys.stdin.isatty() else None,
        threads=values["threads"],
        affinity=parse_cpus(values["affinity"]) if values["affinity"] is not None else None,
        delegate=values["delegate"],
        python=values["board_python"],
        runtime=values["runtime"],
        kernels=values["kernels"],
    )
    if "timing" not in values:
        return untimed
    return replace(
        untimed,
        starts=values["starts"],
        tune=values["tune"],
        policy=Policy(values["policy"]),
        timing=values["timing"],
        xnnpack={"on": True, "off": False, None: None}[values["xnnpack"]],
    )


def _ask(question: str) -> str | None:
    try:
        answer: str = click.prompt(question, hide_input=True, default="", show_default=False, err=True)
    except click.Abort:
        return None
    return answer
