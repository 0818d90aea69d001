"""The suite file multiplied out: every case, grouped by board, in the order that flashes least."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import chain, product
from pathlib import Path
from typing import Any

from benchrunner.board import Board, BoardKind, load_board
from benchrunner.board import board_ids as known_boards
from benchrunner.errors import ModelError, UsageError
from benchrunner.suite.file import ONE_OF, Choice, Matrix, Suite, Target
from benchrunner.suite.options import CaseOptions, takes, threads_of
from benchrunner.wording import counted
from benchrunner.zoo import list_models, resolve_model


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """One case of a suite, as plain data: it is written to the plan and sent to a worker."""

    number: int  # from 1, in the order of the plan
    board: str
    engine: str
    model: str  # path
    model_name: str
    model_sha256: str
    target: Target
    runs: int
    starts: int
    threads: int
    tune: bool
    faults: tuple[str, ...]
    options: CaseOptions = field(default_factory=CaseOptions)

    @property
    def title(self) -> str:
        options = [f"x{self.starts}"] if self.starts > 1 else []
        options += [counted(self.threads, "thread")] if self.threads > 1 else []
        options += [f"{name}={value}" for name, value in self.options.given().items()]
        return " ".join((self.board, self.engine, self.model_name, *options))

    @property
    def identity(self) -> tuple[object, ...]:
        """Two cases of one identity would be one row."""
        return (
            self.board,
            self.engine,
            self.model,
            self.target,
            self.runs,
            self.starts,
            self.threads,
            self.faults,
            self.options,
        )


def planned_from(fields: dict[str, Any]) -> PlannedCase:
    """A case as `asdict` and JSON have left it; raises `KeyError` or `TypeError` for what is none."""
    options = CaseOptions(**fields.get("options", {}))  # plans of before there were any have none
    return PlannedCase(**{**fields, "faults": tuple(fields["faults"]), "options": options})


@dataclass(frozen=True, slots=True)
class Plan:
    name: str
    cases: tuple[PlannedCase, ...]
    case_deadline_s: int
    failures_of_a_board: int

    @property
    def sha256(self) -> str:
        """Equal for plans of the same cases over the same model files."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def boards(self) -> list[str]:
        """Ids, in the order of their first case."""
        return list(dict.fromkeys(case.board for case in self.cases))


def make_plan(suite: Suite, target: Target | None = None) -> Plan:
    """Multiply out the matrices; `target` replaces what the file says.

    Cases of one board stand together, and those of one image (engine and model) next to each other. Raises
    `UsageError` for a suite without cases, `ModelError` for a model that is not there.
    """
    file = suite.file
    combined: dict[tuple[object, ...], PlannedCase] = {}
    for matrix in file.matrix:
        for case in (*remaining(suite, matrix, target), *chain(*included(suite, matrix, target))):
            combined.setdefault(case.identity, case)
    if not combined:
        raise UsageError(f"suite {file.name!r} has no case", hint="see its exclusions, or `--list`")
    order = {board: index for index, board in enumerate(dict.fromkeys(c.board for c in combined.values()))}
    ordered = sorted(combined.values(), key=lambda case: (order[case.board], case.engine, case.model))
    hashes = {
        model: hashlib.sha256(Path(model).read_bytes()).hexdigest() for model in {c.model for c in ordered}
    }
    numbered = tuple(
        replace(case, number=number, model_sha256=hashes[case.model])
        for number, case in enumerate(ordered, start=1)
    )
    return Plan(file.name, numbered, file.case_deadline_s, file.failures_of_a_board)


def combinations(suite: Suite, matrix: Matrix, target: Target | None = None) -> Iterator[PlannedCase]:
    """Every case of a matrix, also what is excluded; without number and hash."""
    models = [path for pattern in matrix.models for path in _models(suite, pattern)]
    boards = [board for pattern in matrix.boards for board in _boards(pattern)]
    for board, path in product(dict.fromkeys(boards), dict.fromkeys(models)):
        linux = board.kind is BoardKind.LINUX
        engines = matrix.engines or board.engines[:1]
        axes = product(
            engines,
            matrix.runs or ((50,) if linux else (10,)),
            matrix.starts if linux else (1,),
            matrix.threads if linux else (1,),
            matrix.xnnpack or ("",),
            matrix.kernels,
        )
        for engine, runs, starts, threads, xnnpack, kernels in axes:
            if engine not in board.engines:
                continue
            yield PlannedCase(
                number=0,
                board=board.id,
                engine=engine,
                model=str(path),
                model_name=path.stem,
                model_sha256="",
                target=target or matrix.target or suite.file.target,
                runs=runs,
                starts=starts,
                threads=threads_of(engine, threads),
                tune=suite.file.tune,
                faults=matrix.faults,
                options=CaseOptions(
                    warmup=matrix.warmup,
                    tolerance=matrix.tolerance,
                    xnnpack=xnnpack,
                    kernels=kernels,
                    runtime=matrix.runtime,
                    timing=matrix.timing,
                    policy=matrix.policy,
                    affinity=matrix.affinity,
                    delegate=matrix.delegate,
                    board_python=matrix.board_python,
                ).of_engine(engine),
            )


def remaining(suite: Suite, matrix: Matrix, target: Target | None = None) -> list[PlannedCase]:
    """The combinations of a matrix that nothing excludes."""
    excluded = (*suite.file.exclude, *matrix.exclude)
    cases = combinations(suite, matrix, target)
    return [case for case in cases if not any(matches(choice, case) for choice in excluded)]


def included(suite: Suite, matrix: Matrix, target: Target | None = None) -> list[list[PlannedCase]]:
    """What each `include` of a matrix asks for, also what is there already."""
    lists = {one: key for key, one in ONE_OF.items()}
    found = []
    for choice in matrix.include:
        given: dict[str, Any] = {lists.get(key, key): (value,) for key, value in choice.given().items()}
        cases = combinations(suite, replace(matrix, **given), target)
        found.append(list({case.identity: case for case in cases}.values()))
    return found


def matches(choice: Choice, case: PlannedCase) -> bool:
    """Whether an exclusion leaves the case out."""
    return all(holds(wanted, value_of(case, key)) for key, wanted in choice.given().items())


def holds(wanted: str | int, value: str | int | None) -> bool:
    """Whether a case with this value is one of those that an exclusion wants; * and ? are for text."""
    return fnmatchcase(value, str(wanted)) if isinstance(value, str) else value == wanted


def value_of(case: PlannedCase, key: str) -> str | int | None:
    """What a case has for a key of `Choice`; None for an option that its engine does not take."""
    if not takes(case.engine, key):
        return None
    name = "model_name" if key == "model" else key
    value: str | int = getattr(case.options if hasattr(case.options, name) else case, name)
    return value or None  # an option left to the board is an empty text


def _boards(pattern: str) -> list[Board]:
    return [load_board(board_id) for board_id in known_boards() if fnmatchcase(board_id, pattern)]


def _models(suite: Suite, pattern: str) -> list[Path]:
    """Models of the zoo by name, else files beside the suite file."""
    names = [model.name for model in list_models() if fnmatchcase(model.name, pattern)]
    if names:
        return [resolve_model(name) for name in names]
    folder = suite.folder
    if any(character in pattern for character in "*?"):
        found = sorted(folder.glob(pattern)) if not Path(pattern).is_absolute() else []
        if not found:
            raise ModelError(
                f"{pattern}: no model of the zoo and no file in {folder} matches",
                hint="`benchrunner models` lists the zoo; paths start at the suite file's folder",
            )
        return found
    beside = folder / pattern
    return [beside if beside.is_file() else resolve_model(pattern)]
