"""Rows from Python into DuckDB, in bulk, and how many there are."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

_STAGED = "staged_rows"


def insert_rows(
    con: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Append rows to a table of the mart, by column name.

    Args:
        con: a connection to the mart, inside the caller's transaction.
        table: the table's name, from the program's own text.
        columns: the names of the values in a row; other columns become NULL.
        rows: the values; decimals exactly, as text.

    Raises:
        duckdb.Error: a row breaks a constraint of the table; nothing of it is kept by the transaction.
    """
    frame = pd.DataFrame([tuple(row) for row in rows], columns=list(columns), dtype=object)
    _insert(con, table, frame)


def insert_columns(con: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, NDArray[Any]]) -> None:
    """Append rows to a table of the mart, given column by column: sooner than row by row where there are many.

    Args:
        con: a connection to the mart, inside the caller's transaction.
        table: the table's name, from the program's own text.
        columns: arrays of one length by column name; other columns become NULL, and so does what is not finite.

    Raises:
        duckdb.Error: a row breaks a constraint of the table; nothing of it is kept by the transaction.
    """
    _insert(con, table, pd.DataFrame({name: _without_infinities(values) for name, values in columns.items()}))


def _without_infinities(values: NDArray[Any]) -> NDArray[Any]:
    # DuckDB reads NaN of a data frame as NULL, but an infinity as one.
    return np.where(np.isinf(values), np.nan, values) if values.dtype.kind == "f" else values


def _insert(con: duckdb.DuckDBPyConnection, table: str, frame: pd.DataFrame) -> None:
    con.register(_STAGED, frame)
    # Table names are the program's own, never a user's words.
    con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM {_STAGED}").fetchall()  # noqa: S608 # nosec B608
    # Not after an error: in a transaction that is aborted it would raise, and hide what was wrong.
    con.unregister(_STAGED)


def replace_rows(
    con: duckdb.DuckDBPyConnection,
    table: str,
    key: Sequence[str],
    select: str,
    parameters: Mapping[str, object] | None = None,
) -> None:
    """Make a table hold exactly the rows of a SELECT; written is only what differs.

    To write a row under a unique key takes several times what it takes to see that it is there already.

    Args:
        con: a connection to the mart, inside the caller's transaction.
        table: the table's name, from the program's own text.
        key: the columns of its unique key.
        select: the statement, with the table's columns by name.
        parameters: the statement's parameters.

    Raises:
        duckdb.Error: a row breaks a constraint of the table; nothing of it is kept by the transaction.
    """
    # Table and column names are the program's own, never a user's words.
    columns = ", ".join(con.table(table).columns)
    if not row_count(con, table):
        con.execute(f"INSERT INTO {table} BY NAME SELECT {columns} FROM ({select})", parameters)  # noqa: S608 # nosec B608
        return
    # An empty table made of a SELECT and filled within one transaction reads as empty (DuckDB 2.0.0, from 122,880
    # rows on), so it is made and filled at once.
    con.execute(f"CREATE OR REPLACE TEMP TABLE {_STAGED} AS {select}", parameters)
    new, old = f"SELECT {columns} FROM {_STAGED}", f"SELECT {columns} FROM {table}"  # noqa: S608 # nosec B608
    keys = ", ".join(key)
    gone = f"SELECT ({keys}) FROM ({old} EXCEPT {new})"  # noqa: S608 # nosec B608
    con.execute(f"DELETE FROM {table} WHERE ({keys}) IN ({gone})")  # noqa: S608 # nosec B608
    con.execute(f"INSERT INTO {table} BY NAME ({new} EXCEPT {old})")
    con.execute(f"DROP TABLE {_STAGED}")


def create_staging(con: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str]) -> None:
    """Make an empty temporary table, in place of one of that name.

    Args:
        con: a connection to the mart.
        table: the table's name.
        columns: DuckDB types by column name.
    """
    listing = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    con.execute(f"CREATE OR REPLACE TEMP TABLE {table} ({listing})")


def row_count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    """The number of rows of a table of the mart."""
    return int(con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])  # noqa: S608 # nosec B608
