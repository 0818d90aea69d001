"""What a suite file says without effect: a pattern that leaves nothing out, an option that no case takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final

from benchrunner import config
from benchrunner.board import BoardKind, load_board
from benchrunner.config import Problem, close_matches
from benchrunner.suite.file import Matrix, Pattern, Suite
from benchrunner.suite.options import CaseOptions
from benchrunner.suite.plan import PlannedCase, combinations, matches

_PART: Final[dict[str, Callable[[PlannedCase], str]]] = {
    "board": lambda case: case.board,
    "model": lambda case: case.model_name,
    "engine": lambda case: case.engine,
}
_OPTIONS: Final = tuple(CaseOptions.__dataclass_fields__)


def unused(suite: Suite) -> list[str]:
    """A line for each, with file, line, column, key, and what may have been meant.

    None of these is an error: a model that is gone from a folder must not cost a night.
    """
    of_matrix = [list(combinations(suite, matrix)) for matrix in suite.file.matrix]
    everything = [case for cases in of_matrix for case in cases]
    found = list(_patterns(("exclude",), suite.file.exclude, everything))
    if suite.file.tune and everything and not any(_linux(case) for case in everything):
        found.append(Problem(("tune",), "a case on a Linux board", "none"))
    for index, (matrix, cases) in enumerate(zip(suite.file.matrix, of_matrix, strict=True)):
        found += _patterns(("matrix", index, "exclude"), matrix.exclude, cases)
        found += _axes(("matrix", index), matrix, cases)
    return config.located(suite.path, found)


def _patterns(
    where: tuple[str | int, ...], patterns: Sequence[Pattern], cases: Sequence[PlannedCase]
) -> Iterator[Problem]:
    for number, pattern in enumerate(patterns):
        if any(matches(pattern, case) for case in cases):
            continue
        at, alone = (*where, number), False
        for key, part in _PART.items():
            wanted, known = getattr(pattern, key), sorted({part(case) for case in cases})
            if any(fnmatchcase(name, wanted) for name in known):
                continue
            alone = True
            hint = (
                close_matches(wanted, known) or f"there are {', '.join(known[:5])}{' ...' * (len(known) > 5)}"
            )
            expected = f"the {key} of a case, with * and ?"
            yield Problem((*at, key), expected, f"{config.show(wanted)}, which leaves nothing out ({hint})")
        if not alone:
            yield Problem(at, "a case with all of these", "none: it leaves nothing out")


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
