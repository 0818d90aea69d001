"""The suite file multiplied out: every case, grouped by board, in the order that flashes least."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path

from benchrunner.board import Board, BoardKind, load_board
from benchrunner.board import board_ids as known_boards
from benchrunner.errors import ModelError, UsageError
from benchrunner.suite.file import Matrix, SuiteFile, Target
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

    @property
    def title(self) -> str:
        options = [f"x{self.starts}"] if self.starts > 1 else []
        options += [f"{self.threads} threads"] if self.threads > 1 else []
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
        )


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


def make_plan(suite: SuiteFile, target: Target | None = None) -> Plan:
    """Multiply out the matrices; `target` replaces what the file says.

    Cases of one board stand together, and those of one image (engine and model) next to each other. Raises
    `UsageError` for a suite without cases, `ModelError` for a model that is not there.
    """
    combined: dict[tuple[object, ...], PlannedCase] = {}
    hashes: dict[Path, str] = {}
    for matrix in suite.matrix:
        for case in _cases(suite, matrix, target, hashes):
            combined.setdefault(case.identity, case)
    if not combined:
        raise UsageError(f"suite {suite.name!r} has no case", hint="see its exclusions, or `--list`")
    order = {board: index for index, board in enumerate(dict.fromkeys(c.board for c in combined.values()))}
    ordered = sorted(combined.values(), key=lambda case: (order[case.board], case.engine, case.model))
    from dataclasses import replace

    numbered = tuple(replace(case, number=number) for number, case in enumerate(ordered, start=1))
    return Plan(suite.name, numbered, suite.case_deadline_s, suite.failures_of_a_board)


def _cases(
    suite: SuiteFile, matrix: Matrix, target: Target | None, hashes: dict[Path, str]
) -> Iterator[PlannedCase]:
    models = [path for pattern in matrix.models for path in _models(suite, pattern)]
    boards = [board for pattern in matrix.boards for board in _boards(pattern)]
    for board, path in product(dict.fromkeys(boards), dict.fromkeys(models)):
        linux = board.kind is BoardKind.LINUX
        engines = matrix.engines or board.engines[:1]
        runs_of_each = matrix.runs or ((50,) if linux else (10,))
        options = product(
            engines, runs_of_each, matrix.starts if linux else (1,), matrix.threads if linux else (1,)
        )
        for engine, runs, starts, threads in options:
            if engine not in board.engines or _excluded(suite, matrix, board.id, path.stem, engine):
                continue
            if path not in hashes:
                hashes[path] = hashlib.sha256(path.read_bytes()).hexdigest()
            yield PlannedCase(
                number=0,
                board=board.id,
                engine=engine,
                model=str(path),
                model_name=path.stem,
                model_sha256=hashes[path],
                target=target or matrix.target or suite.target,
                runs=runs,
                starts=starts,
                threads=threads,
                tune=suite.tune,
                faults=matrix.faults,
            )


def _excluded(suite: SuiteFile, matrix: Matrix, board: str, model: str, engine: str) -> bool:
    return any(
        fnmatchcase(board, each.board) and fnmatchcase(model, each.model) and fnmatchcase(engine, each.engine)
        for each in (*suite.exclude, *matrix.exclude)
    )


def _boards(pattern: str) -> list[Board]:
    return [load_board(board_id) for board_id in known_boards() if fnmatchcase(board_id, pattern)]


def _models(suite: SuiteFile, pattern: str) -> list[Path]:
    """Models of the zoo by name, else files beside the suite file."""
    names = [model.name for model in list_models() if fnmatchcase(model.name, pattern)]
    if names:
        return [resolve_model(name) for name in names]
    folder = Path(suite.folder)
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
