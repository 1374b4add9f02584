"""Making a table hold exactly the rows of a statement, with only the difference written."""

from collections.abc import Iterator

import duckdb
import pytest

from aitrader_pipeline.store.staging import replace_rows

Mart = duckdb.DuckDBPyConnection
# Beyond a row group, from which on DuckDB fills tables on several threads.
MANY = 200_000


@pytest.fixture
def con() -> Iterator[Mart]:
    with duckdb.connect() as con:
        con.execute("SET threads = 2")
        con.execute("CREATE TABLE ranks (model VARCHAR, day INTEGER, rank INTEGER CHECK (rank > 0), note VARCHAR, "
                    "UNIQUE (model, day))")  # fmt: skip
        yield con


def replace(con: Mart, select: str, **parameters: object) -> list[tuple[object, ...]]:
    """Replace the rows in a transaction, as the assets do, and read them before its end."""
    con.execute("BEGIN")
    replace_rows(con, "ranks", ("model", "day"), select, parameters or None)
    rows = con.execute("FROM ranks ORDER BY ALL").fetchall()
    con.execute("COMMIT")
    return rows


def test_the_table_holds_the_rows_of_the_statement_and_no_other(con: Mart) -> None:
    con.execute("INSERT INTO ranks VALUES ('a', 1, 5, 'changes'), ('b', 1, 2, NULL), ('gone', 1, 3, 'x')")
    rows = replace(
        con,
        "FROM (VALUES ('a', 1, 1, NULL), ('b', 1, 2, NULL), ('new', $day, 9, 'x')) AS t (model, day, rank, note)",
        day=7,
    )
    assert rows == [("a", 1, 1, None), ("b", 1, 2, None), ("new", 7, 9, "x")]


def test_columns_are_taken_by_name_in_any_order(con: Mart) -> None:
    assert replace(con, "SELECT 3 AS rank, 'a' AS model, NULL AS note, 1 AS day") == [("a", 1, 3, None)]


def test_rows_that_stay_are_not_written_again(con: Mart) -> None:
    con.execute("INSERT INTO ranks VALUES ('a', 1, 1, NULL), ('b', 1, 2, NULL)")
    places = "SELECT model, rowid FROM ranks ORDER BY ALL"
    before = dict(con.execute(places).fetchall())
    replace(con, "SELECT 'a' AS model, 1 AS day, 1 AS rank, NULL AS note UNION ALL SELECT 'b', 1, 3, NULL")
    after = dict(con.execute(places).fetchall())
    assert after["a"] == before["a"]
    assert after["b"] != before["b"]


def test_a_large_table_is_all_there_within_its_transaction(con: Mart) -> None:
    con.execute("CREATE TABLE source AS SELECT 'm' AS model, i AS day, 1 AS rank FROM range(?) AS r (i)", [MANY])
    assert len(replace(con, "SELECT *, NULL AS note FROM source")) == MANY
    assert len(replace(con, "SELECT *, 'again' AS note FROM source")) == MANY


@pytest.mark.parametrize(
    "select",
    [
        "SELECT 'a' AS model, 1 AS day, 0 AS rank, NULL AS note",
        "SELECT 'a' AS model, 1 AS day, 1 AS rank, NULL AS note UNION ALL SELECT 'a', 1, 2, NULL",
    ],
    ids=["a check", "the unique key"],
)
def test_a_row_that_breaks_a_constraint_is_a_loud_error(con: Mart, select: str) -> None:
    with pytest.raises(duckdb.ConstraintException):
        replace(con, select)
