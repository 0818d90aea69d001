"""Finds and loads board files: those that ship with the project, and the user's own."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Final

from benchrunner import config
from benchrunner.board.description import Board, BoardKind
from benchrunner.board.generic import GENERIC_LINUX
from benchrunner.board.rules import NO_L0, rules_for
from benchrunner.errors import ConfigError, UnknownBoardError, UsageError
from benchrunner.resources import shipped

FOLDER_VARIABLE: Final = "BENCHRUNNER_BOARDS"
"""Environment variable that names a folder of further board files."""

_STM32L0_BOARD = re.compile(r"(stm32l0|nucleo-l0|b-l072|32l0)", re.IGNORECASE)


def load_board(board_id: str) -> Board:
    """The board of that id; `linux` is any Linux machine and has no file.

    Raises `UnknownBoardError` with close matches, `UsageError` for an STM32L0, `ConfigError` for a bad file.
    """
    if board_id == GENERIC_LINUX.id:
        return GENERIC_LINUX
    return load_board_file(_file_of(board_id))


def load_board_file(path: Path) -> Board:
    """The board that the file `path` describes; raises `ConfigError` naming every problem in it."""
    return config.load(path, Board, rules_for(path))


def list_boards() -> list[Board]:
    """Every board, by id. Raises `ConfigError` naming the problems of all bad files."""
    boards: list[Board] = [GENERIC_LINUX]
    problems: list[str] = []
    for path in _files().values():
        try:
            boards.append(load_board_file(path))
        except ConfigError as error:
            problems.append(error.message)
    if problems:
        raise ConfigError("\n".join(problems))
    return sorted(boards, key=lambda board: board.id)


def board_ids() -> list[str]:
    """The ids of all boards, sorted; no file is opened."""
    return sorted((*_files(), GENERIC_LINUX.id))


def board_file_sha256(board_id: str) -> str:
    """SHA-256 of the board's file, in hex: it says which facts a result rests on."""
    if board_id == GENERIC_LINUX.id:
        return hashlib.sha256(repr(GENERIC_LINUX).encode()).hexdigest()
    return hashlib.sha256(_file_of(board_id).read_bytes()).hexdigest()


def require_mcu(board: Board) -> None:
    """Raise `UsageError` for a board that runs Linux, where only a microcontroller makes sense."""
    if board.kind is BoardKind.LINUX:
        raise UsageError(
            f'board {board.id!r} runs Linux: expected a microcontroller board, found kind "{board.kind}"',
            hint="Linux boards are measured with `benchrunner run --host USER@HOST`; `benchrunner boards` "
            "shows the kind of each board",
        )


def _file_of(board_id: str) -> Path:
    files = _files()
    if board_id in files:
        return files[board_id]
    if _STM32L0_BOARD.match(board_id):
        raise UsageError(f"board {board_id!r}: {NO_L0}", hint="`benchrunner boards` lists those that are")
    listed = "`benchrunner boards` lists all of them"
    close = config.close_matches(board_id, files)
    raise UnknownBoardError(
        f"board {board_id!r}: expected the id of a board file, found none of that name",
        hint=f"{close} {listed}" if close else listed,
    )


def _files() -> dict[str, Path]:
    """Board id -> file, by id. Raises `ConfigError` where a user's file has the id of a shipped one."""
    found = {path.stem: path for path in shipped("boards").glob("*.toml")}
    taken = {GENERIC_LINUX.id: "the generic Linux machine", **found}
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder:
        if not Path(folder).is_dir():
            raise ConfigError(
                f"{FOLDER_VARIABLE}: expected a folder of board files, found no folder {folder!r}"
            )
        for path in Path(folder).glob("*.toml"):
            if path.stem in taken:
                raise ConfigError(
                    f"{path}:1: id: expected an id of its own, found {path.stem!r} as in {taken[path.stem]}",
                    hint="a board file of yours cannot replace a shipped one: rename it, and the id in it",
                )
            found[path.stem] = path
    return dict(sorted(found.items()))
