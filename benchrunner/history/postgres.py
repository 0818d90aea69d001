"""The index of several labs in one PostgreSQL database: the same tables, the same statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchrunner.errors import StoreError, UsageError
from benchrunner.history import schema
from benchrunner.history.database import Database
from benchrunner.history.entries import Value
from benchrunner.wording import counted

if TYPE_CHECKING:
    import sqlalchemy

_WRITER = 0x62656E63  # any number: the advisory lock that writers of this schema agree on
_RUNS_AT_ONCE = 500


class Postgres:
    """A database by its URL, `postgresql://user@host/name`.

    Raises `UsageError` without the packages, `StoreError` where the database cannot be reached or used.
    """

    def __init__(self, url: str) -> None:
        try:
            import psycopg  # noqa: F401  (named here, where its absence can be explained)
            import sqlalchemy
        except ImportError as error:
            raise UsageError(
                f"a shared store needs packages that are not installed: {error}",
                hint='pip install "benchrunner[postgres]"',
            ) from error
        scheme, found, rest = url.partition("://")
        if scheme not in ("postgresql", "postgres", "postgresql+psycopg") or not found:
            raise UsageError(
                f"{scheme}: not a store that several labs can share",
                hint="postgresql://user@host/database",
            )
        # NUL, which text of a board may hold, is the one character that PostgreSQL cannot keep.
        self._engine = sqlalchemy.create_engine(f"postgresql+psycopg://{rest}")
        self._shown = self._engine.url.render_as_string(hide_password=True)
        self._tables = _tables(sqlalchemy.MetaData())
        with self._explained():
            self._connection = self._engine.connect()
            try:
                self._prepare()
            except BaseException:
                self.close()
                raise

    def query(self, statement: str, **values: Value) -> list[tuple[Any, ...]]:
        import sqlalchemy

        with self._explained():
            found = self._connection.execute(sqlalchemy.text(statement), values)
            rows = [tuple(row) for row in found]
            if not self._in_writing:
                self._connection.rollback()  # no transaction stays open between two questions
        return rows

    def change(self, statement: str, **values: Value) -> None:
        import sqlalchemy

        with self._explained():
            self._connection.execute(sqlalchemy.text(statement), values)

    def insert(self, table: schema.Table, rows: Iterable[Sequence[Value]]) -> None:
        """As in `Database`; a row whose key is there is left out in every table: results never change."""
        from sqlalchemy.dialects import postgresql

        named = [dict(zip(table.names, map(_storable, row), strict=True)) for row in rows]
        if named:
            statement = postgresql.insert(self._tables[table.name]).on_conflict_do_nothing()
            with self._explained():
                self._connection.execute(statement, named)

    _in_writing = False

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self._explained(), self._connection.begin():
            self._in_writing = True
            try:
                self.change("SELECT pg_advisory_xact_lock(:number)", number=_WRITER)
                yield
            finally:
                self._in_writing = False

    def close(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()
        self._engine.dispose()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise StoreError(
                f"{self._shown}: {reason}", hint="check the URL, the server and the rights of the user"
            ) from error

    def _prepare(self) -> None:
        """Make the tables; refuse a store whose tables another version has made."""
        with self.writing():
            self.change("CREATE TABLE IF NOT EXISTS stamp (stamp TEXT)")
            found = self.query("SELECT stamp FROM stamp")
            if not found:
                for table in self._tables.values():
                    table.create(self._connection, checkfirst=True)
                self.change("INSERT INTO stamp VALUES (:stamp)", stamp=columns_stamp())
            elif found[0][0] != columns_stamp():
                raise StoreError(
                    f"{self._shown}: its tables are of another version of benchrunner",
                    hint="use the same version in all labs, or an empty database: every lab adds its results",
                )


def contribute(local: Database, shared: Database) -> list[str]:
    """Add the runs of a folder's index that the store does not have. Returns what a person should know."""
    mine = dict(local.query("SELECT run_id, sha256 FROM run"))
    theirs = dict(shared.query("SELECT run_id, sha256 FROM run"))
    missing = sorted(mine.keys() - theirs.keys())
    for start in range(0, len(missing), _RUNS_AT_ONCE):
        chosen = missing[start : start + _RUNS_AT_ONCE]
        with shared.writing():
            present = {run_id for (run_id,) in shared.query("SELECT run_id FROM run")}
            wanted = [run_id for run_id in chosen if run_id not in present]
            for table in (schema.MODEL, schema.BOARD, schema.ENVIRONMENT, schema.CELL):
                shared.insert(table, local.query(f"SELECT * FROM {table.name}"))
            for table in schema.OF_A_RUN:
                for run_id in wanted:
                    shared.insert(
                        table,
                        local.query(f"SELECT * FROM {table.name} WHERE run_id = :run_id", run_id=run_id),
                    )
    other = sorted(run_id for run_id in mine.keys() & theirs.keys() if mine[run_id] != theirs[run_id])
    if not other:
        return []
    return [f"{counted(len(other), 'run')} ({other[0]} ...) unlike those of the same id in the shared store"]


def columns_stamp() -> str:
    """Names and types of all tables: labs of one layout can share a store."""
    import hashlib

    return hashlib.sha256(repr([table for table in schema.TABLES if table.shared]).encode()).hexdigest()


def _tables(metadata: sqlalchemy.MetaData) -> dict[str, sqlalchemy.Table]:
    import sqlalchemy

    types: dict[schema.Type, type[sqlalchemy.types.TypeEngine[Any]]] = {
        schema.Type.TEXT: sqlalchemy.Text,
        schema.Type.INTEGER: sqlalchemy.BigInteger,
        schema.Type.REAL: sqlalchemy.Double,
        schema.Type.BLOB: sqlalchemy.LargeBinary,
    }
    return {
        table.name: sqlalchemy.Table(
            table.name,
            metadata,
            *(
                sqlalchemy.Column(name, types[type_], primary_key=name in table.key, autoincrement=False)
                for name, type_ in table.columns
            ),
            *(
                sqlalchemy.Index(f"{table.name}_{number}", *columns)
                for number, columns in enumerate(table.indexes)
            ),
        )
        for table in schema.TABLES
        if table.shared
    }


def _storable(value: Value) -> Value:
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value
