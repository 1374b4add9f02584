"""What may be wrong with the stored prices: statements over the mart that find it (docs/prices.md)."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from aitrader_pipeline.config import ArenaConfig
from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.market.wanted import members_of
from aitrader_pipeline.store.sql import statement

_PACKAGE = "aitrader_pipeline.market"


@dataclass(frozen=True)
class PriceCheck:
    """A statement that selects whatever may be wrong, ``sql/check_<name>.sql``: symbol, date, what it is.

    Attributes:
        name: The check's.
        description: What holds where nothing is found.
    """

    name: str
    description: str


PRICE_CHECKS = (
    PriceCheck(
        "no_bar_missing", "Every member of the universe has a bar on every session from its first to its last."
    ),
    PriceCheck("prices_within_range", "Open and close lie within low to high."),
    PriceCheck(
        "overnight_moves_explained", "No price moves further overnight than its corporate actions explain."
    ),
    PriceCheck("no_symbol_stale", "Every member of the universe has a bar on one of the newest sessions."),
    PriceCheck("newest_bars_complete", "Of every symbol's newest bar all is known, not the open alone."),
)
SOURCES_AGREE = PriceCheck("sources_agree", "The second source says the same prices.")


def findings(con: duckdb.DuckDBPyConnection, check: PriceCheck, config: ArenaConfig) -> list[str]:
    """What a check finds, one line each; empty where all is well.

    Args:
        con: A connection to the mart.
        check: One of ``PRICE_CHECKS``, or ``SOURCES_AGREE``.
        config: The arena's, for the universe and what is tolerated.
    """
    [(first, last)] = con.execute("SELECT min(date), max(date) FROM prices").fetchall()
    if first is None:
        return []
    given = _parameters(con, check.name, config, first, last)
    rows = con.execute(statement(_PACKAGE, f"check_{check.name}"), given).fetchall()
    return [
        f"{symbol} {problem}" if date is None else f"{symbol} {date}: {problem}" for symbol, date, problem in rows
    ]


def _parameters(
    con: duckdb.DuckDBPyConnection, name: str, config: ArenaConfig, first: dt.date, last: dt.date
) -> Mapping[str, object]:
    market = config.market
    match name:
        case "no_bar_missing":
            sessions = TradingCalendar(market.calendar, first, last).sessions(first, last)
            return {"sessions": sessions, **_members(con, config)}
        case "no_symbol_stale":
            members = _members(con, config)
            return {
                "sessions": market.stale_after_sessions,
                "symbols": members["symbols"],
                "lasts": members["lasts"],
            }
        case "overnight_moves_explained":
            return {"threshold": market.max_overnight_move_pct}
        case "sources_agree":
            return {"tolerance": market.max_disagreement_pct}
    return {}


def _members(con: duckdb.DuckDBPyConnection, config: ArenaConfig) -> Mapping[str, Sequence[object]]:
    stored = [symbol for (symbol,) in con.execute("SELECT DISTINCT symbol FROM prices ORDER BY symbol").fetchall()]
    members = list(members_of(config, stored))
    return {
        "symbols": [member.symbol for member in members],
        "firsts": [member.first or dt.date.min for member in members],
        "lasts": [member.last or dt.date.max for member in members],
    }
