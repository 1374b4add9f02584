"""What the config says of every portfolio, kept in the mart for the statements of this room."""

import duckdb

from aitrader_pipeline.config import ArenaConfig
from aitrader_pipeline.store.staging import insert_rows

_COLUMNS = ("model", "replica_of", "trader", "training_cutoff")


def save_competitors(con: duckdb.DuckDBPyConnection, config: ArenaConfig) -> None:
    """Fill ``competitors`` anew, inside the caller's transaction; disabled models are in it, others are not."""
    con.execute("DELETE FROM competitors")
    rows = ((m.signature, m.replica_of, m.trader, m.training_cutoff) for m in config.models)
    insert_rows(con, "competitors", _COLUMNS, rows)
