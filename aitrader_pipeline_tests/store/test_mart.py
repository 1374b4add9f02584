"""The mart as a real DuckDB file, shared by real processes."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.errors import StoreError
from aitrader_pipeline.store.mart import migrations, reading, schema, writing
from aitrader_pipeline.store.staging import create_staging, insert_rows

TABLES = {
    "current_standings",
    "daily_pnl",
    "decision_log",
    "holdings",
    "leaderboard",
    "leaderboard_snapshots",
    "llm_usage",
    "performance_metrics",
    "portfolio_timeseries",
    "positions",
    "prices",
    "reasoning_logs",
    "schema_migrations",
    "tool_usage",
}

ADD = (
    "INSERT INTO leaderboard BY NAME SELECT {} AS rank, '{}' AS model, 'model' AS kind, DATE '2025-10-02' AS date,"
)
REST = " 1 AS portfolio_value, 0 AS cumulative_return_pct, 0 AS trades, 1 AS sessions"


def add(con: duckdb.DuckDBPyConnection, rank: int, model: str) -> None:
    con.execute(ADD.format(rank, model) + REST)


def models_in(path: Path) -> list[str]:
    with reading(path) as con:
        return [row[0] for row in con.execute("SELECT model FROM leaderboard ORDER BY rank").fetchall()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "arena.duckdb"


@pytest.fixture
def mart(path: Path) -> DuckDBResource:
    return DuckDBResource(database=str(path))


HOLDER = """
import sys, duckdb
con = duckdb.connect(sys.argv[1])
con.execute("BEGIN")
con.execute(sys.argv[2])
print("held", flush=True)
sys.stdin.read()
con.execute("COMMIT")
con.close()
"""


@contextmanager
def writer_elsewhere(path: Path, sql: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the file in a transaction until its input is closed."""
    command = [sys.executable, "-c", HOLDER, str(path), sql]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "held\n"
            yield child
        finally:
            child.kill()


def release_after(child: subprocess.Popen[str], seconds: float) -> threading.Timer:
    assert child.stdin is not None
    timer = threading.Timer(seconds, child.stdin.close)
    timer.start()
    return timer


def elsewhere(path: Path, sql: str) -> str:
    """Run a statement in another process, which opens the file for writing."""
    program = "import sys, duckdb; print(duckdb.connect(sys.argv[1]).execute(sys.argv[2]).fetchall())"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), sql], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


# ---- writing


def test_a_body_that_ends_is_committed_and_the_file_released(mart: DuckDBResource, path: Path) -> None:
    with writing(mart) as con:
        add(con, 1, "a")
    assert elsewhere(path, "SELECT model FROM leaderboard") == "[('a',)]"
    assert models_in(path) == ["a"]


def test_a_body_that_raises_is_rolled_back_and_the_file_released(mart: DuckDBResource, path: Path) -> None:
    with writing(mart) as con:
        add(con, 1, "a")

    def fail_halfway() -> None:
        with writing(mart) as con:
            con.execute("DELETE FROM leaderboard")
            add(con, 1, "b")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert elsewhere(path, "SELECT model FROM leaderboard") == "[('a',)]"
    with writing(mart) as con:
        add(con, 2, "c")
    assert models_in(path) == ["a", "c"]


def test_a_row_that_breaks_a_check_is_a_loud_error_and_nothing_of_the_transaction_stays(
    mart: DuckDBResource, path: Path
) -> None:
    with writing(mart) as con:
        add(con, 1, "a")
    columns = ["date", "model", "action_id", "symbol", "quantity"]

    def hold_nothing() -> None:
        with writing(mart) as con:
            add(con, 2, "b")
            insert_rows(con, "holdings", columns, [HELD, HELD_NOTHING])

    with pytest.raises(duckdb.ConstraintException, match="quantity > 0"):
        hold_nothing()
    assert models_in(path) == ["a"]
    assert elsewhere(path, "SELECT count(*) FROM holdings") == "[(0,)]"


def test_a_writer_waits_for_a_writer_in_another_process(mart: DuckDBResource, path: Path) -> None:
    with writing(mart) as con:
        add(con, 1, "a")
    with writer_elsewhere(path, ADD.format(2, "b") + REST) as child:
        timer = release_after(child, 0.5)
        with writing(mart) as con:
            add(con, 3, "c")
        timer.join()
    assert models_in(path) == ["a", "b", "c"]


# ---- reading


def test_a_reader_waits_for_a_writer_in_another_process_and_sees_what_it_wrote(
    mart: DuckDBResource, path: Path
) -> None:
    with writing(mart) as con:
        add(con, 1, "a")
    with writer_elsewhere(path, ADD.format(2, "b") + REST) as child:
        started = time.monotonic()
        timer = release_after(child, 0.7)
        assert models_in(path) == ["a", "b"]
        timer.join()
    assert time.monotonic() - started >= 0.7


def test_a_reader_cannot_write_and_releases_the_file_when_it_fails(mart: DuckDBResource, path: Path) -> None:
    with writing(mart) as con:
        add(con, 1, "a")
    with pytest.raises(duckdb.InvalidInputException, match="read-only"), reading(path) as con:
        con.execute("DELETE FROM leaderboard")
    assert elsewhere(path, "SELECT model FROM leaderboard") == "[('a',)]"


def test_two_readers_do_not_wait_for_each_other(mart: DuckDBResource, path: Path) -> None:
    with writing(mart) as con:
        add(con, 1, "a")
    with reading(path) as con, reading(path) as other:
        assert con.execute("SELECT 1").fetchall() == other.execute("SELECT 1").fetchall()


def test_times_are_read_in_utc(mart: DuckDBResource, path: Path) -> None:
    for session in (writing(mart), reading(path)):
        with session as con:
            assert con.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_without_results_a_reader_is_told_how_to_get_some(path: Path) -> None:
    with (
        pytest.raises(StoreError, match=r"there are no results in .* yet: run `aitrader run` first"),
        reading(path),
    ):
        pytest.fail("it opened")
    assert not path.exists()
    path.parent.mkdir()
    duckdb.connect(str(path)).close()
    with (
        pytest.raises(StoreError, match=r"there are no results in .* yet: run `aitrader run` first"),
        reading(path),
    ):
        pytest.fail("it opened")


# ---- the schema


def test_a_new_mart_has_the_tables_and_the_migrations_are_applied_once(mart: DuckDBResource, path: Path) -> None:
    for _ in range(3):
        with writing(mart):
            pass
    with reading(path) as con:
        applied = con.execute("SELECT version, name FROM schema_migrations ORDER BY version").fetchall()
        tables = {row[0] for row in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    assert applied == [(step.version, step.name) for step in migrations()]
    assert tables >= TABLES


def test_migrations_are_numbered_from_one_without_gaps() -> None:
    steps = migrations()
    assert [step.version for step in steps] == list(range(1, len(steps) + 1))
    assert (steps[0].name, steps[0].sql[:2]) == ("arena", "--")


def test_a_mart_of_a_newer_program_is_refused_with_what_to_do_and_left_alone(
    mart: DuckDBResource, path: Path
) -> None:
    newest = migrations()[-1].version
    with writing(mart) as con:
        con.execute("INSERT INTO schema_migrations VALUES (?, 'from the future')", [newest + 1])
    with pytest.raises(StoreError) as told, writing(mart):
        pytest.fail("it opened")
    assert str(told.value).startswith(
        f"the mart has schema {newest + 1}, this program knows up to {newest}: use a"
    )
    assert elsewhere(path, "SELECT max(version) FROM schema_migrations") == f"[({newest + 1},)]"


def test_the_schema_lists_every_table_with_its_columns_in_order() -> None:
    tables = schema()
    assert set(tables) >= TABLES
    assert [(column.name, column.type) for column in tables["holdings"]] == [
        ("date", "DATE"),
        ("model", "VARCHAR"),
        ("action_id", "INTEGER"),
        ("symbol", "VARCHAR"),
        ("quantity", "BIGINT"),
    ]


def test_the_columns_that_existing_users_know_are_all_there() -> None:
    names = {table: {column.name for column in columns} for table, columns in schema().items()}
    figures = {"daily_profit", "daily_return_pct", "cumulative_profit", "cumulative_return_pct"}
    assert names["positions"] >= figures | {"job_id", "action_id", "action_type", "portfolio_value", "created_at"}
    assert names["daily_pnl"] >= figures | {
        "opening_equity",
        "closing_equity",
        "trades",
        "days_since_last_session",
    }
    assert names["decision_log"] >= {
        "model_id", "symbol", "decision", "reasoning", "confidence", "timestamp", "current_price", "position_size",
        "entry_price", "stop_loss", "take_profit", "direction", "executed", "execution_price", "execution_time",
        "execution_status",
    }  # fmt: skip
    standing = {
        "model_id", "snapshot_time", "total_return_pct", "total_return_dollars", "current_equity", "sharpe_ratio",
        "max_drawdown_pct", "total_trades", "win_rate", "profit_factor", "open_positions_count",
        "total_exposure_pct",
    }  # fmt: skip
    assert names["current_standings"] >= standing
    assert names["leaderboard_snapshots"] >= standing | {"timeframe", "rank"}
    assert names["rank_history"] >= {
        "model_id",
        "timeframe",
        "snapshot_time",
        "rank",
        "previous_rank",
        "rank_change",
    }
    assert names["top_performers"] >= {"model_id", "timeframe", "rank", "total_return_pct", "snapshot_time"}
    assert names["decision_comparison"] >= {"symbol", "model_1_id", "model_2_id", "time_diff_minutes"}
    assert names["tool_usage"] >= {"job_id", "tool_name", "call_count", "error_count", "total_duration_seconds"}
    assert names["llm_usage"] >= {
        "input_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "cost_usd",
        "latency_seconds",
    }


# ---- rows in bulk

HELD = (date(2025, 10, 2), "a", 1, "AAPL", 20)
HELD_NOTHING = (date(2025, 10, 2), "a", 1, "MSFT", 0)


def test_rows_are_appended_by_column_name_and_other_columns_are_null(mart: DuckDBResource) -> None:
    with writing(mart) as con:
        insert_rows(con, "holdings", ["quantity", "symbol", "action_id", "model", "date"], [HELD[::-1]])
        insert_rows(con, "holdings", ["date", "model", "action_id", "symbol", "quantity"], [])
        columns = ["symbol", "date", "open", "source", "fetched_at"]
        insert_rows(con, "prices", columns, [("AAPL", HELD[0], "528.285001", "test", "2025-10-02T12:00:00Z")])
        assert con.execute("FROM holdings").fetchall() == [HELD]
        assert con.execute("SELECT open, close, volume FROM prices").fetchall() == [
            (Decimal("528.285001"), None, None)
        ]


def test_decimals_given_as_text_are_exact_at_the_ends_of_the_range(mart: DuckDBResource) -> None:
    amounts = ["0.000001", "999999999999.999999", "0.1", "12345678901.234567"]
    with writing(mart) as con:
        create_staging(con, "amounts", {"amount": "DECIMAL(18, 6)"})
        insert_rows(con, "amounts", ["amount"], [(amount,) for amount in amounts])
        assert con.execute("SELECT amount FROM amounts").fetchall() == [(Decimal(amount),) for amount in amounts]


def test_a_staging_table_is_empty_each_time_and_gone_with_the_connection(mart: DuckDBResource, path: Path) -> None:
    with writing(mart) as con:
        for _ in range(2):
            create_staging(con, "staged", {"symbol": "VARCHAR", "level": "BIGINT"})
            insert_rows(con, "staged", ["level", "symbol"], [(1, "A"), (None, "B")])
            assert con.execute("FROM staged").fetchall() == [("A", 1), ("B", None)]
    assert elsewhere(path, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'staged'") == "[(0,)]"
