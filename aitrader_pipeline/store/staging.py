"""Rows from Python into DuckDB, in bulk, and how many there are."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb
import pandas as pd

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
    con.register(_STAGED, frame)
    # Table names are the program's own, never a user's words.
    con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM {_STAGED}").fetchall()  # noqa: S608 # nosec B608
    # Not after an error: in a transaction that is aborted it would raise, and hide what was wrong.
    con.unregister(_STAGED)


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
