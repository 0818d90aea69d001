"""What the documents tell people to type is understood, and what they point to is there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest

from benchrunner.cli import COMMANDS, cli

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("firmware/**/*.md"),
        *ROOT.glob("results/*.md"),
    ]
)
FENCED = re.compile(r"^ *```[^\n]*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
CALL = re.compile(r"(?:^|[\s/])benchrunner +([a-z].*)")
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")
PATH = re.compile(r"(?:benchrunner|benchmarks|boards|docs|firmware|tests|tools|\.ci)/[\w./-]+\.\w+")


def calls(text: str) -> Iterator[list[str]]:
    """Command lines of the fenced parts and code spans of a page, in words, without the program's name."""
    lines = [line for block in FENCED.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    for line in (*lines, *CODE.findall(FENCED.sub("", text))):
        found = CALL.search(line)
        if found and found[1].split()[0] in COMMANDS:
            tokens = shlex.shlex(found[1], posix=True, punctuation_chars="|;&<>")
            tokens.whitespace_split = True
            yield list(takewhile(lambda token: token[0] not in "|;&<>", tokens))


def parse(words: list[str]) -> None:
    """Raise `click.UsageError` where click would, but for files that are not there and values left out."""
    command: click.Command = cli
    context = click.Context(cli, info_name="benchrunner")
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words[0])
        if found is None:
            raise click.UsageError(f"no command {words[0]}")
        command, words = found, words[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    if words and words[-1].startswith("--"):  # mentioned without its value
        (last,) = [each for each in command.params if words[-1] in each.opts] or [None]
        words += ["VALUE"] if isinstance(last, click.Option) and not last.is_flag else []
    given, rest, _ = command.make_parser(context).parse_args(words)
    if rest:
        raise click.UsageError(f"too many words: {rest}")
    for parameter in command.params:
        value = given.get(parameter.name or "")
        if isinstance(parameter.type, click.Choice) and isinstance(value, str) and not value.isupper():
            parameter.type.convert(value, parameter, context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_of_a_page_is_one(page: Path) -> None:
    for line in calls(page.read_text(encoding="utf-8")):
        try:
            parse(line)
        except click.UsageError as error:
            pytest.fail(f"benchrunner {shlex.join(line)}: {error.format_message()}")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_of_a_commands_help_is_one(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for line in calls(f"```\n{command.epilog or ''}\n```\n{command.epilog or ''}"):
        parse(line)


def test_a_command_line_that_is_wrong_is_found() -> None:
    fenced = "```sh\nbenchrunner run --board x --sim  # well\nbenchrunner run --bord x\n```\n"
    page = fenced + "and `benchrunner table a --kind odd`"
    good, *bad = calls(page)
    parse(good)
    assert len(bad) == 2
    for line in bad:
        with pytest.raises(click.UsageError):
            parse(line)


def test_the_pages_hold_many_command_lines() -> None:
    assert len({shlex.join(line) for page in PAGES for line in calls(page.read_text(encoding="utf-8"))}) > 50


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_named_files_of_a_page_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [
        link for link in LINK.findall(FENCED.sub("", text)) if "://" not in link and "mailto:" not in link
    ]
    missing = [link for link in links if not (page.parent / link).exists()]
    named = [span for span in CODE.findall(text) if PATH.fullmatch(span)]
    missing += [name for name in named if not (ROOT / name).exists()]
    assert missing == []
