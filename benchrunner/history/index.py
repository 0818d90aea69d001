"""Opening an index and asking it: the one way from a folder of documents to rows, points and frames."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from benchrunner import store, table
from benchrunner.errors import NewerSchemaError, StoreError, UsageError
from benchrunner.history import frames, schema
from benchrunner.history.database import Database, Sqlite
from benchrunner.history.entries import Value
from benchrunner.history.folder import Told, synchronise, unheard
from benchrunner.history.metric import CellKey
from benchrunner.history.points import Point, Run
from benchrunner.record import NotMeasured
from benchrunner.table import Row

if TYPE_CHECKING:
    import pandas

INDEX_NAME = ".index.sqlite"
# Below this an index in a file saves less than a tenth of a second, and would only be litter.
_WORTH_A_FILE = 64
_ROW_NAMES = tuple(field.name for field in fields(Row))
_CELL_NAMES = tuple(field.name for field in fields(CellKey))


class History:
    """All results of a folder, or of a store that several labs share. Use it as a context manager."""

    def __init__(
        self, database: Database, folder: Path, notes: Sequence[str], index: Path | None = None
    ) -> None:
        self._database, self.folder, self._index = database, folder, index
        self.notes = tuple(notes)  # what a person should know: rebuilt, no index, clock ...

    @property
    def elsewhere(self) -> Path | None:
        """The index, where it had to be made outside of the folder."""
        return self._index if self._index is not None and self._index.parent != self.folder else None

    def __enter__(self) -> History:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    def query(self, statement: str, **values: Value) -> list[tuple[Any, ...]]:
        """Rows of an SQL statement on the tables of `benchrunner.history.schema`.

        Damage that shows only now is repaired: the index is built anew from the documents.
        """
        try:
            return self._database.query(statement, **values)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            if self._index is None:
                raise
            self._database.close()
            _delete(self._index)
            anew = _open_local(self.folder)
            self._database, self._index = anew._database, anew._index
            self.notes += (f"the index was damaged ({error}) and is built anew", *anew.notes)
            return self._database.query(statement, **values)

    @property
    def problems(self) -> list[StoreError]:
        """An error for each document of the folder that is not part of the history."""
        if not self._local():
            return []
        first = dict(self.query("SELECT run_id, path FROM run"))
        found: list[StoreError] = []
        rows = self.query("SELECT path, run_id, kind, problem, hint FROM document")
        order = {path: number for number, path in enumerate(sorted(self.folder / row[0] for row in rows))}
        for name, run_id, kind, problem, hint in sorted(rows, key=lambda row: order[self.folder / row[0]]):
            path = self.folder / name
            if kind is not None:
                error = NewerSchemaError if kind == "newer" else StoreError
                found.append(error(f"{path}: {problem}", hint=hint))
            elif first.get(run_id, name) != name:
                found.append(store.second_copy(path, run_id, self.folder / first[run_id]))
        return found

    def runs(self) -> list[Run]:
        """All runs, by run id: the order of their clocks."""
        rows = self.query(
            "SELECT run_id, MIN(started_at), MAX(revision), MAX(tool_version), MAX(suite_run), MAX(place), "
            "COUNT(*) FROM measurement GROUP BY run_id ORDER BY run_id"
        )
        return [Run(*row) for row in rows]

    def rows(self) -> list[Row]:
        """All measurements, as `table.rows_of` gives them."""
        names = ", ".join(f'"{name}"' for name in (*_ROW_NAMES, *_reason_names()))
        statement = f"SELECT {names} FROM measurement ORDER BY run_id, position"
        return [_row(values) for values in self.query(statement)]

    def cells(self, *words: str) -> list[CellKey]:
        """All cells whose label contains every one of `words`, by label."""
        names = ", ".join(f'"{name}"' for name in _CELL_NAMES)
        found = [CellKey(*row) for row in self.query(f"SELECT {names} FROM cell")]
        wanted = [word.lower() for word in words]
        chosen = [key for key in found if all(word in key.label.lower() for word in wanted)]
        return sorted(chosen, key=lambda key: key.label)

    def series(self, key: CellKey | str) -> list[Point]:
        """Every result of a cell (or of the cell of that id), by run id, then as they were measured."""
        cell_id = key if isinstance(key, str) else key.cell_id
        return self._points("r.cell_id = :cell_id", cell_id=cell_id)

    def points(self, run_ids: Iterable[str]) -> list[Point]:
        """Every result of the runs of these ids."""
        return [
            point
            for run_id in sorted(set(run_ids))
            for point in self._points("r.run_id = :run_id", run_id=run_id)
        ]

    def frame(self) -> pandas.DataFrame:
        """What `benchrunner.load_results` returns."""
        return table.to_frame(self.rows())

    def medians(self, metric: str = "latency") -> pandas.DataFrame:
        """One row for each run and cell of `metric`: stored medians, no sample is touched."""
        return frames.medians(self.query, metric)

    def intervals(self, metric: str = "latency") -> pandas.DataFrame:
        """One row for each run and cell of `metric`: median, interval, p95, spread, class."""
        return frames.intervals(self.query, metric)

    def results(self) -> pandas.DataFrame:
        """One row for each run and cell of all metrics, with an array of the samples."""
        return frames.results(self.query)

    def samples(self, metric: str = "latency") -> pandas.DataFrame:
        """One row for each sample of `metric`: run, cell, number of the start, value."""
        return frames.samples(self.query, metric)

    def _points(self, where: str, **values: Value) -> list[Point]:
        cell = ", ".join(f'c."{name}"' for name in _CELL_NAMES)
        rows = self.query(
            f"SELECT {cell}, r.run_id, r.position, m.started_at, r.env_id, e.conditions, m.model_sha256, "
            "m.image_sha256, m.input_sha256, m.clock_hz, m.place, m.revision, m.tool_version, "
            "m.engine_version, m.suite_run, r.class, r.quality, r.median, r.ci_low, r.ci_high, r.p95, r.n, "
            "r.counter_hz, s.sample_type, s.layout, s.samples "
            "FROM result r JOIN cell c ON c.cell_id = r.cell_id "
            "JOIN measurement m ON m.run_id = r.run_id AND m.position = r.position "
            "JOIN samples s ON s.run_id = r.run_id AND s.position = r.position AND s.metric = r.metric "
            "JOIN environment e ON e.env_id = r.env_id "
            f"WHERE {where} ORDER BY r.run_id, r.position, r.metric",
            **values,
        )
        return list(_points(rows))

    def _local(self) -> bool:
        return isinstance(self._database, Sqlite)


def open_history(folder: Path, *, shared: str | None = None, told: Told = unheard) -> History:
    """Bring the index of `folder` up to date and open it.

    The index is `folder/.index.sqlite`, or lies in the user's cache where the folder cannot be written, or in
    memory where neither can (a full disk: `History.notes` says so) or the folder is small. An index that is
    missing, damaged or of another version is built anew. With `shared`, the URL of a PostgreSQL database,
    the folder's results are added to that database, and its content is what is opened. `told` hears how many
    of how many new documents were read.

    Raises `UsageError` for a folder that does not exist, `StoreError` for a store that cannot be used.
    """
    if not folder.is_dir():
        raise UsageError(
            f"{folder}: no such folder of results",
            hint="results are written by: benchrunner run --board stm32h747i-disco --sim",
        )
    local = _open_local(folder, told)
    if shared is None:
        return local
    from benchrunner.history.postgres import Postgres, contribute

    with local:
        database = Postgres(shared)
        try:
            notes = contribute(local._database, database)
        except BaseException:
            database.close()
            raise
    return History(database, folder, (*local.notes, *notes))


def load_results(
    folder: str | Path | Iterable[str | Path] = "results", *, stacklevel: int = 2
) -> pandas.DataFrame:
    """What `benchrunner.load_results` does, by the index where that is faster and its result the same."""
    path = Path(folder) if isinstance(folder, str | Path) else None
    if path is None or not path.is_dir() or not _worth_a_file(path):
        return table.load_results(folder, stacklevel=stacklevel + 1)
    with open_history(path) as history:
        for problem in history.problems:
            warnings.warn(f"{problem.message} ({problem.hint})", stacklevel=stacklevel)
        return history.frame()


def has_index(sources: Sequence[Path]) -> bool:
    """Whether these are one folder that is large enough for an index: it tells the same, and sooner."""
    return len(sources) == 1 and sources[0].is_dir() and _worth_a_file(sources[0])


def load_rows(sources: Sequence[Path]) -> tuple[list[Row], list[StoreError]]:
    """All measurements of folders and documents, and what could not be read; see `store.load_runs`."""
    if has_index(sources):
        with open_history(sources[0]) as history:
            return history.rows(), history.problems
    loaded = store.load_runs(sources)
    return table.rows_of(loaded.runs), list(loaded.problems)


def _open_local(folder: Path, told: Told = unheard) -> History:
    notes: list[str] = []
    for path in _index_paths(folder):
        for attempt in (1, 2):
            try:
                return _opened(path, folder, notes, told)
            except sqlite3.OperationalError as error:  # full disk, no permission, locked for too long
                notes.append(f"no index in {path}: {error}{_whose(path)}")
                break
            except sqlite3.DatabaseError as error:
                notes.append(f"the index {path} was damaged ({error}) and is built anew")
                if attempt == 1:
                    _delete(path)
            except OSError as error:
                notes.append(f"no index in {path}: {error.strerror or error}")
                break
    if notes:
        notes.append("the documents are read instead, which takes longer")
    return _opened(None, folder, notes, told)


def _whose(path: Path) -> str:
    """What to do about an index that is not ours to write; it holds nothing that the documents do not."""
    if not path.exists() or os.access(path, os.R_OK | os.W_OK):
        return ""
    return "; remove it (the documents have everything), or get write access to it"


def _opened(path: Path | None, folder: Path, notes: Sequence[str], told: Told) -> History:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    database = Sqlite(path)
    try:
        found = synchronise(database, folder, told=told)
    except BaseException:
        database.close()
        raise
    return History(database, folder, (*notes, *found), path)


def _index_paths(folder: Path) -> Iterator[Path]:
    """Where the index of a folder may lie, the best place first."""
    if not _worth_a_file(folder):
        return
    if os.access(folder, os.W_OK):
        yield folder / INDEX_NAME
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(str(folder.resolve()).encode("utf-8", "replace")).hexdigest()[:32]
    yield cache / "benchrunner" / "index" / f"{name}.sqlite"


def _worth_a_file(folder: Path) -> bool:
    if (folder / INDEX_NAME).exists():
        return True
    return next(islice(folder.rglob("*.json"), _WORTH_A_FILE - 1, None), None) is not None


def _delete(path: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        with suppress(OSError):
            path.with_name(name).unlink()


def _reason_names() -> tuple[str, ...]:
    return tuple(f"{name}_reason" for name in schema.reason_columns())


def _row(values: Sequence[object]) -> Row:
    found = dict(zip((*_ROW_NAMES, *_reason_names()), values, strict=True))
    for name in schema.reason_columns():
        reason = found.pop(f"{name}_reason")
        if reason is not None:
            found[name] = NotMeasured(str(reason))
    found["altered"] = bool(found["altered"])
    return Row(**found)  # type: ignore[arg-type]


def _points(rows: Iterable[Sequence[object]]) -> Iterator[Point]:
    environments: dict[object, object] = {}
    keys: dict[tuple[object, ...], CellKey] = {}
    count = len(_CELL_NAMES)
    for row in rows:
        identity = tuple(row[:count])
        key = keys.setdefault(identity, CellKey(*identity))  # type: ignore[arg-type]
        run_id, position, started_at, env_id, conditions, *rest = row[count:]
        if env_id not in environments:
            environments[env_id] = json.loads(str(conditions))
        yield Point(key, run_id, position, started_at, env_id, environments[env_id], *rest)  # type: ignore[arg-type]
