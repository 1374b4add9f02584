"""The price server: bars as they could be known at today's open."""

import datetime as dt
from decimal import Decimal
from typing import Any

from mcp.server.lowlevel import Server

from aitrader_pipeline.market.view import LookAheadError, MarketView
from aitrader_pipeline.trading.tools import Answer, Tool, tool_server


def price_server(view: MarketView) -> Server[Any]:
    """An MCP server with ``get_price_local`` over one market view."""
    return tool_server("price", price_tools(view))


def price_tools(view: MarketView) -> list[Tool]:
    """``get_price_local`` over one market view."""

    def get_price_local(symbol: object, date: object) -> Answer:
        ticker = symbol.strip().upper() if isinstance(symbol, str) else ""
        if ticker not in view.universe:
            return Answer.error("unknown_symbol", f"{ticker or 'an empty symbol'} is not in the universe")
        day = _date(date)
        if day is None:
            return Answer.error("invalid_date", f"date must be written YYYY-MM-DD, not {date!r:.60}")
        try:
            bar = view.bar(ticker, day)
        except LookAheadError as error:
            return Answer.error("not_known_yet", str(error))
        if bar is None:
            return Answer.error("no_price", f"{ticker} has no bar on {day}: no session, or not traded")
        prices: dict[str, Decimal | None] = {
            "open": bar.open,
            "high": bar.high,
            "low": bar.low,
            "close": bar.close,
        }
        numbers = {name: float(price) for name, price in prices.items() if price is not None}
        volume = {} if bar.volume is None else {"volume": bar.volume}
        return Answer({"symbol": ticker, "date": day.isoformat(), **numbers, **volume})

    return [
        Tool(
            "get_price_local",
            "The daily bar of a symbol on a date: open, high, low, close, volume. For today the open alone.",
            {
                "symbol": {"type": "string", "description": "Ticker, such as AAPL"},
                "date": {"type": "string", "description": "YYYY-MM-DD, today or earlier"},
            },
            get_price_local,
        )
    ]


def _date(text: object) -> dt.date | None:
    if not isinstance(text, str):
        return None
    try:
        day = dt.date.fromisoformat(text.strip())
    except ValueError:
        return None
    # Python reads more forms than the one that the tool promises, such as 20251006 and 2025-W41-1.
    return day if day.isoformat() == text.strip() else None
