"""The mart's `compared_prices`: the bars of a second source, which the first one's are compared with."""

import datetime as dt

import duckdb

from aitrader_pipeline.market.bars import PriceBatch
from aitrader_pipeline.store.sql import statement

_PACKAGE = "aitrader_pipeline.market"


def save_compared(con: duckdb.DuckDBPyConnection, batch: PriceBatch, fetched_at: dt.datetime) -> None:
    """Put a batch in the place of all that the table holds, inside the caller's transaction.

    Args:
        con: A connection to the mart.
        batch: All bars of the second source.
        fetched_at: When they were read; with a time zone.
    """
    con.execute("DELETE FROM compared_prices")
    con.execute(statement(_PACKAGE, "stage_prices"), {"text": batch.text})
    origin = {"source": batch.source, "fetched_at": fetched_at}
    con.execute(statement(_PACKAGE, "insert_compared_prices"), origin)
    con.execute(statement(_PACKAGE, "drop_staged_prices"))
