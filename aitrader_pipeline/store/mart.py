"""The mart: one DuckDB file, written in short transactions, opened by readers for the length of a query."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import stamina

from aitrader_pipeline.errors import StoreError

if TYPE_CHECKING:
    from dagster_duckdb import DuckDBResource

_UNOPENED = (duckdb.IOException, duckdb.ConnectionException)
# Each attempt of the resource retries by itself for some ten seconds.
_WRITE_ATTEMPTS = 6
_READ_ATTEMPTS = 40
_LONGEST_READ_WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class Migration:
    """A numbered step of the schema."""

    version: int
    name: str
    sql: str


@cache
def migrations() -> tuple[Migration, ...]:
    """All steps of the schema, in order."""
    folder = resources.files("aitrader_pipeline.store") / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return tuple(Migration(int(f.name[:4]), f.name[5:-4], f.read_text(encoding="utf-8")) for f in files)


def migrate(con: duckdb.DuckDBPyConnection) -> None:
    """Bring a mart to the newest schema; one that is new is created, one that is up to date is left alone.

    Raises:
        StoreError: the mart was written by a newer version of the program.
    """
    version = _version(con)
    _refuse_newer(version)
    for step in migrations():
        if step.version > version:
            con.execute("BEGIN")
            con.execute(step.sql)
            con.execute("CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER, name VARCHAR)")
            con.execute("INSERT INTO schema_migrations VALUES (?, ?)", [step.version, step.name])
            con.execute("COMMIT")


def _refuse_newer(version: int) -> None:
    newest = migrations()[-1].version
    if version > newest:
        raise StoreError(
            f"the mart has schema {version}, this program knows up to {newest}: use a newer program, "
            "or delete the mart's file and materialise the assets again"
        )


def _version(con: duckdb.DuckDBPyConnection) -> int:
    known = con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'schema_migrations'").fetchall()
    if not known[0][0]:
        return 0
    return int(con.execute("SELECT coalesce(max(version), 0) FROM schema_migrations").fetchall()[0][0])


@contextmanager
def writing(mart: "DuckDBResource") -> Iterator[duckdb.DuckDBPyConnection]:
    """One transaction on the mart: committed as a whole, or rolled back and the file released.

    Raises:
        StoreError: another process holds the file for longer than the resource retries.
    """
    Path(mart.database).parent.mkdir(parents=True, exist_ok=True)
    con = _connect_for_writing(mart)
    # The resource does not close its connection when the body raises, so it is closed here.
    try:
        con.execute("SET TimeZone = 'UTC'")
        migrate(con)
        con.execute("BEGIN")
        yield con
        con.execute("COMMIT")
    finally:
        con.close()


def _connect_for_writing(mart: "DuckDBResource") -> duckdb.DuckDBPyConnection:
    try:
        for attempt in stamina.retry_context(on=_is_held, attempts=_WRITE_ATTEMPTS, timeout=None, wait_jitter=1.0):
            with attempt:
                con: duckdb.DuckDBPyConnection = mart.get_connection().__enter__()
                return con
    except _UNOPENED as error:
        raise StoreError(f"cannot open {mart.database} for writing: {_first_line(error)}") from error
    raise StoreError(f"cannot open {mart.database} for writing")


@contextmanager
def reading(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection for the length of a query; waits while a writer holds the file.

    Raises:
        StoreError: there is no mart yet, or it stays locked.
    """
    if not path.exists():
        raise StoreError(f"there are no results in {path.parent} yet: run `aitrader run` first")
    con = _connect_read_only(path)
    try:
        con.execute("SET TimeZone = 'UTC'")
        version = _version(con)
        if version == 0:
            raise StoreError(f"there are no results in {path.parent} yet: run `aitrader run` first")
        _refuse_newer(version)
        yield con
    finally:
        con.close()


def _connect_read_only(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        for attempt in stamina.retry_context(
            on=_is_held,
            attempts=_READ_ATTEMPTS,
            timeout=15.0,
            wait_initial=0.01,
            wait_max=_LONGEST_READ_WAIT_SECONDS,
            wait_jitter=0.02,
        ):
            with attempt:
                return duckdb.connect(str(path), read_only=True)
    except _UNOPENED as error:
        raise StoreError(f"cannot open {path} for reading: {_first_line(error)}") from error
    raise StoreError(f"cannot open {path} for reading")


def _is_held(error: Exception) -> bool:
    """Whether another process holds the file, or this one has it open the other way round; both pass."""
    return isinstance(error, duckdb.ConnectionException) or (
        isinstance(error, duckdb.IOException) and "lock" in str(error)
    )


def _first_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error).splitlines()[0])


@dataclass(frozen=True)
class Column:
    """A column of the mart: its name, DuckDB type and meaning."""

    name: str
    type: str
    description: str | None


def schema() -> dict[str, list[Column]]:
    """Tables of the mart with their columns, as the migrations make them."""
    con = duckdb.connect(":memory:")
    try:
        migrate(con)
        rows = con.execute(
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
            "WHERE NOT internal ORDER BY table_name, column_index"
        ).fetchall()
    finally:
        con.close()
    tables: dict[str, list[Column]] = {}
    for table, name, kind, comment in rows:
        tables.setdefault(table, []).append(Column(name, kind, comment))
    return tables
