"""The suite file: which boards, engines, models and options make up a night."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Literal

from benchrunner import config
from benchrunner.board import BoardKind, board_ids, load_board
from benchrunner.config import FILE_CONFIG, Problem, UnusableError, Values, close_matches
from benchrunner.errors import UsageError
from benchrunner.zoo import list_models

Target = Literal["real", "emulate", "sim"]

_ENGINES: Final = ("aot", "mlperf-tiny", "tflite", "benchmark-model", "onnxruntime", "nbg")


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of some of a matrix' lists: `exclude` leaves the cases of it out, `include` adds them.

    A key that is not given is any to `exclude`; to `include` it is each that the matrix has.
    """

    __pydantic_config__ = FILE_CONFIG

    board: str | None = None  # with * and ?, as the model
    model: str | None = None
    engine: str | None = None
    runs: int | None = None
    starts: int | None = None
    threads: int | None = None
    xnnpack: Literal["on", "off"] | None = None
    kernels: Literal["default", "reference"] | None = None

    def given(self) -> dict[str, str | int]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


# Lists of a matrix that a `Choice` names otherwise.
ONE_OF: Final = {"boards": "board", "models": "model", "engines": "engine"}


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every combination of its lists."""

    __pydantic_config__ = FILE_CONFIG

    boards: tuple[str, ...]  # ids, with * and ?
    models: tuple[str, ...]  # names of the zoo with * and ?, or paths beside the suite file
    engines: tuple[str, ...] = ()  # empty: the first of each board
    runs: tuple[int, ...] = ()  # empty: as `benchrunner run` does, 10, on Linux boards 50
    starts: tuple[int, ...] = (1,)  # of Linux boards
    threads: tuple[int, ...] = (1,)  # of Linux boards
    target: Target | None = None  # the suite's, where it is not given
    faults: tuple[str, ...] = ()  # of simulated and emulated boards
    # Named as in `benchrunner run`; each is for the engines that take it. The first two are lists as above.
    xnnpack: tuple[Literal["on", "off"], ...] = ()  # empty: what the board's build does
    kernels: tuple[Literal["default", "reference"], ...] = ("default",)
    warmup: int | None = None
    tolerance: int | None = None
    affinity: str = ""
    delegate: str = ""
    policy: Literal["warn", "refuse"] = "warn"
    runtime: Literal["auto", "tflite_runtime", "ai_edge_litert", "tensorflow"] = "auto"
    timing: Literal["auto", "python", "native", "batched"] = "auto"
    board_python: str = "python3"
    exclude: tuple[Choice, ...] = ()
    include: tuple[Choice, ...] = ()  # added to what `exclude` has left


@dataclass(frozen=True, slots=True)
class SuiteFile:
    __pydantic_config__ = FILE_CONFIG

    name: str
    matrix: tuple[Matrix, ...]
    target: Target = "real"
    case_deadline_s: int = 600
    failures_of_a_board: int = 3  # so many in a row, and the board is set aside
    tune: bool = False  # of Linux boards: governor `performance` while a case runs
    exclude: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Suite:
    """What a suite file says, and where it is: its paths start there."""

    path: Path
    file: SuiteFile

    @property
    def folder(self) -> Path:
        return self.path.resolve().parent


def load_suite(path: Path) -> Suite:
    """Read a suite file; raises `ConfigError` naming every problem in it."""
    folder = path.resolve().parent
    rules = [_rules, lambda values: _model_rules(values, folder)]
    return Suite(path, config.load(path, SuiteFile, rules))


def _model_rules(values: Values, folder: Path) -> Iterator[Problem]:
    """Every model must be there before the night begins."""
    if not values.usable("matrix"):
        return
    names = [model.name for model in list_models()]
    for index in range(len(values.at("matrix"))):
        try:
            models = list(_values(values.at("matrix", index), index, "models"))
        except UnusableError:
            continue
        for where, model in models:
            if any(fnmatchcase(name, model) for name in names) or _is_file(folder, model):
                continue
            hint = close_matches(model, names) or "`benchrunner models` lists the zoo"
            yield Problem(
                where,
                f"a model of the zoo, or a file beside the suite file (in {folder}), with * and ?",
                f"{config.show(model)} ({hint})",
            )


def _is_file(folder: Path, pattern: str) -> bool:
    if any(character in pattern for character in "*?") and not Path(pattern).is_absolute():
        return any(folder.glob(pattern))
    return (folder / pattern).is_file() or Path(pattern).is_file()


def _rules(values: Values) -> Iterator[Problem]:
    for key, low in (("case_deadline_s", 1), ("failures_of_a_board", 1)):
        if values.usable(key) and values.at(key) < low:
            yield Problem((key,), f"{low} or more", str(values.at(key)))
    if values.usable("name") and not values.at("name").strip():
        yield Problem(("name",), "a name", "an empty text")
    if not values.usable("matrix"):
        return
    if not values.at("matrix"):
        yield Problem(("matrix",), "at least one [[matrix]]", "none")
    known = board_ids()
    for index in range(len(values.at("matrix"))):
        try:
            yield from _matrix_rules(values, index, known)
        except UnusableError:
            continue


def _values(matrix: dict[str, Any], index: int, key: str) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """What a list of a matrix holds and what `include` adds to it, each with its place."""
    for number, value in enumerate(matrix.get(key, ())):
        yield ("matrix", index, key, number), value
    one = ONE_OF.get(key, key)
    for number, choice in enumerate(matrix.get("include", ())):
        if one in choice:
            yield ("matrix", index, "include", number, one), choice[one]


def _matrix_rules(values: Values, index: int, known: list[str]) -> Iterator[Problem]:
    matrix = values.at("matrix", index)
    for key in ("boards", "models", "starts", "threads", "kernels"):
        if not matrix.get(key, True):
            yield Problem(("matrix", index, key), "at least one", "an empty list")
    for number, fault in enumerate(matrix.get("faults", ())):
        boards = [board for _, board in _values(matrix, index, "boards")]
        yield from _fault_rules(("matrix", index, "faults", number), fault, boards, known)
    for where, board in _values(matrix, index, "boards"):
        if not any(fnmatchcase(each, board) for each in known):
            hint = close_matches(board, known)
            found = config.show(board) + (f" ({hint})" if hint else "")
            yield Problem(where, "the id of a board, or a pattern of ids", found)
    for where, engine in _values(matrix, index, "engines"):
        if engine not in _ENGINES:
            hint = close_matches(engine, _ENGINES)
            found = config.show(engine) + (f" ({hint})" if hint else "")
            yield Problem(where, f"one of {', '.join(_ENGINES)}", found)
    for key in ("runs", "starts", "threads"):
        for where, value in _values(matrix, index, key):
            if not 1 <= value <= 100_000:
                yield Problem(where, "1 to 100000", str(value))
    for key, low in (("warmup", 0), ("tolerance", 0)):
        if matrix.get(key) is not None and matrix[key] < low:
            yield Problem(("matrix", index, key), f"{low} or more", str(matrix[key]))
    if matrix.get("affinity"):
        yield from _cpu_rules(("matrix", index, "affinity"), matrix["affinity"])
    target = matrix.get("target") or (values.at("target") if values.usable("target") else "real")
    if matrix.get("faults") and target == "real":
        yield Problem(("matrix", index, "faults"), 'target = "sim" or "emulate" for faults', "a real board")


def _cpu_rules(where: tuple[str | int, ...], text: str) -> Iterator[Problem]:
    from benchrunner.run.request import parse_cpus

    try:
        parse_cpus(text)
    except UsageError:
        yield Problem(where, "CPUs such as 0 or 0-1,3", config.show(text))


def _fault_rules(
    where: tuple[str | int, ...], fault: str, patterns: list[str], known: list[str]
) -> Iterator[Problem]:
    """A fault must be one that the boards of its matrix know."""
    from benchrunner.simulator.faults import parse
    from benchrunner.simulator.linux import parse_linux

    boards = [load_board(board) for board in known if any(fnmatchcase(board, one) for one in patterns)]
    for parser in {parse_linux if board.kind is BoardKind.LINUX else parse for board in boards}:
        try:
            parser((fault,))
        except UsageError as error:
            yield Problem(
                where, "a fault that the boards know", f"{config.show(fault)} ({error.hint or error.message})"
            )
            return
