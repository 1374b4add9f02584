"""The standings of every session: `leaderboard_snapshots` and `current_standings`, rebuilt whole."""

import duckdb

from aitrader_pipeline.ranking.session_hours import stage_session_hours
from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.store.staging import replace_rows

_PACKAGE = "aitrader_pipeline.ranking"


def rebuild_standings(con: duckdb.DuckDBPyConnection, *, calendar: str, risk_free_rate: float) -> None:
    """Fill both tables anew, inside the caller's transaction.

    Args:
        con: A connection to the mart; `portfolio_timeseries` and `trade_log` are up to date.
        calendar: The exchange's code, such as XNAS; a snapshot's time is the close of its session.
        risk_free_rate: Annual, 0.05 for 5 %.

    Raises:
        ConfigError: A model-day is on a day that is no session of the exchange.
    """
    stage_session_hours(con, calendar)
    con.execute(statement(_PACKAGE, "stage_standing_days"))
    replace_rows(
        con,
        "leaderboard_snapshots",
        ("model_id", "timeframe", "snapshot_time"),
        statement(_PACKAGE, "leaderboard_snapshots"),
        {"risk_free_rate": risk_free_rate},
    )
    con.execute("DROP TABLE standing_days")
    replace_rows(con, "current_standings", ("model_id",), statement(_PACKAGE, "current_standings"))
