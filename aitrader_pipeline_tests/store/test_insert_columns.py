"""Appending rows that are given column by column."""

from collections.abc import Iterator

import duckdb
import numpy as np
import pytest

from aitrader_pipeline.store.staging import insert_columns

Mart = duckdb.DuckDBPyConnection


@pytest.fixture
def con() -> Iterator[Mart]:
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE figures (note VARCHAR, model VARCHAR, sharpe DOUBLE CHECK (sharpe < 9), day INTEGER)"
        )
        yield con


def test_columns_find_theirs_by_name_and_what_is_missing_or_not_finite_is_null(con: Mart) -> None:
    insert_columns(
        con,
        "figures",
        {
            "sharpe": np.array([1.5, np.nan, np.inf, -np.inf]),
            "model": np.array(["a", None, "c", "d"], dtype=np.object_),
            "day": np.arange(4),
        },
    )
    assert con.execute("FROM figures ORDER BY day").fetchall() == [
        (None, "a", 1.5, 0),
        (None, None, None, 1),
        (None, "c", None, 2),
        (None, "d", None, 3),
    ]


def test_columns_without_rows_or_without_values_are_taken(con: Mart) -> None:
    insert_columns(con, "figures", {"model": np.array([], dtype=np.object_), "sharpe": np.array([])})
    insert_columns(con, "figures", {"model": np.array([None], dtype=np.object_), "sharpe": np.array([np.nan])})
    assert con.execute("FROM figures").fetchall() == [(None, None, None, None)]


def test_a_row_that_breaks_a_constraint_is_a_loud_error(con: Mart) -> None:
    with pytest.raises(duckdb.ConstraintException):
        insert_columns(con, "figures", {"sharpe": np.array([1.0, 9.0])})
