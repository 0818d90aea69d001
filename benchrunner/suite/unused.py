"""What a suite file says without effect: what leaves nothing out or adds nothing, an option no case takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from benchrunner import config
from benchrunner.board import BoardKind, load_board
from benchrunner.config import Problem, close_matches
from benchrunner.suite.file import Choice, Matrix, Suite
from benchrunner.suite.options import CaseOptions, takes
from benchrunner.suite.plan import PlannedCase, combinations, holds, included, matches, remaining, value_of

_OPTIONS: Final = tuple(CaseOptions.__dataclass_fields__)
_PATTERNS: Final = ("board", "model", "engine")


def unused(suite: Suite) -> list[str]:
    """A line for each, with file, line, column, key, and what may have been meant.

    None of these is an error: a model that is gone from a folder must not cost a night.
    """
    of_matrix = [list(combinations(suite, matrix)) for matrix in suite.file.matrix]
    added = [included(suite, matrix) for matrix in suite.file.matrix]
    everything = [case for cases in of_matrix for case in cases]
    found = list(_exclusions(("exclude",), suite.file.exclude, everything))
    everything += [case for lists in added for cases in lists for case in cases]
    if suite.file.tune and everything and not any(_linux(case) for case in everything):
        found.append(Problem(("tune",), "a case on a Linux board", "none"))
    there = {case.identity for matrix in suite.file.matrix for case in remaining(suite, matrix)}
    for index, (matrix, cases, lists) in enumerate(zip(suite.file.matrix, of_matrix, added, strict=True)):
        found += _exclusions(("matrix", index, "exclude"), matrix.exclude, cases)
        found += _axes(("matrix", index), matrix, [*cases, *chain(*lists)])
        for number, (choice, more) in enumerate(zip(matrix.include, lists, strict=True)):
            found += _inclusion(("matrix", index, "include", number), choice, more, there)
            there |= {case.identity for case in more}
    return config.located(suite.path, found)


def _exclusions(
    where: tuple[str | int, ...], choices: Sequence[Choice], cases: Sequence[PlannedCase]
) -> Iterator[Problem]:
    for number, choice in enumerate(choices):
        if any(matches(choice, case) for case in cases):
            continue
        at, alone = (*where, number), False
        for key, wanted in choice.given().items():
            values = list(dict.fromkeys(value_of(case, key) for case in cases))
            if any(holds(wanted, value) for value in values):
                continue
            alone = True
            known = [str(value) for value in values if value is not None]
            hint = f"there are {', '.join(known[:5])}{' ...' * (len(known) > 5)}" if known else "none has it"
            expected = f"the {key} of a case"
            if key in _PATTERNS:
                expected += ", with * and ?"
                hint = close_matches(str(wanted), known) or hint
            yield Problem((*at, key), expected, f"{config.show(wanted)}, which leaves nothing out ({hint})")
        if not alone:
            yield Problem(at, "a case with all of these", "none: it leaves nothing out")


def _inclusion(
    at: tuple[str | int, ...], choice: Choice, cases: Sequence[PlannedCase], there: set[tuple[object, ...]]
) -> Iterator[Problem]:
    if not cases:
        yield Problem(at, "a board with an engine of these", "none: it adds nothing")
    double = [case for case in cases if case.identity in there]
    if double:
        which = double[0].title if len(double) == 1 else f"{double[0].title}, and {len(double) - 1} more"
        yield Problem(at, "cases that are not there already", which)
    engines = sorted({case.engine for case in cases})
    for key in choice.given():
        if cases and not any(takes(engine, key) for engine in engines):
            found = f"none: its engines are {', '.join(engines)}"
            yield Problem((*at, key), "a case whose engine takes this option", found)


def _axes(where: tuple[str | int, ...], matrix: Matrix, cases: Sequence[PlannedCase]) -> Iterator[Problem]:
    default, engines = Matrix((), ()), {case.engine for case in cases}
    for number, engine in enumerate(matrix.engines):
        if engine not in engines:
            yield Problem(
                (*where, "engines", number), "an engine of a board of this matrix", config.show(engine)
            )
    for key in _OPTIONS:
        given = getattr(matrix, key) != getattr(default, key)
        if given and cases and not any(key in case.options.given() for case in cases):
            found = f"none: its engines are {', '.join(sorted(engines))}"
            yield Problem((*where, key), "a case whose engine takes this option", found)
    for key in ("starts", "threads"):
        given = getattr(matrix, key) != getattr(default, key)
        if given and cases and not any(_linux(case) for case in cases):
            yield Problem((*where, key), "a case on a Linux board", "none")


def _linux(case: PlannedCase) -> bool:
    return load_board(case.board).kind is BoardKind.LINUX
