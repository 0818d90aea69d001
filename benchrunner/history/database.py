"""Where the index lies: what a database must offer, and SQLite's way of offering it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from benchrunner.history import schema
from benchrunner.history.entries import Value

BUSY_S = 30.0  # how long a writer waits for another


class Query(Protocol):
    """A question to a database."""

    def __call__(self, statement: str, **values: Value) -> list[tuple[Any, ...]]:
        """All rows of the statement."""


class Database(Protocol):
    """A connection. Statements are SQL that SQLite and PostgreSQL both understand, values as `:name`."""

    def query(self, statement: str, **values: Value) -> list[tuple[Any, ...]]:
        """All rows of a statement."""

    def change(self, statement: str, **values: Value) -> None:
        """A statement without rows; only inside `writing`."""

    def insert(self, table: schema.Table, rows: Iterable[Sequence[Value]]) -> None:
        """Rows in the order of the table's columns; one whose key is there replaces it or, where the
        table `keeps`, is left out. Only inside `writing`."""

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction; of several writers one at a time is inside."""

    def close(self) -> None:
        """The connection is of no further use."""


class Sqlite:
    """The index in a file, or in memory for `None`. Raises `sqlite3.Error` wherever SQLite does."""

    def __init__(self, path: Path | None) -> None:
        self._connection = sqlite3.connect(
            ":memory:" if path is None else path, timeout=BUSY_S, isolation_level=None
        )
        try:
            # Readers never wait for the writer; a power cut may cost the last transaction, not the file.
            self.query("PRAGMA journal_mode=WAL")
            self.query("PRAGMA synchronous=NORMAL")
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def query(self, statement: str, **values: Value) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()

    def change(self, statement: str, **values: Value) -> None:
        self._connection.execute(statement, values)

    def insert(self, table: schema.Table, rows: Iterable[Sequence[Value]]) -> None:
        marks = ",".join("?" * len(table.columns))
        how = "IGNORE" if table.keeps else "REPLACE"
        self._connection.executemany(f"INSERT OR {how} INTO {table.name} VALUES ({marks})", rows)

    @contextmanager
    def writing(self) -> Iterator[None]:
        # IMMEDIATE: the wait for another writer is here, where it can wait, and not at the first insert.
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:  # a full disk has rolled back already
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()

    def _prepare(self) -> None:
        """Make the tables, or make them anew where they are of another stamp."""
        if self._stamp() == schema.stamp():
            return
        with self.writing():
            if self._stamp() == schema.stamp():
                return  # another process was faster
            for (name,) in self.query(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            ):
                self.change(f'DROP TABLE "{name}"')
            for table in schema.TABLES:
                columns = ", ".join(f'"{name}" {type_}' for name, type_ in table.columns)
                self.change(f"CREATE TABLE {table.name} ({columns}, PRIMARY KEY ({', '.join(table.key)}))")
                for number, index in enumerate(table.indexes):
                    self.change(f"CREATE INDEX {table.name}_{number} ON {table.name} ({', '.join(index)})")
            self.change("CREATE TABLE stamp (stamp TEXT)")
            self.change("INSERT INTO stamp VALUES (:stamp)", stamp=schema.stamp())

    def _stamp(self) -> str | None:
        if not self.query("SELECT 1 FROM sqlite_master WHERE name = 'stamp'"):
            return None
        found = self.query("SELECT stamp FROM stamp")
        return str(found[0][0]) if found else None
