"""A folder of documents brought into its index: what is new is read, what is gone is forgotten."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchrunner.errors import NewerSchemaError, StoreError
from benchrunner.history import schema
from benchrunner.history.database import Database
from benchrunner.history.entries import entries
from benchrunner.store import StoredRun, documents, is_ahead, load_run
from benchrunner.wording import counted

_BATCH = 200  # documents in a transaction: another writer waits for no more than these
# A file that changed less than this before it was read may change again without another time stamp.
_SETTLED_NS = 1_000_000_000
_UNSETTLED = -1


@dataclass(frozen=True, slots=True)
class _Known:
    """A file as the index knows it."""

    size: int
    mtime_ns: int
    ctime_ns: int
    sha256: str
    run_id: str | None


@dataclass(frozen=True, slots=True)
class _Read:
    """A file as it is now."""

    known: _Known
    run: StoredRun | None
    error: StoreError | None


Told = Callable[[int, int], None]
"""Hears how many of how many changed documents were read."""


def unheard(done: int, total: int) -> None:
    """Nobody listens."""


def synchronise(
    database: Database, folder: Path, *, told: Told = unheard, now_ns: Callable[[], int] = time.time_ns
) -> list[str]:
    """Bring `database` up to the documents in `folder`; returns what a person should know.

    Two processes may do so at once: each transaction looks again at what the other has done. Ended at any
    moment, what was read so far is kept, and the next goes on from there.
    """
    files = {path.relative_to(folder).as_posix(): path for path in documents([folder])}
    known = _known(database)
    changed = [name for name, path in files.items() if not _same(path, known.get(name))]
    # Another process may have indexed a file that came after this one looked.
    gone = [name for name in known if name not in files and not (folder / name).exists()]
    before = (one.run_id for one in known.values() if one.run_id and not is_ahead(one.run_id))
    newest = max(before, default="")
    late: list[str] = []
    for start in range(0, len(changed), _BATCH):
        batch = changed[start : start + _BATCH]
        read = {}
        for number, name in enumerate(batch, start=start):
            told(number, len(changed))
            read[name] = _read(files[name], known.get(name), now_ns())
        late += [
            one.run.document.run_id
            for name, one in read.items()
            if one.run is not None and name not in known and one.run.document.run_id < newest
        ]
        with database.writing():
            _write(database, read)
    if changed or gone:
        with database.writing():
            _forget(database, gone)
            _settle(database, folder, list(files))
    return list(_notes(late, newest))


def _notes(late: Sequence[str], newest: str) -> Iterator[str]:
    if late:
        yield (
            f"{counted(len(late), 'new result')} ({late[0]} ...) by the id older than "
            f"{newest}, which was there before: copied here, or a clock that went backwards; "
            "results are ordered by their ids"
        )


def _known(database: Database, names: Iterable[str] | None = None) -> dict[str, _Known]:
    """All files of the index, or those of these names."""
    statement = "SELECT path, size, mtime_ns, ctime_ns, sha256, run_id FROM document"
    if names is None:
        rows = database.query(statement)
    else:
        rows = [row for name in names for row in database.query(f"{statement} WHERE path = :path", path=name)]
    return {row[0]: _Known(*row[1:]) for row in rows}


def _same(path: Path, known: _Known | None) -> bool:
    if known is None:
        return False
    try:
        found = path.stat()
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns) == (
        known.size,
        known.mtime_ns,
        known.ctime_ns,
    )


def _read(path: Path, known: _Known | None, now_ns: int) -> _Read:
    """Read one file; one whose bytes are as before is not parsed again."""
    size = mtime_ns = ctime_ns = _UNSETTLED
    sha256 = ""
    try:
        found = path.stat()
        size, mtime_ns, ctime_ns = found.st_size, found.st_mtime_ns, found.st_ctime_ns
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        mtime_ns = _UNSETTLED  # the reading below says what is wrong; tried again next time
    # One from the future, which a clock that went backwards leaves, is settled: its next stamp is another.
    if abs(now_ns - max(mtime_ns, ctime_ns)) < _SETTLED_NS:
        mtime_ns = _UNSETTLED
    if known is not None and sha256 and sha256 == known.sha256:
        return _Read(_Known(size, mtime_ns, ctime_ns, sha256, known.run_id), None, None)
    try:
        run = load_run(path)
    except StoreError as error:
        return _Read(_Known(size, mtime_ns, ctime_ns, sha256, None), None, error)
    return _Read(_Known(size, mtime_ns, ctime_ns, sha256, run.document.run_id), run, None)


def _write(database: Database, read: dict[str, _Read]) -> None:
    known = _known(database, read)
    present = _present(database, known.values(), read.values())
    imported = _imported(database)
    for name, one in read.items():
        before = known.get(name)
        if one.run is None and one.error is None:
            database.change(
                "UPDATE document SET size = :size, mtime_ns = :mtime_ns, ctime_ns = :ctime_ns "
                "WHERE path = :path AND sha256 = :sha256",
                path=name, size=one.known.size, mtime_ns=one.known.mtime_ns,
                ctime_ns=one.known.ctime_ns, sha256=one.known.sha256,
            )  # fmt: skip
            continue
        if before is not None and before.sha256 == one.known.sha256 and one.known.sha256:
            continue  # another process was faster
        if before is not None and before.run_id is not None and present.get(before.run_id) == name:
            remove_run(database, before.run_id)
            del present[before.run_id]
        kind, problem, hint = _problem(one.error, name)
        database.insert(
            schema.DOCUMENT,
            [
                (
                    name, one.known.size, one.known.mtime_ns, one.known.ctime_ns, one.known.sha256,
                    one.known.run_id, kind, problem, hint,
                )
            ],
        )  # fmt: skip
        if one.run is not None and one.run.document.run_id not in present:
            _add_run(database, one.run, name, one.known.sha256, next(imported))
            present[one.run.document.run_id] = name


def _present(database: Database, known: Iterable[_Known], read: Iterable[_Read]) -> dict[str, str]:
    """Those of their runs that are in the index, with the document that each was taken from."""
    found: dict[str, str] = {}
    ids = {one.run_id for one in known if one.run_id is not None}
    for run_id in ids | {one.run.document.run_id for one in read if one.run is not None}:
        found |= dict(database.query("SELECT run_id, path FROM run WHERE run_id = :run_id", run_id=run_id))
    return found


def _imported(database: Database) -> Iterator[int]:
    """Numbers of the runs to come: asked once, for it means to look at all of them."""
    ((last,),) = database.query("SELECT COALESCE(MAX(imported), 0) FROM run")
    return count(last + 1)


def _problem(error: StoreError | None, name: str) -> tuple[str | None, str | None, str | None]:
    """What is wrong with a file, without the path that the message begins with."""
    if error is None:
        return None, None, None
    kind = "newer" if isinstance(error, NewerSchemaError) else "corrupt"
    _, found, text = error.message.partition(f"{name}: ")
    return kind, text if found else error.message, error.hint


def _add_run(database: Database, run: StoredRun, name: str, sha256: str, imported: int) -> None:
    rows = entries(run, path=name, sha256=sha256, lab=os.uname().nodename, imported=imported)
    for table in schema.TABLES:
        if rows.get(table.name):
            database.insert(table, rows[table.name])


def remove_run(database: Database, run_id: str) -> None:
    for table in schema.OF_A_RUN:
        database.change(f"DELETE FROM {table.name} WHERE run_id = :run_id", run_id=run_id)


def _forget(database: Database, gone: Sequence[str]) -> None:
    for name in gone:
        database.change("DELETE FROM document WHERE path = :path", path=name)


def _settle(database: Database, folder: Path, order: Sequence[str]) -> None:
    """Of several documents of one run id the first counts, also after one was removed."""
    owner: dict[str, str] = {}
    of_document = dict(database.query("SELECT path, run_id FROM document WHERE run_id IS NOT NULL"))
    for name in (*order, *sorted(of_document)):
        if name in of_document:
            owner.setdefault(of_document[name], name)
    for run_id, name in database.query("SELECT run_id, path FROM run"):
        if owner.get(run_id) != name:
            remove_run(database, run_id)
    present = {run_id for (run_id,) in database.query("SELECT run_id FROM run")}
    imported = _imported(database)
    for run_id, name in owner.items():
        if run_id not in present:
            path = folder / name
            try:
                run, sha256 = load_run(path), hashlib.sha256(path.read_bytes()).hexdigest()
            except (StoreError, OSError):
                continue  # gone or damaged since: the next time will tell
            _add_run(database, run, name, sha256, next(imported))
