"""Coverage: which of the wanted bars are there, and which are still to be asked for."""

import datetime as dt
from collections.abc import Mapping, Sequence

import duckdb

from aitrader_pipeline.catalog import PRICES
from aitrader_pipeline.market.wanted import Wanted
from aitrader_pipeline.store.sql import statement

_PACKAGE = "aitrader_pipeline.market"
_FAILED_FOR = dt.timedelta(hours=24)


def missing_sessions(
    con: duckdb.DuckDBPyConnection,
    wanted: Wanted,
    source: str,
    now: dt.datetime,
    *,
    stored: str = PRICES,
    retry_failed: bool = False,
) -> Mapping[str, Sequence[dt.date]]:
    """What a vendor is still to be asked for.

    A session is not asked for again where the vendor answered a day or more after its close and had no bar.

    Args:
        con: A connection to the mart.
        wanted: What the arena needs.
        source: The vendor.
        now: The moment.
        stored: The table of the bars that are there.
        retry_failed: Ask again at once for what has failed, instead of after a day.

    Returns:
        Sessions without a whole bar by symbol, for every wanted symbol; mostly none.
    """
    _stage(con, wanted)
    asked = {"source": source, "stored": stored, "failed_since": now if retry_failed else now - _FAILED_FOR}
    found = dict(con.execute(statement(_PACKAGE, "missing_sessions"), asked).fetchall())
    return {symbol: found.get(symbol, []) for symbol in wanted.symbols}


def rebuild_coverage(con: duckdb.DuckDBPyConnection, wanted: Wanted) -> Mapping[str, int]:
    """Fill the table `coverage` anew, inside the caller's transaction.

    Returns:
        The number of wanted bars by status: `covered`, `open_only`, `missing`.
    """
    _stage(con, wanted)
    con.execute(statement(_PACKAGE, "delete_coverage"))
    con.execute(statement(_PACKAGE, "insert_coverage"))
    rows = con.execute("SELECT status, sum(sessions) FROM coverage GROUP BY status").fetchall()
    return {"covered": 0, "open_only": 0, "missing": 0} | {status: int(count) for status, count in rows}


def stored_symbols(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Every symbol that has a bar, sorted."""
    rows = con.execute("SELECT DISTINCT symbol FROM prices ORDER BY symbol").fetchall()
    return tuple(symbol for (symbol,) in rows)


def _stage(con: duckdb.DuckDBPyConnection, wanted: Wanted) -> None:
    con.execute(statement(_PACKAGE, "stage_wanted_sessions"), {"dates": wanted.sessions, "closes": wanted.closes})
    con.execute(
        statement(_PACKAGE, "stage_wanted_bars"),
        {
            "symbols": [member.symbol for member in wanted.members],
            "firsts": [member.first for member in wanted.members],
            "lasts": [member.last for member in wanted.members],
        },
    )
