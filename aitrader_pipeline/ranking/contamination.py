"""What a model may have read before it traded: its metrics before and after its training cutoff."""

import duckdb

from aitrader_pipeline.performance.series import metrics_query, metrics_window
from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.store.staging import row_count

_PACKAGE = "aitrader_pipeline.ranking"


def rebuild_contamination(con: duckdb.DuckDBPyConnection, *, risk_free_rate: float) -> int:
    """Fill ``contamination`` anew from the series and ``competitors``, inside the caller's transaction.

    Args:
        con: A connection to the mart.
        risk_free_rate: Annual, 0.05 for 5 %.

    Returns:
        The number of rows.
    """
    con.execute("DELETE FROM contamination")
    metrics = metrics_query(statement(_PACKAGE, "period_curves"))
    con.execute(
        "INSERT INTO contamination BY NAME "
        f"WITH performance_metrics AS ({metrics}) {statement(_PACKAGE, 'contamination')}",
        metrics_window(None, None, risk_free_rate),
    )
    return row_count(con, "contamination")
