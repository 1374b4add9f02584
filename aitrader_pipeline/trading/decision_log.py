"""The decisions of model-days as a table: one row per order, refused ones too, linked to its fill."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import duckdb

from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.money import money_text
from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.store.staging import create_staging, insert_rows
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline.trading.decisions import Decision, decisions
from aitrader_pipeline.trading.record import Action, SessionRecord

_PACKAGE = "aitrader_pipeline.trading"
_MONEY = "DECIMAL(18, 6)"
_CELLS = {"date": "DATE", "model": "VARCHAR"}
_DECISIONS = {
    "job_id": "VARCHAR",
    "date": "DATE",
    "model_id": "VARCHAR",
    "decision_number": "INTEGER",
    "symbol": "VARCHAR",
    "decision": "VARCHAR",
    "reasoning": "VARCHAR",
    "confidence": "DOUBLE",
    "timestamp": "TIMESTAMPTZ",
    "decided_at": "TIMESTAMPTZ",
    "position_size": "BIGINT",
    "entry_price": _MONEY,
    "stop_loss": _MONEY,
    "take_profit": _MONEY,
    "execution_price": _MONEY,
    "action_id": "INTEGER",
    "refusal": "VARCHAR",
}
# What an order's arguments may state beside symbol and amount, and what DECIMAL(18, 6) can hold of it.
_STATED = ("entry_price", "stop_loss", "take_profit")
_LEAST_PRICE, _MOST_PRICE = 1e-6, 1e11
_MOST_SHARES = 2**63 - 1


def write_decisions(
    con: duckdb.DuckDBPyConnection, records: Sequence[SessionRecord], calendar: TradingCalendar
) -> None:
    """Replace the rows of exactly these model-days in ``decision_log``.

    Args:
        con: a connection to the mart, inside the caller's transaction; its prices say what a refused order's
            symbol opened at.
        records: the records of the model-days.
        calendar: the exchange's; all models decide at the open of its session.
    """
    forget_decisions(con, (Cell(record.date, record.model) for record in records))
    create_staging(con, "session_decisions", _DECISIONS)
    rows = [row for record in records for row in _rows(record, calendar)]
    insert_rows(con, "session_decisions", list(_DECISIONS), rows)
    con.execute(statement(_PACKAGE, "insert_decision_log"))


def forget_decisions(con: duckdb.DuckDBPyConnection, cells: Iterable[Cell]) -> None:
    """Delete the decisions of model-days, inside the caller's transaction."""
    create_staging(con, "decided_cells", _CELLS)
    insert_rows(con, "decided_cells", list(_CELLS), ((cell.date, cell.model) for cell in cells))
    con.execute(statement(_PACKAGE, "delete_decision_log"))


def _rows(record: SessionRecord, calendar: TradingCalendar) -> Iterator[tuple[Any, ...]]:
    opened_at = calendar.open_at(record.date)
    for number, decision in enumerate(decisions(record), start=1):
        order = decision.order
        fill = order if isinstance(order, Action) else None
        yield (
            record.launch,
            record.date,
            record.model,
            number,
            order.symbol,
            order.type,
            decision.reasoning or None,
            decision.confidence,
            opened_at,
            decision.message.at if decision.message else None,
            _whole_shares(order.amount),
            *(_stated(decision, name) for name in _STATED),
            money_text(fill.price) if fill else None,
            fill.action_id if fill else None,
            None if isinstance(order, Action) else order.code.value,
        )


def _whole_shares(amount: int | str) -> int | None:
    """An amount as a number of shares; None for what a trader wrote and is none."""
    try:
        shares = Decimal(amount)
    except InvalidOperation:
        return None
    is_number = shares.is_finite() and 0 < shares <= _MOST_SHARES and shares == shares.to_integral_value()
    return int(shares) if is_number else None


def _stated(decision: Decision, name: str) -> str | None:
    """A price that the order's arguments state beside what the tool asks for."""
    given = decision.message.tool_input if decision.message else None
    price = given.get(name) if isinstance(given, dict) else None
    if isinstance(price, bool) or not isinstance(price, int | float) or not _LEAST_PRICE <= price < _MOST_PRICE:
        return None
    return f"{Decimal(str(price)):.6f}"
